//! The bodies of the fuzz targets: what must hold whatever the bytes are. `cargo test` runs them, too, on what the
//! fuzzer kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate_iso8583::{
    dialect::{BitmapEncoding, Dialect, DialectSpec, MtiEncoding},
    explain::{BrokenValues, ExplainOptions, explain},
    field::{Content, Counts, Encoding, FieldSpec, Length, Mask, Padding, Prefix},
    frame::FrameFormat,
    pack::Builder,
    parts::{Parts, Unknown},
};
use tidegate_protocol::{
    dialect::HostDialect,
    import::{ImportError, Origin, import},
    inherit,
    source::Source,
};

type Body = fn(&Shipped, &[u8]);

/// All targets by name.
pub(crate) const TARGETS: [(&str, Body); 7] = [
    ("message", message),
    ("frame", frame),
    ("ber_tlv", ber_tlv),
    ("explain", explained),
    ("dialect_toml", dialect_toml),
    ("import_jpos", |_, data| imported(Origin::JposXml, data)),
    ("import_moov", |_, data| imported(Origin::MoovJson, data)),
];

/// What the targets work with.
pub(crate) struct Shipped {
    /// Every dialect, by name.
    dialects: Vec<(String, HostDialect)>,
    /// The text of one to extend.
    base: String,
    /// A dialect of chip data and nothing else.
    chip: Dialect,
}

impl Shipped {
    /// Reads the dialects of a folder of protocols.
    pub(crate) fn read(protocols: &Path) -> Self {
        let dialects = names(protocols).into_iter().map(|name| {
            let text = whole(protocols, &name);
            let dialect = HostDialect::read(Source { name: &name, text: &text });
            let dialect = dialect.unwrap_or_else(|why| panic!("{why}"));
            (name, dialect)
        });
        let base = whole(protocols, "iso87-ascii");
        Self { dialects: dialects.collect(), base, chip: chip() }
    }
}

/// The folders of dialects, in order.
fn names(protocols: &Path) -> Vec<String> {
    let entries = fs::read_dir(protocols.join("dialects")).expect("the folder of dialects");
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn dialect_file(protocols: &Path, name: &str) -> String {
    fs::read_to_string(protocols.join("dialects").join(name).join("dialect.toml")).unwrap()
}

/// The text of a dialect with all that it extends.
fn whole(protocols: &Path, name: &str) -> String {
    let mut text = dialect_file(protocols, name);
    while let Some(base) = inherit::extends(Source { name, text: &text }).unwrap() {
        let base = dialect_file(protocols, &base);
        let base = Source { name: "base", text: &base };
        text = inherit::merge(base, Source { name, text: &text }).unwrap();
    }
    text
}

fn chip() -> Dialect {
    let length =
        Length::Var { digits: 2, max: 65_535, prefix: Prefix::Binary, counts: Counts::Units };
    let spec = FieldSpec {
        name: "chip data".to_owned(),
        content: Content::B,
        encoding: Encoding::Raw,
        length,
        padding: Padding::None,
        mask: Mask::Never,
        parts: Some(Box::new(Parts::BerTlv { unknown: Unknown::Keep, parts: Vec::new() })),
    };
    let (mti, bitmap) = (MtiEncoding::Bcd, BitmapEncoding::Binary);
    let (name, fields, overrides) = ("chip".to_owned(), vec![(55, spec)], Vec::new());
    Dialect::build(DialectSpec { name, mti, bitmap, fields, overrides }).unwrap()
}

/// The dialect that the first byte chooses, and the rest.
fn chosen<'s, 'd>(shipped: &'s Shipped, data: &'d [u8]) -> Option<(&'s Dialect, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    let place = usize::from(*first) % shipped.dialects.len();
    Some((shipped.dialects[place].1.wire(), rest))
}

/// A message in any dialect: it is read, and what is written again says the same; or its fault has a place.
fn message(shipped: &Shipped, data: &[u8]) {
    if let Some((dialect, body)) = chosen(shipped, data) {
        both_ways(dialect, body);
    }
}

fn both_ways(dialect: &Dialect, body: &[u8]) {
    let message = match dialect.parse(body) {
        Ok(message) => message,
        Err(fault) => {
            assert!(fault.offset <= body.len() && fault.at() <= body.len(), "{fault}");
            return;
        }
    };
    let all = message.all();
    let mut builder = Builder::new(dialect, message.mti());
    for (number, text) in message.fields() {
        builder.set(number, &text).unwrap_or_else(|why| panic!("{why}"));
    }
    let mut again = Vec::new();
    if builder.pack(&mut again).is_err() {
        assert!(body.len() > 65_000, "only what is too long for any frame is refused");
        return;
    }
    let read = dialect.parse(&again).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(read.all(), all);
}

/// Frames of any form, arriving in pieces: what was found in a piece is found in the whole.
fn frame(_: &Shipped, data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let (_, format) = FrameFormat::NAMED[usize::from(*first) % FrameFormat::NAMED.len()];
    let most = 4_096;
    let whole = format.split(bytes, most);
    let cuts = (0..bytes.len().min(80)).chain(bytes.len().saturating_sub(4)..bytes.len());
    for cut in cuts {
        match format.split(&bytes[..cut], most) {
            Ok(None) => {}
            // A fault of the length may be told before that of a byte behind it, never the other way round.
            Err(_) => assert!(whole.is_err(), "cut at {cut}"),
            found => assert_eq!(found, whole, "cut at {cut}"),
        }
    }
    let Ok(Some(span)) = whole else { return };
    assert!(span.total <= bytes.len() && span.body.end <= span.total);
    assert!(span.body.len() <= most && span.header.end <= span.body.start);
    let (header, body) = (&bytes[span.header.clone()], &bytes[span.body.clone()]);
    if body.is_empty() {
        return;
    }
    let mut again = Vec::new();
    format.wrap_with(header, body, &mut again).unwrap_or_else(|why| panic!("{why}"));
    let span = format.split(&again, most).unwrap().expect("a whole frame");
    assert_eq!((span.total, &again[span.body]), (again.len(), body));
}

/// Chip data.
fn ber_tlv(shipped: &Shipped, data: &[u8]) {
    let Ok(length) = u16::try_from(data.len()) else { return };
    let head = [0x02, 0x00, 0, 0, 0, 0, 0, 0, 0x02, 0];
    both_ways(&shipped.chip, &[&head[..], &length.to_be_bytes(), data].concat());
}

/// An explanation of anything, in all its forms.
fn explained(shipped: &Shipped, data: &[u8]) {
    let Some((dialect, body)) = chosen(shipped, data) else { return };
    for broken in [BrokenValues::Shapes, BrokenValues::Values] {
        for unmasked in [false, true] {
            let explanation = explain(dialect, body, ExplainOptions { broken, unmasked });
            assert_eq!(explanation.bytes.len(), body.len());
            assert_eq!(explanation.fault, dialect.parse(body).err());
            assert!(!explanation.to_string().is_empty());
        }
    }
}

/// A dialect file: a dialect, or faults that have places. Also as what extends another.
fn dialect_toml(shipped: &Shipped, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source { name: "dialect.toml", text };
    match HostDialect::read(source) {
        Ok(dialect) => both_ways(dialect.wire(), b"02000000000000000000"),
        Err(faults) => assert!(faults.list().iter().all(|fault| fault.line > 0)),
    }
    let base = Source { name: "base.toml", text: &shipped.base };
    if let Ok(merged) = inherit::merge(base, source) {
        let _ = HostDialect::read(Source { name: "merged.toml", text: &merged });
    }
}

/// Another program's definitions: whatever they are, what comes out is a dialect.
fn imported(origin: Origin, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(ImportError::Refused(faults)) = import(origin, text, "fuzzed") {
        panic!("{faults}");
    }
}

/// Inputs to begin with: vectors, definitions, and what importers take.
pub(crate) fn seeds(protocols: &Path, shipped: &Shipped, target: &str) -> Vec<Vec<u8>> {
    let messages = || {
        let dialects = shipped.dialects.iter().enumerate();
        let all = dialects.flat_map(|(place, (name, _))| {
            let place = u8::try_from(place).unwrap();
            vectors(protocols, name).into_iter().map(move |body| [&[place][..], &body].concat())
        });
        all.collect()
    };
    match target {
        "message" | "explain" => messages(),
        "frame" => {
            let bodies = vectors(protocols, "iso87-ascii");
            let formats = FrameFormat::NAMED.into_iter().enumerate();
            let frames = formats.filter_map(|(place, (_, format))| {
                let mut frame = vec![u8::try_from(place).unwrap()];
                let mut header = vec![0; format.header().shortest()];
                header.splice(..header.len().min(1), [u8::try_from(header.len()).unwrap()]);
                format.wrap_with(&header, bodies.first()?, &mut frame).ok().map(|()| frame)
            });
            frames.collect()
        }
        "ber_tlv" => vec![
            b"\x9F\x26\x08ABCDEFGH\x9F\x27\x01\x80\x95\x05\0\0\0\0\0".to_vec(),
            b"\x70\x0A\x5A\x08\x40\0\0\0\0\0\0\x02\x9F\x1A\x81\x02\x02\x76".to_vec(),
        ],
        "dialect_toml" => {
            names(protocols).iter().map(|name| dialect_file(protocols, name).into_bytes()).collect()
        }
        "import_jpos" => vec![JPOS.as_bytes().to_vec()],
        "import_moov" => vec![MOOV.as_bytes().to_vec()],
        _ => Vec::new(),
    }
}

/// The bytes of every vector of a dialect, good and bad.
fn vectors(protocols: &Path, name: &str) -> Vec<Vec<u8>> {
    let folder = protocols.join("dialects").join(name).join("vectors");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|it| it.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let table: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
        let lists = ["message", "bad"].map(|key| table.get(key).and_then(toml::Value::as_array));
        for vector in lists.into_iter().flatten().flatten() {
            let joined = |value: &toml::Value| match value {
                toml::Value::Array(rows) => rows.iter().filter_map(|row| row.as_str()).collect(),
                value => value.as_str().unwrap_or_default().to_owned(),
            };
            if let Some(text) = vector.get("wire_text").map(joined) {
                found.push(text.into_bytes());
            } else if let Some(digits) = vector.get("wire_hex").map(joined) {
                found.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(digits.as_bytes()));
            }
        }
    }
    found
}

const JPOS: &str = r#"<?xml version="1.0"?>
<isopackager>
<isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
<isofield id="1" length="16" name="BITMAP" class="org.jpos.iso.IFA_BITMAP"/>
<isofield id="2" length="19" name="PAN" class="org.jpos.iso.IFA_LLNUM"/>
<isofield id="35" length="37" name="TRACK 2" pad="true" class="org.jpos.iso.IFB_LLNUM"/>
<isofieldpackager id="48" length="999" name="TAGS" class="org.jpos.iso.IFA_LLLCHAR" token="XX"
 packager="org.jpos.tlv.packager.TaggedSequencePackager">
<isofield id="1" length="99" token="AA" name="ONE" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
</isofieldpackager>
<isofieldpackager id="127" length="999999" name="PRIVATE" class="org.jpos.iso.IFA_LLLLLLBINARY"
 packager="org.jpos.iso.packager.GenericSubFieldPackager">
<isofield id="1" length="8" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
<isofield id="2" length="32" name="KEY" class="org.jpos.iso.IFE_LLCHAR"/>
</isofieldpackager>
<isofieldpackager id="55" length="255" name="ICC" class="org.jpos.iso.IFB_LLLHBINARY"
 packager="org.jpos.tlv.packager.bertlv.BERTLVBinaryPackager"/>
</isopackager>
"#;

const MOOV: &str = r#"{"name": "bank", "fields": {
"0": {"type": "String", "length": 4, "description": "MTI", "enc": "BCD", "prefix": "BCD.Fixed"},
"1": {"type": "Bitmap", "length": 8, "enc": "Binary", "prefix": "Binary.Fixed"},
"2": {"type": "String", "length": 19, "enc": "BCD", "prefix": "BCD.LL"},
"4": {"type": "Numeric", "length": 12, "enc": "ASCII", "prefix": "ASCII.Fixed", "padding": {"type": "Left", "pad": "0"}},
"43": {"type": "Composite", "length": 12, "prefix": "ASCII.LL", "tag": {"sort": "StringsByInt"}, "subfields": {
 "1": {"type": "String", "length": 2, "enc": "EBCDIC", "prefix": "EBCDIC.Fixed"}}},
"48": {"type": "Composite", "length": 999, "prefix": "ASCII.LLL", "tag": {"length": 2, "enc": "ASCII"}, "subfields": {
 "01": {"type": "String", "length": 20, "enc": "ASCII", "prefix": "ASCII.LL"}}},
"55": {"type": "Composite", "length": 255, "prefix": "Binary.L", "tag": {"enc": "BerTLVTag"}, "subfields": {
 "9F27": {"type": "Binary", "length": 1, "enc": "Binary", "prefix": "BerTLV"}}},
"127": {"type": "Composite", "length": 255, "prefix": "Hex.L", "bitmap": {"enc": "HexToASCII", "length": 8}, "subfields": {
 "3": {"type": "Binary", "length": 8, "enc": "HexToASCII", "prefix": "Hex.Fixed"}}}}}"#;
