//! Files of a message a line, which may be longer than memory.

use anyhow::{Context, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Hands each line that is not empty on, with its number from 1. `-`, or no file, is standard input.
pub(super) fn each(file: Option<&Path>, mut line: impl FnMut(u64, &str)) -> anyhow::Result<()> {
    let mut input: Box<dyn BufRead> = match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => {
            let opened = File::open(file);
            Box::new(BufReader::new(
                opened.with_context(|| format!("cannot read {}", file.display()))?,
            ))
        }
        None => Box::new(std::io::stdin().lock()),
    };
    let mut text = String::new();
    for number in 1_u64.. {
        text.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_line(&mut text)? == 0 {
            break;
        }
        if u64::try_from(text.len()).unwrap_or(u64::MAX) == LINE_BYTES_MAX && !text.ends_with('\n')
        {
            bail!("line {number} is longer than {LINE_BYTES_MAX} bytes");
        }
        if !text.trim().is_empty() {
            line(number, text.trim());
        }
    }
    Ok(())
}
