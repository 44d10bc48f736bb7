//! Cuts a stream of bytes into message bodies, and puts length and header before a body that leaves.
//!
//! A frame is a length, a header of a fixed form, the body, and in one case a trailer. The length counts
//! header and body, and itself or the trailer where the form says so. It is compared with the caller's
//! limit as soon as it is there, before any room for the body is made; nothing here allocates for what a
//! peer announced.

pub mod header;

mod length;

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use crate::{error::FrameError, write::reserve_wiping};
use header::HeaderForm;
use length::LengthForm;

/// The byte that ends a frame of BASE24 on TCP.
const ETX: u8 = 0x03;

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFormat {
    length: LengthForm,
    header: HeaderForm,
    /// Whether [`ETX`] stands behind the body; it is counted.
    etx: bool,
}

/// Where the next frame lies in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSpan {
    /// The header, counted from the start of the buffer; empty where the format has none.
    pub header: Range<usize>,
    /// The body, counted from the start of the buffer. Empty for a keep-alive; whether that is
    /// answered is the caller's decision.
    pub body: Range<usize>,
    /// How many bytes of the buffer the frame takes, everything included.
    pub total: usize,
}

impl FrameFormat {
    /// Two bytes, big-endian: bodies of up to 65,535 bytes.
    pub const LENGTH_BE2: Self = Self::plain(LengthForm::Be2);
    /// Four ASCII decimal digits: bodies of up to 9,999 bytes.
    pub const LENGTH_ASCII4: Self = Self::plain(LengthForm::Ascii(4));

    /// All formats by the names that people write.
    pub const NAMED: [(&'static str, Self); 21] = [
        ("length-be2", Self::LENGTH_BE2),
        ("length-ascii4", Self::LENGTH_ASCII4),
        ("length-ascii2", Self::plain(LengthForm::Ascii(2))),
        ("length-ascii3", Self::plain(LengthForm::Ascii(3))),
        ("length-ascii5", Self::plain(LengthForm::Ascii(5))),
        ("length-ascii6", Self::plain(LengthForm::Ascii(6))),
        ("length-be2-inclusive", Self::plain(LengthForm::Be2Inclusive)),
        ("length-be3", Self::plain(LengthForm::Be3)),
        ("length-be4", Self::plain(LengthForm::Be4)),
        ("length-be2-00", Self::plain(LengthForm::Be2Zeros)),
        ("length-00-be2", Self::plain(LengthForm::ZerosBe2)),
        ("length-bcd2", Self::plain(LengthForm::Bcd2)),
        ("length-hex4", Self::plain(LengthForm::Hex4)),
        ("base24-tcp", Self { etx: true, ..Self::LENGTH_BE2 }),
        ("base24-tcp-iso", Self { header: HeaderForm::Base24, etx: true, ..Self::LENGTH_BE2 }),
        ("length-be2-tpdu", Self { header: HeaderForm::Tpdu, ..Self::LENGTH_BE2 }),
        (
            "length-be2-inclusive-tpdu",
            Self { length: LengthForm::Be2Inclusive, header: HeaderForm::Tpdu, etx: false },
        ),
        (
            "length-bcd2-tpdu",
            Self { length: LengthForm::Bcd2, header: HeaderForm::Tpdu, etx: false },
        ),
        ("china-terminal", Self { header: HeaderForm::ChinaTerminal, ..Self::LENGTH_BE2 }),
        ("cups", Self { header: HeaderForm::Cups, ..Self::LENGTH_ASCII4 }),
        ("base1", Self { length: LengthForm::Be2Zeros, header: HeaderForm::Base1, etx: false }),
    ];

    const fn plain(length: LengthForm) -> Self {
        Self { length, header: HeaderForm::None, etx: false }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The name of the format.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// The header that stands before a body.
    #[must_use]
    pub const fn header(self) -> HeaderForm {
        self.header
    }

    /// The number of bytes that the length takes.
    #[must_use]
    pub const fn prefix_len(self) -> usize {
        self.length.bytes()
    }

    /// The bytes of a frame besides its body, at most.
    #[must_use]
    pub fn overhead_max(self) -> usize {
        self.length.bytes().saturating_add(self.header.longest()).saturating_add(self.trailer())
    }

    /// The longest body, in bytes, that the length can announce, with the shortest header.
    #[must_use]
    pub fn longest_body(self) -> usize {
        let besides = self.header.shortest().saturating_add(self.trailer());
        self.length.most().saturating_sub(besides)
    }

    /// What the length at the beginning of `buf` announces behind itself, in bytes; `None` when it is not all
    /// there.
    ///
    /// # Errors
    /// A byte that cannot stand in such a length.
    pub fn announced(self, buf: &[u8]) -> Result<Option<usize>, FrameError> {
        self.length.read(buf)
    }

    /// How the frame is written, for people.
    #[must_use]
    pub fn in_words(self) -> String {
        let header = match self.header {
            HeaderForm::None => "",
            header => &format!(", then {}", header.words()),
        };
        let end = if self.etx { ", then the byte 0x03" } else { "" };
        format!("a length in {}{header}, then the message{end}", self.length.words())
    }

    fn trailer(self) -> usize {
        usize::from(self.etx)
    }

    /// Finds the first frame in `buf`; `None` when more bytes are needed. `max` limits the body, in
    /// bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the length announces more than `max`, and another as soon as a
    /// byte of the length, the header or the trailer cannot stand there. After any of them, where the next
    /// frame begins is unknown: the stream cannot be followed any further.
    pub fn split(self, buf: &[u8], max: usize) -> Result<Option<FrameSpan>, FrameError> {
        let Some(counted) = self.length.read(buf)? else { return Ok(None) };
        let most = max.saturating_add(self.header.longest()).saturating_add(self.trailer());
        if counted > most {
            return Err(FrameError::TooLong { length: counted, max: most });
        }
        let start = self.prefix_len();
        let total = start.saturating_add(counted);
        // A keep-alive has nothing at all, or nothing but the trailer.
        if counted <= self.trailer() {
            let trailed = buf.get(start..total);
            let span = FrameSpan { header: start..start, body: start..start, total };
            return trailed
                .map_or(Ok(None), |it| self.check_trailer(it, start).map(|()| Some(span)));
        }
        let arrived = buf.get(start..total.min(buf.len())).unwrap_or_default();
        let Some(header) = self.header.measure(arrived, counted, start)? else { return Ok(None) };
        let Some(counted_body) = counted.checked_sub(header.saturating_add(self.trailer())) else {
            let (found, least) = (counted, header.saturating_add(self.trailer()));
            return Err(FrameError::TooShort { length: found, min: least });
        };
        if counted_body > max {
            return Err(FrameError::TooLong { length: counted_body, max });
        }
        let Some(frame) = buf.get(start..total) else { return Ok(None) };
        self.check_trailer(frame, start)?;
        let body = start.saturating_add(header);
        let end = body.saturating_add(counted_body);
        Ok(Some(FrameSpan { header: start..body, body: body..end, total }))
    }

    fn check_trailer(self, frame: &[u8], start: usize) -> Result<(), FrameError> {
        match frame.last() {
            Some(&found) if self.etx && found != ETX => {
                let offset = start.saturating_add(frame.len()).saturating_sub(1);
                Err(FrameError::Unexpected { offset, found, expected: ETX })
            }
            _ => Ok(()),
        }
    }

    /// Appends `body` to `out` with its length before it. `out` grows at most once, and what it
    /// held before is wiped when it moves.
    ///
    /// # Errors
    /// As [`FrameFormat::wrap_with`], with no header.
    pub fn wrap(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.wrap_with(&[], body, out)
    }

    /// Appends `header` and `body` to `out` with their length before them; lengths within the header are
    /// set. A keep-alive has neither.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when the length cannot announce so many bytes, and
    /// [`FrameError::Header`] when the header does not have the form; `out` is then untouched.
    pub fn wrap_with(
        self,
        header: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let empty = header.is_empty() && body.is_empty();
        if !empty && !self.header.fits(header) {
            return Err(FrameError::Header { wanted: self.header.words() });
        }
        let besides = if empty { 0 } else { header.len().saturating_add(self.trailer()) };
        let counted = body.len().saturating_add(besides);
        if counted > self.length.most() {
            let max = self.length.most().saturating_sub(besides);
            return Err(FrameError::TooLong { length: body.len(), max });
        }
        reserve_wiping(out, self.overhead_max().saturating_add(body.len()));
        self.length.write(counted, out);
        let start = out.len();
        out.extend_from_slice(header);
        self.header.set_length(out.get_mut(start..).unwrap_or_default(), counted);
        out.extend_from_slice(body);
        if self.etx && !empty {
            out.push(ETX);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    const FORMATS: [FrameFormat; 2] = [FrameFormat::LENGTH_BE2, FrameFormat::LENGTH_ASCII4];

    #[test]
    fn what_is_wrapped_is_split_again_however_it_arrives() {
        for format in FORMATS {
            for body in [&b""[..], b"0800", &[0xFF; 9_999]] {
                let mut stream = vec![];
                format.wrap(body, &mut stream).unwrap();
                let total = stream.len();
                assert_eq!(total, format.prefix_len() + body.len());
                for cut in [0, 1, total / 2, total - 1] {
                    assert_eq!(format.split(&stream[..cut], 9_999), Ok(None), "{format:?} {cut}");
                }
                stream.extend_from_slice(b"next");
                let span = format.split(&stream, 9_999).unwrap().unwrap();
                assert_eq!(span.total, total);
                assert_eq!(&stream[span.body], body);
            }
        }
    }

    #[test]
    fn the_length_on_the_wire_counts_the_body_only() {
        let mut out = b"before".to_vec();
        FrameFormat::LENGTH_ASCII4.wrap(&[b'x'; 1234], &mut out).unwrap();
        assert_eq!(&out[..10], b"before1234");
        out.clear();
        FrameFormat::LENGTH_BE2.wrap(&[b'x'; 258], &mut out).unwrap();
        assert_eq!(out[..2], [1, 2]);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_the_body_arrives() {
        let refused = Err(FrameError::TooLong { length: 4097, max: 4096 });
        assert_eq!(FrameFormat::LENGTH_BE2.split(&[0x10, 0x01], 4096), refused);
        assert_eq!(FrameFormat::LENGTH_ASCII4.split(b"4097", 4096), refused);
        assert_eq!(FrameFormat::LENGTH_ASCII4.split(b"4096", 4096), Ok(None));
    }

    #[test]
    fn a_stray_byte_in_a_digit_length_is_refused_at_once() {
        let refused = Err(FrameError::NotADigit { offset: 1, found: b'E' });
        assert_eq!(FrameFormat::LENGTH_ASCII4.split(b"GET / HTTP/1.1", 4096), {
            Err(FrameError::NotADigit { offset: 0, found: b'G' })
        });
        assert_eq!(FrameFormat::LENGTH_ASCII4.split(b"0E", 4096), refused);
    }

    #[test]
    fn a_keep_alive_is_a_frame_with_an_empty_body() {
        let span = FrameFormat::LENGTH_BE2.split(&[0, 0, 9], 10).unwrap().unwrap();
        assert_eq!(span, FrameSpan { header: 2..2, body: 2..2, total: 2 });
        let span = FrameFormat::LENGTH_ASCII4.split(b"0000", 0).unwrap().unwrap();
        assert_eq!(span, FrameSpan { header: 4..4, body: 4..4, total: 4 });
    }

    #[test]
    fn a_body_that_the_length_cannot_announce_is_not_wrapped() {
        let mut out = vec![];
        for (format, length) in [(FORMATS[0], 65_536), (FORMATS[1], 10_000)] {
            let error = format.wrap(&vec![0; length], &mut out).unwrap_err();
            assert_eq!(error, FrameError::TooLong { length, max: length - 1 });
            assert!(out.is_empty());
        }
    }

    const TPDU: &[u8] = &[0x60, 0x00, 0x03, 0x00, 0x00];
    const TERMINAL: &[u8] = &[0x60, 0, 3, 0, 0, 0x60, 0x32, 0x10, 0x32, 0x00, 0x72];

    /// A header that fits a format, its lengths not set.
    fn header(format: FrameFormat) -> Vec<u8> {
        match format.header() {
            HeaderForm::None => vec![],
            HeaderForm::Tpdu => TPDU.to_vec(),
            HeaderForm::ChinaTerminal => TERMINAL.to_vec(),
            HeaderForm::Cups => {
                b"\x2E\x02----00010000   00020000   \0\0\0\0trxinfo1\x0000000".to_vec()
            }
            HeaderForm::Base24 => b"ISO026000050".to_vec(),
            HeaderForm::Base1 => {
                [&[22_u8, 1, 2, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66][..], &[0; 11]].concat()
            }
        }
    }

    #[test]
    fn every_format_is_written_byte_for_byte() {
        let table: [(&str, &[u8]); 19] = [
            ("length-be2", b"\x00\x040800"),
            ("length-ascii4", b"00040800"),
            ("length-ascii2", b"040800"),
            ("length-ascii6", b"0000040800"),
            ("length-be2-inclusive", b"\x00\x060800"),
            ("length-be3", b"\x00\x00\x040800"),
            ("length-be4", b"\x00\x00\x00\x040800"),
            ("length-be2-00", b"\x00\x04\x00\x000800"),
            ("length-00-be2", b"\x00\x00\x00\x040800"),
            ("length-bcd2", b"\x00\x040800"),
            ("length-hex4", b"00040800"),
            ("base24-tcp", b"\x00\x050800\x03"),
            ("base24-tcp-iso", b"\x00\x11ISO0260000500800\x03"),
            ("length-be2-tpdu", b"\x00\x09\x60\x00\x03\x00\x000800"),
            ("length-be2-inclusive-tpdu", b"\x00\x0B\x60\x00\x03\x00\x000800"),
            ("length-bcd2-tpdu", b"\x00\x09\x60\x00\x03\x00\x000800"),
            ("china-terminal", b"\x00\x0F\x60\x00\x03\x00\x00\x60\x32\x10\x32\x00\x720800"),
            ("cups", b"0050\x2E\x02005000010000   00020000   \0\0\0\0trxinfo1\x00000000800"),
            (
                "base1",
                b"\x00\x1A\x00\x00\x16\x01\x02\x00\x1A\x11\x22\x33\x44\x55\x66\0\0\0\0\0\0\0\0\0\0\x000800",
            ),
        ];
        for (name, bytes) in table {
            let format = FrameFormat::named(name).unwrap();
            assert_eq!(format.name(), name);
            let mut out = vec![];
            format.wrap_with(&header(format), b"0800", &mut out).unwrap();
            assert_eq!(out, bytes, "{name}");
            let span = format.split(&out, 4).unwrap().unwrap();
            assert_eq!((&out[span.body], span.total), (&b"0800"[..], bytes.len()), "{name}");
            for cut in 0..bytes.len() {
                assert_eq!(format.split(&out[..cut], 4), Ok(None), "{name} {cut}");
            }
        }
        assert_eq!(FrameFormat::named("length"), None);
        assert_eq!(
            FrameFormat::NAMED.map(|(_, format)| format.name()),
            FrameFormat::NAMED.map(|it| it.0)
        );
    }

    #[test]
    fn others_faults_are_not_repeated() {
        let mut out = vec![];
        FrameFormat::named("length-hex4").unwrap().wrap(&vec![0; 65_535], &mut out).unwrap();
        assert_eq!(out[..4], *b"FFFF");
        let bcd = FrameFormat::named("length-bcd2").unwrap();
        let refused = Err(FrameError::TooLong { length: 10_000, max: 9_999 });
        assert_eq!(bcd.wrap(&[0; 10_000], &mut vec![]), refused);
        let refused = Err(FrameError::TooLong { length: 0xFFFF_FFFF, max: 4_096 });
        let be4 = FrameFormat::named("length-be4").unwrap();
        assert_eq!(be4.split(&[0xFF; 4], 4_096), refused, "nothing is made room for");
    }

    #[test]
    fn what_cannot_be_a_frame_is_told_by_its_byte() {
        let table: [(&str, &[u8], &str); 16] = [
            (
                "length-bcd2",
                &[0x00, 0x1A],
                "a frame length has packed decimal digits, found 0x1A at byte 1",
            ),
            ("length-hex4", b"00G0", "a frame length has hex digits, found 0x47 at byte 2"),
            ("length-be2-inclusive", &[0, 0], "a length of 0, at least 2 bytes must be there"),
            ("length-be2-inclusive", &[0, 1], "a length of 1, at least 2 bytes must be there"),
            ("length-be2-00", &[0, 4, 0, 9], "a frame has 0x00 at byte 3, found 0x09"),
            ("length-00-be2", &[7], "a frame has 0x00 at byte 0, found 0x07"),
            ("base24-tcp", b"\x00\x020\x04", "a frame has 0x03 at byte 3, found 0x04"),
            ("base24-tcp-iso", b"\x00\x200800", "a frame has 0x49 at byte 2, found 0x30"),
            (
                "base24-tcp-iso",
                b"\x00\x0CISO026000050",
                "a length of 12, at least 13 bytes must be there",
            ),
            ("length-be2-tpdu", &[0, 4], "a length of 4, at least 5 bytes must be there"),
            ("cups", b"0046\x2D", "a frame has 0x2E at byte 4, found 0x2D"),
            ("cups", b"0045", "a length of 45, at least 46 bytes must be there"),
            (
                "base1",
                &[0, 30, 0, 0, 22, 0x81],
                "the header announces another one (bit 0x80 of byte 5), which is not read",
            ),
            (
                "base1",
                &[0, 30, 0, 0, 26],
                "a header of 26 bytes: the network rejects a message, which is not read",
            ),
            ("base1", &[0, 30, 0, 0, 7], "a frame has 0x16 at byte 4, found 0x07"),
            ("length-ascii4", b"00x", "a frame length has decimal digits, found 0x78 at byte 2"),
        ];
        for (name, bytes, expected) in table {
            let error = FrameFormat::named(name).unwrap().split(bytes, 1_000).unwrap_err();
            assert_eq!(error.to_string(), expected, "{name}");
        }
        let cups = FrameFormat::named("cups").unwrap();
        let mut out = vec![];
        cups.wrap_with(&header(cups), b"0800", &mut out).unwrap();
        out[6..10].copy_from_slice(b"0051");
        let error = cups.split(&out, 100).unwrap_err().to_string();
        assert_eq!(error, "the frame has 50 bytes, its header says 51");
        let error = cups.wrap(b"0800", &mut vec![]).unwrap_err().to_string();
        assert_eq!(error, "a header of another form, 46 bytes, the first of them 0x2E expected");
    }

    #[test]
    fn a_reply_goes_where_the_request_came_from() {
        assert_eq!(HeaderForm::Tpdu.reply(&[0x60, 1, 2, 3, 4]), [0x60, 3, 4, 1, 2]);
        let cups = FrameFormat::named("cups").unwrap();
        let reply = HeaderForm::Cups.reply(&header(cups));
        let parts = HeaderForm::Cups.parts(&reply);
        assert!(
            parts.contains(&("to", "00020000".into()))
                && parts.contains(&("from", "00010000".into()))
        );
        let base1 = HeaderForm::Base1.reply(&header(FrameFormat::named("base1").unwrap()));
        assert_eq!(base1[5..11], [0x44, 0x55, 0x66, 0x11, 0x22, 0x33]);
        let terminal = HeaderForm::ChinaTerminal.parts(TERMINAL);
        assert!(terminal.contains(&("what the terminal is to do", "0".into())), "{terminal:?}");
        let base24 = HeaderForm::Base24.parts(&HeaderForm::Base24.reply(b"ISO026000050"));
        assert_eq!(base24[1..3], [("release", "60".into()), ("status", "000".into())]);
        assert!(HeaderForm::Tpdu.reply(&[]).is_empty() && !HeaderForm::Base1.parts(&[]).is_empty());
    }

    #[test]
    fn routing_data_of_a_terminal_belong_to_its_header() {
        let format = FrameFormat::named("china-terminal").unwrap();
        let lri = [TERMINAL, &[0x4C, 0x52, 0x49, 0x00, 0x1C], &[0x31; 28]].concat();
        let mut out = vec![];
        format.wrap_with(&lri, b"0800", &mut out).unwrap();
        let span = format.split(&out, 4).unwrap().unwrap();
        assert_eq!((span.header, &out[span.body]), (2..46, &b"0800"[..]));
        assert!(format.wrap_with(&lri[..20], b"0800", &mut vec![]).is_err());
    }
}
