//! Looks for card data where none may be: in files, in answers, and in the memory of the gateway's
//! process. Card numbers are looked for as digits, as packed digits, as hexadecimal and as base64 of
//! their digits at every alignment; security codes, three digits that occur everywhere by chance, in the
//! two forms in which they travel (the JSON member and the host's DE 48), likewise.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What to look for.
pub struct Canaries {
    /// By its first two bytes.
    needles: BTreeMap<[u8; 2], Vec<Needle>>,
    longest: usize,
    starts: Vec<bool>,
}

struct Needle {
    bytes: Vec<u8>,
    what: String,
}

/// A canary that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What, masked, and in which form.
    pub what: String,
    /// Where.
    pub place: String,
}

impl Canaries {
    /// Canaries for card numbers and for security codes.
    pub fn of<'a>(
        numbers: impl IntoIterator<Item = &'a str>,
        codes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut canaries =
            Self { needles: BTreeMap::new(), longest: 0, starts: vec![false; 65_536] };
        for number in numbers {
            let name = format!("card {}", crate::iso::mask_card(number));
            canaries.add_text(number, &name);
            // Packed, a number of mostly zeros is a number that occurs anywhere.
            let digits: BTreeSet<u8> = number.bytes().collect();
            if digits.len() >= DISTINCT_DIGITS_MIN
                && let Ok(packed) = HEXLOWER.decode(number.as_bytes())
            {
                canaries.add(packed, format!("{name}, packed digits"));
            }
        }
        for code in codes {
            for text in
                [format!("\"security_code\":\"{code}\""), format!("CV{:02}{code}", code.len())]
            {
                canaries.add_text(&text, "a security code");
            }
        }
        canaries
    }

    fn add_text(&mut self, text: &str, name: &str) {
        let bytes = text.as_bytes();
        self.add(bytes.to_vec(), format!("{name}, in clear"));
        self.add(HEXLOWER.encode(bytes).into_bytes(), format!("{name}, as hex"));
        self.add(HEXUPPER.encode(bytes).into_bytes(), format!("{name}, as hex"));
        for encoding in [&BASE64, &BASE64URL] {
            for shift in 0..3_usize {
                // The characters that depend on these bytes alone, whatever stands before and after.
                let padded = [vec![0; shift], bytes.to_vec()].concat();
                let encoded = encoding.encode(&padded);
                let first = if shift == 0 { 0 } else { shift.saturating_add(1) };
                let whole = padded.len().checked_div(3).unwrap_or(0).saturating_mul(4);
                if let Some(middle) = encoded.get(first..whole) {
                    self.add(middle.as_bytes().to_vec(), format!("{name}, as base64"));
                }
            }
        }
    }

    fn add(&mut self, bytes: Vec<u8>, what: String) {
        if let [a, b, ..] = *bytes.as_slice() {
            self.longest = self.longest.max(bytes.len());
            if let Some(start) = self.starts.get_mut(usize::from(u16::from_be_bytes([a, b]))) {
                *start = true;
            }
            let needles = self.needles.entry([a, b]).or_default();
            if needles.iter().all(|needle| needle.bytes != bytes) {
                needles.push(Needle { bytes, what });
            }
        }
    }

    /// Looks through bytes.
    pub fn in_bytes(&self, place: &str, hay: &[u8]) -> BTreeSet<Found> {
        let mut found = BTreeSet::new();
        for start in (0..hay.len()).step_by(ZEROS.len()) {
            let end = start.saturating_add(ZEROS.len()).min(hay.len());
            // Much of memory, and of a journal's next segment, is zeros: passed over at once.
            let page = hay.get(start..end).unwrap_or_default();
            if Some(page) != ZEROS.get(..page.len()) {
                self.in_page(place, hay, start..end, &mut found);
            }
        }
        found
    }

    /// Looks for what begins in a range.
    fn in_page(&self, place: &str, hay: &[u8], range: Range<usize>, found: &mut BTreeSet<Found>) {
        for at in range {
            let rest = hay.get(at..).unwrap_or_default();
            let &[a, b, ..] = rest else { continue };
            if self.starts.get(usize::from(u16::from_be_bytes([a, b]))) != Some(&true) {
                continue;
            }
            for needle in self.needles.get(&[a, b]).into_iter().flatten() {
                if rest.starts_with(&needle.bytes) {
                    found.insert(Found { what: needle.what.clone(), place: place.to_owned() });
                }
            }
        }
    }

    /// Looks through every file under a folder, following no links.
    /// # Errors
    /// Whatever reading says.
    pub fn in_folder(&self, folder: &Path) -> io::Result<BTreeSet<Found>> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                found.extend(self.in_folder(&entry.path())?);
            } else if kind.is_file() {
                found.extend(self.in_file(&entry.path())?);
            }
        }
        Ok(found)
    }

    /// Looks through a file.
    /// # Errors
    /// Whatever reading says.
    pub fn in_file(&self, path: &Path) -> io::Result<BTreeSet<Found>> {
        let place = path.display().to_string();
        let mut file = File::open(path)?;
        let mut found = BTreeSet::new();
        let mut kept = Vec::new();
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let limit = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
            if io::Read::by_ref(&mut file).take(limit).read_to_end(&mut piece)? == 0 {
                return Ok(found);
            }
            // What lies across the border of two pieces is seen too.
            kept.extend(piece);
            found.extend(self.in_bytes(&place, &kept));
            let overlap = kept.len().saturating_sub(self.longest);
            kept.drain(..overlap);
        }
    }

    /// Looks through the memory of a process, as its parent may.
    /// # Errors
    /// If the process or its memory cannot be read.
    pub fn in_memory_of(&self, pid: u32) -> io::Result<BTreeSet<Found>> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let mut memory = File::open(PathBuf::from(format!("/proc/{pid}/mem")))?;
        let mut found = BTreeSet::new();
        let mut readable_regions = 0_u32;
        for region in maps.lines().filter_map(Region::read) {
            let mut at = region.start;
            let mut any = false;
            while at < region.end {
                let length = region.end.saturating_sub(at).min(PIECE_BYTES_U64);
                let mut piece = Vec::new();
                let read = memory.seek(SeekFrom::Start(at)).and_then(|_| {
                    io::Read::by_ref(&mut memory).take(length).read_to_end(&mut piece)
                });
                // Some regions of the kernel's cannot be read by anybody.
                if read.is_err() || piece.is_empty() {
                    break;
                }
                any = true;
                found.extend(self.in_bytes(&format!("memory, {}", region.name), &piece));
                let overlap = u64::try_from(self.longest).unwrap_or(0);
                let step = length.saturating_sub(overlap).max(1);
                at = if at.saturating_add(length) >= region.end {
                    region.end
                } else {
                    at.saturating_add(step)
                };
            }
            readable_regions = readable_regions.saturating_add(u32::from(any));
        }
        if readable_regions == 0 {
            return Err(io::Error::other("none of the process's memory could be read"));
        }
        Ok(found)
    }
}

static ZEROS: [u8; 4096] = [0; 4096];
const DISTINCT_DIGITS_MIN: usize = 6;
const PIECE_BYTES: usize = 4 << 20;
const PIECE_BYTES_U64: u64 = 4 << 20;

struct Region<'a> {
    start: u64,
    end: u64,
    name: &'a str,
}

impl<'a> Region<'a> {
    /// One line of `/proc/PID/maps` (proc(5)), if it is readable and may hold data of the process's own.
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.split_whitespace();
        let (start, end) = parts.next()?.split_once('-')?;
        let rights = parts.next()?;
        let name = parts.nth(3).unwrap_or("anonymous");
        let own = rights.starts_with("rw") && !name.starts_with("[vvar");
        own.then_some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            name,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const NUMBER: &str = "4000003141592653";

    fn canaries() -> Canaries {
        Canaries::of([NUMBER], ["947"])
    }

    #[test]
    fn every_form_is_found_wherever_it_lies() {
        let canaries = canaries();
        let forms: [(&str, Vec<u8>); 6] = [
            ("in clear", NUMBER.into()),
            ("packed digits", HEXLOWER.decode(NUMBER.as_bytes()).unwrap()),
            ("as hex", HEXLOWER.encode(NUMBER.as_bytes()).into()),
            ("in clear", b"...CV03947...".to_vec()),
            ("in clear", br#"{"security_code":"947"}"#.to_vec()),
            ("as hex", HEXUPPER.encode(b"CV03947").into()),
        ];
        for (form, bytes) in forms {
            let hay = [b"before".as_slice(), &bytes, b"after"].concat();
            let found = canaries.in_bytes("here", &hay);
            assert!(found.iter().any(|found| found.what.ends_with(form)), "{form}: {found:?}");
        }
        for before in ["", "x", "xy"] {
            for after in ["", "z", "zz"] {
                let text = format!("{before}{NUMBER}{after}");
                for encoding in [&BASE64, &BASE64URL] {
                    let found =
                        canaries.in_bytes("here", encoding.encode(text.as_bytes()).as_bytes());
                    assert!(!found.is_empty(), "{before:?} {after:?}");
                }
            }
        }
        assert!(
            canaries.in_bytes("here", b"400000******2653 947 CV03*** 4000000000010026").is_empty()
        );
    }

    #[test]
    fn what_lies_across_two_pieces_of_a_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep");
        fs::create_dir(&path).unwrap();
        let mut bytes = vec![b'.'; PIECE_BYTES - 5];
        bytes.extend(NUMBER.as_bytes());
        fs::write(path.join("file"), bytes).unwrap();
        assert_eq!(canaries().in_folder(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_number_held_in_memory_is_found_there() {
        let held = String::from(NUMBER);
        let found = canaries().in_memory_of(std::process::id()).unwrap();
        assert!(found.iter().any(|found| found.what.contains("in clear")), "{}", held.len());
    }
}
