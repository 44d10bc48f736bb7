//! The projection: what the ledger is to the gateway, in memory. It applies the journal's bytes behind
//! the journal, survives the process, and can be lost and made again.

use std::collections::{BTreeMap, BTreeSet};
use tidegate::store::journal::frame::{Place, RawRecord};
use tidegate::store::record_code;
use tidegate_payment::durable::Durable;
use tidegate_payment::id::{IdempotencyKey, MerchantId, OrderId, PaymentId};
use tidegate_payment::input::{LoadKey, Loaded};
use tidegate_payment::payment::{Payment, State};
use tidegate_payment::record::{Block, Group, Leased, Record};
use tidegate_payment::request::Operation;
use tidegate_payment::time::BusinessDate;

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    records: Vec<Record>,
    payment: Payment,
    first: u64,
    last: u64,
}

type Key = (MerchantId, Operation, IdempotencyKey);

/// All payments that the journal tells of, up to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    rows: BTreeMap<PaymentId, Row>,
    by_key: BTreeMap<Key, PaymentId>,
    by_order: BTreeMap<(MerchantId, OrderId), BTreeSet<PaymentId>>,
    by_original: BTreeMap<PaymentId, BTreeSet<PaymentId>>,
    ended_by_reversal: BTreeSet<(u64, PaymentId)>,
    open: BTreeSet<PaymentId>,
    date: Option<BusinessDate>,
    leases: BTreeMap<String, Leased>,
    place: Place,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_order: BTreeMap::new(),
            by_original: BTreeMap::new(),
            ended_by_reversal: BTreeSet::new(),
            open: BTreeSet::new(),
            date: None,
            leases: BTreeMap::new(),
            place: Place::START,
        }
    }
}

/// What a start is told.
#[derive(Debug)]
pub struct Recovered {
    /// Every payment of which something is owed or awaited, oldest first.
    pub open: Vec<Durable<Group>>,
    /// The latest payments that ended by a reversal, oldest first.
    pub reversed: Vec<Durable<Group>>,
    /// The business date.
    pub date: Option<BusinessDate>,
    /// The last lease of each space.
    pub leases: Vec<Leased>,
}

impl Projection {
    /// Up to where the journal is applied.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Applies the next record.
    /// # Errors
    /// What is wrong with it.
    pub fn apply(&mut self, raw: &RawRecord<'_>) -> Result<(), String> {
        let record = record_code::decode(raw.kind, raw.version, raw.body);
        let record = record.map_err(|error| error.to_string())?;
        self.place = Place { last: raw.sequence, chain: raw.chain };
        match &record {
            Record::DateMoved(moved) => self.date = Some(moved.date),
            Record::Leased(leased) => {
                self.leases.insert(space(leased), leased.clone());
            }
            _ => {}
        }
        let Some(id) = record.payment() else { return Ok(()) };
        if let Record::Accepted(accepted) = &record {
            let payment = Payment::begin(accepted);
            self.index(&payment);
            let (first, last) = (raw.sequence.0, raw.sequence.0);
            self.rows.insert(id, Row { records: vec![record], payment, first, last });
        } else {
            let row = self.rows.get_mut(&id).ok_or("a record of an unknown payment")?;
            row.payment.apply(&record).map_err(|wrong| wrong.to_string())?;
            row.records.push(record);
            row.last = raw.sequence.0;
        }
        self.sort(id);
        Ok(())
    }

    /// What the start of a gateway is told; at most `late_max` of the reversed.
    pub fn recovered(&self, late_max: usize) -> Recovered {
        let mut open: Vec<&Row> = self.open.iter().filter_map(|id| self.rows.get(id)).collect();
        open.sort_by_key(|row| row.first);
        let late = self.ended_by_reversal.iter().rev().take(late_max);
        let mut reversed: Vec<&Row> = late.filter_map(|(_, id)| self.rows.get(id)).collect();
        reversed.reverse();
        Recovered {
            open: open.into_iter().map(Row::group).collect(),
            reversed: reversed.into_iter().map(Row::group).collect(),
            date: self.date,
            leases: self.leases.values().cloned().collect(),
        }
    }

    /// Looks payments up.
    pub fn load(&self, key: LoadKey) -> Loaded {
        let mut ids = BTreeSet::new();
        let related = |ids: &mut BTreeSet<PaymentId>, id: PaymentId| {
            ids.insert(id);
            ids.extend(self.by_original.get(&id).into_iter().flatten());
        };
        match &key {
            LoadKey::Id(id) => related(&mut ids, *id),
            LoadKey::Order { merchant, order } => {
                let of_order = self.by_order.get(&(merchant.clone(), order.clone()));
                ids.extend(of_order.into_iter().flatten());
            }
            LoadKey::Request { merchant, operation, key, order } => {
                let known = self.by_key.get(&(merchant.clone(), *operation, key.clone()));
                if let Some(id) = known {
                    related(&mut ids, *id);
                }
                let order = order.clone().and_then(|it| self.by_order.get(&(merchant.clone(), it)));
                ids.extend(order.into_iter().flatten());
            }
            LoadKey::FollowUp { merchant, operation, key, original } => {
                ids.extend(self.by_key.get(&(merchant.clone(), *operation, key.clone())));
                related(&mut ids, *original);
            }
        }
        let mut rows: Vec<&Row> = ids.iter().filter_map(|id| self.rows.get(id)).collect();
        rows.sort_by_key(|row| row.first);
        let found = rows.into_iter().map(Row::group).collect();
        Loaded { key, found, applied: self.place.last }
    }

    /// A planted bug: a payment is missed among those that ended by a reversal.
    pub(crate) fn forget_ended(&mut self) {
        self.ended_by_reversal.pop_first();
    }

    fn index(&mut self, payment: &Payment) {
        let (id, request) = (payment.id, &payment.request);
        let merchant = request.merchant.clone();
        self.by_key.insert((merchant.clone(), request.operation, request.key.clone()), id);
        self.by_order.entry((merchant, request.order.clone())).or_default().insert(id);
        if let Some(original) = request.original {
            self.by_original.entry(original).or_default().insert(id);
        }
    }

    fn sort(&mut self, id: PaymentId) {
        let Some(row) = self.rows.get(&id) else { return };
        if row.payment.is_settled() {
            self.open.remove(&id);
        } else {
            self.open.insert(id);
        }
        if matches!(row.payment.state, State::Reversed | State::Closed(_)) {
            self.ended_by_reversal.insert((row.first, id));
        }
    }
}

impl Row {
    fn group(&self) -> Durable<Group> {
        let group = Group { records: self.records.clone(), preconditions: Vec::new() };
        Durable::attest(group, tidegate_payment::durable::Sequence(self.last))
    }
}

/// The space of a lease; RRNs sort before STANs as they do in the ledger.
fn space(leased: &Leased) -> String {
    match &leased.block {
        Block::Stan { host, .. } => format!("STANs of {host}"),
        Block::Rrn { .. } => "RRNs".to_owned(),
    }
}
