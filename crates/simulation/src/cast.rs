//! Who takes part: shops, cards, the host and its lines. The same in every world.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_payment::card::{CardHash, CardRef, Expiry};
use tidegate_payment::id::{HostId, LineId, MerchantId, TerminalId};
use tidegate_payment::money::Currency;
use tidegate_payment::request::{Acceptor, Offer, Operation, Route};
use tidegate_protocol::definition::Definition;
use tidegate_protocol::source::Source;

/// Why a world cannot be made: a fault of the files or constants in this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the world cannot be made: {0}")]
pub struct CastError(pub String);

/// A merchant, as bank and gateway know it.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Its name in the gateway.
    pub merchant: MerchantId,
    /// DE 41.
    pub terminal: String,
    /// DE 42.
    pub number: String,
    /// The gateway's profile of it.
    pub acceptor: Acceptor,
    /// Whether it takes partial approvals.
    pub partial: bool,
}

/// Everybody.
#[derive(Debug)]
pub struct Cast {
    /// The merchants.
    pub shops: Vec<Shop>,
    /// The cards.
    pub cards: Vec<CardRef>,
    /// The one host.
    pub host: HostId,
    /// Its lines.
    pub lines: Vec<LineId>,
    /// Its dialect and mapping.
    pub definition: Definition,
    /// What it takes.
    pub offers: Arc<BTreeMap<HostId, Offer>>,
    /// EUR.
    pub currency: Currency,
}

const SHOPS: u8 = 4;
const CARDS: u16 = 60;
const LINES: u8 = 2;

impl Cast {
    /// Everybody.
    /// # Errors
    /// [`CastError`]: a definition or a constant is wrong.
    pub fn new() -> Result<Self, CastError> {
        let dialect = include_str!("../../../protocols/dialects/iso87-ascii/dialect.toml");
        let mapping = include_str!("../../../protocols/mappings/iso87-ascii.toml");
        let dialect = Source { name: "dialect.toml", text: dialect };
        let mapping = Source { name: "mapping.toml", text: mapping };
        let definition = Definition::build(dialect, mapping).map_err(wrong)?;
        let host = HostId::parse("bank").map_err(wrong)?;
        let offer = Offer { definitions: definition.hashes(), operations: definition.operations() };
        let line = |number: u8| LineId::parse(&format!("line-{number}")).map_err(wrong);
        Ok(Self {
            shops: (1..=SHOPS).map(shop).collect::<Result<_, _>>()?,
            cards: (0..CARDS).map(card).collect::<Result<_, _>>()?,
            lines: (1..=LINES).map(line).collect::<Result<_, _>>()?,
            offers: Arc::new([(host.clone(), offer)].into()),
            currency: Currency::from_alphabetic("EUR").map_err(wrong)?,
            definition,
            host,
        })
    }

    /// The shop of a merchant.
    pub fn shop(&self, merchant: &str) -> Option<&Shop> {
        self.shops.iter().find(|shop| shop.merchant.as_str() == merchant)
    }

    /// Where an operation goes.
    pub fn routes(&self, operation: Operation) -> Vec<Route> {
        let Some(offer) = self.offers.get(&self.host) else { return Vec::new() };
        let silence = offer.operations.get(&operation).copied();
        let route = |silence| Route {
            host: self.host.clone(),
            acquirer: "123456".to_owned(),
            forwarder: None,
            definitions: offer.definitions,
            silence,
        };
        silence.map(route).into_iter().collect()
    }
}

fn shop(number: u8) -> Result<Shop, CastError> {
    let (terminal, shop) = (format!("TERM{number:04}"), format!("SHOP{number}"));
    Ok(Shop {
        merchant: MerchantId::parse(&format!("m-{number}")).map_err(wrong)?,
        acceptor: Acceptor {
            category: "5942".to_owned(),
            terminal: TerminalId::parse(&terminal).map_err(wrong)?,
            number: shop.clone(),
            name_location: format!("Shop {number}, Exampleton"),
        },
        terminal,
        number: shop,
        partial: number == SHOPS,
    })
}

/// A card of a test range. Its seal is no seal: no key store takes part here.
fn card(number: u16) -> Result<CardRef, CastError> {
    let digits = format!("400000{number:010}");
    let last4 = digits.get(12..).unwrap_or("").to_owned();
    let mut hash = [7; 32];
    for (place, byte) in hash.iter_mut().zip(number.to_be_bytes()) {
        *place = byte;
    }
    Ok(CardRef {
        bin: "400000".to_owned(),
        last4,
        hash: CardHash(hash),
        expiry: Expiry::new(2029, 12).map_err(wrong)?,
        sealed: digits.into_bytes(),
    })
}

fn wrong(error: impl std::fmt::Display) -> CastError {
    CastError(error.to_string())
}
