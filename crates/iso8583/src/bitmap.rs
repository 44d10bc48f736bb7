//! The bitmaps: which fields a message carries. Bit 1 of the first says that the second follows.
//!
//! ISO 8583:1987, elements "bit map" and "bit map, secondary".

/// The fields that are present: the primary and the secondary bitmap, the highest bit of each first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bitmap([u64; 2]);

const TOP: u64 = 1 << 63;

impl Bitmap {
    /// Bytes of one bitmap before it is written as hex.
    pub(crate) const BYTES: usize = 8;

    /// Puts both bitmaps together; without a secondary one, `secondary` is zero.
    pub(crate) fn new(primary: u64, secondary: u64) -> Self {
        Self([primary, secondary])
    }

    /// Marks a field as present; numbers outside 1..=128 are not representable and change nothing.
    #[inline]
    pub(crate) fn insert(&mut self, number: u8) {
        let (word, bit) = Self::place(number);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether the bit of this number is set.
    #[inline]
    pub(crate) fn contains(self, number: u8) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many bits are set below `number`: the place of that field in an ordered list of fields.
    /// Bit 1 announces the secondary bitmap and is no field, so it is not counted.
    pub(crate) fn fields_before(self, number: u8) -> usize {
        let [primary, secondary] = self.0;
        let primary = primary & !TOP;
        // All bits above the field's own; none of the secondary bitmap for a field of the primary one.
        let above = |bit: u64| !(bit | bit.wrapping_sub(1));
        let ones = match Self::place(number) {
            (0, bit) => (primary & above(bit)).count_ones(),
            (1, bit) => {
                let secondary = (secondary & above(bit)).count_ones();
                primary.count_ones().wrapping_add(secondary)
            }
            _ if number == 0 => 0,
            _ => primary.count_ones().wrapping_add(secondary.count_ones()),
        };
        usize::try_from(ones).unwrap_or(usize::MAX)
    }

    /// The fields that are present, in order, bit 1 left out.
    #[inline]
    pub(crate) fn fields(self) -> impl Iterator<Item = u8> + Clone {
        let [high, low] = self.0;
        let (mut rest, mut then, mut base) = (high & !TOP, low, 1_u8);
        core::iter::from_fn(move || {
            if rest == 0 {
                (rest, then, base) = (then, 0, 65);
                if rest == 0 {
                    return None;
                }
            }
            let place = rest.leading_zeros();
            rest &= !TOP.wrapping_shr(place);
            let [place, ..] = place.to_le_bytes();
            Some(base.wrapping_add(place))
        })
    }

    /// The primary and the secondary bitmap.
    #[inline]
    pub(crate) fn words(self) -> [u64; 2] {
        self.0
    }

    /// Whether a field above 64 is present, so that a secondary bitmap is needed.
    pub(crate) fn needs_secondary(self) -> bool {
        let [_, secondary] = self.0;
        secondary != 0
    }

    /// The bytes of the primary bitmap; bit 1 is set exactly if a secondary one is needed.
    pub(crate) fn primary(self) -> [u8; Self::BYTES] {
        let [primary, _] = self.0;
        let primary = if self.needs_secondary() { primary | TOP } else { primary & !TOP };
        primary.to_be_bytes()
    }

    /// The bytes of the secondary bitmap.
    pub(crate) fn secondary(self) -> [u8; Self::BYTES] {
        let [_, secondary] = self.0;
        secondary.to_be_bytes()
    }

    /// Which word a number's bit is in, and the bit; a word that is not there for a number that has none.
    #[inline(always)]
    fn place(number: u8) -> (usize, u64) {
        let place = number.wrapping_sub(1);
        (usize::from(place >> 6), TOP.wrapping_shr(u32::from(place & 63)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn bits_are_counted_from_the_left_and_from_one() {
        let mut bitmap = Bitmap::default();
        for number in [2, 3, 64] {
            bitmap.insert(number);
        }
        assert_eq!(bitmap.primary(), [0x60, 0, 0, 0, 0, 0, 0, 0x01]);
        assert!(!bitmap.needs_secondary());
        bitmap.insert(128);
        bitmap.insert(65);
        assert_eq!(bitmap.primary(), [0xE0, 0, 0, 0, 0, 0, 0, 0x01]);
        assert_eq!(bitmap.secondary(), [0x80, 0, 0, 0, 0, 0, 0, 0x01]);
    }

    #[test]
    fn the_place_of_a_field_is_the_number_of_fields_before_it() {
        let bitmap = Bitmap::new(0xE000_0000_0000_0001, 0x8000_0000_0000_0001);
        let fields: Vec<u8> = bitmap.fields().collect();
        assert_eq!(fields, [2, 3, 64, 65, 128]);
        for (place, number) in fields.into_iter().enumerate() {
            assert_eq!(bitmap.fields_before(number), place, "DE{number}");
        }
        assert_eq!(bitmap.fields_before(1), 0);
        assert_eq!(Bitmap::new(u64::MAX, u64::MAX).fields().count(), 127);
    }

    #[test]
    fn numbers_that_have_no_bit_change_nothing() {
        let mut bitmap = Bitmap::default();
        for number in [0, 129, 255] {
            bitmap.insert(number);
            assert!(!bitmap.contains(number));
        }
        assert_eq!(bitmap, Bitmap::default());
    }
}
