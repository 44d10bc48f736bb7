//! How long one message of 21 fields takes, both ways, and how often memory is allocated for it.
//!
//!     cargo run --release -p tidegate-iso8583 --example speed            a table
//!     cargo run --release -p tidegate-iso8583 --example speed -- --json  a line of JSON for each case
//!     ... --example speed -- --only NAME --times N                       nothing but N times one case
//!
//! Every length, character set and filling is checked. The median of 20 runs counts; the runs of all cases
//! take turns, so that a change of the machine's pace meets them alike. The last form is for counting
//! instructions: those of 2 N times less those of N times, divided by N, are those of one message.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::string_slice,
    reason = "a measurement stops at the first surprise"
)]

use std::{hint::black_box, time::Instant};

use tidegate_iso8583::{
    dialect::{BitmapEncoding, Dialect, DialectSpec, MtiEncoding},
    field::{Content, Counts, Encoding, FieldSpec, Filler, Length, Mask, Padding, Prefix},
    mti::Mti,
    pack::Builder,
};

const RUNS: usize = 20;
const TIMES: u32 = 50_000;

const CHIP: &str = "9F2608A1B2C3D4E5F607189F2701809F10120110A0000F040000000000000000000000FF9F370411223344\
                    9F360200019505000000000000009A032612319C01009F02060000000012345F2A020978";

/// The values of a purchase at a terminal, with test card data.
fn values() -> Vec<(u8, String)> {
    let values = [
        (2, "5555555555554444"),
        (3, "000000"),
        (4, "000000001234"),
        (7, "1231235959"),
        (11, "000042"),
        (12, "235959"),
        (13, "1231"),
        (14, "2912"),
        (18, "5942"),
        (22, "051"),
        (25, "00"),
        (32, "12345678901"),
        (35, "5555555555554444=29122010000000000"),
        (37, "636512345678"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "Example Shop 1        Anytown         DE"),
        (49, "978"),
        (52, "0123456789ABCDEF"),
        (55, &CHIP[..126]),
        (64, "FEDCBA9876543210"),
    ];
    values.map(|(number, value)| (number, value.to_owned())).to_vec()
}

fn dialect(packed: bool) -> Dialect {
    use Content::{An, Ans, B, N, Z};
    let (fixed, ll, lll) = (|length| Length::Fixed(length), |max| (2, max), |max| (3, max));
    let var = |(digits, max)| {
        let prefix = if packed { Prefix::Bcd } else { Prefix::Ascii };
        Length::Var { digits, max, prefix, counts: Counts::Units }
    };
    let element = |number: u8, content, length| {
        let encoding = match content {
            N | Z if packed => Encoding::Bcd(Filler::LeadingZero),
            B if packed => Encoding::Raw,
            B => Encoding::Hex,
            _ => Encoding::Ascii,
        };
        let name = format!("element {number}");
        let (padding, mask) = (Padding::None, Mask::Never);
        (number, FieldSpec { name, content, encoding, length, padding, mask, parts: None })
    };
    let fields = vec![
        element(2, N, var(ll(19))),
        element(3, N, fixed(6)),
        element(4, N, fixed(12)),
        element(7, N, fixed(10)),
        element(11, N, fixed(6)),
        element(12, N, fixed(6)),
        element(13, N, fixed(4)),
        element(14, N, fixed(4)),
        element(18, N, fixed(4)),
        element(22, N, fixed(3)),
        element(25, N, fixed(2)),
        element(32, N, var(ll(11))),
        element(35, Z, var(ll(37))),
        element(37, An, fixed(12)),
        element(41, Ans, fixed(8)),
        element(42, Ans, fixed(15)),
        element(43, Ans, fixed(40)),
        element(49, N, fixed(3)),
        element(52, B, fixed(8)),
        element(55, B, var(lll(255))),
        element(64, B, fixed(8)),
    ];
    let (name, mti, bitmap) = if packed {
        ("iso87-binary", MtiEncoding::Bcd, BitmapEncoding::Binary)
    } else {
        ("iso87-ascii", MtiEncoding::Ascii, BitmapEncoding::Hex)
    };
    let name = name.to_owned();
    Dialect::build(DialectSpec { name, mti, bitmap, fields, overrides: vec![] }).unwrap()
}

/// One thing that is measured.
struct Case {
    name: String,
    bytes: usize,
    allocs: u64,
    runs: Vec<f64>,
    once: Box<dyn FnMut()>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for packed in [false, true] {
        let dialect: &'static Dialect = Box::leak(Box::new(dialect(packed)));
        let values: &'static [(u8, String)] = Box::leak(values().into_boxed_slice());
        let mti = Mti::parse("0200").unwrap();
        let mut builder = Builder::new(dialect, mti);
        let mut out = Vec::with_capacity(1_024);
        let mut pack = move || {
            builder.restart(mti);
            for (number, value) in values {
                builder.set(*number, black_box(value)).unwrap();
            }
            out.clear();
            builder.pack(&mut out).unwrap();
            black_box(&out).len()
        };
        let bytes = pack();
        let mut body = Vec::new();
        let mut first = Builder::new(dialect, mti);
        for (number, value) in values {
            first.set(*number, value).unwrap();
        }
        first.pack(&mut body).unwrap();
        let unpack = move || {
            let message = dialect.parse(black_box(&body)).unwrap();
            black_box(message.has(64));
        };
        let name = dialect.name();
        let case = |verb: &str, once: Box<dyn FnMut()>| Case {
            name: format!("{verb}-{name}-21"),
            bytes,
            allocs: 0,
            runs: Vec::new(),
            once,
        };
        cases.push(case("unpack", Box::new(unpack)));
        cases.push(case("pack", Box::new(move || _ = pack())));
    }
    cases
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let place = given.iter().position(|it| it == name)?;
        given.get(place + 1).cloned()
    };
    let mut cases = cases();
    if let (Some(only), Some(times)) = (after("--only"), after("--times")) {
        let case = cases.iter_mut().find(|case| case.name == only).expect("a name of the table");
        (0..times.parse::<u64>().expect("a number")).for_each(|_| (case.once)());
        return;
    }
    for case in &mut cases {
        (0..TIMES).for_each(|_| (case.once)());
        case.allocs = allocation_counter::measure(&mut case.once).count_total;
    }
    for _ in 0..RUNS {
        for case in &mut cases {
            let began = Instant::now();
            (0..TIMES).for_each(|_| (case.once)());
            case.runs.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES));
        }
    }
    for case in &mut cases {
        case.runs.sort_by(f64::total_cmp);
        let ns = f64::midpoint(case.runs[RUNS / 2 - 1], case.runs[RUNS / 2]);
        let Case { name, bytes, allocs, runs, .. } = case;
        if given.iter().any(|it| it == "--json") {
            println!(
                r#"{{"name":"{name}","ns":{ns:.1},"allocs":{allocs},"bytes":{bytes},"min":{:.1},"max":{:.1}}}"#,
                runs[0],
                runs[RUNS - 1]
            );
        } else {
            println!(
                "{name:<24} {ns:>7.1} ns [{:.1} - {:.1}]  {allocs} allocations  {bytes} bytes",
                runs[0],
                runs[RUNS - 1]
            );
        }
    }
}
