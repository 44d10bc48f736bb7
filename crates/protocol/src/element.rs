//! What can stand in an element of a host message: a closed list of meanings, each with the shape
//! of its text and the place in a payment that it is taken from.

use std::fmt::Write as _;

use tidegate_iso8583::field::{Content, FieldSpec, Length, Padding};
use tidegate_payment::{
    card::{Pan, SecurityCode},
    id::Stan,
    request::{HostFields, Request},
    time::Timestamp,
};
use zeroize::Zeroizing;

use crate::calendar;

/// The meaning of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Taken from the payment.
    Fact(Fact),
    /// Always this text.
    Constant(String),
    /// Several facts, each behind a tag of letters and a length of two digits: `CV03123EC0205`.
    /// A fact that is missing is left out; when all are, so is the element.
    Tagged(Vec<(String, Fact)>),
}

macro_rules! facts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A fact of a payment, or of a network message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fact { $($(#[$doc])* $variant,)* }

        impl Fact {
            /// Every fact by the name that mapping files use.
            pub(crate) const ALL: &[(&'static str, Self)] = &[$(($name, Self::$variant),)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

facts! {
    /// The card number, 12 to 19 digits.
    CardNumber = "card.number",
    /// The last month of the card, `YYMM`.
    CardExpiry = "card.expiry_yymm",
    /// The security code, 3 or 4 digits, if the merchant gave one.
    SecurityCode = "card.security_code",
    /// The amount in the currency's smallest unit, without leading zeros.
    AmountMinor = "amount.minor",
    /// The currency, three digits (ISO 4217).
    AmountCurrency = "amount.currency_numeric",
    /// The electronic commerce indicator, two digits, if the merchant gave one.
    Eci = "eci",
    /// The system trace audit number, six digits.
    Stan = "stan",
    /// The retrieval reference number.
    Rrn = "rrn",
    /// When the message was made, `MMDDhhmmss` in UTC.
    Transmitted = "transmitted",
    /// The time of day at the merchant, `hhmmss`.
    LocalTime = "local.time",
    /// The date at the merchant, `MMDD`.
    LocalDate = "local.date",
    /// The bank's business date, `MMDD`.
    BusinessDate = "business_date",
    /// The merchant category code, four digits.
    AcceptorCategory = "acceptor.category",
    /// The terminal, eight characters.
    AcceptorTerminal = "acceptor.terminal",
    /// The merchant as the host knows it, 1 to 15 characters.
    AcceptorNumber = "acceptor.number",
    /// The merchant's name and place, up to 40 characters.
    AcceptorNameLocation = "acceptor.name_location",
    /// The acquiring institution, 1 to 11 digits.
    RouteAcquirer = "route.acquirer",
    /// The forwarding institution, 1 to 11 digits, if the host wants one.
    RouteForwarder = "route.forwarder",
    /// The approval code of the original, if an answer with one is known.
    ApprovalCode = "approval_code",
    /// The original's message type, DE11, DE7, DE32 and DE33, as DE90 wants them: 42 digits.
    OriginalData = "original_data",
    /// What a network message is about, three digits.
    NetworkCode = "network.code",
}

/// The text of a fact: its characters and how many there can be.
pub(crate) struct Shape {
    pub(crate) content: Content,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Fact {
    pub(crate) fn shape(self) -> Shape {
        let (content, min, max) = match self {
            Self::CardNumber => (Content::N, 12, 19),
            Self::CardExpiry | Self::LocalDate | Self::BusinessDate | Self::AcceptorCategory => {
                (Content::N, 4, 4)
            }
            Self::SecurityCode => (Content::N, 3, 4),
            Self::AmountMinor => (Content::N, 1, 12),
            Self::AmountCurrency | Self::NetworkCode => (Content::N, 3, 3),
            Self::Eci => (Content::N, 2, 2),
            Self::Stan | Self::LocalTime => (Content::N, 6, 6),
            Self::Rrn => (Content::An, 12, 12),
            Self::Transmitted => (Content::N, 10, 10),
            Self::AcceptorTerminal => (Content::Ans, 8, 8),
            Self::AcceptorNumber => (Content::Ans, 1, 15),
            Self::AcceptorNameLocation => (Content::Ans, 1, 40),
            Self::RouteAcquirer | Self::RouteForwarder => (Content::N, 1, 11),
            Self::ApprovalCode => (Content::An, 1, 6),
            Self::OriginalData => (Content::N, 42, 42),
        };
        Shape { content, min, max }
    }

    /// Whether a payment may lack it; the element is then left out.
    pub(crate) fn may_be_missing(self) -> bool {
        matches!(self, Self::SecurityCode | Self::Eci | Self::RouteForwarder | Self::ApprovalCode)
    }

    /// Whether [`HostFields`] alone tell it: such facts can pair messages also after a restart.
    pub(crate) fn is_host_field(self) -> bool {
        matches!(
            self,
            Self::Stan
                | Self::Rrn
                | Self::Transmitted
                | Self::LocalTime
                | Self::LocalDate
                | Self::BusinessDate
                | Self::AcceptorCategory
                | Self::AcceptorTerminal
                | Self::AcceptorNumber
                | Self::AcceptorNameLocation
                | Self::RouteAcquirer
        )
    }
}

impl Shape {
    /// What is wrong about an element that shall carry every text of this shape; `None` when it
    /// can.
    pub(crate) fn misfit(&self, spec: &FieldSpec) -> Option<String> {
        let carries = match (self.content, spec.content) {
            (Content::N, Content::N | Content::An | Content::Ans)
            | (Content::An, Content::An | Content::Ans) => true,
            (wanted, found) => wanted == found,
        };
        if !carries {
            return Some(format!("content `{}` or wider", self.content));
        }
        match spec.length {
            Length::Fixed(length) if self.max > length => {
                Some(format!("a length of at least {}", self.max))
            }
            Length::Fixed(length) if self.min < length && spec.padding == Padding::None => {
                Some("pad_left or pad_right, for texts shorter than the element".to_owned())
            }
            Length::Var { max, .. } if self.max > max => {
                Some(format!("a length of up to {}", self.max))
            }
            Length::Fixed(_) | Length::Var { .. } => None,
        }
    }
}

/// What the elements of one message are taken from. Missing parts belong to messages that do not
/// have them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) fields: Option<&'a HostFields>,
    pub(crate) request: Option<&'a Request>,
    pub(crate) card: Option<&'a Pan>,
    pub(crate) security_code: Option<&'a SecurityCode>,
    pub(crate) approval_code: Option<&'a str>,
    pub(crate) original_data: Option<&'a str>,
    pub(crate) network: Option<Network<'a>>,
}

/// What the elements of a network message are taken from.
#[derive(Clone, Copy)]
pub(crate) struct Network<'a> {
    pub(crate) code: &'a str,
    pub(crate) stan: Stan,
    pub(crate) transmitted: Timestamp,
}

/// Room for the text of one element. Wiped on drop; larger than every element with a secret, so
/// that it does not move and leave a copy behind.
pub(crate) struct Scratch(Zeroizing<String>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(TAGGED_MAX)))
    }
}

/// The longest tagged element that a mapping may hold, in characters.
pub(crate) const TAGGED_MAX: usize = 200;

impl Meaning {
    /// The facts that it is made of.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Fact> {
        let (one, many) = match self {
            Self::Fact(fact) => (Some(*fact), [].as_slice()),
            Self::Constant(_) => (None, [].as_slice()),
            Self::Tagged(parts) => (None, parts.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|(_, fact)| *fact))
    }

    /// Every text that it can have.
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Fact(fact) => fact.shape(),
            Self::Constant(text) => {
                Shape { content: Content::Ans, min: text.len(), max: text.len() }
            }
            Self::Tagged(parts) => {
                let shapes = parts.iter().map(|(_, fact)| fact.shape());
                let any = shapes.clone().any(|shape| shape.content == Content::Ans);
                let content = if any { Content::Ans } else { Content::An };
                // Two letters of tag and two digits of length precede each fact.
                let lengths = shapes.map(|shape| shape.max.saturating_add(4));
                Shape { content, min: 5, max: lengths.fold(0, usize::saturating_add) }
            }
        }
    }

    /// The text of the element, without filling; `None` when the payment has no such fact.
    pub(crate) fn text<'a>(
        &'a self,
        facts: &Facts<'a>,
        scratch: &'a mut Scratch,
    ) -> Option<&'a str> {
        let room = &mut scratch.0;
        room.clear();
        match self {
            Self::Constant(text) => Some(text),
            Self::Fact(fact) => fact.text(facts, room),
            Self::Tagged(parts) => {
                for (tag, fact) in parts {
                    let start = room.len();
                    let _infallible = write!(room, "{tag}00");
                    let content = room.len();
                    if !fact.write(facts, room) {
                        room.truncate(start);
                        continue;
                    }
                    let length = room.len().saturating_sub(content);
                    let digits = format!("{length:02}");
                    room.replace_range(content.saturating_sub(2)..content, &digits);
                }
                (!room.is_empty()).then_some(room.as_str())
            }
        }
    }
}

impl Meaning {
    /// Whether a payment may lack it; the element is then left out.
    pub(crate) fn may_be_missing(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Fact(fact) => fact.may_be_missing(),
            Self::Tagged(parts) => parts.iter().all(|(_, fact)| fact.may_be_missing()),
        }
    }
}

impl Fact {
    /// The text, borrowed where the payment holds it as text.
    fn text<'a>(self, facts: &Facts<'a>, room: &'a mut String) -> Option<&'a str> {
        match self {
            Self::CardNumber => facts.card.map(Pan::expose),
            Self::AcceptorNameLocation => {
                facts.fields.map(|fields| fields.acceptor.name_location.as_str())
            }
            Self::OriginalData => facts.original_data,
            _ => self.write(facts, room).then_some(room.as_str()),
        }
    }

    /// Appends the text; `false` when there is none.
    fn write(self, facts: &Facts<'_>, room: &mut String) -> bool {
        self.try_write(facts, room).is_some()
    }

    fn try_write(self, facts: &Facts<'_>, room: &mut String) -> Option<()> {
        let fields = facts.fields;
        match self {
            Self::Stan => {
                let stan = facts.network.map(|network| network.stan);
                write!(room, "{}", stan.or(fields.map(|fields| fields.stan))?)
            }
            Self::Transmitted => {
                let network = facts.network.map(|network| network.transmitted);
                let at = calendar::civil(network.or(fields.map(|fields| fields.transmitted))?);
                let calendar::Civil { month, day, hour, minute, second, .. } = at;
                write!(room, "{month:02}{day:02}{hour:02}{minute:02}{second:02}")
            }
            Self::NetworkCode => room.write_str(facts.network?.code),
            Self::CardNumber => room.write_str(facts.card?.expose()),
            Self::SecurityCode => room.write_str(facts.security_code?.expose()),
            Self::ApprovalCode => room.write_str(facts.approval_code?),
            Self::OriginalData => room.write_str(facts.original_data?),
            Self::CardExpiry => {
                let expiry = facts.request?.card.expiry;
                write!(room, "{:02}{:02}", expiry.year() % 100, expiry.month())
            }
            Self::AmountMinor => write!(room, "{}", facts.request?.amount.minor),
            Self::AmountCurrency => {
                write!(room, "{:03}", facts.request?.amount.currency.numeric())
            }
            Self::Eci => room.write_str(facts.request?.eci.as_ref()?.as_str()),
            Self::Rrn => room.write_str(fields?.rrn.as_str()),
            Self::LocalTime => {
                let local = fields?.local;
                write!(room, "{:02}{:02}{:02}", local.hour, local.minute, local.second)
            }
            Self::LocalDate => write!(room, "{:02}{:02}", fields?.local.month, fields?.local.day),
            Self::BusinessDate => {
                let date = fields?.business_date;
                write!(room, "{:02}{:02}", date.month, date.day)
            }
            Self::AcceptorCategory => room.write_str(&fields?.acceptor.category),
            Self::AcceptorTerminal => room.write_str(fields?.acceptor.terminal.as_str()),
            Self::AcceptorNumber => room.write_str(&fields?.acceptor.number),
            Self::AcceptorNameLocation => room.write_str(&fields?.acceptor.name_location),
            Self::RouteAcquirer => room.write_str(&fields?.route.acquirer),
            Self::RouteForwarder => room.write_str(fields?.route.forwarder.as_deref()?),
        }
        .ok()
    }
}

/// A text without the filling that the element puts around it: the form in which values are
/// compared and keys are made.
pub(crate) fn unfilled<'v>(spec: &FieldSpec, text: &'v str) -> &'v str {
    match spec.padding {
        Padding::None => text,
        Padding::Left(filling) => text.trim_start_matches(char::from(filling)),
        Padding::Right(filling) => text.trim_end_matches(char::from(filling)),
    }
}
