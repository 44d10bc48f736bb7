//! Structured field values (RFC 9651), read strictly by crate `sfv`: where the standard lets the last
//! of two equal keys win, this reader refuses, so that no two readers can disagree about a message.

use data_encoding::BASE64;
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};
use std::fmt;

/// More members, items or parameters than this at one level are refused.
const ENTRIES_MAX: usize = 32;

/// A bare item. Decimals, dates and display strings are refused: no field that we read has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// `42`
    Integer(i64),
    /// `"text"`
    Text(String),
    /// `token`
    Token(String),
    /// `:base64:`
    Bytes(Vec<u8>),
    /// `?1`, or a parameter without a value.
    Flag(bool),
}

/// Parameters in their order; no key twice.
pub type Params = Vec<(String, Bare)>;

/// An item with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The item.
    pub bare: Bare,
    /// Its parameters.
    pub params: Params,
}

/// An inner list with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InnerList {
    /// The items.
    pub items: Vec<Item>,
    /// The list's own parameters.
    pub params: Params,
}

/// A member of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A single item.
    Item(Item),
    /// An inner list.
    List(InnerList),
}

/// Why a field is not the dictionary that was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructuredError {
    /// The field's syntax.
    #[error("the field is no structured dictionary: {0}")]
    Syntax(String),
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Strict {
    #[error("a key stands there twice")]
    Twice,
    #[error("more than {ENTRIES_MAX} entries at one level")]
    TooMany,
    #[error("an item of a type that no field of ours has")]
    Type,
}

/// Reads a dictionary field.
/// # Errors
/// [`StructuredError`] for bad syntax, a key that stands there twice, too many entries, or an item of
/// an unexpected type.
pub fn read_dictionary(field: &[u8]) -> Result<Vec<(String, Member)>, StructuredError> {
    let members = Parser::new(field).parse_dictionary_with_visitor(Members(Vec::new()));
    members.map_err(|error| StructuredError::Syntax(error.to_string()))
}

struct Members(Vec<(String, Member)>);
struct Slot<'a>(&'a mut Member);
struct ItemSlot<'a>(&'a mut Item);
struct ListSlot<'a>(&'a mut InnerList);
struct ParamsSlot<'a>(&'a mut Params);

const BLANK: Item = Item { bare: Bare::Flag(true), params: Vec::new() };

fn room(taken: usize) -> Result<(), Strict> {
    if taken < ENTRIES_MAX { Ok(()) } else { Err(Strict::TooMany) }
}

impl<'de> DictionaryVisitor<'de> for Members {
    type Out = Vec<(String, Member)>;
    type Error = Strict;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Strict> {
        room(self.0.len())?;
        if self.0.iter().any(|(name, _)| name == key.as_str()) {
            return Err(Strict::Twice);
        }
        self.0.push((key.as_str().into(), Member::Item(BLANK)));
        Ok(self.0.last_mut().map(|(_, member)| Slot(member)))
    }

    fn finish(self) -> Result<Self::Out, Strict> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for Slot<'_> {
    type Error = Strict;

    fn item(self) -> Result<impl ItemVisitor<'de>, Strict> {
        *self.0 = Member::Item(BLANK);
        Ok(match self.0 {
            Member::Item(item) => Some(ItemSlot(item)),
            Member::List(_) => None,
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Strict> {
        *self.0 = Member::List(InnerList::default());
        Ok(match self.0 {
            Member::List(list) => Some(ListSlot(list)),
            Member::Item(_) => None,
        })
    }
}

impl<'de> InnerListVisitor<'de> for ListSlot<'_> {
    type Error = Strict;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Strict> {
        room(self.0.items.len())?;
        self.0.items.push(BLANK);
        Ok(self.0.items.last_mut().map(ItemSlot))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Strict> {
        Ok(ParamsSlot(&mut self.0.params))
    }
}

impl<'a, 'de> ItemVisitor<'de> for ItemSlot<'a> {
    type Out = ();
    type Error = Strict;

    fn bare_item(
        self,
        bare: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Strict> {
        self.0.bare = read_bare(bare)?;
        Ok(ParamsSlot(&mut self.0.params))
    }
}

impl<'de> ParameterVisitor<'de> for ParamsSlot<'_> {
    type Out = ();
    type Error = Strict;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Strict> {
        room(self.0.len())?;
        if self.0.iter().any(|(name, _)| name == key.as_str()) {
            return Err(Strict::Twice);
        }
        self.0.push((key.as_str().into(), read_bare(value)?));
        Ok(())
    }

    fn finish(self) -> Result<(), Strict> {
        Ok(())
    }
}

fn read_bare(bare: BareItemFromInput<'_>) -> Result<Bare, Strict> {
    Ok(match bare {
        BareItemFromInput::Integer(number) => Bare::Integer(number.into()),
        BareItemFromInput::String(text) => Bare::Text(text.as_str().into()),
        BareItemFromInput::Token(token) => Bare::Token(token.as_str().into()),
        BareItemFromInput::ByteSequence(bytes) => Bare::Bytes(bytes),
        BareItemFromInput::Boolean(flag) => Bare::Flag(flag),
        _ => return Err(Strict::Type),
    })
}

impl fmt::Display for Bare {
    /// RFC 9651, section 4.1.3.1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => {
                f.write_str("\"")?;
                for letter in text.chars() {
                    if matches!(letter, '"' | '\\') {
                        f.write_str("\\")?;
                    }
                    write!(f, "{letter}")?;
                }
                f.write_str("\"")
            }
            Self::Token(token) => f.write_str(token),
            Self::Bytes(bytes) => write!(f, ":{}:", BASE64.encode(bytes)),
            Self::Flag(flag) => write!(f, "?{}", u8::from(*flag)),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bare)?;
        write_params(f, &self.params)
    }
}

impl fmt::Display for InnerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, item) in self.items.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{item}")?;
        }
        f.write_str(")")?;
        write_params(f, &self.params)
    }
}

fn write_params(f: &mut fmt::Formatter<'_>, params: &Params) -> fmt::Result {
    for (key, value) in params {
        match value {
            Bare::Flag(true) => write!(f, ";{key}")?,
            value => write!(f, ";{key}={value}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_again_in_canonical_form() {
        let field =
            br#"sig1=( "@method"   "x";key="a\"b";req );created=5;nonce="n";t=tok;b=:AQI=:;no=?0"#;
        let members = read_dictionary(field).unwrap();
        let [(label, Member::List(list))] = members.as_slice() else { panic!("{members:?}") };
        assert_eq!(label, "sig1");
        let canonical =
            r#"("@method" "x";key="a\"b";req);created=5;nonce="n";t=tok;b=:AQI=:;no=?0"#;
        assert_eq!(list.to_string(), canonical);
    }

    #[test]
    fn a_key_that_stands_there_twice_is_refused() {
        for field in ["a=1, a=2", "a=1;x;x", "a=(1;x=1;x=2)", "a=();x;x=1"] {
            let refused = read_dictionary(field.as_bytes()).unwrap_err();
            assert!(refused.to_string().contains("twice"), "{field}: {refused}");
        }
    }

    #[test]
    fn bad_syntax_odd_types_and_crowds_are_refused() {
        let crowd: Vec<String> = (0..40).map(|number| format!("k{number}=1")).collect();
        let crowd = crowd.join(",");
        for field in ["a=", "a=1.5", "a=@5", "a=\"\u{e9}\"", "A=1", "a=:*:", "a=(1", &crowd] {
            assert!(read_dictionary(field.as_bytes()).is_err(), "{field}");
        }
    }
}
