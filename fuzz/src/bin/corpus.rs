//! The inputs that are kept, one a line in hex digits, as the files that the fuzzer wants, and back.
//!
//!     corpus targets                    the names of all targets
//!     corpus unpack TARGET FOLDER       seeds, kept inputs and failures, a file each
//!     corpus pack TARGET FOLDER MOST    MOST files, of all lengths some, become the kept inputs

use data_encoding::HEXLOWER;
use std::{fs, path::Path};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["targets"] => println!("{}", tidegate_fuzz::targets().join(" ")),
        ["unpack", target, folder] => {
            fs::create_dir_all(folder).expect("a folder for the inputs");
            let kept = ["corpus", "failures"].map(|kind| root.join(kind).join(format!("{target}.hex")));
            let kept = kept.iter().flat_map(|file| fs::read_to_string(file).unwrap_or_default().lines().map(decode).collect::<Vec<_>>());
            for (place, input) in tidegate_fuzz::seeds(target).into_iter().chain(kept).enumerate() {
                fs::write(Path::new(folder).join(format!("kept-{place:04}")), input).expect("written");
            }
        }
        ["pack", target, folder, most] => {
            let files = fs::read_dir(folder).expect("a folder of inputs").map(|it| it.unwrap().path());
            let mut inputs: Vec<Vec<u8>> = files.map(|file| fs::read(file).unwrap()).collect();
            inputs.sort_by_key(|input| (input.len(), input.clone()));
            // Of all lengths some, not the shortest alone.
            let most: usize = most.parse().expect("a number");
            let count = inputs.len();
            let mut place = 0;
            inputs.retain(|_| {
                place += 1;
                place * most / count.max(most) != (place - 1) * most / count.max(most)
            });
            let lines: String = inputs.iter().map(|input| HEXLOWER.encode(input) + "\n").collect();
            fs::write(root.join("corpus").join(format!("{target}.hex")), lines).expect("written");
        }
        _ => {
            eprintln!("corpus targets | unpack TARGET FOLDER | pack TARGET FOLDER MOST");
            std::process::exit(2);
        }
    }
}

fn decode(line: &str) -> Vec<u8> {
    HEXLOWER.decode(line.trim().as_bytes()).expect("hex digits")
}
