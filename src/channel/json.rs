//! Strict JSON (RFC 8259): members that are not expected, or stand there twice, are refused; integers
//! are written as integers. A refusal names the place as a JSON pointer (RFC 6901) and never repeats a
//! value, because a value may be card data.

use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not one JSON value.
    #[error("not JSON, from line {line}, column {column} on")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// A member that is not as it should be.
    #[error("{fault} at {pointer:?}")]
    Member {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong there.
        fault: Fault,
    },
}

/// What is wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is missing.
    #[error("a member is missing")]
    Missing,
    /// It is not one that is expected.
    #[error("an unexpected member")]
    Unexpected,
    /// It stands there twice.
    #[error("a member stands there twice")]
    Twice,
    /// It is an array, or holds one.
    #[error("an array, which no message of ours holds,")]
    Array,
    /// It has the wrong type, or is out of the range of its type.
    #[error("a value of the wrong type")]
    Type,
}

/// Reads one JSON value. `T` must be made of structs with `deny_unknown_fields`, without arrays: an
/// array is refused anywhere, because serde would read one in the place of a struct.
/// # Errors
/// [`JsonError`] saying where and what.
pub fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonError> {
    if has_array(text) {
        return Err(JsonError::Member { pointer: String::new(), fault: Fault::Array });
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().clone();
        refusal(error.inner(), &path)
    })?;
    reader.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

/// Whether an array begins anywhere outside a string.
fn has_array(text: &[u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' if !in_string => return true,
            _ => {}
        }
    }
    false
}

fn syntax(error: &serde_json::Error) -> JsonError {
    JsonError::Syntax { line: error.line(), column: error.column() }
}

fn refusal(error: &serde_json::Error, path: &Path) -> JsonError {
    if error.classify() != Category::Data {
        return syntax(error);
    }
    // serde names the member in its message only. The message itself may hold a value: it ends here.
    let message = error.to_string();
    let (fault, names_member) = match message.as_str() {
        text if text.starts_with("missing field") => (Fault::Missing, true),
        text if text.starts_with("unknown field") => (Fault::Unexpected, true),
        text if text.starts_with("duplicate field") => (Fault::Twice, true),
        _ => (Fault::Type, false),
    };
    let named = message.split('`').nth(1).filter(|_| names_member);
    JsonError::Member { pointer: pointer(path, named), fault }
}

fn pointer(path: &Path, named: Option<&str>) -> String {
    let mut segments: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Map { key } => key.clone(),
            Segment::Seq { index } => index.to_string(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".into(),
        })
        .collect();
    // The path ends with the member's name in some of the cases that name it, without it in others.
    if let Some(named) = named
        && segments.last().is_none_or(|last| last != named)
    {
        segments.push(named.into());
    }
    segments.iter().map(|segment| format!("/{}", showable(segment))).collect()
}

/// A member's name as it may be repeated: one with odd letters or many digits might be card data.
fn showable(name: &str) -> &str {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if plain && digits < 6 && name.len() <= 40 { name } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "order_id")]
        _order: String,
        #[serde(rename = "amount")]
        amount: Amount,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Amount {
        minor: i64,
        #[serde(rename = "currency")]
        _currency: String,
    }

    fn refused(text: &str) -> String {
        read::<Outer>(text.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn with_minor(minor: &str) -> String {
        format!(r#"{{"order_id":"A","amount":{{"minor":{minor},"currency":"EUR"}}}}"#)
    }

    #[test]
    fn a_refusal_points_at_the_member_and_repeats_no_value() {
        let cases = [
            (r#"{"order_id":"A"}"#, r#"a member is missing at "/amount""#),
            (
                r#"{"order_id":"A","amount":{"minor":1}}"#,
                r#"a member is missing at "/amount/currency""#,
            ),
            (
                r#"{"order_id":"A","amount":{"minor":1,"currency":"EUR","tip":1}}"#,
                r#"an unexpected member at "/amount/tip""#,
            ),
            (r#"{"order_id":"A","4000000000000002":1}"#, r#"an unexpected member at "/?""#),
            (r#"{"order_id":"A","a/b":1}"#, r#"an unexpected member at "/?""#),
            (r#"{"order_id":"A","order_id":"B"}"#, r#"a member stands there twice at "/order_id""#),
            (r#"{"order_id":4000000000000002}"#, r#"a value of the wrong type at "/order_id""#),
            (r#"{"order_id":"[\"[","a":1}"#, r#"an unexpected member at "/a""#),
            (
                r#"{"order_id":"A","amount":[1,"EUR"]}"#,
                r#"an array, which no message of ours holds, at """#,
            ),
            (r#"{"order_id":"#, "not JSON, from line 1, column 12 on"),
            (r#"{"order_id":"A",}"#, "not JSON, from line 1, column 17 on"),
        ];
        for (text, wanted) in cases {
            assert_eq!(refused(text), wanted, "{text}");
        }
        assert_eq!(
            refused(&format!("{} x", with_minor("1"))),
            "not JSON, from line 1, column 56 on"
        );
    }

    #[test]
    fn an_amount_is_written_as_an_integer() {
        let read = read::<Outer>(with_minor("1234").as_bytes()).map(|outer| outer.amount.minor);
        assert_eq!(read, Ok(1234));
        for minor in ["1e3", "1.0", "-0", "\"1\"", "9223372036854775808", "null", "true"] {
            let wanted = r#"a value of the wrong type at "/amount/minor""#;
            assert_eq!(refused(&with_minor(minor)), wanted, "{minor}");
        }
        for minor in ["01", "+1", "0x1", "1_000"] {
            assert!(refused(&with_minor(minor)).starts_with("not JSON"), "{minor}");
        }
    }
}
