//! How frames are told apart on a line: a length, then so many bytes of message.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What stands before each message, by the names of the gateway's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// `length-be2`: two bytes, most significant first.
    #[default]
    Be2,
    /// `length-ascii4`: four digits.
    Ascii4,
}

impl Framing {
    /// By its name; `None`: there is none of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "length-be2" => Some(Self::Be2),
            "length-ascii4" => Some(Self::Ascii4),
            _ => None,
        }
    }

    /// The next message; at most 64 KiB, as the length before it says.
    /// # Errors
    /// If the line ends, or the length is no number.
    pub(super) async fn read(self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
        let length = match self {
            Self::Be2 => from.read_u16().await?,
            Self::Ascii4 => {
                let mut digits = [0; 4];
                from.read_exact(&mut digits).await?;
                let text = std::str::from_utf8(&digits).ok();
                let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                let number = text.and_then(|text| text.parse().ok());
                number.ok_or(io::ErrorKind::InvalidData)?
            }
        };
        let mut body = vec![0; usize::from(length)];
        from.read_exact(&mut body).await?;
        Ok(body)
    }

    /// The length and then the message. What came in a frame fits one.
    pub(super) fn framed(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Be2 => {
                let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
                [length.to_be_bytes().as_slice(), body].concat()
            }
            Self::Ascii4 => [format!("{:04}", body.len()).as_bytes(), body].concat(),
        }
    }
}
