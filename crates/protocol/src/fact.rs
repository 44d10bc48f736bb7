//! The facts that an element of a host message can carry: a closed list, each with the shape of its
//! text and the place in a payment that it is taken from.

use std::fmt::Write as _;

use tidegate_iso8583::field::{Content, FieldSpec, Length, Padding};
use tidegate_payment::{
    card::{Pan, Secrets},
    id::Stan,
    request::{HostFields, OriginalFields, Request},
    time::{BusinessDate, Timestamp},
};

use crate::calendar;

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
    /// The proof of a 3-D Secure authentication, 28 characters of base64, if the merchant gave one.
    Cavv = "cavv",
    /// The directory server's transaction id of that authentication, 36 characters, likewise.
    DsTransaction = "ds_transaction",
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
    /// The message type, DE11, DE7, DE32 and DE33 of what a reversal undoes or of the payment that a
    /// follow-up is about, as DE90 wants them: 42 digits.
    OriginalData = "original_data",
    /// Of the payment that a follow-up is about: its system trace audit number.
    OriginalStan = "original.stan",
    /// Its retrieval reference number.
    OriginalRrn = "original.rrn",
    /// When its message was made, `MMDDhhmmss` in UTC.
    OriginalTransmitted = "original.transmitted",
    /// The amount that was approved, in the currency's smallest unit, without leading zeros.
    OriginalAmount = "original.amount",
    /// Its approval code, if its answer had one.
    OriginalApprovalCode = "original.approval_code",
    /// Its business date, `MMDD`.
    OriginalBusinessDate = "original.business_date",
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
            Self::CardExpiry
            | Self::LocalDate
            | Self::BusinessDate
            | Self::OriginalBusinessDate
            | Self::AcceptorCategory => (Content::N, 4, 4),
            Self::Cavv => (Content::Ans, 28, 28),
            Self::DsTransaction => (Content::Ans, 36, 36),
            Self::SecurityCode => (Content::N, 3, 4),
            Self::AmountMinor | Self::OriginalAmount => (Content::N, 1, 12),
            Self::AmountCurrency | Self::NetworkCode => (Content::N, 3, 3),
            Self::Eci => (Content::N, 2, 2),
            Self::Stan | Self::OriginalStan | Self::LocalTime => (Content::N, 6, 6),
            Self::Rrn | Self::OriginalRrn => (Content::An, 12, 12),
            Self::Transmitted | Self::OriginalTransmitted => (Content::N, 10, 10),
            Self::AcceptorTerminal => (Content::Ans, 8, 8),
            Self::AcceptorNumber => (Content::Ans, 1, 15),
            Self::AcceptorNameLocation => (Content::Ans, 1, 40),
            Self::RouteAcquirer | Self::RouteForwarder => (Content::N, 1, 11),
            Self::ApprovalCode | Self::OriginalApprovalCode => (Content::An, 1, 6),
            Self::OriginalData => (Content::N, 42, 42),
        };
        Shape { content, min, max }
    }

    /// Whether a payment may lack it; the element is then left out.
    pub(crate) fn may_be_missing(self) -> bool {
        self.is_secret()
            || matches!(
                self,
                Self::DsTransaction
                    | Self::Eci
                    | Self::RouteForwarder
                    | Self::ApprovalCode
                    | Self::OriginalApprovalCode
            )
    }

    /// Whether it is sensitive authentication data: never kept, never repeated (PCI DSS 3.3).
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::SecurityCode | Self::Cavv)
    }

    /// Whether only a follow-up has it: it is a fact of the payment that the follow-up is about.
    pub(crate) fn is_of_original(self) -> bool {
        matches!(
            self,
            Self::OriginalStan
                | Self::OriginalRrn
                | Self::OriginalTransmitted
                | Self::OriginalAmount
                | Self::OriginalApprovalCode
                | Self::OriginalBusinessDate
        )
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
            Length::Fixed(_) | Length::Var { .. } | Length::Rest { .. } => None,
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
    pub(crate) secrets: Option<&'a Secrets>,
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

impl Fact {
    /// The text, borrowed where the payment holds it as text.
    pub(crate) fn text<'a>(self, facts: &Facts<'a>, room: &'a mut String) -> Option<&'a str> {
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
    pub(crate) fn write(self, facts: &Facts<'_>, room: &mut String) -> bool {
        self.try_write(facts, room).is_some()
    }

    fn try_write(self, facts: &Facts<'_>, room: &mut String) -> Option<()> {
        if self.is_of_original() {
            return self.try_write_original(facts.fields?.original.as_deref()?, room);
        }
        let fields = facts.fields;
        match self {
            Self::Stan => {
                let stan = facts.network.map(|network| network.stan);
                write!(room, "{}", stan.or(fields.map(|fields| fields.stan))?)
            }
            Self::Transmitted => {
                let network = facts.network.map(|network| network.transmitted);
                write_instant(room, network.or(fields.map(|fields| fields.transmitted))?)
            }
            Self::NetworkCode => room.write_str(facts.network?.code),
            Self::CardNumber => room.write_str(facts.card?.expose()),
            Self::SecurityCode => room.write_str(facts.secrets?.security_code.as_ref()?.expose()),
            Self::Cavv => room.write_str(facts.secrets?.cavv.as_ref()?.expose()),
            Self::DsTransaction => room.write_str(facts.request?.ds_transaction.as_ref()?.as_str()),
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
            Self::BusinessDate => write_date(room, fields?.business_date),
            Self::AcceptorCategory => room.write_str(&fields?.acceptor.category),
            Self::AcceptorTerminal => room.write_str(fields?.acceptor.terminal.as_str()),
            Self::AcceptorNumber => room.write_str(&fields?.acceptor.number),
            Self::AcceptorNameLocation => room.write_str(&fields?.acceptor.name_location),
            Self::RouteAcquirer => room.write_str(&fields?.route.acquirer),
            Self::RouteForwarder => room.write_str(fields?.route.forwarder.as_deref()?),
            // Written above.
            Self::OriginalStan
            | Self::OriginalRrn
            | Self::OriginalTransmitted
            | Self::OriginalAmount
            | Self::OriginalApprovalCode
            | Self::OriginalBusinessDate => return None,
        }
        .ok()
    }

    fn try_write_original(self, original: &OriginalFields, room: &mut String) -> Option<()> {
        match self {
            Self::OriginalStan => write!(room, "{}", original.stan),
            Self::OriginalRrn => room.write_str(original.rrn.as_str()),
            Self::OriginalTransmitted => write_instant(room, original.transmitted),
            Self::OriginalAmount => write!(room, "{}", original.amount.minor),
            Self::OriginalApprovalCode => room.write_str(original.approval_code.as_deref()?),
            Self::OriginalBusinessDate => write_date(room, original.business_date),
            _ => return None,
        }
        .ok()
    }
}

fn write_instant(room: &mut String, at: Timestamp) -> std::fmt::Result {
    let calendar::Civil { month, day, hour, minute, second, .. } = calendar::civil(at);
    write!(room, "{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

fn write_date(room: &mut String, date: BusinessDate) -> std::fmt::Result {
    write!(room, "{:02}{:02}", date.month, date.day)
}
