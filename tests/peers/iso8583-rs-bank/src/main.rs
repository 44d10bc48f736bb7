//! A bank host for `iso87-ascii` by the codec of the crate `iso8583_rs`: written by others than the
//! gateway's, so that both must mean the same bytes. For the tests of `tests/peers` alone.
//!
//!     SPEC_FILE=iso87-ascii.yaml iso8583-rs-bank serve FRAMES    listens; one JSON line a message
//!     SPEC_FILE=iso87-ascii.yaml iso8583-rs-bank read            hex lines in, JSON lines out, masked
//!     SPEC_FILE=iso87-ascii.yaml iso8583-rs-bank decode          the same with all values, for made-up messages
//!     SPEC_FILE=iso87-ascii.yaml iso8583-rs-bank encode          JSON lines in, hex lines out
//!
//! `FRAMES` gets each message in hex, for another program to read. The crate panics on what it does not
//! understand: the thread of that line ends then, and with it the line.

use iso8583_rs::iso8583::iso_spec::{IsoMsg, Spec, new_msg, spec};
use iso8583_rs::iso8583::mli::{MLI, MLI2E};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to a card's amount at this bank, in minor units; all else is approved.
const SILENT: u64 = 4400;
const REFUSED: u64 = 5100;
/// An advice about this amount is answered only when it is repeated.
const REPEATED: u64 = 4500;

/// What is on every card: default account, available, euro, credit, 123.45 (ISO 8583:1987, DE54).
const BALANCE: &str = "0002978C000000012345";

/// Elements that a reply gives back as they came.
const ECHOED: &[u32] = &[2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49, 70, 90];
/// Elements that are never shown: expiry, tracks, additional data with a security code, PIN, chip.
const HIDDEN: &[u32] = &[14, 34, 35, 36, 45, 48, 52, 55];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", frames] => serve(frames),
        ["read"] => read(shown),
        ["decode"] => read(whole),
        ["encode"] => encode(),
        _ => Err("usage: SPEC_FILE=YAML iso8583-rs-bank serve FRAMES | read | decode | encode".into()),
    }
}

fn read(show: fn(&IsoMsg) -> Result<Value, Failure>) -> Result<(), Failure> {
    for line in io::stdin().lock().lines() {
        let message = parse(&unhex(line?.trim())?)?;
        println!("{}", show(&message)?);
    }
    Ok(())
}

/// A message with all its values.
fn whole(message: &IsoMsg) -> Result<Value, Failure> {
    let elements = (2..=128).filter(|element| *element != 65);
    let fields = elements.filter_map(|it| Some((it.to_string(), value(message, it)?.into())));
    Ok(json!({ "mti": mti(message)?, "fields": fields.collect::<Map<_, _>>() }))
}

fn encode() -> Result<(), Failure> {
    let spec: &'static Spec = spec("");
    let any = spec.get_message("any").map_err(|error| error.msg)?;
    for line in io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let mut message = new_msg(spec, any);
        let mti = asked["mti"].as_str().ok_or("no mti")?;
        message.set("message_type", mti).map_err(|error| error.msg)?;
        for (element, value) in asked["fields"].as_object().ok_or("no fields")? {
            let text = value.as_str().ok_or("a value that is no text")?;
            message.set_on(element.parse()?, text).map_err(|error| error.msg)?;
        }
        println!("{}", hex(&with_hex_bitmap(&message.assemble().map_err(|error| error.msg)?)?));
    }
    Ok(())
}

fn serve(frames: &str) -> Result<(), Failure> {
    let frames = Arc::new(Mutex::new(File::create(frames)?));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let _ = spec("");
    println!("{}", json!({ "listening": listener.local_addr()?.to_string() }));
    for stream in listener.incoming() {
        let (stream, frames) = (stream?, Arc::clone(&frames));
        std::thread::spawn(move || {
            if let Err(error) = line(stream, &frames) {
                eprintln!("a line ended: {error}");
            }
        });
    }
    Ok(())
}

/// One line: message in, reply out, until the gateway closes it.
fn line(mut stream: TcpStream, frames: &Mutex<File>) -> Result<(), Failure> {
    loop {
        let length = MLI2E {}.parse(&mut stream).map_err(|error| error.msg)?;
        let mut body = vec![0; usize::try_from(length)?];
        stream.read_exact(&mut body)?;
        writeln!(frames.lock().map_err(|_| "poisoned")?, "{}", hex(&body))?;
        let request = parse(&body)?;
        println!("{}", shown(&request)?);
        if let Some(reply) = answer(&request)? {
            let body = with_hex_bitmap(&reply.assemble().map_err(|error| error.msg)?)?;
            let mut frame = MLI2E {}.create(&body.len()).map_err(|error| error.msg)?;
            frame.extend(body);
            stream.write_all(&frame)?;
        }
    }
}

/// What the bank says to a request; nothing, to some amounts.
fn answer(request: &IsoMsg) -> Result<Option<IsoMsg>, Failure> {
    let mti = mti(request)?;
    let amount = value(request, 4).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    let asks_for_money = mti.starts_with("01") || mti.starts_with("02");
    let first_advice = matches!(&mti[1..], "220" | "400" | "420");
    if asks_for_money && amount == SILENT || first_advice && amount == REPEATED {
        return Ok(None);
    }
    let mut reply = new_msg(spec(""), request.msg);
    let function = match &mti[2..3] {
        "0" => "1",
        "2" => "3",
        other => return Err(format!("a request of function {other}").into()),
    };
    let reply_type = format!("{}{function}0", &mti[..2]);
    reply.set("message_type", &reply_type).map_err(|error| error.msg)?;
    let echoed: Vec<u32> =
        ECHOED.iter().copied().filter(|element| request.bmp.is_on(*element)).collect();
    reply.echo_from(request, &echoed).map_err(|error| error.msg)?;
    let code = if asks_for_money && amount == REFUSED { "51" } else { "00" };
    reply.set_on(39, code).map_err(|error| error.msg)?;
    if let (true, "00", Some(stan)) = (asks_for_money, code, value(request, 11)) {
        reply.set_on(38, &format!("R{}", &stan[1..])).map_err(|error| error.msg)?;
    }
    if value(request, 3).is_some_and(|processing| processing.starts_with("31")) {
        reply.set_on(54, BALANCE).map_err(|error| error.msg)?;
    }
    Ok(Some(reply))
}

fn parse(body: &[u8]) -> Result<IsoMsg, Failure> {
    let spec: &'static Spec = spec("");
    Ok(spec.parse(&mut with_binary_bitmap(body)?).map_err(|error| error.msg)?)
}

fn mti(message: &IsoMsg) -> Result<String, Failure> {
    Ok(message.get_field_value(&"message_type".to_owned()).map_err(|error| error.msg)?)
}

fn value(message: &IsoMsg, element: u32) -> Option<String> {
    message.bmp.is_on(element).then(|| message.bmp_child_value(element).ok()).flatten()
}

/// A message for the script: the card number masked, secrets as their length.
fn shown(message: &IsoMsg) -> Result<Value, Failure> {
    let mut fields = Map::new();
    for element in (2..=128).filter(|element| *element != 65) {
        let Some(text) = value(message, element) else { continue };
        let text = match element {
            2 => format!("{}******{}", &text[..6], &text[text.len() - 4..]),
            hidden if HIDDEN.contains(&hidden) => format!("({})", text.len()),
            _ => text,
        };
        fields.insert(element.to_string(), text.into());
    }
    Ok(json!({ "mti": mti(message)?, "fields": fields }))
}

/// Makes bytes of a bitmap of hex digits: all that the crate lacks for this dialect.
fn with_binary_bitmap(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let digits = |from: usize| body.get(from..from + 16).ok_or("a message without bitmap");
    let mut bitmap = unhex(std::str::from_utf8(digits(4)?)?)?;
    if bitmap[0] & 0x80 != 0 {
        bitmap.extend(unhex(std::str::from_utf8(digits(20)?)?)?);
    }
    let rest = 4 + 2 * bitmap.len();
    Ok([&body[..4], &bitmap, &body[rest..]].concat())
}

/// The way back.
fn with_hex_bitmap(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let second = body.get(4).ok_or("a message without bitmap")? & 0x80 != 0;
    let end = if second { 20 } else { 12 };
    let bitmap = body.get(4..end).ok_or("a message without bitmap")?;
    Ok([&body[..4], hex(bitmap).as_bytes(), &body[end..]].concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Failure> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}
