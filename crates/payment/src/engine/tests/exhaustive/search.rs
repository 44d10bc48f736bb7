//! Breadth first over everything that can happen, each situation once; the first thing found wrong
//! is therefore reached by a shortest path.

use super::sabotage::Sabotage;
use super::scenario::Scenario;
use super::world::{Step, World};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

/// A search that meets more is not small any more: bound its scenario.
const STATES_MAX: usize = 400_000;
/// So many steps of a dutiful world bring everything to rest.
const DRAIN_MAX: usize = 300;

/// What a whole search saw.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) states: usize,
    pub(super) steps: usize,
    /// The longest of the shortest paths.
    pub(super) depth: usize,
    /// How many situations are at rest: with all faults over, nothing is left to do.
    pub(super) at_rest: usize,
    /// Standings that payments were seen in.
    pub(super) standings: std::collections::BTreeSet<String>,
}

struct Node {
    parent: usize,
    step: Option<Step>,
    depth: usize,
    /// Where a dutiful world goes from here.
    onward: Onward,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Onward {
    AtRest,
    To(usize),
}

struct Search {
    scenario: &'static Scenario,
    sabotage: Option<Sabotage>,
    nodes: Vec<Node>,
    known: HashMap<u64, usize>,
    frontier: VecDeque<(usize, World)>,
    found: Found,
}

/// Searches everything. The error tells what is wrong, and the shortest way there.
pub(super) fn search(
    scenario: &'static Scenario,
    sabotage: Option<Sabotage>,
) -> Result<Found, String> {
    let mut search = Search {
        scenario,
        sabotage,
        nodes: Vec::new(),
        known: HashMap::new(),
        frontier: VecDeque::new(),
        found: Found::default(),
    };
    let world = World::new(scenario, sabotage);
    if let Some(wrong) = &world.broken {
        return Err(format!("{wrong}, before the search began"));
    }
    search.reach(0, None, world);
    while let Some((place, world)) = search.frontier.pop_front() {
        if search.nodes.len() > STATES_MAX {
            let depth = search.nodes[place].depth;
            return Err(format!("more than {STATES_MAX} situations, {depth} deep"));
        }
        search.visit(place, world)?;
    }
    search.settles()?;
    let mut found = search.found;
    found.states = search.nodes.len();
    found.depth = search.nodes.iter().map(|node| node.depth).max().unwrap_or(0);
    Ok(found)
}

impl Search {
    /// The place of a situation, which is new or was reached before.
    fn reach(&mut self, parent: usize, step: Option<Step>, world: World) -> usize {
        let place = self.nodes.len();
        let known = *self.known.entry(world.fingerprint()).or_insert(place);
        if known < place {
            return known;
        }
        let depth = self.nodes.get(parent).map_or(0, |node| node.depth + 1);
        self.nodes.push(Node { parent, step, depth, onward: Onward::AtRest });
        for track in world.payments.values() {
            self.found.standings.insert(format!("{:?}", track.standing().stage));
        }
        self.frontier.push_back((place, world));
        place
    }

    fn visit(&mut self, place: usize, world: World) -> Result<(), String> {
        let steps = world.choices();
        let dutiful = world.dutiful_step();
        match dutiful {
            Some(step) if !steps.contains(&step) => self.drain(place, world.clone())?,
            Some(_) => {}
            None => {
                if let Some(wrong) = world.wrong_at_rest() {
                    return Err(self.told(place, &[], &wrong));
                }
                self.found.at_rest += 1;
            }
        }
        let count = steps.len();
        let worlds = std::iter::repeat_n(world, count);
        for (step, mut next) in steps.into_iter().zip(worlds) {
            self.found.steps += 1;
            next.take(step);
            if let Some(wrong) = &next.broken {
                return Err(self.told(place, &[step], wrong));
            }
            let reached = self.reach(place, Some(step), next);
            if Some(step) == dutiful {
                self.nodes[place].onward = Onward::To(reached);
            }
        }
        Ok(())
    }

    /// The bounds of the search end here, but the dutiful world goes on.
    fn drain(&self, place: usize, mut world: World) -> Result<(), String> {
        let mut steps = Vec::new();
        while let Some(step) = world.dutiful_step() {
            steps.push(step);
            world.take(step);
            let wrong = world.broken.clone();
            let endless = || "it never comes to rest".into();
            let wrong = wrong.or_else(|| (steps.len() > DRAIN_MAX).then(endless));
            if let Some(wrong) = wrong {
                return Err(self.told(place, &steps, &wrong));
            }
        }
        match world.wrong_at_rest() {
            Some(wrong) => Err(self.told(place, &steps, &wrong)),
            None => Ok(()),
        }
    }

    /// From each situation a dutiful world comes to rest: its way meets no situation twice.
    fn settles(&self) -> Result<(), String> {
        // 0: not looked at; otherwise the number of the walk that met it, or of one that ended well.
        let mut met = vec![0_usize; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let mut place = start;
            while met[place] == 0 {
                met[place] = start + 1;
                match self.nodes[place].onward {
                    Onward::To(next) => place = next,
                    Onward::AtRest => break,
                }
            }
            let came_back = met[place] == start + 1 && self.nodes[place].onward != Onward::AtRest;
            if came_back {
                return Err(self.told(place, &[], "a dutiful world goes round in a circle"));
            }
        }
        Ok(())
    }

    /// The way to a situation, step by step, and where the payments stand after each.
    fn told(&self, place: usize, more: &[Step], wrong: &str) -> String {
        let mut steps = Vec::new();
        let mut at = place;
        while let Some(step) = self.nodes[at].step {
            steps.push(step);
            at = self.nodes[at].parent;
        }
        steps.reverse();
        steps.extend(more);
        let mut world = World::new(self.scenario, self.sabotage);
        let (met, length) = (self.nodes.len(), steps.len());
        let mut text = format!("{wrong}\n{met} situations were met; after {length} steps:\n");
        for (number, step) in steps.iter().enumerate() {
            world.take(*step);
            write!(text, "{:4}. {step:?}", number + 1).unwrap();
            for (id, track) in &world.payments {
                let standing = track.standing();
                write!(text, "\n        {id}: {standing:?}, {:?}", track.books).unwrap();
            }
            text.push('\n');
        }
        text
    }
}
