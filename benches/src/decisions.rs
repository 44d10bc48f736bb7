//! The engine, driven as its task does, with a store that is durable at once.

use crate::measure::Plan;
use crate::table::{Counts, Row};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tidegate_payment::durable::{Durable, Sequence};
use tidegate_payment::effect::{Effect, Outgoing, Reply};
use tidegate_payment::engine::{Engine, Out, Settings};
use tidegate_payment::id::{HostId, IdempotencyKey, LineId, Nonce, OrderId, PaymentId};
use tidegate_payment::input::{Ask, Attempt, Incoming, Input, Loaded, Terms, Waiter};
use tidegate_payment::numbering::LeaseSizes;
use tidegate_payment::record::{AnswerClass, Group, HostAnswer};
use tidegate_payment::request::{Request, Route};
use tidegate_payment::time::{BusinessDate, LocalTime, Mono, Now, Timestamp};

/// How many payments wait for the host while one is measured.
pub const IN_FLIGHT: usize = 64;

/// How many wait when a host has been silent for a while.
const MANY_OPEN: usize = 5_000;

/// What the payments of all steps are made of.
#[derive(Clone)]
pub struct Sample {
    /// A decoded request.
    pub request: Request,
    /// Where it goes.
    pub route: Route,
    /// Who asks.
    pub acceptor: tidegate_payment::request::Acceptor,
    /// How many were made.
    pub made: u64,
}

impl Sample {
    /// Payments like this request, on this route.
    pub fn new(request: Request, route: Route) -> anyhow::Result<Self> {
        Ok(Self { request, route, acceptor: crate::merchant::acceptor()?, made: 0 })
    }

    /// The next payment: an order, key, nonce and id of its own.
    pub fn incoming(&mut self) -> anyhow::Result<Box<Incoming>> {
        self.made += 1;
        let number = self.made;
        let mut request = self.request.clone();
        request.order = OrderId::parse(&format!("A-{number}"))?;
        request.key = IdempotencyKey::parse(&format!("key-{number:08}"))?;
        request.freshness.nonce = Nonce::parse(&format!("nonce-{number:010}"))?;
        Ok(Box::new(Incoming {
            objection: None,
            waiter: Waiter(number),
            id: PaymentId(uuid::Uuid::now_v7().as_u128()),
            ask: Ask::New { request, routes: vec![self.route.clone()] },
            acceptor: self.acceptor.clone(),
            local: LocalTime { month: 11, day: 22, hour: 13, minute: 0, second: 9 },
            terms: Terms { one_payment_per_order: true, partial_approval: false },
            accept_by: Mono(Duration::MAX),
        }))
    }

    /// The host's approval.
    pub fn approval(&self) -> anyhow::Result<HostAnswer> {
        Ok(HostAnswer {
            response_code: "00".into(),
            class: AnswerClass::Approved,
            approval_code: Some("A12345".into()),
            amount: self.request.amount,
            line: LineId::parse("a")?,
            balances: Vec::new(),
        })
    }
}

/// As a gateway has them by default.
pub fn settings() -> Settings {
    Settings {
        paces: BTreeMap::new(),
        host_reply: Duration::from_secs(15),
        reversal_gaps: vec![Duration::from_secs(10)],
        reversal_give_up: Duration::from_secs(86_400),
        unknown_original_wait: Duration::from_secs(60),
        open_payments_max: 20_000,
        recent_payments_max: 100_000,
        waiting_max: 20_000,
        waiters_max: 64,
        leases: LeaseSizes { stans: 5_000, rrns: 50_000 },
    }
}

/// The engine and what its task does around it.
pub struct Driver {
    engine: Engine,
    out: Out,
    begun: Instant,
    sequence: u64,
    /// Every group that was committed, if they are kept.
    pub groups: Option<Vec<Group>>,
    /// The message of the last payment.
    pub sent: Option<Box<Durable<Outgoing>>>,
    /// The last reply.
    pub reply: Option<Reply>,
}

impl Driver {
    /// An engine whose host is up, on some date.
    pub fn start(host: &HostId) -> Self {
        let mut driver = Self {
            engine: Engine::new(settings(), [host.clone()]),
            out: Out::default(),
            begun: Instant::now(),
            sequence: 0,
            groups: None,
            sent: None,
            reply: None,
        };
        driver.hear(Input::Date(BusinessDate { year: 2026, month: 11, day: 22 }));
        driver.hear(Input::HostUp(host.clone(), true));
        driver
    }

    /// One input and everything that follows from it.
    pub fn hear(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle(now, input, &mut self.out);
        while !(self.out.groups.is_empty() && self.out.effects.is_empty()) {
            let out = std::mem::take(&mut self.out);
            for group in out.groups {
                if let Some(kept) = &mut self.groups {
                    kept.push(group.clone());
                }
                self.sequence += u64::try_from(group.records.len()).unwrap_or(0);
                let durable = Durable::attest(group, Sequence(self.sequence));
                let now = self.now();
                self.engine.settled(now, durable, &mut self.out);
            }
            for effect in out.effects {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Load(key) => {
                let applied = Sequence(self.sequence);
                let loaded = Loaded { key, found: Vec::new(), applied };
                let now = self.now();
                self.engine.handle(now, Input::Loaded(loaded), &mut self.out);
            }
            Effect::Send(message) => self.sent = Some(message),
            Effect::Reply(_, reply) => self.reply = Some(reply),
            Effect::Forget(_) | Effect::Alarm(_) => {}
        }
    }

    /// The projection has followed.
    pub fn projected(&mut self) {
        self.hear(Input::Projected(Sequence(self.sequence)));
    }

    fn now(&self) -> Now {
        let mono = self.begun.elapsed();
        let micros = i64::try_from(mono.as_micros()).unwrap_or(i64::MAX);
        Now { mono: Mono(mono), wall: Timestamp(1_795_348_800_000_000_i64.saturating_add(micros)) }
    }
}

/// Measures decide and apply.
pub fn measure(plan: &Plan, sample: &mut Sample) -> anyhow::Result<Vec<Row>> {
    let mut driver = Driver::start(&sample.route.host);
    let approval = sample.approval()?;
    let mut open = VecDeque::new();
    let mut since_projected = 0;
    let mut faulty = 0_u64;
    let mut pay = |driver: &mut Driver, incoming: Box<Incoming>| {
        let id = incoming.id;
        driver.hear(Input::Request(incoming));
        driver.hear(Input::Written(id, Attempt::Original));
        open.push_back(id);
        if open.len() > IN_FLIGHT
            && let Some(answered) = open.pop_front()
        {
            driver.hear(Input::HostAnswered(answered, approval.clone()));
        }
        since_projected += 1;
        if since_projected == IN_FLIGHT {
            since_projected = 0;
            driver.projected();
        }
        if matches!(driver.reply, Some(Reply::Refusal(_))) {
            faulty += 1;
        }
    };
    let mut made = Ok(());
    let mut make = || sample.incoming().map_err(|error| made = Err(error)).ok();
    let took = plan.time_each(&mut make, |incoming| {
        if let Some(incoming) = incoming {
            pay(&mut driver, incoming);
        }
    });
    made?;
    anyhow::ensure!(faulty == 0, "the engine refused {faulty} payments of the benchmark");
    let status = plan.time(|| driver.engine.status());
    while open.len() < MANY_OPEN {
        let incoming = sample.incoming()?;
        open.push_back(incoming.id);
        driver.hear(Input::Request(incoming));
    }
    let many = plan.time(|| driver.engine.status());
    let what = "decide and apply: request, load, written, answer, projected";
    let few_open = "engine status (ten times a second), 64 payments open";
    let many_open = "engine status (ten times a second), 5,000 payments open";
    let counts = Counts::Beside;
    Ok(vec![
        Row { name: "engine", what, counts: Counts::Sum, took },
        Row { name: "engine_status", what: few_open, counts, took: status },
        Row { name: "engine_status_many", what: many_open, counts, took: many },
    ])
}

/// So many payments, each from its request to its reply, 64 at a time: the groups in their order, the
/// first message, and a reply.
pub fn run(
    sample: &mut Sample,
    payments: usize,
) -> anyhow::Result<(Vec<Group>, Box<Durable<Outgoing>>, Reply)> {
    let mut driver = Driver::start(&sample.route.host);
    driver.groups = Some(Vec::new());
    let approval = sample.approval()?;
    let mut ids = Vec::new();
    for number in 1..=payments {
        let incoming = sample.incoming()?;
        ids.push(incoming.id);
        driver.hear(Input::Request(incoming));
        if number % IN_FLIGHT == 0 || number == payments {
            for id in ids.drain(..) {
                driver.hear(Input::HostAnswered(id, approval.clone()));
            }
        }
    }
    let message = driver.sent.ok_or_else(|| anyhow::anyhow!("nothing was sent"))?;
    let reply = driver.reply.ok_or_else(|| anyhow::anyhow!("nothing was replied"))?;
    anyhow::ensure!(matches!(reply, Reply::Outcome { .. }), "a payment was refused");
    Ok((driver.groups.unwrap_or_default(), message, reply))
}
