//! Files as they are in use elsewhere, and what becomes of them: each dialect reads a message, and says which
//! of it is what.

use std::fmt::Write;

use proptest::{prelude::*, sample::select};
use serde_json::{Map, json};
use tidegate_iso8583::{
    dialect::{BitmapEncoding, MtiEncoding},
    mti::Mti,
    pack::Builder,
};

use super::{ImportError, Imported, Origin, import};
use crate::{dialect::HostDialect, source::Source};

fn imported(origin: Origin, text: &str) -> (HostDialect, Imported) {
    let imported = import(origin, text, "mybank").unwrap_or_else(|why| panic!("{why}"));
    let source = Source { name: "dialect.toml", text: &imported.text };
    let dialect = HostDialect::read(source).unwrap_or_else(|why| panic!("{why}"));
    (dialect, imported)
}

fn jpos(fields: &str) -> (HostDialect, Imported) {
    imported(Origin::JposXml, &packager(fields))
}

fn packager(fields: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE isopackager PUBLIC \"-//jPOS/jPOS Generic Packager \
         DTD 1.0//EN\" \"http://jpos.org/dtd/generic-packager-1.0.dtd\">\n<isopackager>\n{fields}\n</isopackager>\n"
    )
}

fn moov(fields: &str) -> (HostDialect, Imported) {
    imported(Origin::MoovJson, &format!("{{\"name\": \"bank\", \"fields\": {{{fields}}}}}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|it| !it.is_whitespace()).collect();
    data_encoding::HEXUPPER.decode(digits.as_bytes()).unwrap()
}

/// What an element or a part says.
fn value(dialect: &HostDialect, bytes: &[u8], path: &str) -> String {
    let message = dialect.parse(bytes).unwrap_or_else(|why| panic!("{why}"));
    let found = match path.parse() {
        Ok(number) => message.get(number).map(|value| value.to_string()),
        Err(_) => message.part(path),
    };
    found.unwrap_or_else(|| panic!("{path} is not there"))
}

/// Every loss as it is told, without the words before it.
fn losses(imported: &Imported) -> Vec<String> {
    imported.losses.iter().map(ToString::to_string).collect()
}

const HEAD_OF_DIGITS: &str = r#"<isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFA_NUMERIC"/>
<isofield id="1" length="16" name="BIT MAP" class="org.jpos.iso.IFA_BITMAP"/>"#;
const HEAD_OF_BYTES: &str = r#"<isofield id="0" length="4" name="MTI" pad="true" class="org.jpos.iso.IFB_NUMERIC"/>
<isofield id="1" length="16" name="BIT MAP" class="org.jpos.iso.IFB_BITMAP"/>"#;

#[test]
fn a_packager_in_characters() {
    let (dialect, imported) = jpos(&format!(
        r#"{HEAD_OF_DIGITS}
        <isofield id="2" length="19" name="PAN - PRIMARY ACCOUNT NUMBER" class="org.jpos.iso.IFA_LLNUM"/>
        <isofield id="4" length="12" name="AMOUNT, TRANSACTION" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="11" length="6" name="SYSTEM TRACE AUDIT NUMBER" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="28" length="9" name="FEE" class="org.jpos.iso.IFA_AMOUNT"/>
        <isofield id="35" length="37" name="TRACK 2 DATA" class="org.jpos.iso.IFA_LLNUM"/>
        <isofield id="41" length="8" name="TERMINAL &amp; MORE" class="org.jpos.iso.IF_CHAR"/>
        <isofield id="52" length="8" name="PIN DATA" class="org.jpos.iso.IFA_BINARY"/>
        <isofield id="128" length="8" name="MAC 2" class="org.jpos.iso.IFA_BINARY"/>"#
    ));
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    let wire = dialect.wire();
    assert_eq!(
        (wire.mti_encoding(), wire.bitmap_encoding()),
        (MtiEncoding::Ascii, BitmapEncoding::Hex)
    );
    let bytes = [
        "0200D020001020801000",
        "0000000000000001",
        "164000000000000002",
        "000000001234",
        "000123",
        "C00000150",
        "18400000000000000=29",
        "SHOP-1  ",
        "0123456789ABCDEF",
        "1122334455667788",
    ]
    .concat();
    for (path, said) in [
        ("2", "4000000000000002"),
        ("4", "000000001234"),
        ("28", "C00000150"),
        ("35", "400000000000000=29"),
        ("41", "SHOP-1  "),
        ("128", "1122334455667788"),
    ] {
        assert_eq!(value(&dialect, bytes.as_bytes(), path), said, "{path}");
    }
    assert!(imported.text.contains("name = \"TERMINAL & MORE\""), "{}", imported.text);
}

#[test]
fn a_packager_in_packed_digits() {
    let (dialect, imported) = jpos(&format!(
        r#"{HEAD_OF_BYTES}
        <isofield id="2" length="19" name="PAN" pad="false" class="org.jpos.iso.IFB_LLNUM"/>
        <isofield id="3" length="6" name="CODE" pad="true" class="org.jpos.iso.IFB_NUMERIC"/>
        <isofield id="22" length="3" name="ENTRY" pad="true" class="org.jpos.iso.IFB_NUMERIC"/>
        <isofield id="23" length="3" name="SEQUENCE" class="org.jpos.iso.IFB_FNUMERIC"/>
        <isofield id="35" length="37" name="TRACK 2" class="org.jpos.iso.IFB_LLHNUM"/>
        <isofield id="44" length="25" name="MORE" class="org.jpos.iso.IFB_LLCHAR"/>
        <isofield id="55" length="255" name="ICC" class="org.jpos.iso.IFB_LLHBINARY"/>
        <isofield id="62" length="300" name="HEX" class="org.jpos.iso.IFB_LLLHEX"/>
        <isofield id="64" length="8" name="MAC" class="org.jpos.iso.IFB_BINARY"/>"#
    ));
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    let bytes = hex(
        "0200 6000060020100205 19 40000000000000020200 003000 0051 123F 05 1234D0 03414243 02 9F27 0004 ABCD \
         0102030405060708",
    );
    for (path, said) in [
        ("2", "4000000000000002020"),
        ("3", "003000"),
        ("22", "051"),
        ("23", "123"),
        ("35", "1234="),
        ("44", "ABC"),
        ("55", "9F27"),
        ("62", "ABCD"),
        ("64", "0102030405060708"),
    ] {
        assert_eq!(value(&dialect, &bytes, path), said, "{path}");
    }
}

#[test]
fn parts_behind_each_other_behind_a_bitmap_and_in_chip_data() {
    let (dialect, imported) = jpos(&format!(
        r#"{HEAD_OF_DIGITS}
        <isofieldpackager id="43" length="40" name="PLACE" class="org.jpos.iso.IF_CHAR"
            packager="org.jpos.iso.packager.GenericSubFieldPackager" emitBitmap="false">
          <isofield id="1" length="25" name="NAME" class="org.jpos.iso.IF_CHAR"/>
          <isofield id="2" length="13" name="CITY" class="org.jpos.iso.IF_CHAR"/>
          <isofield id="3" length="2" name="COUNTRY" class="org.jpos.iso.IF_CHAR"/>
        </isofieldpackager>
        <isofieldpackager id="55" length="255" name="ICC" class="org.jpos.iso.IFB_LLLHBINARY" emitBitmap="false"
            packager="org.jpos.tlv.packager.bertlv.BERTLVBinaryPackager"/>
        <isofieldpackager id="127" length="999999" name="PRIVATE" class="org.jpos.iso.IFA_LLLLLLBINARY"
            packager="org.jpos.iso.packager.GenericSubFieldPackager">
          <isofield id="0" length="0" name="PLACEHOLDER" class="org.jpos.iso.IF_NOP"/>
          <isofield id="1" length="8" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
          <isofield id="2" length="32" name="SWITCH KEY" class="org.jpos.iso.IFA_LLCHAR"/>
          <isofieldpackager id="3" length="48" name="ROUTING" class="org.jpos.iso.IF_CHAR"
              packager="org.jpos.iso.packager.GenericSubFieldPackager" emitBitmap="false">
            <isofield id="1" length="12" name="SOURCE" class="org.jpos.iso.IF_CHAR"/>
            <isofield id="2" length="36" name="REST" class="org.jpos.iso.IF_CHAR"/>
          </isofieldpackager>
        </isofieldpackager>"#
    ));
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    let mut bytes = b"02008000000000200200".to_vec();
    bytes.extend_from_slice(b"0000000000000002");
    bytes.extend_from_slice(format!("{:25}{:13}DE", "Corner Books", "Berlin").as_bytes());
    bytes.extend_from_slice(&hex("0009 9F270180 9F1A020276"));
    bytes.extend_from_slice(b"000062");
    bytes.extend_from_slice(&hex("6000000000000000"));
    bytes.extend_from_slice(format!("04KEY1{:12}{:36}", "SRC", "rest").as_bytes());
    for (path, said) in [
        ("43.2", "Berlin       "),
        ("43.3", "DE"),
        ("43", "Corner Books             Berlin       DE"),
        ("55.9F27", "80"),
        ("55.9F1A", "0276"),
        ("127.2", "KEY1"),
        ("127.3.1", "SRC         "),
    ] {
        assert_eq!(value(&dialect, &bytes, path), said, "{path}");
    }
}

#[test]
fn parts_behind_tags() {
    let (dialect, imported) = jpos(&format!(
        r###"{HEAD_OF_DIGITS}
        <isofieldpackager id="48" length="999" name="PDS" class="org.jpos.iso.IFA_LLLCHAR"
            packager="org.jpos.iso.packager.EuroSubFieldPackager">
          <isofield id="1" length="97" name="ONE" class="org.jpos.iso.IFMC_LLCHAR"/>
          <isofield id="42" length="97" name="ELECTRONIC COMMERCE" class="org.jpos.iso.IFMC_LLCHAR"/>
        </isofieldpackager>
        <isofieldpackager id="62" length="999" name="TAGS" class="org.jpos.iso.IFA_LLLCHAR" token="XX"
            packager="org.jpos.tlv.packager.TaggedSequencePackager">
          <isofield id="1" length="99" token="WK" name="WALLET" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
          <isofield id="2" length="99" token="##" name="ANY" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
        </isofieldpackager>"###
    ));
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    let bytes =
        ["0200", "0000000000010004", "018", "42070210001", "0103ABC", "011", "WK02OK", "ZZ01?"];
    let bytes = bytes.concat();
    for (path, said) in [("48.42", "0210001"), ("48.01", "ABC"), ("62.WK", "OK"), ("62.ZZ", "3F")] {
        assert_eq!(value(&dialect, bytes.as_bytes(), path), said, "{path}");
    }
}

#[test]
fn parts_without_a_tag_stand_before_those_with_one() {
    let (dialect, imported) = jpos(&format!(
        r###"{HEAD_OF_DIGITS}
        <isofieldpackager id="48" length="999" name="PRIVATE" class="org.jpos.iso.IFA_LLLCHAR" token="00"
            packager="org.jpos.tlv.packager.TaggedSequencePackager">
          <isofield id="0" length="1" name="CODE" class="org.jpos.iso.IF_CHAR"/>
          <isofield id="1" length="99" token="##" name="ANY" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
          <isofield id="2" length="99" token="12" name="TIME" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
        </isofieldpackager>"###
    ));
    assert_eq!(
        losses(&imported),
        ["element 48 (line 6): its tags stand behind other parts: a tag is 48.2.TAG in a dialect"]
    );
    let text = ["0200", "0000000000010000", "013", "T", "1203120", "9901X"].concat();
    for (path, said) in [("48.1", "T"), ("48.2.12", "120"), ("48.2.99", "58")] {
        assert_eq!(value(&dialect, text.as_bytes(), path), said, "{path}");
    }
}

#[test]
fn a_packager_of_mainframes_keeps_its_parts_in_their_characters() {
    let (dialect, imported) = jpos(
        r#"<isofield id="0" length="4" name="MTI" class="org.jpos.iso.IFE_NUMERIC"/>
        <isofield id="1" length="16" name="BIT MAP" class="org.jpos.iso.IFB_BITMAP"/>
        <isofield id="11" length="6" name="TRACE" class="org.jpos.iso.IFE_NUMERIC"/>
        <isofieldpackager id="48" length="999" name="PRIVATE" class="org.jpos.iso.IFE_LLLCHAR"
            packager="org.jpos.iso.packager.GenericSubFieldPackager" emitBitmap="false">
          <isofield id="1" length="2" name="KIND" class="org.jpos.iso.IF_CHAR"/>
          <isofield id="2" length="20" name="TEXT" class="org.jpos.iso.IFA_LLCHAR"/>
        </isofieldpackager>"#,
    );
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    assert!(imported.text.contains("text = \"ebcdic-1047\""), "{}", imported.text);
    assert!(!imported.text.contains("encoding"), "nothing is said twice: {}", imported.text);
    let bytes = hex("F0F2F0F0 0020000000010000 F0F0F0F1F2F3 F0F0F6 C1AD F0F2 D6D2");
    for (path, said) in [("11", "000123"), ("48.1", "A["), ("48.2", "OK")] {
        assert_eq!(value(&dialect, &bytes, path), said, "{path}");
    }
}

#[test]
fn what_cannot_be_carried_over_is_told_with_its_place_and_the_rest_is_taken() {
    let (dialect, imported) = jpos(&format!(
        r#"{HEAD_OF_DIGITS}
        <isofield id="11" length="6" name="TRACE" class="org.jpos.iso.IFA_NUMERIC"/>
        <isofield id="44" length="25" name="OWN" class="com.mybank.OwnPackager"/>
        <isofield id="46" length="255" name="LONG" class="org.jpos.iso.IFA_LLCHAR"/>
        <isofieldpackager id="48" length="99" name="TAGS" class="org.jpos.iso.IFA_LLCHAR"
            packager="com.mybank.Tags">
          <isofield id="1" length="9" name="ONE" class="org.jpos.iso.IF_CHAR"/>
        </isofieldpackager>
        <isofieldpackager id="62" length="99" name="TAGS" class="org.jpos.iso.IFA_LLCHAR"
            packager="org.jpos.tlv.packager.TaggedSequencePackager" token="XX">
          <isofield id="1" length="9" token="AA" name="ONE" class="org.jpos.tlv.packager.IFTA_LLCHAR"/>
          <isofield id="2" length="9" token="BB" name="TWO" class="org.jpos.tlv.packager.IFTA_LLLCHAR"/>
        </isofieldpackager>
        <isofield id="131" length="5" name="THIRD" class="org.jpos.iso.IF_CHAR"/>"#
    ));
    assert_eq!(
        losses(&imported),
        [
            "element 44 (line 7): the class `com.mybank.OwnPackager` is not known; left out",
            "element 46 (line 8): a length of 255 is more than its class can say; 99 is taken",
            "element 48 (line 9): the packager `Tags` is not known; it is carried over without its parts",
            "element 62 (line 13): its parts have tags or lengths of several kinds; it is carried over without \
             its parts",
            "element 131 (line 18): is no element from 2 to 128; left out",
        ]
    );
    assert!(imported.text.contains("#   element 44 (line 7):"), "{}", imported.text);
    // What is whole is read: here elements 46 and 48.
    let bytes = b"0200000000000005000002AB03XYZ";
    assert_eq!(
        (value(&dialect, bytes, "46"), value(&dialect, bytes, "48")),
        ("AB".into(), "XYZ".into())
    );
}

#[test]
fn the_edition_is_seen_by_time_and_action_code_and_text_is_text_whatever_the_class() {
    for (time, code, request, reply) in
        [(6, 2, "0100", "0110"), (12, 3, "1100", "1110"), (14, 4, "2100", "2110")]
    {
        let (dialect, imported) = jpos(&format!(
            r#"{HEAD_OF_DIGITS}
            <isofield id="12" length="{time}" name="TIME" class="org.jpos.iso.IFA_NUMERIC"/>
            <isofield id="37" length="12" name="REFERENCE" class="org.jpos.iso.IFA_NUMERIC"/>
            <isofield id="39" length="{code}" name="CODE" class="org.jpos.iso.IFA_NUMERIC"/>"#
        ));
        assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
        let reply = Mti::parse(reply).unwrap();
        assert_eq!(dialect.reply_to(Mti::parse(request).unwrap()), Some(reply));
        let body = format!("{request}0000000008000000R12345678901");
        assert_eq!(value(&dialect, body.as_bytes(), "37"), "R12345678901");
    }
}

#[test]
fn bitmaps_of_parts_stand_where_the_file_says_and_have_64_bits() {
    let (dialect, imported) = jpos(&format!(
        r#"{HEAD_OF_BYTES}
        <isofieldpackager id="43" length="9999" name="PLACE" class="org.jpos.iso.IFB_LLLLBINARY" emitBitmap="true"
            bitmapField="0" packager="org.jpos.iso.packager.GenericSubFieldPackager">
          <isofield id="0" length="16" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
          <isofield id="2" length="50" name="NAME" class="org.jpos.iso.IFB_LLCHAR"/>
        </isofieldpackager>
        <isofieldpackager id="44" length="99" name="HEADED" class="org.jpos.iso.IFB_LLBINARY" emitBitmap="true"
            bitmapField="0" headerLength="1" packager="org.jpos.iso.packager.GenericPackager">
          <isofield id="0" length="8" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
          <isofield id="1" length="3" name="ERROR" class="org.jpos.iso.IFE_CHAR"/>
        </isofieldpackager>
        <isofieldpackager id="48" length="99" name="SHORT" class="org.jpos.iso.IFB_LLBINARY" emitBitmap="true"
            bitmapField="0" packager="org.jpos.iso.packager.GenericPackager">
          <isofield id="0" length="4" name="BITMAP" class="org.jpos.iso.IFB_BITMAP"/>
          <isofield id="1" length="3" name="ERROR" class="org.jpos.iso.IFE_CHAR"/>
        </isofieldpackager>
        <isofieldpackager id="62" length="99" name="LENGTH FIRST" class="org.jpos.iso.IFB_LLBINARY"
            packager="org.jpos.iso.packager.EuroSubFieldPackager">
          <isofield id="1" length="3" name="ERROR" class="org.jpos.iso.IFEP_LLCHAR"/>
        </isofieldpackager>
        <isofieldpackager id="126" length="255" name="FIELD 126" class="org.jpos.iso.IFB_LLHBINARY"
            packager="org.jpos.iso.packager.Base1SubFieldPackager">
          <isofield id="0" length="8" name="BITMAP" class="org.jpos.iso.packager.Base1_BITMAP126"/>
          <isofield id="10" length="6" name="REQUEST" class="org.jpos.iso.IFE_CHAR"/>
        </isofieldpackager>"#
    ));
    assert_eq!(
        losses(&imported),
        [
            "element 44 (line 11): a header stands before its parts; it is carried over without its parts",
            "element 48 (line 16): its bitmap is not of 64 bits; it is carried over without its parts",
            "element 62 (line 21): lengths stand before tags, and a dialect has them behind; it is carried over \
             without its parts",
        ]
    );
    let bytes = hex(
        "0200 8000000000200000 0000000000000004 0012 4000000000000000 03424142 0E 0040000000000000 F1F140404040",
    );
    for (path, said) in [("43.2", "BAB"), ("126.10", "11    ")] {
        assert_eq!(value(&dialect, &bytes, path), said, "{path}");
    }
}

#[test]
fn a_specification_in_json() {
    let (dialect, imported) = moov(
        r#"
        "0": {"type": "String", "length": 4, "description": "MTI", "enc": "BCD", "prefix": "BCD.Fixed"},
        "1": {"type": "Bitmap", "length": 8, "description": "Bitmap", "enc": "Binary", "prefix": "Binary.Fixed"},
        "2": {"type": "String", "length": 19, "description": "PAN", "enc": "BCD", "prefix": "BCD.LL"},
        "3": {"type": "Numeric", "length": 6, "description": "Code", "enc": "BCD", "prefix": "BCD.Fixed",
            "padding": {"type": "Left", "pad": "0"}},
        "43": {"type": "Composite", "length": 12, "description": "Place", "prefix": "ASCII.LL",
            "tag": {"sort": "StringsByInt"}, "subfields": {
              "2": {"type": "String", "length": 10, "description": "City", "enc": "ASCII", "prefix": "ASCII.LL"},
              "1": {"type": "String", "length": 2, "description": "Country", "enc": "ASCII", "prefix": "ASCII.Fixed"}}},
        "48": {"type": "Composite", "length": 999, "description": "Tags", "prefix": "ASCII.LLL",
            "tag": {"length": 2, "enc": "ASCII", "sort": "StringsByInt"}, "subfields": {
              "01": {"type": "String", "length": 20, "description": "Order", "enc": "ASCII", "prefix": "ASCII.LL"}}},
        "55": {"type": "Composite", "length": 255, "description": "ICC", "prefix": "Binary.L",
            "tag": {"enc": "BerTLVTag", "sort": "StringsByHex"}, "subfields": {
              "9F27": {"type": "Binary", "length": 1, "description": "CID", "enc": "Binary", "prefix": "BerTLV"}}},
        "64": {"type": "Binary", "length": 8, "description": "MAC", "enc": "HexToASCII", "prefix": "Hex.Fixed"}
        "#,
    );
    assert!(imported.losses.is_empty(), "{:?}", losses(&imported));
    let mut bytes = hex("0200 6000000000210201 16 4000000000000002 003000");
    bytes.extend_from_slice(b"08DE04Bonn");
    bytes.extend_from_slice(b"0090105ORDER");
    bytes.extend_from_slice(&hex("09 9F270180 9F1A020276"));
    bytes.extend_from_slice(b"1122334455667788");
    for (path, said) in [
        ("2", "4000000000000002"),
        ("3", "003000"),
        ("43.1", "DE"),
        ("43.2", "Bonn"),
        ("48.01", "ORDER"),
        ("55.9F27", "80"),
        ("55.9F1A", "0276"),
        ("64", "1122334455667788"),
    ] {
        assert_eq!(value(&dialect, &bytes, path), said, "{path}");
    }
    // And back: what was read is written again, byte by byte.
    let message = dialect.parse(&bytes).unwrap();
    let mut builder = Builder::new(dialect.wire(), Mti::parse("0200").unwrap());
    for number in [2, 3, 43, 48, 55, 64] {
        builder.set(number, &message.get(number).unwrap()).unwrap();
    }
    let mut again = Vec::new();
    builder.pack(&mut again).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn what_json_cannot_bring_over_is_told() {
    let (_, imported) = moov(
        r#"
        "0": {"type": "String", "length": 4, "enc": "ASCII", "prefix": "ASCII.Fixed"},
        "1": {"type": "Bitmap", "length": 8, "enc": "Hex", "prefix": "Hex.Fixed"},
        "3": {"type": "String", "length": 6, "enc": "Own", "prefix": "ASCII.Fixed"},
        "4": {"type": "String", "length": 12, "enc": "ASCII", "prefix": "Own.LL"},
        "11": {"type": "String", "length": 6, "enc": "ASCII", "prefix": "ASCII.Fixed"},
        "48": {"type": "Composite", "length": 99, "prefix": "ASCII.LL", "tag": {"length": 2, "enc": "ASCII"},
            "subfields": {
              "01": {"type": "String", "length": 5, "enc": "ASCII", "prefix": "ASCII.Fixed"}}},
        "200": {"type": "String", "length": 6, "enc": "ASCII", "prefix": "ASCII.Fixed"}
        "#,
    );
    assert_eq!(
        losses(&imported),
        [
            "field 3: the encoding `Own` is not known; left out",
            "field 4: the prefix `Own.LL` is not known; left out",
            "field 48: its tags or lengths are of a kind that a dialect has not; it is carried over without its parts",
            "field 200: is no element from 2 to 128; left out",
        ]
    );
}

#[test]
fn what_is_no_such_file_is_refused_with_its_place() {
    let refused = |origin, text: &str| match import(origin, text, "mybank") {
        Err(why) => why.to_string(),
        Ok(imported) => panic!("taken: {}", imported.text),
    };
    for (text, why) in [
        ("", "line 1, column 1: this is no XML: no XML element is there"),
        ("<isopackager>\n", "line 2, column 1: this is no XML: the file ends within an element"),
        ("<isopackager>\n  <isofield id='1'></isopackager>", "line 2, column 20: this is no XML"),
        ("<project/>", "line 1: the file begins with <project>; <isopackager> is expected"),
        ("<isopackager emitBitmap='false'/>", "line 1: its messages have no bitmap"),
        ("<isopackager/>", "no element that a dialect can have is defined in it"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><isopackager name='&b;'/>", "this is no XML"),
    ] {
        let said = refused(Origin::JposXml, text);
        assert!(said.contains(why), "{text}: {said}");
    }
    for (text, why) in [
        ("{", "line 1, column 1: this is no JSON"),
        ("{\"name\": 1}", "fields: missing; an object of fields by number is expected"),
        ("{\"fields\": {}}", "no element that a dialect can have is defined in it"),
    ] {
        let said = refused(Origin::MoovJson, text);
        assert!(said.starts_with(why), "{text}: {said}");
    }
    assert!(matches!(
        import(Origin::JposXml, &"<a>".repeat(100_000), "x"),
        Err(ImportError::Syntax { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the file: what comes out is a dialect.
    #[test]
    fn whatever_a_packager_says_a_dialect_comes_out(
        fields in prop::collection::vec((0_u8..=130, class_name(), 0_usize..=1_200, packager_name(),
            prop::collection::vec((0_u8..=70, class_name(), 0_usize..=60, token()), 0..5)), 1..12),
        pad in any::<bool>(),
    ) {
        let mut text = String::new();
        for (id, class, length, packager, parts) in &fields {
            let _ = write!(text, "<isofieldpackager id='{id}' class='{class}' length='{length}' pad='{pad}' \
                packager='{packager}' token='XX' name='a &quot; \\ b'>");
            for (id, class, length, token) in parts {
                let _ = write!(text, "<isofield id='{id}' class='{class}' length='{length}' token='{token}'/>");
            }
            text.push_str("</isofieldpackager>");
        }
        match import(Origin::JposXml, &packager(&text), "mybank") {
            Ok(_) | Err(ImportError::Empty) => {}
            Err(why) => prop_assert!(false, "{why}"),
        }
    }

    #[test]
    fn whatever_a_specification_says_a_dialect_comes_out(
        fields in prop::collection::vec((0_u8..=130, coding(), 0_usize..=1_200, any::<bool>(), coding(),
            prop::collection::vec((token(), coding(), 0_usize..=60), 0..5)), 1..12),
    ) {
        let field = |(kind, enc, prefix): &(&str, &str, &str), length: usize| {
            json!({"type": kind, "enc": enc, "prefix": prefix, "length": length, "description": "a \" b",
                "padding": {"type": "Left", "pad": "0"}})
        };
        let mut all = Map::new();
        for (id, coding, length, bits, tag, parts) in &fields {
            let mut one = field(coding, *length);
            if !parts.is_empty() {
                let parts: Map<_, _> =
                    parts.iter().map(|(key, coding, length)| (key.to_string(), field(coding, *length))).collect();
                one["subfields"] = parts.into();
                one["tag"] = json!({"length": 2, "enc": tag.1});
                if *bits {
                    one["bitmap"] = json!({"enc": tag.1, "length": 8});
                }
            }
            all.insert(id.to_string(), one);
        }
        match import(Origin::MoovJson, &json!({"fields": all}).to_string(), "mybank") {
            Ok(_) | Err(ImportError::Empty) => {}
            Err(why) => prop_assert!(false, "{why}"),
        }
    }
}

fn class_name() -> impl Strategy<Value = String> {
    let families = [
        "IF", "IFA", "IFB", "IFE", "IFAE", "IFEA", "IFEB", "IFMC", "IFEMC", "IFEPE", "IFIPM",
        "IFTA", "IFTB",
    ];
    let kinds = [
        "CHAR",
        "NUMERIC",
        "BINARY",
        "LLCHAR",
        "LLNUM",
        "LLLNUM",
        "LLBINARY",
        "LLLCHAR",
        "LLHCHAR",
        "LLHNUM",
        "LLLHBINARY",
        "LLABINARY",
        "AMOUNT",
        "HEX",
        "LLHEX",
        "LLBNUM",
        "FNUMERIC",
        "FLLNUM",
        "FLLCHAR",
        "BITMAP",
        "TTLLCHAR",
        "NOP",
        "SIGNED_NUMERIC",
        "LLLLLLBINARY",
        "OTHER",
    ];
    (select(families.to_vec()), select(kinds.to_vec()))
        .prop_map(|(family, kind)| format!("{family}_{kind}"))
}

fn packager_name() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "GenericSubFieldPackager",
            "EuroSubFieldPackager",
            "TaggedSequencePackager",
            "BERTLVBinaryPackager",
            "BinaryHexTaggedSequencePackager",
            "OtherPackager",
        ][..],
    )
}

fn token() -> impl Strategy<Value = &'static str> {
    select(
        &["1", "2", "3", "01", "02", "AA", "9F26", "5A", "##", "a b", "", "ABCDEFGHI", "\u{e9}"][..],
    )
}

/// A type, an encoding and a prefix.
fn coding() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    (
        select(&["String", "Numeric", "Binary", "Bitmap", "Composite", "Track2", "Hex"][..]),
        select(
            &[
                "ASCII",
                "BCD",
                "LBCD",
                "EBCDIC",
                "EBCDIC1047",
                "Binary",
                "HexToASCII",
                "ASCIIToHex",
                "BerTLVTag",
                "",
                "Own",
            ][..],
        ),
        select(
            &[
                "ASCII.Fixed",
                "ASCII.L",
                "ASCII.LLL",
                "BCD.LL",
                "Binary.L",
                "Binary.LLLLLL",
                "Hex.L",
                "Hex.LLL",
                "EBCDIC.LL",
                "BerTLV",
                "None.Fixed",
                "Own",
            ][..],
        ),
    )
}
