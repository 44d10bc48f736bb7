//! What people see: lines on standard output, in colour on a terminal.

use crate::bank::capture::{Seen, Sender, WireEvent};
use crate::iso::{self, Message};
use crate::operation::{Meaning, is_repeat, meaning as meaning_of};
use data_encoding::HEXUPPER;
use std::io::{self, IsTerminal as _, Write as _};

/// Where a run tells its story.
#[derive(Clone, Copy)]
pub struct Screen {
    colour: bool,
}

/// How a piece of text looks.
#[derive(Clone, Copy)]
enum Look {
    Bold,
    Dim,
    Good,
    Bad,
    Name,
}

impl Screen {
    /// The screen of this process; colours only on a terminal, and never if `NO_COLOR` is set.
    pub fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && io::stdout().is_terminal() }
    }

    /// A line. If nobody reads any more there is nobody to tell.
    pub fn line(self, text: &str) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// A heading.
    pub fn heading(self, text: &str) {
        self.line("");
        self.line(&self.look(Look::Bold, text));
    }

    /// A step between two parties, and what it is.
    pub fn step(self, from: &str, to: &str, what: &str) {
        let arrow = self.look(Look::Name, &format!("{from:>8} → {to:<8}"));
        self.line(&format!("  {arrow} {what}"));
    }

    /// Something less important, under a step.
    pub fn detail(self, text: &str) {
        self.line(&format!("{:22}{}", "", self.look(Look::Dim, text)));
    }

    /// A good or a bad end.
    pub fn verdict(self, good: bool, text: &str) {
        let look = if good { Look::Good } else { Look::Bad };
        let mark = if good { "✓" } else { "✗" };
        self.line(&format!("  {}", self.look(look, &format!("{mark} {text}"))));
    }

    /// A host message: its bytes in hexadecimal and its fields by name, with card data hidden in both.
    pub fn message(self, event: &WireEvent, whole: bool) {
        let Seen::Message(sender, message) = &event.seen else { return };
        let shown = without_hash(message);
        let bytes = event.line.dialect.encode(&shown).unwrap_or_default();
        let (from, to) = match sender {
            Sender::Gateway => ("gateway", event.line.host.as_str()),
            Sender::Bank => (event.line.host.as_str(), "gateway"),
        };
        let what = format!(
            "{} {}, {} bytes on line {}",
            self.look(Look::Bold, &message.mti),
            meaning(message),
            bytes.len().saturating_add(2),
            event.line
        );
        self.step(from, to, &what);
        if !whole {
            return;
        }
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let frame = [length.to_be_bytes().as_slice(), &bytes].concat();
        for row in frame.chunks(32) {
            let row: Vec<String> = row.chunks(4).map(|group| HEXUPPER.encode(group)).collect();
            self.detail(&row.join(" "));
        }
        for (field, value) in &shown.fields {
            let name = iso::name(*field);
            self.line(&format!("{:22}DE {field:<3} {name:<26} {}", "", value.trim_end()));
        }
    }

    fn look(self, look: Look, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match look {
            Look::Bold => "1",
            Look::Dim => "2",
            Look::Good => "1;32",
            Look::Bad => "1;31",
            Look::Name => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

fn without_hash(message: &Message) -> Message {
    let mut shown = message.clone();
    if let Some(token) = shown.fields.get_mut(&2) {
        *token = iso::mask_card(token);
    }
    shown
}

/// A message type in words.
fn meaning(message: &Message) -> String {
    let code = message.get(39);
    let repeat = if is_repeat(message) { ", marked as a repeat" } else { "" };
    match meaning_of(message) {
        Some(Meaning::Reversal) => return format!("reversal{repeat}"),
        Some(Meaning::Request(operation)) => {
            return format!("{}{repeat}", operation.name().replace('_', " "));
        }
        None => {}
    }
    match message.mti.as_str() {
        "0110" => format!("reply to the request, code {code}"),
        "0210" => format!("reply to the purchase, code {code}"),
        "0230" => format!("reply to the advice, code {code}"),
        "0410" | "0430" => format!("reply to the reversal, code {code}"),
        "0800" => format!("network request {}", message.get(70)),
        "0810" => format!("network reply, code {code}"),
        _ => "message".to_owned(),
    }
}

/// An amount of minor units of a currency with two decimals, for people.
pub fn amount(minor: i64, currency: &str) -> String {
    let whole = minor.checked_div(100).unwrap_or(0);
    let cents = minor.checked_rem(100).unwrap_or(0).abs();
    format!("{whole}.{cents:02} {currency}")
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(amount(1234, "EUR"), "12.34 EUR");
        assert_eq!(amount(5, "EUR"), "0.05 EUR");
    }
}
