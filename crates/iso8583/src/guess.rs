//! Guesses at what is behind a fault, for operators: the mistakes that are made when two systems are
//! connected. A guess never shows a byte that the fault does not show.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use crate::{
    cursor::Cursor,
    diagnosis::Scene,
    dialect::MtiEncoding,
    error::{Expected, FieldPath, Found},
    field::{Content, Encoding, Filler, Length, Prefix},
    frame::FrameFormat,
    head::read_mti,
    mti::Mti,
    parts::PartKey,
};

/// What the fault mostly means, the most likely first; none when nothing is known.
pub(crate) fn causes(scene: &Scene<'_>) -> Vec<String> {
    let doubtful = doubtful_type(scene.reading.mti);
    if doubtful {
        let cause = framed(scene).or_else(|| Some(message_type(scene)?.to_owned()));
        if cause.is_some() {
            return cause.into_iter().collect();
        }
    }
    let mut causes = Vec::new();
    let mut add = |text: &str| {
        if !text.is_empty() {
            causes.push(text.to_owned());
        }
    };
    if doubtful && scene.reading.mti.is_some() {
        add(
            "the message type is of a private version or a reserved class: it may be none, if something \
             stands before it or was left out",
        );
    }
    if scene.last == 0 && doubtful {
        add(own(scene));
    } else if scene.last == 0 && !scene.reading.bitmaps.is_empty() {
        add("the bitmap was left out, so that elements stand in its place");
    } else {
        if scene.last < 128 && scene.reading.bitmap.contains(1) {
            add(
                "bit 1 of the first bitmap is set by mistake, so that elements stand in the second one's place",
            );
        }
        add(own(scene));
    }
    causes.extend(moved(scene));
    causes
}

/// What this kind of fault mostly means.
fn own(scene: &Scene<'_>) -> &'static str {
    match (scene.fault.path, scene.fault.expected, scene.fault.found) {
        (FieldPath::Mti, _, Found::Short { .. }) => {
            "the message was cut off, or only a keep-alive came"
        }
        (FieldPath::Mti, _, _) => {
            "something stands before the message type: the frame's length, or a header"
        }
        (FieldPath::Bitmap | FieldPath::SecondaryBitmap, _, _) => bitmap(scene),
        (FieldPath::End, _, Found::More { left }) => left_over(scene, left),
        (_, Expected::DefinedField, _) => undefined(scene),
        (_, _, Found::Byte { value, .. }) => byte(scene, value),
        (_, Expected::Filler(_), _) => filler(scene),
        (_, Expected::Content { .. } | Expected::Bytes(_), Found::Short { left }) => {
            cut(scene, left)
        }
        (_, Expected::LengthAtMost(_) | Expected::LengthEven | Expected::LengthAtLeast(_), _) => {
            "the length counts something else at the sender (digits, bytes, itself), or what is sent is not \
             what the dialect has"
        }
        (_, Expected::LengthExactly(_), _) => {
            "its length is too small, or the sender has fewer or shorter parts than the dialect"
        }
        (_, Expected::Tag(..) | Expected::BerTag, Found::Hidden { .. }) => {
            "tags are written otherwise at the sender, or a value before this one has another length than it says"
        }
        (_, Expected::PartsEnd, _) => {
            "the sender has more parts than the dialect, or its last part is longer"
        }
        (_, Expected::KnownTag, _) => {
            "a tag that is new at the sender: name it in the dialect, or let it pass with unknown = \"keep\""
        }
        (_, Expected::Content { .. }, Found::Hidden { .. })
            if matches!(scene.spec().map(|spec| spec.length), Some(Length::Var { .. })) =>
        {
            "a character that is not allowed, or a length that is wrong, so that what follows was taken into it"
        }
        (_, _, Found::ShortPart { .. }) => {
            "its length or that of what it lies in is wrong, it was cut off at the sender, or a part before \
             it has another length there"
        }
        _ => "",
    }
}

/// A type that no message has may be a frame's length.
fn doubtful_type(mti: Option<Mti>) -> bool {
    mti.is_none_or(|mti| !mti.is_usual())
}

/// Lengths and headers that stand before the message type, though they belong to the frame.
fn framed(scene: &Scene<'_>) -> Option<String> {
    let encoding = scene.dialect.mti_encoding();
    let begins = |at: usize| {
        let body = scene.body.get(at..).unwrap_or_default();
        let mti = read_mti(&mut Cursor::new(body, 0), encoding);
        mti.is_ok_and(|mti| !doubtful_type(Some(mti)))
    };
    for (name, format) in FrameFormat::NAMED {
        let span = format.split(scene.body, scene.body.len());
        if let Ok(Some(span)) = span
            && span.total == scene.body.len()
            && begins(span.body.start)
        {
            return Some(format!("the frame was not taken off: {name} stands around the message"));
        }
    }
    let headers: [(&[u8], usize, &str); 4] = [
        (b"ISO", 12, "ISO and nine digits, the header of BASE24 (frame base24-tcp-iso)"),
        (&[0x60], 5, "five bytes, a TPDU (frames length-be2-tpdu, length-bcd2-tpdu)"),
        (&[0x2E], 46, "46 bytes, the header of China UnionPay (frame cups)"),
        (&[0x16], 22, "22 bytes, the header of BASE I (frame base1)"),
    ];
    let (_, _, words) = headers
        .into_iter()
        .find(|(start, size, _)| scene.body.starts_with(start) && begins(*size))?;
    Some(format!("a header was not taken off: {words}"))
}

/// What the first bytes look like, which are no message type of the dialect.
fn message_type(scene: &Scene<'_>) -> Option<&'static str> {
    let first = scene.body.get(..4).unwrap_or_default();
    let all =
        |low: u8, high: u8| first.len() == 4 && first.iter().all(|it| (low..=high).contains(it));
    let packed = first.get(..2).is_some_and(|it| {
        it.iter().all(|byte| byte >> 4 <= 9 && byte & 0x0F <= 9)
            && it.first().is_some_and(|byte| (0x01..=0x28).contains(byte))
    });
    Some(match scene.dialect.mti_encoding() {
        MtiEncoding::Ascii | MtiEncoding::Bcd if all(0xF0, 0xF9) => {
            "the message is EBCDIC: it wants a dialect with mti = \"ebcdic\""
        }
        MtiEncoding::Ebcdic | MtiEncoding::Bcd if all(b'0', b'9') => {
            "the message is ASCII: it wants a dialect with mti = \"ascii\""
        }
        MtiEncoding::Ascii | MtiEncoding::Ebcdic if packed => {
            "the message type is packed: it wants a dialect with mti = \"bcd\""
        }
        _ if first.first().is_some_and(|it| matches!(it, b'<' | b'{')) => {
            "this is XML or JSON, no ISO 8583"
        }
        _ => return None,
    })
}

fn bitmap(scene: &Scene<'_>) -> &'static str {
    let second = scene.fault.path == FieldPath::SecondaryBitmap;
    match (scene.fault.found, scene.fault.expected) {
        (Found::Byte { value: 0xF0..=0xF9 | 0xC1..=0xC6, .. }, Expected::BitmapHex) => {
            "the bitmap is bytes, or hex digits in EBCDIC: it wants bitmap = \"binary\" or \"hex-ebcdic\""
        }
        (Found::Byte { value: b'0'..=b'9' | b'A'..=b'F', .. }, Expected::BitmapHexEbcdic) => {
            "the bitmap is hex digits in ASCII: it wants bitmap = \"hex\""
        }
        (Found::Byte { value, .. }, _) if !value.is_ascii_graphic() => {
            "the bitmap is bytes, no hex digits: it wants bitmap = \"binary\""
        }
        (_, _) if second => {
            "bit 1 of the first bitmap is set by mistake, so that the first element stands here; or the \
             message was cut off"
        }
        (Found::Short { .. }, Expected::BitmapHex | Expected::BitmapHexEbcdic) => {
            "the message was cut off, or its bitmap is 8 bytes (bitmap = \"binary\")"
        }
        (Found::Short { .. }, _) => "the message was cut off",
        _ => "the bitmap is damaged, or the message type before it has another length",
    }
}

fn left_over(scene: &Scene<'_>, left: usize) -> &'static str {
    let rest = scene.body.get(scene.fault.offset..).unwrap_or_default();
    match rest {
        [0x03] => "an ETX, which belongs to the frame (base24-tcp, base24-tcp-iso)",
        [b'\n'] | [b'\r', b'\n'] => "a line break: the message was copied from a text file",
        _ if rest.iter().all(|byte| *byte == 0) => "zero bytes that fill up the frame",
        _ if left == 8 => {
            "a message authentication code whose bit (64 or 128) is not set, an element that the bitmap does \
             not announce, or one that is longer at the sender"
        }
        _ => {
            "an element that the bitmap does not announce, one that is longer at the sender than the dialect \
             says, or a trailer of the frame"
        }
    }
}

fn undefined(scene: &Scene<'_>) -> &'static str {
    match scene.fault.path {
        FieldPath::Field(number) if scene.dialect.field(number).is_some() => {
            "the dialect has this element, but takes it away from messages of this type or processing code \
             ([[override]])"
        }
        FieldPath::Field(65) => {
            "bit 65 would announce a third bitmap; mostly the second bitmap is damaged, or is none"
        }
        FieldPath::Field(_) => {
            "the host sends an element that the dialect lacks ([field]), or the bitmap is damaged or written \
             otherwise"
        }
        _ => "the host sends a part that the dialect lacks, or the bitmap of the parts is damaged",
    }
}

fn filler(scene: &Scene<'_>) -> &'static str {
    match scene.spec().map(|spec| spec.encoding) {
        Some(Encoding::Bcd(Filler::LeadingZero)) => {
            "the sender fills behind the digits (bcd-n0 or bcd-nF), or the number of digits is wrong"
        }
        Some(Encoding::Bcd(Filler::TrailingF)) => {
            "the sender fills with zero (bcd-0n or bcd-n0), or the number of digits is wrong"
        }
        _ => {
            "the sender fills before the digits (bcd-0n) or with F (bcd-nF), or the number of digits is wrong"
        }
    }
}

fn cut(scene: &Scene<'_>, left: usize) -> &'static str {
    match scene.spec().map(|spec| spec.length) {
        Some(Length::Fixed(_)) if left == 0 => {
            "the bitmap announces it and the sender left it out, or the message was cut off"
        }
        Some(Length::Fixed(_)) => {
            "the message was cut off, it is shorter at the sender, or an element before it is"
        }
        _ => {
            "the message was cut off, or its length is wrong or counts something else at the sender (digits, \
             bytes)"
        }
    }
}

/// What a byte that may be shown tells.
fn byte(scene: &Scene<'_>, value: u8) -> &'static str {
    let is_length = matches!(scene.fault.expected, Expected::Length(..));
    let (content, encoding) = match scene.fault.expected {
        Expected::Content { content, encoding, .. } => (content, encoding),
        Expected::Length(_, Prefix::Ber) if value == 0x80 => {
            return "a length of the indefinite form, which chip data in ISO 8583 do not have; or the tag before \
                    it is another one";
        }
        Expected::Length(_, prefix) => (
            Content::N,
            match prefix {
                Prefix::Ebcdic => Encoding::Ebcdic(crate::field::CodePage::Cp037),
                Prefix::Bcd => Encoding::Bcd(Filler::LeadingZero),
                _ => Encoding::Ascii,
            },
        ),
        Expected::BitmapHex if value == b'<' => {
            return "XML, where the dialect has a bitmap and parts";
        }
        Expected::Filler(_) => return filler(scene),
        _ => return "",
    };
    let digits = matches!(content, Content::N | Content::Xn);
    match (encoding, value) {
        (Encoding::Bcd(_), _) => packed(scene, value, content),
        (Encoding::Ebcdic(_), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') => {
            "the sender writes this in ASCII, where the dialect has EBCDIC"
        }
        (_, 0x03) => "the end of the frame stands within the element: it is shorter at the sender",
        (_, b'\r' | b'\n') => "a line break in the sender's text",
        (_, 0x00) => "the sender fills up with zero bytes",
        (Encoding::Ascii, 0xF0..=0xF9) if digits => {
            "the sender writes this in EBCDIC, where the dialect has ASCII"
        }
        (_, 0x80..) if !digits => "text in UTF-8 or in a national character set",
        (_, b'+' | b'-') if content == Content::Xn => {
            "a sign, where C is for credit and D for debit"
        }
        (_, b'c' | b'd') if content == Content::Xn => "lower case, where C or D is expected",
        (_, b' ') if is_length => {
            "the sender fills the length up with a blank, where a 0 is expected"
        }
        (_, b' ') if matches!(content, Content::N | Content::An) => {
            "the sender fills up with blanks (pad_left = \" \" or pad_right = \" \" allows it)"
        }
        (_, b'O' | b'o' | b'I' | b'l') if digits => {
            "a letter in place of the digit that it looks like"
        }
        _ if is_length => {
            "the length is written otherwise at the sender, or what stands here is none, as all has moved"
        }
        _ => "",
    }
}

/// What a byte tells where packed digits are expected.
fn packed(scene: &Scene<'_>, value: u8, content: Content) -> &'static str {
    let at_sign = content == Content::Xn && scene.fault.at() == scene.fault.offset;
    match scene.fault.expected {
        Expected::Length(..) => {
            "the length is written otherwise at the sender (binary, ASCII), or what stands here is none"
        }
        _ if at_sign => {
            "the sign is written otherwise at the sender: the dialect has it as an ASCII letter"
        }
        _ if value >> 4 == 0x0F || value & 0x0F == 0x0F => {
            "a half byte F that fills up: the sender packs as bcd-nF does"
        }
        _ => "what stands here are no packed digits: text, or a number in binary",
    }
}

/// Whatever stands in the wrong place does so since something before it is longer or shorter.
fn moved(scene: &Scene<'_>) -> Option<String> {
    let (Found::Byte { .. } | Found::Hidden { .. } | Found::Length(_)) = scene.fault.found else {
        return None;
    };
    match scene.fault.path {
        FieldPath::Field(number) => {
            let before = scene.reading.fields().take_while(|(it, _)| *it < number);
            let (last, _) = before.last()?;
            Some(format!(
                "an element before it (up to DE{last}) has another length at the sender, or was left out, so \
                 that all behind it has moved"
            ))
        }
        FieldPath::Part(_, part) => {
            let key = part.keys().last()?;
            let follows = (2..=u8::MAX).any(|number| PartKey::number(number) == *key);
            follows.then(|| {
                "a part before it has another length at the sender, or was left out".to_owned()
            })
        }
        _ => None,
    }
}
