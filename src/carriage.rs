//! Carries plain messages as bytes: four bytes of length, big-endian, then the message as JSON. What is
//! longer than the reader bears is refused before any room is made for it; bytes that are no message end
//! the conversation. The buffers are wiped: what passes may hold card data.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

const LENGTH_BYTES: usize = 4;

/// Why a message could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// Longer than the limit, on either side.
    #[error("a message of {bytes} bytes, at most {most} are carried")]
    TooLong {
        /// How long it is, or says that it is.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The other end went away within a message, or the system refused.
    #[error("the other end cannot be reached")]
    Io(#[from] io::Error),
    /// Bytes that are no message of this kind. The values are not repeated.
    #[error("what came is no message: {category} at column {column}")]
    Garbage {
        /// What the reader says is wrong.
        category: &'static str,
        /// Where, in bytes.
        column: usize,
    },
}

impl From<serde_json::Error> for CarryError {
    fn from(fault: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let category = match fault.classify() {
            Category::Io => "unwritable",
            Category::Syntax => "no JSON",
            Category::Data => "another kind of message",
            Category::Eof => "an early end",
        };
        Self::Garbage { category, column: fault.column() }
    }
}

/// Writes one message of at most `most` bytes.
/// # Errors
/// [`CarryError`]; after [`CarryError::TooLong`] nothing was written, and the next one may follow.
pub async fn write<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &T,
    most: usize,
) -> Result<(), CarryError> {
    // Measured first: a vector that grows leaves unwiped copies behind.
    let mut measure = Measure(0);
    serde_json::to_writer(&mut measure, message)?;
    let Measure(bytes) = measure;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= most);
    let length = length.ok_or(CarryError::TooLong { bytes, most })?;
    let mut frame = Zeroizing::new(Vec::with_capacity(bytes.saturating_add(LENGTH_BYTES)));
    frame.extend_from_slice(&length.to_be_bytes());
    serde_json::to_writer(&mut *frame, message)?;
    to.write_all(&frame).await?;
    Ok(to.flush().await?)
}

/// Counts what is written.
struct Measure(usize);

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads one message of at most `most` bytes; none when the other end is done.
/// # Errors
/// [`CarryError`]: after each of them the conversation is over.
pub async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<Option<T>, CarryError> {
    let mut length = [0; LENGTH_BYTES];
    let (first, rest) = length.split_at_mut(1);
    if from.read(first).await? == 0 {
        return Ok(None);
    }
    from.read_exact(rest).await?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > most {
        return Err(CarryError::TooLong { bytes, most });
    }
    let mut body = Zeroizing::new(vec![0; bytes]);
    from.read_exact(&mut body).await?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Bytes as base64 text, without unwiped copies on the way.
pub mod base64 {
    use data_encoding::BASE64;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;
    use zeroize::Zeroizing;

    /// Writes the text.
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(vec![0; BASE64.encode_len(bytes.len())]);
        BASE64.encode_mut(bytes, &mut text);
        to.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }

    /// Reads the text.
    /// # Errors
    /// What is no text, or no base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_str(Text)
    }

    struct Text;

    impl Visitor<'_> for Text {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            BASE64.decode(text.as_bytes()).map_err(|_| E::custom("no base64"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Note {
        number: u64,
        #[serde(with = "base64")]
        body: Vec<u8>,
    }

    fn note() -> Note {
        Note { number: 7, body: vec![0, 159, 255, b'x'] }
    }

    #[tokio::test]
    async fn messages_arrive_as_they_were_one_after_the_other() {
        let (mut near, mut far) = tokio::net::UnixStream::pair().unwrap();
        for _ in 0..3 {
            write(&mut near, &note(), 100).await.unwrap();
        }
        drop(near);
        for _ in 0..3 {
            assert_eq!(read::<Note>(&mut far, 100).await.unwrap(), Some(note()));
        }
        assert_eq!(read::<Note>(&mut far, 100).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_message_too_long_is_not_written_and_a_length_too_long_not_believed() {
        let mut wire = Vec::new();
        let refused = write(&mut wire, &note(), 10).await.unwrap_err();
        assert!(matches!(refused, CarryError::TooLong { most: 10, .. }), "{refused}");
        assert_eq!(wire, b"");
        let huge = [0xFF_u8; 8];
        let refused = read::<Note>(&mut &huge[..], 1_000).await.unwrap_err();
        assert!(matches!(refused, CarryError::TooLong { bytes: 0xFFFF_FFFF, .. }), "{refused}");
    }

    #[tokio::test]
    async fn garbage_is_an_error_whatever_it_is() {
        let framed = |body: &[u8]| {
            let length = u32::try_from(body.len()).unwrap();
            [&length.to_be_bytes()[..], body].concat()
        };
        for (body, told) in [
            (&b"not json"[..], "no JSON"),
            (b"{\"number\":7", "an early end"),
            (b"{\"number\":-1,\"body\":\"\"}", "another kind of message"),
            (b"{\"number\":7,\"body\":\"!\"}", "another kind of message"),
            (b"{\"number\":7,\"body\":\"\",\"more\":1}", "another kind of message"),
            (b"{\"number\":7,\"body\":\"\"} x", "no JSON"),
            (b"", "an early end"),
        ] {
            let wire = framed(body);
            let refused = read::<Note>(&mut wire.as_slice(), 1_000).await.unwrap_err();
            assert!(refused.to_string().contains(told), "{refused}");
        }
        let cut = [0, 0, 0, 9, b'{'];
        for length in 1..cut.len() {
            let mut wire = cut.get(..length).unwrap();
            let refused = read::<Note>(&mut wire, 1_000).await.unwrap_err();
            assert!(matches!(refused, CarryError::Io(_)), "{refused}");
        }
    }
}
