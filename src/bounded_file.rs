//! Reads text files that people write, and no more of them than anybody could have written.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The longest file of configuration or definitions.
pub const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Reads a text file.
/// # Errors
/// The system's; [`ErrorKind::FileTooLarge`] above [`TEXT_BYTES_MAX`]; [`ErrorKind::InvalidData`] for
/// what is no UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = read_bytes(path)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no UTF-8"))
}

/// Reads a text file of another program, which may be as old as ISO 8859-1: what is no UTF-8 is taken for that.
/// A mark of the byte order is left out.
/// # Errors
/// As [`read_text`], but for the last.
pub fn read_old_text(path: &Path) -> Result<String> {
    let text = match String::from_utf8(read_bytes(path)?) {
        Ok(text) => text,
        Err(other) => other.into_bytes().into_iter().map(char::from).collect(),
    };
    Ok(text.strip_prefix('\u{FEFF}').map_or(text.clone(), str::to_owned))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(TEXT_BYTES_MAX.saturating_add(1));
    file.read_to_end(&mut bytes)?;
    if file.limit() == 0 {
        let why = format!("it is longer than {} MiB", TEXT_BYTES_MAX >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_one_byte_more_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.toml");
        let longest = usize::try_from(TEXT_BYTES_MAX).unwrap();
        std::fs::write(&path, vec![b'#'; longest]).unwrap();
        assert_eq!(read_text(&path).unwrap().len(), longest);
        std::fs::write(&path, "ü".repeat(longest)).unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let endless = read_text(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.to_string(), "it is longer than 4 MiB");
    }
}
