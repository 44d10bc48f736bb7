//! A small world around the real engine and the real fold of records: a merchant, a store, the lines,
//! the network and a host. Every step is somebody's choice. The clock stands still: when time passes,
//! every instant in the engine moves into the past instead, so that equal situations look equal.

use super::super::*;
use super::host::{Books, Deed, Message, Reply as HostReply};
use super::model::{Answer, Heard, Known, Stage, Standing, Told};
use super::sabotage::Sabotage;
use super::scenario::{Asking, GIVE_UP, HOST_REPLY, ORIGINAL, Replies, Scenario, UNKNOWN_WAIT};
use crate::record::Leased;
use core::fmt::Write;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::string::String;

/// The clock stands here.
pub(super) const NOW: Mono = Mono(Duration::from_secs(1_000_000));
/// The operator's waiter.
const OPERATOR: u64 = 99;

/// Somebody's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The merchant sends a request for the first time, or again.
    Ask(usize),
    /// The store answers the oldest look-up.
    LookUp,
    /// The store makes the oldest group durable.
    Commit,
    /// The store refuses the oldest group.
    Refuse,
    /// The projection holds everything: what is settled leaves memory.
    Forget,
    /// A line writes a message, or proves that it did not.
    Write(usize),
    Bounce(usize),
    HostUp(bool),
    /// The host hears a message.
    Host(Message, Deed),
    /// The host's answer arrives; it may arrive again.
    Deliver(HostReply, Again),
    /// The next timer comes.
    Time,
    Person(PaymentId, CaseAct),
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    Once,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) crashes: u8,
    pub(super) refusals: u8,
    pub(super) downs: u8,
    pub(super) doubles: u8,
    /// How often a person may have a case tried again.
    pub(super) retries: u8,
    /// All of them together.
    pub(super) in_all: u8,
}

impl Faults {
    pub(super) fn may(&self, kind: impl FnOnce(&Self) -> u8) -> bool {
        self.in_all > 0 && kind(self) > 0
    }

    fn use_up(&mut self, kind: impl FnOnce(&mut Self) -> &mut u8) {
        *kind(self) -= 1;
        self.in_all -= 1;
    }
}

/// A message that a line has and has not written.
#[derive(Debug, Clone)]
pub(super) struct Handed {
    pub(super) id: PaymentId,
    pub(super) attempt: Attempt,
    pub(super) repeat: bool,
    pub(super) deadline: Mono,
}

/// What the world knows of one payment, apart from the engine.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Which request it came of.
    pub(super) asking: usize,
    /// Its durable records, folded. `None` as long as none is durable.
    pub(super) payment: Option<Rc<Payment>>,
    pub(super) books: Books,
    /// What the host said and has not arrived yet, oldest first, where answers come in order.
    pub(super) said: Vec<Deed>,
    /// The host took the money when our books were closed: only its answer can tell us.
    pub(super) behind: bool,
    /// The gateway that accepted it still lives: it alone may send it.
    pub(super) may_send: bool,
    pub(super) original_written: bool,
    pub(super) reversal_written: bool,
    /// Heard, and perhaps not decided on yet; and whether it would have changed nothing, here or at any
    /// turn since: inputs that cross one another are decided in an order that only the engine knows.
    pub(super) pending: Vec<(Heard, bool)>,
    /// Where the group under way may lead, and by which cause.
    pub(super) expected: Vec<(Heard, Standing)>,
    /// Of its request, its reversal and the first word of an unknown original, as long as they matter.
    pub(super) deadline: Option<Mono>,
    pub(super) owed_since: Option<Mono>,
    pub(super) unknown_since: Option<Mono>,
}

impl Track {
    pub(super) fn standing(&self) -> Standing {
        self.payment.as_deref().map_or(Standing::at(Stage::Idle), Standing::observed)
    }

    /// Starts the waits of a new stage, and ends those of the old one.
    fn moved(&mut self, before: Stage, after: Stage) {
        let owed = |stage| matches!(stage, Stage::Owed { .. } | Stage::Repeating);
        let unknown = |stage| stage == (Stage::Owed { unknown: true });
        self.deadline = (after == Stage::Sent).then(|| NOW.after(HOST_REPLY));
        let began = owed(after) && !owed(before);
        self.owed_since = if began { Some(NOW) } else { self.owed_since.filter(|_| owed(after)) };
        let began = unknown(after) && !unknown(before);
        let since = self.unknown_since.filter(|_| unknown(after));
        self.unknown_since = if began { Some(NOW) } else { since };
    }

    fn print(&self, id: PaymentId, to: &mut Print) -> core::fmt::Result {
        if let Some(payment) = self.payment.as_deref() {
            let answered = |it: &HostAnswer| (it.class, it.amount);
            let answers = [&payment.answer, &payment.late_answer];
            let answers = answers.map(|it| it.as_ref().map(answered));
            let Payment { state, suspect, partial_refused, repeat_owed, .. } = payment;
            let stan = payment.fields.as_ref().map(|fields| fields.stan);
            write!(to, "{state:?}{answers:?}{suspect}{partial_refused}{repeat_owed:?}{stan:?}")?;
        }
        let Self { asking, books, said, behind, may_send, pending, expected, .. } = self;
        let Self { original_written, reversal_written, deadline, .. } = self;
        let Self { owed_since, unknown_since, .. } = self;
        let host = (books, said, behind, original_written, reversal_written);
        let heard = (pending, expected, deadline, owed_since, unknown_since);
        write!(to, "{id}{asking}{may_send}{host:?}{heard:?}")
    }

    pub(super) fn operation(&self, scenario: &Scenario) -> Operation {
        scenario.asks[self.asking].operation
    }
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) scenario: &'static Scenario,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) engine: Engine,
    pub(super) under_way: Vec<Group>,
    pub(super) journal: Vec<Rc<Durable<Group>>>,
    leases: Vec<Leased>,
    pub(super) loads: Vec<LoadKey>,
    pub(super) handed: Vec<Handed>,
    pub(super) to_host: BTreeSet<Message>,
    pub(super) to_us: BTreeSet<HostReply>,
    /// Who waits for a reply: which request it made, and the id that it brought.
    pub(super) waiting: BTreeMap<u64, (usize, PaymentId)>,
    pub(super) payments: BTreeMap<PaymentId, Track>,
    pub(super) up: bool,
    pub(super) left: Faults,
    /// The first thing that went wrong.
    pub(super) broken: Option<String>,
}

impl World {
    pub(super) fn new(scenario: &'static Scenario, sabotage: Option<Sabotage>) -> Self {
        let mut world = Self {
            scenario,
            sabotage,
            engine: Engine::new(scenario.settings(), [host()]),
            under_way: Vec::new(),
            journal: Vec::new(),
            leases: Vec::new(),
            loads: Vec::new(),
            handed: Vec::new(),
            to_host: BTreeSet::new(),
            to_us: BTreeSet::new(),
            waiting: BTreeMap::new(),
            payments: BTreeMap::new(),
            up: false,
            left: scenario.faults,
            broken: None,
        };
        world.with_engine(|engine, now, out| engine.recover(now, out));
        world.with_engine(|engine, now, out| engine.handle(now, Input::Date(DATE), out));
        world.take(Step::HostUp(true));
        for asking in 0..scenario.before {
            world.take(Step::Ask(asking));
            while let Some(step) = world.dutiful_step() {
                world.take(step);
            }
        }
        world
    }

    /// Everything that decides what comes next. Left out is what follows from the rest: versions and
    /// sequences, and what the engine holds of a payment, which [`World::check`] holds against ours.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut print = Print(DefaultHasher::new());
        let Engine { book, sequencer, numbers, loading, hosts_up, projected, .. } = &self.engine;
        let mut marks = vec![*projected];
        marks.extend(loading.values().map(|loading| loading.projected));
        book.print(&marks, &mut print).unwrap();
        let turns: Vec<_> = loading.iter().map(|(key, loading)| (key, &loading.turns)).collect();
        let engine = (sequencer, numbers, turns, hosts_up);
        let store = (&self.under_way, &self.loads, &self.waiting, self.left);
        let lines = (&self.handed, &self.to_host, &self.to_us, self.up);
        write!(print, "{engine:?}{store:?}{lines:?}").unwrap();
        for (id, track) in &self.payments {
            track.print(*id, &mut print).unwrap();
        }
        print.0.finish()
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Ask(asking) => self.ask(asking),
            Step::LookUp => self.look_up(),
            Step::Commit => self.commit(),
            Step::Refuse => self.refuse(),
            Step::Forget => {
                let sequence = Sequence(self.journal.len() as u64);
                self.hear(Input::Projected(sequence));
            }
            Step::Write(place) => self.write(place),
            Step::Bounce(place) => self.bounce(place),
            Step::HostUp(up) => {
                if !up {
                    self.left.use_up(|left| &mut left.downs);
                }
                self.up = up;
                self.hear(Input::HostUp(host(), up));
            }
            Step::Host(message, deed) => self.host(message, deed),
            Step::Deliver(reply, again) => self.deliver(reply, again),
            Step::Time => self.pass_time(),
            Step::Person(id, act) => self.person(id, act),
            Step::Crash => self.crash(),
        }
        self.reconcile();
        self.check();
    }

    pub(super) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(super) fn track(&mut self, id: PaymentId) -> &mut Track {
        self.payments.get_mut(&id).unwrap()
    }

    fn hear(&mut self, input: Input) {
        self.with_engine(|engine, now, out| engine.handle(now, input, out));
    }

    fn hear_of(&mut self, id: PaymentId, heard: Heard, input: Input) {
        let known = self.engine.book.get(id).is_some() && !self.is_loading(id);
        let at_once = known && !self.is_busy(id);
        let vain = self.is_vain(id, heard);
        self.track(id).pending.push((heard, vain));
        self.hear(input);
        if at_once && !self.is_busy(id) {
            self.track(id).pending.pop();
            self.must_be_vain(id, heard, vain);
        }
    }

    fn with_engine(&mut self, act: impl FnOnce(&mut Engine, Now, &mut Out)) {
        let now = Now { mono: NOW, wall: Timestamp(0) };
        let mut out = Out::default();
        act(&mut self.engine, now, &mut out);
        while !(out.groups.is_empty() && out.effects.is_empty()) {
            for effect in core::mem::take(&mut out.effects) {
                self.perform(effect);
            }
            for group in core::mem::take(&mut out.groups) {
                if let GroupSubject::Payment(id) = group.subject() {
                    self.take_up(id, group);
                    continue;
                }
                // Leases and the date are durable at once: they are no part of this search.
                for record in &group.records {
                    let Record::Leased(leased) = record else { continue };
                    self.leases.push(leased.clone());
                }
                self.engine.settled(now, Durable::attest(group, Sequence(0)), &mut out);
            }
        }
    }

    /// A group goes to the store: what was heard says where it may lead.
    fn take_up(&mut self, id: PaymentId, mut group: Group) {
        if let Some(Record::Accepted(accepted)) = group.records.first() {
            let asking = self.scenario.asking_of(&accepted.request);
            let track = Track {
                asking,
                payment: None,
                books: Books::Unheard,
                said: Vec::new(),
                behind: false,
                may_send: true,
                original_written: false,
                reversal_written: false,
                pending: vec![(Heard::Asked, false)],
                expected: Vec::new(),
                deadline: None,
                owed_since: None,
                unknown_since: None,
            };
            self.payments.insert(id, track);
        }
        let track = &self.payments[&id];
        let (standing, known) = (track.standing(), self.known(track));
        let lead = |(heard, _): &(Heard, bool)| (*heard, standing.next(*heard, known));
        let expected = track.pending.iter().map(lead).collect();
        self.track(id).expected = expected;
        Sabotage::on_group(self.sabotage, &mut group);
        if Sabotage::sends_early(self.sabotage, &group) {
            self.send(Handed { id, attempt: Attempt::Original, repeat: false, deadline: NOW });
        }
        self.under_way.push(group);
    }

    pub(super) fn known(&self, track: &Track) -> Known {
        let asked = &self.scenario.asks[track.asking];
        Known {
            silence: asked.silence,
            whole: asked.minor,
            part: asked.part(),
            partial_welcome: self.scenario.partial_welcome && track.may_send,
            overdue: is_over(track.deadline, Duration::ZERO),
            waited: is_over(track.unknown_since, UNKNOWN_WAIT),
            gave_up: is_over(track.owed_since, GIVE_UP),
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(waiter, reply) => self.tell(waiter.0, reply),
            Effect::Send(outgoing) => self.hand_over(outgoing.into_inner()),
            Effect::Load(key) => self.loads.push(key),
            Effect::Forget(_) => {}
            Effect::Alarm(Alarm::WrongTurn(wrong)) => self.fail(format!("{wrong}")),
            Effect::Alarm(Alarm::Lost(id)) => self.fail(format!("payment {id} was lost")),
            Effect::Alarm(_) => {}
        }
    }

    /// Somebody hears something: it must be durable, and his.
    fn tell(&mut self, waiter: u64, mut reply: Reply) {
        if waiter == OPERATOR {
            return;
        }
        Sabotage::on_reply(self, &mut reply);
        let Some((asking, _)) = self.waiting.remove(&waiter) else {
            return self.fail(format!("waiter {waiter} was told twice: {reply:?}"));
        };
        let asked = &self.scenario.asks[asking];
        let wrong = match reply {
            Reply::Outcome { view, .. } => {
                let view = view.get();
                let approved = view.approved.map_or(0, |money| money.minor);
                let told = Told::of(view.verdict, approved);
                let standing = self.payments.get(&view.id).map(Track::standing);
                let other = !asked.is_same_as(&view.request);
                let may = standing.map(Standing::told) == Some(told) && told != Told::Nothing;
                (other || !may).then(|| format!("{asked:?} is told {told:?}, it is {standing:?}"))
            }
            Reply::Refusal(Refusal::KeyMismatch) => {
                let same = |it: &Track| {
                    let durable = it.payment.as_ref();
                    durable.is_some_and(|payment| asked.is_same_as(&payment.request))
                };
                let known = self.payments.values().any(same);
                known.then(|| format!("{asked:?} is refused as another content"))
            }
            Reply::Refusal(_) => None,
            Reply::List(_) => Some("nobody asked for a list".into()),
        };
        if let Some(wrong) = wrong {
            self.fail(wrong);
        }
    }

    /// A message goes to the lines: its intent must be durable, and it must be owed.
    fn hand_over(&mut self, mut outgoing: Outgoing) {
        Sabotage::on_send(self.sabotage, &mut outgoing);
        let Outgoing { id, attempt, repeat, deadline, .. } = outgoing;
        self.send(Handed { id, attempt, repeat, deadline });
    }

    fn send(&mut self, handed: Handed) {
        let Handed { id, attempt, repeat, .. } = handed;
        let standing = self.payments.get(&id).map_or(Standing::at(Stage::Idle), Track::standing);
        let may = match attempt {
            Attempt::Original => standing.stage == Stage::Sent && self.track(id).may_send,
            Attempt::Repeat(_) => standing.stage == Stage::Repeating && repeat,
            Attempt::Reversal(_) => standing.is_reversible(),
        };
        if !may {
            self.fail(format!("{attempt:?} of {id} is sent, repeat: {repeat}; it is {standing:?}"));
        }
        self.handed.push(handed);
    }

    fn ask(&mut self, asking: usize) {
        let waiter = (1..).find(|waiter| !self.waiting.contains_key(waiter)).unwrap();
        let offered = |id: &PaymentId| self.waiting.values().any(|(_, it)| it == id);
        let free = |id: &PaymentId| !self.payments.contains_key(id) && !offered(id);
        let id = (ORIGINAL.0..).map(PaymentId).find(free).unwrap();
        self.waiting.insert(waiter, (asking, id));
        let mut incoming = self.scenario.incoming(asking, waiter, id);
        Sabotage::on_ask(self, &mut incoming);
        self.hear(Input::Request(Box::new(incoming)));
    }

    fn look_up(&mut self) {
        let key = self.loads.remove(0);
        let (original, wanted) = match &key {
            LoadKey::Id(id) => (Some(*id), None),
            LoadKey::FollowUp { original, key, .. } => (Some(*original), Some(key)),
            LoadKey::Request { key, .. } => (None, Some(key)),
            LoadKey::Order { .. } => (None, None),
        };
        let matches = |payment: &Payment| {
            let of_original = Some(payment.id) == original
                || original.is_some_and(|it| payment.request.original == Some(it));
            of_original || wanted == Some(&payment.request.key) || original.is_none()
        };
        let durable = self.payments.values().filter_map(|track| track.payment.as_ref());
        let ids: Vec<_> = durable.filter(|it| matches(it)).map(|it| it.id).collect();
        let found = ids.iter().map(|id| self.records_of(*id));
        let found = Sabotage::on_load(self.sabotage, found.collect(), wanted);
        let applied = Sequence(self.journal.len() as u64);
        self.hear(Input::Loaded(Loaded { key, found, applied }));
    }

    fn records_of(&self, id: PaymentId) -> Durable<Group> {
        let about =
            |group: &&Rc<Durable<Group>>| group.get().subject() == GroupSubject::Payment(id);
        let groups: Vec<_> = self.journal.iter().filter(about).map(|it| (**it).clone()).collect();
        merge(&groups)
    }

    fn commit(&mut self) {
        let group = self.under_way.remove(0);
        let GroupSubject::Payment(id) = group.subject() else { return };
        let before = self.payments[&id].standing();
        let sequence = Sequence(self.journal.len() as u64 + 1);
        let durable = Durable::attest(group, sequence);
        if Sabotage::store_loses(self.sabotage) {
            return self.with_engine(|engine, now, out| engine.settled(now, durable, out));
        }
        if let Err(wrong) = self.fold(id, &durable.get().records) {
            return self.fail(wrong);
        }
        self.journal.push(Rc::new(durable.clone()));
        self.turned(id, before);
        self.with_engine(|engine, now, out| engine.settled(now, durable, out));
    }

    fn fold(&mut self, id: PaymentId, records: &[Record]) -> Result<(), String> {
        let track = self.track(id);
        match &mut track.payment {
            None => {
                let payment = Payment::fold(records).map_err(|wrong| format!("{wrong}"))?;
                track.payment = payment.map(Rc::new);
            }
            Some(payment) => {
                let payment = Rc::make_mut(payment);
                for record in records {
                    payment.apply(record).map_err(|wrong| format!("{wrong}"))?;
                }
            }
        }
        Ok(())
    }

    /// A payment moved: the model must have said that it may.
    fn turned(&mut self, id: PaymentId, before: Standing) {
        let track = self.track(id);
        let after = track.standing();
        let expected = core::mem::take(&mut track.expected);
        let Some((cause, _)) = expected.iter().find(|(_, standing)| *standing == after) else {
            let wrong = format!("{id} was {before:?} and is {after:?}; expected {expected:?}");
            return self.fail(wrong);
        };
        let place = track.pending.iter().position(|(heard, _)| heard == cause);
        track.pending.remove(place.unwrap());
        track.moved(before.stage, after.stage);
        let known = self.known(&self.payments[&id]);
        for (heard, vain) in &mut self.track(id).pending {
            *vain |= [before, after].iter().any(|it| it.next(*heard, known) == *it);
        }
        let (told, now_told) = (before.told(), after.told());
        if told.is_final() && told != now_told {
            self.fail(format!("{id} was told {told:?} and would now be told {now_told:?}"));
        }
    }

    fn refuse(&mut self) {
        self.left.use_up(|left| &mut left.refusals);
        let group = self.under_way.remove(0);
        let subject = group.subject();
        let GroupSubject::Payment(id) = subject else { return };
        // What was heard may be lost with it, as with a crash.
        let track = self.track(id);
        let mut payment = track.payment.as_deref().cloned();
        let would_be = payment.as_mut().map(|payment| {
            group.records.iter().for_each(|record| payment.apply(record).unwrap());
            Standing::observed(payment)
        });
        let expected = core::mem::take(&mut track.expected);
        for (heard, vain) in &mut track.pending {
            *vain |= expected.iter().any(|(it, to)| it == heard && Some(*to) == would_be);
        }
        if track.payment.is_none() {
            self.payments.remove(&id);
        }
        self.with_engine(|engine, now, out| engine.not_written(now, subject, out));
    }

    /// The first byte may be on its way: from here on the host may have it.
    fn write(&mut self, place: usize) {
        let Handed { id, attempt, repeat, .. } = self.handed.remove(place);
        let reversal = matches!(attempt, Attempt::Reversal(_));
        let track = self.track(id);
        let written =
            if reversal { &mut track.reversal_written } else { &mut track.original_written };
        let again = core::mem::replace(written, true);
        if again && !repeat {
            self.fail(format!("{attempt:?} of {id} is sent again, not marked as a repeat"));
        }
        self.to_host.insert(Message { id, reversal, repeat });
        self.hear(Input::Written(id, attempt));
    }

    fn bounce(&mut self, place: usize) {
        let Handed { id, attempt, deadline, .. } = self.handed.remove(place);
        let why = if deadline <= NOW { NotSentReason::Overdue } else { NotSentReason::NoLine };
        let input = Input::NotSent(id, attempt, why);
        if attempt == Attempt::Original {
            return self.hear_of(id, Heard::NoByteLeft, input);
        }
        self.hear(input);
    }

    fn host(&mut self, message: Message, deed: Deed) {
        self.to_host.remove(&message);
        let track = self.track(message.id);
        // A person who asked before this moment was told that there is no money.
        let word_given = |(heard, _): &(Heard, Standing)| matches!(heard, Heard::Person(_));
        let closed = track.standing().told().is_final()
            || track.books == Books::Forestalled
            || track.expected.iter().any(word_given);
        let asking = track.asking;
        let asked: &Asking = &self.scenario.asks[asking];
        let track = self.track(message.id);
        let before = track.books.money();
        track.books = track.books.after(deed, asked.silence, asked.minor, asked.part());
        track.behind |= closed && before == 0 && track.books.money() != 0;
        if self.to_us.insert(HostReply { id: message.id, deed })
            && self.scenario.replies == Replies::InOrder
        {
            self.track(message.id).said.push(deed);
        }
    }

    fn deliver(&mut self, reply: HostReply, again: Again) {
        match again {
            Again::Never => {
                self.to_us.remove(&reply);
                self.track(reply.id).said.retain(|deed| *deed != reply.deed);
            }
            Again::Once => self.left.use_up(|left| &mut left.doubles),
        }
        let HostReply { id, deed } = reply;
        if Sabotage::drops(self, reply) {
            self.track(id).pending.extend(deed.answer().map(|it| (Heard::Answer(it), false)));
            return;
        }
        let code = "00".to_string();
        if let Some(answer) = deed.answer() {
            let (class, minor) = {
                let asked = &self.scenario.asks[self.payments[&id].asking];
                match answer {
                    Answer::Approved => (AnswerClass::Approved, asked.minor),
                    Answer::Partial => (AnswerClass::Partial, asked.part()),
                    Answer::Declined => (AnswerClass::Declined, asked.minor),
                }
            };
            let answer_of_host = HostAnswer {
                response_code: code,
                class,
                approval_code: None,
                amount: Money { minor, ..amount() },
                line: line(),
                balances: Vec::new(),
            };
            let input = Input::HostAnswered(id, answer_of_host);
            return self.hear_of(id, Heard::Answer(answer), input);
        }
        let verdict = deed.verdict();
        let told = Sabotage::on_verdict(self.sabotage, verdict);
        let answer = ReversalAnswer { response_code: code, verdict: told, line: line() };
        self.hear_of(id, Heard::Reversal(verdict), Input::ReversalAnswered(id, answer));
    }

    /// Time passes until the next timer.
    fn pass_time(&mut self) {
        let by = self.engine.next_deadline().unwrap().0.saturating_sub(NOW.0);
        // What is older than every wait counts as just that old.
        let oldest = NOW.0.saturating_sub(GIVE_UP.max(UNKNOWN_WAIT));
        let moved = |at: Mono| Mono(at.0.saturating_sub(by).max(oldest));
        self.engine.book.move_instants(moved);
        self.engine.lanes.move_instants(moved);
        self.handed.iter_mut().for_each(|handed| handed.deadline = moved(handed.deadline));
        for track in self.payments.values_mut() {
            let instants = [&mut track.deadline, &mut track.owed_since, &mut track.unknown_since];
            instants.into_iter().flatten().for_each(|at| *at = moved(*at));
            if track.payment.is_some() {
                track.pending.push((Heard::Time, true));
            }
        }
        self.hear(Input::Tick);
        // What the lines have and may not write any more comes back.
        while let Some(place) = self.handed.iter().position(|handed| handed.deadline <= NOW) {
            self.bounce(place);
        }
    }

    fn person(&mut self, id: PaymentId, act: CaseAct) {
        if act == CaseAct::Retry {
            self.left.use_up(|left| &mut left.retries);
        }
        let (by, reason) = ("ops".to_string(), "called the host".to_string());
        let word = OperatorAct { waiter: Waiter(OPERATOR), id, by, reason, act };
        self.hear_of(id, Heard::Person(act), Input::Operator(word));
    }

    /// The process dies and starts: what was not durable is gone, what is on the network is not.
    fn crash(&mut self) {
        self.left.use_up(|left| &mut left.crashes);
        self.engine = Engine::new(self.scenario.settings(), [host()]);
        self.up = false;
        self.under_way.clear();
        self.loads.clear();
        self.handed.clear();
        self.waiting.clear();
        self.payments.retain(|_, track| track.payment.is_some());
        for leased in &self.leases {
            self.engine.restore_lease(leased);
        }
        self.engine.restore_date(DATE);
        let ids: Vec<_> = self.payments.keys().copied().collect();
        for id in ids {
            let track = self.track(id);
            track.may_send = false;
            track.expected.clear();
            track.pending.clear();
            let standing = track.standing();
            track.moved(Stage::Idle, standing.stage);
            if standing.stage == Stage::Sent {
                track.deadline = Some(NOW);
                track.pending.push((Heard::Restart, false));
            }
            if !Sabotage::is_forgotten(self.sabotage, standing) {
                let records = self.records_of(id);
                self.with_engine(|engine, _, out| engine.restore(records, out));
            }
        }
        self.with_engine(|engine, now, out| engine.recover(now, out));
    }
}

fn is_over(since: Option<Mono>, wait: Duration) -> bool {
    since.is_some_and(|since| NOW >= since.after(wait))
}

/// Hashes what is written to it.
struct Print(DefaultHasher);

impl core::fmt::Write for Print {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
