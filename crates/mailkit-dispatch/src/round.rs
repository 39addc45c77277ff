//! The routes that a message was offered to since it last waited: its round.
//!
//! A route that fails, refuses the sender or lacks a capability says nothing about the message, which goes to the next
//! available route at once. Each route is asked once in a round. When no other is available, the round ends: the message
//! waits, and the next round may ask every route again, since logins are repaired and servers learn. Routes that refused
//! the sender for good are asked in fewer and fewer of the rounds, lest they are flooded while another route is down. What
//! is known of a round is in the memory of this dispatcher only: another one that gets the message begins a round of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mailkit_address::Address;
use mailkit_queue::QueueId;

use crate::class::Class;
use crate::classify::{Disposition, Subject};

/// How many messages a generation remembers. Beyond it, the older generation is forgotten: those messages begin anew.
const GENERATION: usize = 20_000;

/// A route that did not take a message, for a reason that is not the message's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The route.
    pub(crate) route: Arc<str>,
    pub(crate) fault: Disposition,
    /// Why, in the server's words or ours.
    pub(crate) words: String,
    /// Whom it concerned; empty means every recipient.
    pub(crate) recipients: HashSet<Address>,
    /// Whether the route could carry the message if it were converted.
    pub(crate) can_convert: bool,
}

impl Passed {
    /// Whether the route will not take the message for this recipient, however often it is asked.
    pub(crate) fn is_for_good(&self, recipient: &Address) -> bool {
        is_for_good(self.fault) && (self.recipients.is_empty() || self.recipients.contains(recipient))
    }
}

/// Whether another route may take what failed for this reason.
pub(crate) fn may_move(fault: Disposition) -> bool {
    fault.subject != Subject::Message
}

/// Whether the same route would fail for this reason again, as it is.
pub(crate) fn is_for_good(fault: Disposition) -> bool {
    fault.class == Class::Capability || refuses_sender_for_good(fault)
}

fn refuses_sender_for_good(fault: Disposition) -> bool {
    fault.subject == Subject::Sender && fault.is_permanent
}

/// Whether it is a failure of the route that somebody repairs, or that passes.
pub(crate) fn is_route_failure(fault: Disposition) -> bool {
    fault.subject == Subject::Route && fault.class != Class::Capability
}

/// What is known of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// The routes that did not take it in this round.
    pub(crate) passed: Vec<Passed>,
    /// How many rounds ended without an attempt that counts.
    pub(crate) fruitless: u32,
    /// Whether it is offered once more to the routes that could carry it converted.
    pub(crate) is_last_resort: bool,
}

impl Round {
    pub(crate) fn has_passed(&self, route: &str) -> bool {
        self.passed.iter().any(|passed| *passed.route == *route)
    }
}

/// The rounds of all messages that have one.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    young: HashMap<QueueId, Round>,
    old: HashMap<QueueId, Round>,
}

impl Rounds {
    pub(crate) fn get(&self, id: QueueId) -> Option<&Round> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }

    /// A route did not take the message: it is not asked again in this round.
    pub(crate) fn pass(&mut self, id: QueueId, passed: Passed) {
        self.change(id, |round| {
            round.passed.retain(|other| other.route != passed.route);
            round.passed.push(passed);
        });
    }

    /// No route carries the message as it is: those that could convert it are asked once more.
    pub(crate) fn convert(&mut self, id: QueueId, last: Passed) {
        self.pass(id, last);
        self.change(id, |round| {
            round.passed.retain(|passed| !passed.can_convert);
            round.is_last_resort = true;
        });
    }

    /// The round is over, and the message waits for a route.
    pub(crate) fn end(&mut self, id: QueueId) {
        self.change(id, |round| {
            let fruitless = round.fruitless.saturating_add(1);
            let mut passed = std::mem::take(&mut round.passed);
            passed.retain(|passed| refuses_sender_for_good(passed.fault) && !fruitless.is_power_of_two());
            *round = Round { fruitless, passed, is_last_resort: false };
        });
    }

    /// The message was tried, or has ended.
    pub(crate) fn remove(&mut self, id: QueueId) {
        for rounds in [&mut self.young, &mut self.old] {
            // Nearly always; then there is nothing to look up.
            if !rounds.is_empty() {
                rounds.remove(&id);
            }
        }
    }

    /// Routes have changed: every message may ask every one of them.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn change(&mut self, id: QueueId, change: impl FnOnce(&mut Round)) {
        let mut round = self.young.remove(&id).or_else(|| self.old.remove(&id)).unwrap_or_default();
        change(&mut round);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, round);
    }
}

/// Another route that may carry the message, as far as its settings go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other<'a> {
    pub(crate) name: &'a str,
    /// Whether mail goes over it now, or a probe may.
    pub(crate) is_available: bool,
    /// What it said in this round.
    pub(crate) passed: Option<&'a Passed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> QueueId {
        QueueId::from_bits(number)
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
        let mut rounds = Rounds::default();
        let count = 3 * GENERATION as u128;
        for number in 0..count {
            rounds.end(id(number));
        }
        assert!(rounds.young.len() + rounds.old.len() <= 2 * GENERATION);
        assert!(rounds.get(id(0)).is_none() && rounds.get(id(count - 1)).is_some());
    }
}
