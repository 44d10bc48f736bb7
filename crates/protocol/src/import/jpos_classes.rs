//! What the field packagers of jPOS write, by their class names: org.jpos.iso and org.jpos.tlv.packager, 2.1 and 3.0.

use tidegate_iso8583::{
    dialect::BitmapEncoding,
    field::{CodePage, Counts, Encoding, Prefix},
};

/// What a class writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// What stands in it.
    pub(super) holds: Holds,
    /// The length before it, if it has one: how it is written, its places, what it counts.
    pub(super) length: Option<(Prefix, u8, Counts)>,
    /// The tag before that, if it writes its own: its characters, and how they are written.
    pub(super) tag: Option<(u8, Encoding)>,
}

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Characters.
    Text(Encoding),
    /// Digits, as characters.
    Digits(Encoding),
    /// Packed digits. An odd number of them is filled up with a zero in front where the file says
    /// `pad="true"`, else behind: with a zero, or with F.
    Packed {
        /// With F.
        f: bool,
    },
    /// Bytes.
    Bytes(Encoding),
    /// Packed hex digits of a fixed number.
    PackedHex,
    /// A letter and digits, as characters.
    Amount(Encoding),
    /// A letter and packed digits.
    PackedAmount,
    /// A length of so many bytes, and content that is always filled up to the greatest length.
    Slot(usize),
    /// As many bytes as characters, in a form that a dialect has no word for.
    Opaque,
    /// A bitmap.
    Bitmap(BitmapEncoding),
    /// Nothing.
    Nothing,
}

/// jPOS means code page 1047 by EBCDIC.
const EBCDIC: Encoding = Encoding::Ebcdic(CodePage::Cp1047);

/// The class of this name, with or without its package. `None`: it is not known.
pub(super) fn class(name: &str) -> Option<Class> {
    let name = name.rsplit('.').next().unwrap_or(name);
    let plain = |holds| Some(Class { holds, length: None, tag: None });
    match name {
        "IF_CHAR" => plain(Holds::Text(Encoding::Ascii)),
        "IF_ECHAR" | "IFE_CHAR" => plain(Holds::Text(EBCDIC)),
        "IFA_NUMERIC" | "IFA_AMOUNT2003" => plain(Holds::Digits(Encoding::Ascii)),
        "IFE_NUMERIC" => plain(Holds::Digits(EBCDIC)),
        "IFB_NUMERIC" | "IFB_AMOUNT2003" => plain(Holds::Packed { f: false }),
        "IFB_FNUMERIC" => plain(Holds::Packed { f: true }),
        "IFA_BINARY" => plain(Holds::Bytes(Encoding::Hex)),
        "IFB_BINARY" => plain(Holds::Bytes(Encoding::Raw)),
        "IFE_BINARY" => plain(Holds::Bytes(Encoding::HexEbcdic)),
        "IFB_HEX" => plain(Holds::PackedHex),
        "IFA_AMOUNT" => plain(Holds::Amount(Encoding::Ascii)),
        "IFE_AMOUNT" => plain(Holds::Amount(EBCDIC)),
        "IFB_AMOUNT" => plain(Holds::PackedAmount),
        "IFE_SIGNED_NUMERIC" => plain(Holds::Opaque),
        "IFA_FLLCHAR" | "IFA_FLLNUM" => plain(Holds::Slot(2)),
        "IFB_LLHFBINARY" => plain(Holds::Slot(1)),
        "IFA_BITMAP" | "IFA_BITMAPStandalone" => plain(Holds::Bitmap(BitmapEncoding::Hex)),
        "IFB_BITMAP" | "Base1_BITMAP126" => plain(Holds::Bitmap(BitmapEncoding::Binary)),
        "IFE_BITMAP" => plain(Holds::Bitmap(BitmapEncoding::HexEbcdic)),
        "IF_NOP" | "IF_UNUSED" => plain(Holds::Nothing),
        "IFB_FLLNUM" => packed_behind(2, Prefix::Bcd, Counts::Units, true),
        "IFB_FLLLNUM" => packed_behind(3, Prefix::Bcd, Counts::Units, true),
        "IFEB_LLNUM" => packed_behind(2, Prefix::Ebcdic, Counts::Bytes, true),
        "IFEB_LLLNUM" => packed_behind(3, Prefix::Ebcdic, Counts::Bytes, true),
        "IFA_LLBNUM" => packed_behind(2, Prefix::Ascii, Counts::Nibbles, false),
        "IFA_LLLBNUM" => packed_behind(3, Prefix::Ascii, Counts::Nibbles, false),
        "IFB_LHBINARY" => holding("BINARY", Prefix::Binary, 1, Encoding::Ascii, false),
        "IFB_LLHEX" => bytes_in_nibbles(2),
        // Two bytes of packed digits, all four of which it uses.
        "IFB_LLLHEX" => bytes_in_nibbles(4),
        _ => variable_of(name),
    }
}

fn packed_behind(digits: u8, prefix: Prefix, counts: Counts, f: bool) -> Option<Class> {
    let length = Some((prefix, digits, counts));
    Some(Class { holds: Holds::Packed { f }, length, tag: None })
}

fn bytes_in_nibbles(digits: u8) -> Option<Class> {
    let length = Some((Prefix::Bcd, digits, Counts::Nibbles));
    Some(Class { holds: Holds::Bytes(Encoding::Raw), length, tag: None })
}

/// The classes that are named by a rule: how the length is written, how many places it has, what stands in
/// the field.
fn variable_of(name: &str) -> Option<Class> {
    let (family, rest) = name.split_once('_')?;
    let binary = rest.strip_prefix("LLL").or_else(|| rest.strip_prefix("LL"));
    // One byte where others write two digits, two bytes where others write three or more.
    if let ("IFB", Some(rest)) = (family, binary.and_then(|rest| rest.strip_prefix('H'))) {
        let digits = if name.starts_with("IFB_LLLH") { 2 } else { 1 };
        let (rest, text) = match rest.strip_prefix('E') {
            Some(rest) => (rest, EBCDIC),
            None => (rest, Encoding::Ascii),
        };
        return holding(rest, Prefix::Binary, digits, text, true);
    }
    let tag = |length, encoding| Some((length, encoding));
    let (prefix, text, tag) = match family {
        "IFA" if rest.starts_with("TTT") => {
            (Prefix::Ascii, Encoding::Ascii, tag(3, Encoding::Ascii))
        }
        "IFA" if rest.starts_with("TT") => {
            (Prefix::Ascii, Encoding::Ascii, tag(2, Encoding::Ascii))
        }
        "IFA" => (Prefix::Ascii, Encoding::Ascii, None),
        "IFB" => (Prefix::Bcd, Encoding::Ascii, None),
        "IFE" => (Prefix::Ebcdic, EBCDIC, None),
        "IFAE" => (Prefix::Ascii, EBCDIC, None),
        "IFEA" => (Prefix::Ebcdic, Encoding::Ascii, None),
        "IFMC" => (Prefix::Ascii, Encoding::Ascii, tag(2, Encoding::Ascii)),
        "IFEMC" => (Prefix::Ebcdic, EBCDIC, tag(2, Encoding::Ascii)),
        "IFEPE" => (Prefix::Ebcdic, EBCDIC, tag(2, EBCDIC)),
        "IFIPM" => (Prefix::Ascii, Encoding::Ascii, tag(4, Encoding::Ascii)),
        // The file says the tag itself, and so how long it is.
        "IFTA" => (Prefix::Ascii, Encoding::Ascii, tag(0, Encoding::Ascii)),
        "IFTB" => (Prefix::Bcd, Encoding::Ascii, tag(0, Encoding::Raw)),
        _ => return None,
    };
    let rest = rest.trim_start_matches('T');
    let places = rest.len().saturating_sub(rest.trim_start_matches('L').len());
    let digits = u8::try_from(places).ok().filter(|digits| (1..=6).contains(digits))?;
    let class = holding(rest.trim_start_matches('L'), prefix, digits, text, family == "IFB")?;
    Some(Class { tag, ..class })
}

fn holding(rest: &str, prefix: Prefix, digits: u8, text: Encoding, packs: bool) -> Option<Class> {
    let holds = match rest {
        "CHAR" => Holds::Text(text),
        "NUM" if packs => Holds::Packed { f: false },
        "NUM" => Holds::Digits(text),
        "BINARY" => Holds::Bytes(Encoding::Raw),
        // The name says hex digits, which stand there as characters.
        "ABINARY" => Holds::Bytes(Encoding::Hex),
        // The bytes are EBCDIC, and a program sees characters.
        "EBINARY" => Holds::Text(EBCDIC),
        _ => return None,
    };
    Some(Class { holds, length: Some((prefix, digits, Counts::Units)), tag: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_known_by_their_names() {
        let counts = |prefix, digits| Some((prefix, digits, Counts::Units));
        for (name, holds, length) in [
            (
                "org.jpos.iso.IFA_LLLLLLBINARY",
                Holds::Bytes(Encoding::Raw),
                counts(Prefix::Ascii, 6),
            ),
            ("IFA_LLABINARY", Holds::Bytes(Encoding::Hex), counts(Prefix::Ascii, 2)),
            ("IFA_LCHAR", Holds::Text(Encoding::Ascii), counts(Prefix::Ascii, 1)),
            ("IFB_LLNUM", Holds::Packed { f: false }, counts(Prefix::Bcd, 2)),
            ("IFB_LLLCHAR", Holds::Text(Encoding::Ascii), counts(Prefix::Bcd, 3)),
            ("IFB_LLHNUM", Holds::Packed { f: false }, counts(Prefix::Binary, 1)),
            ("IFB_LLLHBINARY", Holds::Bytes(Encoding::Raw), counts(Prefix::Binary, 2)),
            ("IFB_LLHECHAR", Holds::Text(EBCDIC), counts(Prefix::Binary, 1)),
            ("IFE_LLLEBINARY", Holds::Text(EBCDIC), counts(Prefix::Ebcdic, 3)),
            ("IFE_LLNUM", Holds::Digits(EBCDIC), counts(Prefix::Ebcdic, 2)),
            ("IFAE_LLCHAR", Holds::Text(EBCDIC), counts(Prefix::Ascii, 2)),
            ("IFEA_LLCHAR", Holds::Text(Encoding::Ascii), counts(Prefix::Ebcdic, 2)),
            ("IFEB_LLNUM", Holds::Packed { f: true }, Some((Prefix::Ebcdic, 2, Counts::Bytes))),
            ("IFB_LLLHEX", Holds::Bytes(Encoding::Raw), Some((Prefix::Bcd, 4, Counts::Nibbles))),
        ] {
            assert_eq!(class(name), Some(Class { holds, length, tag: None }), "{name}");
        }
    }

    #[test]
    fn classes_that_write_tags_say_how() {
        for (name, tag) in [
            ("IFA_TTLLBINARY", (2, Encoding::Ascii)),
            ("IFA_TTTLLLCHAR", (3, Encoding::Ascii)),
            ("IFIPM_LLLCHAR", (4, Encoding::Ascii)),
            ("IFEPE_LLCHAR", (2, EBCDIC)),
            ("IFEMC_LLLCHAR", (2, Encoding::Ascii)),
            ("org.jpos.tlv.packager.IFTA_LLCHAR", (0, Encoding::Ascii)),
        ] {
            assert_eq!(class(name).and_then(|class| class.tag), Some(tag), "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for name in
            ["", "IFA_", "IFA_LLLLLLLCHAR", "IFEP_LLCHAR", "com.bank.IFX_LLCHAR", "IF_TCHAR"]
        {
            assert_eq!(class(name), None, "{name}");
        }
    }
}
