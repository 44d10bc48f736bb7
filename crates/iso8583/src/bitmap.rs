//! The bitmaps: which fields a message carries. Bit 1 of the first says that the second follows.
//!
//! ISO 8583:1987, elements "bit map" and "bit map, secondary".

/// The fields that are present, as one number: the highest bit is bit 1 of the primary bitmap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bitmap(u128);

impl Bitmap {
    /// Bytes of one bitmap before it is written as hex.
    pub(crate) const BYTES: usize = 8;

    /// Puts both bitmaps together; without a secondary one, `secondary` is zero.
    pub(crate) fn new(primary: u64, secondary: u64) -> Self {
        Self((u128::from(primary) << 64) | u128::from(secondary))
    }

    /// Marks a field as present; numbers outside 1..=128 are not representable and change nothing.
    pub(crate) fn insert(&mut self, number: u8) {
        self.0 |= Self::mask(number);
    }

    /// Whether the bit of this number is set.
    pub(crate) fn contains(self, number: u8) -> bool {
        self.0 & Self::mask(number) != 0
    }

    /// How many bits are set below `number`: the place of that field in an ordered list of fields.
    /// Bit 1 announces the secondary bitmap and is no field, so it is not counted.
    pub(crate) fn fields_before(self, number: u8) -> usize {
        let below = match 128_u32.checked_sub(u32::from(number)) {
            // Shifting by one more than the field's own place drops the field and all after it.
            Some(shift) => self.0.checked_shr(shift.saturating_add(1)).unwrap_or(0),
            None => self.0,
        };
        let indicator = u32::from(number > 1 && self.contains(1));
        usize::try_from(below.count_ones().saturating_sub(indicator)).unwrap_or(usize::MAX)
    }

    /// The fields that are present, in order, bit 1 left out.
    #[inline]
    pub(crate) fn fields(self) -> impl Iterator<Item = u8> + Clone {
        let [high, low] = self.words();
        let (mut rest, mut then, mut base) = (high & !(1 << 63), low, 1_u8);
        core::iter::from_fn(move || {
            if rest == 0 {
                (rest, then, base) = (then, 0, 65);
                if rest == 0 {
                    return None;
                }
            }
            let place = rest.leading_zeros();
            rest &= !(1_u64 << 63).wrapping_shr(place);
            Some(base.wrapping_add(u8::try_from(place).unwrap_or(0)))
        })
    }

    /// The primary and the secondary bitmap.
    #[inline]
    pub(crate) fn words(self) -> [u64; 2] {
        [self.0 >> 64, self.0].map(|word| u64::try_from(word & u128::from(u64::MAX)).unwrap_or(0))
    }

    /// Whether a field above 64 is present, so that a secondary bitmap is needed.
    pub(crate) fn needs_secondary(self) -> bool {
        self.secondary() != [0; Self::BYTES]
    }

    /// The bytes of the primary bitmap; bit 1 is set exactly if a secondary one is needed.
    pub(crate) fn primary(self) -> [u8; Self::BYTES] {
        let [mut first, b, c, d, e, f, g, h, ..] = self.0.to_be_bytes();
        first = if self.needs_secondary() { first | 0x80 } else { first & 0x7F };
        [first, b, c, d, e, f, g, h]
    }

    /// The bytes of the secondary bitmap.
    pub(crate) fn secondary(self) -> [u8; Self::BYTES] {
        let [.., a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }

    #[inline]
    fn mask(number: u8) -> u128 {
        match number {
            1..=128 => (1 << 127) >> (number.wrapping_sub(1) & 127),
            _ => 0,
        }
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
