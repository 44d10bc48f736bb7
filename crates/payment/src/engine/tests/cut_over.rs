//! The business date across a cut-over.

use super::*;

const NEXT: BusinessDate = BusinessDate { year: 2026, month: 11, day: 23 };

fn dates(world: &World) -> Vec<BusinessDate> {
    let moved = |group: &Durable<Group>| match group.get().records.first() {
        Some(Record::DateMoved(moved)) => Some(moved.date),
        _ => None,
    };
    world.journal.iter().filter_map(moved).collect()
}

#[test]
fn a_cut_over_that_comes_again_or_of_a_second_host_moves_the_date_once() {
    let mut world = World::new();
    for _ in 0..3 {
        world.hear(Input::Date(NEXT));
    }
    assert_eq!(dates(&world), [DATE, NEXT]);
    world.hear(Input::Date(DATE));
    assert_eq!(world.engine.date(), Some(NEXT), "never back");
    world.crash();
    assert_eq!((dates(&world), world.engine.date()), (vec![DATE, NEXT], Some(NEXT)));
}

#[test]
fn a_payment_that_comes_while_the_date_moves_waits_and_is_of_the_new_date() {
    let mut world = World::new();
    let now = world.now();
    world.engine.handle(now, Input::Date(NEXT), &mut world.out);
    // The date is not durable yet, and neither is what waits for it.
    let moving = core::mem::take(&mut world.out);
    assert!(matches!(moving.groups[0].records[0], Record::DateMoved(_)));
    world.engine.handle(now, Input::Request(Box::new(incoming(1, 1))), &mut world.out);
    world.commit();
    assert_eq!(world.sent.len(), 0);
    assert_eq!(world.engine.date(), Some(DATE));
    world.out = moving;
    world.commit();
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.sent[0].fields.business_date, NEXT);
    assert!(world.sent[0].fields.rrn.as_str().starts_with("6327"), "the date's own number");
}

#[test]
fn a_move_that_was_not_written_holds_nobody_up() {
    let mut world = World::new();
    let now = world.now();
    world.engine.handle(now, Input::Date(NEXT), &mut world.out);
    world.out = Out::default();
    world.engine.handle(now, Input::Request(Box::new(incoming(1, 1))), &mut world.out);
    world.commit();
    assert_eq!(world.sent.len(), 0);
    world.engine.not_written(now, GroupSubject::Date, &mut world.out);
    world.commit();
    assert_eq!(world.sent[0].fields.business_date, DATE);
    world.hear(Input::Date(NEXT));
    assert_eq!(dates(&world), [DATE, NEXT], "it is tried again");
}

#[test]
fn a_reversal_and_a_repeat_carry_the_date_of_their_original_also_after_a_restart() {
    let mut world = World::new();
    let silent = world.pay(1);
    world.hear(Input::Date(NEXT));
    let after = world.pay(2);
    world.wait(16);
    world.write(silent, 1);
    world.wait(11);
    world.crash();
    let of = |world: &World, id| -> Vec<BusinessDate> {
        let sent = world.sent.iter().filter(|out| out.id == id);
        sent.map(|out| out.fields.business_date).collect()
    };
    assert!(of(&world, silent).len() >= 4, "original, reversal, repeat, repeat after the restart");
    assert!(of(&world, silent).iter().all(|date| *date == DATE));
    assert!(of(&world, after).iter().all(|date| *date == NEXT));
}
