//! Several hosts: which of them a payment goes to.

use super::*;
use crate::id::HostId;

fn other() -> HostId {
    HostId::parse("other").unwrap()
}

impl World {
    /// Two hosts, of which the first is up.
    fn with_two_hosts() -> Self {
        let mut world = Self::new();
        world.engine = Engine::new(settings(), [host(), other()]);
        world.start();
        world
    }

    fn host_is(&mut self, host: HostId, up: bool) {
        self.hear(Input::HostUp(host, up));
    }

    /// A payment that may go to the first host, or else to the other.
    fn pay_either(&mut self, waiter: u64, number: u64) -> PaymentId {
        let mut incoming = incoming(waiter, number);
        if let Ask::New { routes, .. } = &mut incoming.ask {
            routes.push(Route { host: other(), ..route() });
        }
        let id = incoming.id;
        self.hear(Input::Request(Box::new(incoming)));
        id
    }

    fn hosts_asked(&self) -> Vec<&str> {
        self.sent.iter().map(|sent| sent.fields.route.host.as_str()).collect()
    }
}

#[test]
fn a_payment_goes_to_the_first_host_of_its_route_that_is_up() {
    let mut world = World::with_two_hosts();
    world.host_is(other(), true);
    world.pay_either(1, 1);
    world.host_is(host(), false);
    world.pay_either(2, 2);
    assert_eq!(world.hosts_asked(), ["bank", "other"]);
}

#[test]
fn with_all_hosts_of_its_route_down_nothing_is_accepted() {
    let mut world = World::with_two_hosts();
    world.host_is(host(), false);
    let journal = world.journal.len();
    world.pay_either(1, 1);
    assert_eq!(world.refused(1), Refusal::HostUnavailable);
    assert_eq!((world.sent.len(), world.journal.len()), (0, journal));
    world.host_is(other(), true);
    world.pay_either(2, 1);
    assert_eq!(world.hosts_asked(), ["other"]);
}

#[test]
fn what_may_have_been_sent_never_moves_to_another_host() {
    let mut world = World::with_two_hosts();
    world.host_is(other(), true);
    world.pay_either(1, 1);
    world.host_is(host(), false);
    world.pay_either(2, 1);
    world.wait(20);
    assert_eq!(world.hosts_asked(), ["bank"], "its reversal waits for its host");
    world.host_is(host(), true);
    world.wait(60);
    assert!(world.sent.len() > 1, "it is reversed");
    assert!(world.hosts_asked().iter().all(|asked| *asked == "bank"));
}

#[test]
fn a_route_that_leads_nowhere_refuses_the_new_and_answers_the_known() {
    let mut world = World::new();
    let id = world.pay(1);
    world.answer(id, AnswerClass::Approved);
    let nowhere = |waiter, number| {
        let mut incoming = incoming(waiter, number);
        if let Ask::New { routes, .. } = &mut incoming.ask {
            routes.clear();
        }
        Input::Request(Box::new(incoming))
    };
    world.hear(nowhere(2, 2));
    assert_eq!(world.refused(2), Refusal::HostUnavailable);
    world.hear(nowhere(3, 1));
    assert_eq!(world.told(3), Verdict::Approved);
}
