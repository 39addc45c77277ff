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

use crate::classify::{Disposition, FailureClass, Subject};

/// How many messages a generation remembers. Beyond it, the older generation is forgotten: those messages begin anew.
const GENERATION: usize = 20_000;

/// A route that did not take a message, for a reason that is not the message's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declined {
    /// The route.
    pub(crate) route: Arc<str>,
    pub(crate) fault: Disposition,
    /// Why, in the server's words or ours.
    pub(crate) text: String,
    /// Whom it concerned; empty means every recipient.
    pub(crate) recipients: HashSet<Address>,
    /// Whether the route could carry the message if it were converted.
    pub(crate) can_convert: bool,
}

impl Declined {
    /// Whether the route will not take the message for this recipient, however often it is asked.
    pub(crate) fn is_final(&self, recipient: &Address) -> bool {
        is_final(self.fault) && (self.recipients.is_empty() || self.recipients.contains(recipient))
    }
}

/// Whether another route may take what failed for this reason.
pub(crate) fn may_use_other_route(fault: Disposition) -> bool {
    fault.subject != Subject::Message
}

/// Whether the same route would fail for this reason again, as it is.
pub(crate) fn is_final(fault: Disposition) -> bool {
    fault.class == FailureClass::Capability || refuses_sender_finally(fault)
}

fn refuses_sender_finally(fault: Disposition) -> bool {
    fault.subject == Subject::Sender && fault.is_permanent
}

/// Whether it is a failure of the route that somebody repairs, or that passes.
pub(crate) fn is_route_failure(fault: Disposition) -> bool {
    fault.subject == Subject::Route && fault.class != FailureClass::Capability
}

/// What is known of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteCycle {
    /// The routes that did not take it in this round.
    pub(crate) declined: Vec<Declined>,
    /// How many rounds ended without an attempt that counts.
    pub(crate) failed_cycles: u32,
    /// Whether it is offered once more to the routes that could carry it converted.
    pub(crate) is_conversion_pass: bool,
}

impl RouteCycle {
    pub(crate) fn has_declined(&self, route: &str) -> bool {
        self.declined.iter().any(|declined| *declined.route == *route)
    }
}

/// The rounds of all messages that have one.
#[derive(Debug, Default)]
pub(crate) struct RouteCycles {
    young: HashMap<QueueId, RouteCycle>,
    old: HashMap<QueueId, RouteCycle>,
}

impl RouteCycles {
    pub(crate) fn get(&self, id: QueueId) -> Option<&RouteCycle> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }

    /// A route did not take the message: it is not asked again in this round.
    pub(crate) fn add_declined(&mut self, id: QueueId, declined: Declined) {
        self.change(id, |cycle| {
            cycle.declined.retain(|other| other.route != declined.route);
            cycle.declined.push(declined);
        });
    }

    /// No route carries the message as it is: those that could convert it are asked once more.
    pub(crate) fn convert(&mut self, id: QueueId, last: Declined) {
        self.add_declined(id, last);
        self.change(id, |cycle| {
            cycle.declined.retain(|declined| !declined.can_convert);
            cycle.is_conversion_pass = true;
        });
    }

    /// The round is over, and the message waits for a route.
    pub(crate) fn end(&mut self, id: QueueId) {
        self.change(id, |cycle| {
            let failed_cycles = cycle.failed_cycles.saturating_add(1);
            let mut declined = std::mem::take(&mut cycle.declined);
            declined.retain(|declined| refuses_sender_finally(declined.fault) && !failed_cycles.is_power_of_two());
            *cycle = RouteCycle { failed_cycles, declined, is_conversion_pass: false };
        });
    }

    /// The message was tried, or has ended.
    pub(crate) fn remove(&mut self, id: QueueId) {
        for route_cycles in [&mut self.young, &mut self.old] {
            // Nearly always; then there is nothing to look up.
            if !route_cycles.is_empty() {
                route_cycles.remove(&id);
            }
        }
    }

    /// Routes have changed: every message may ask every one of them.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn change(&mut self, id: QueueId, change: impl FnOnce(&mut RouteCycle)) {
        let mut cycle = self.young.remove(&id).or_else(|| self.old.remove(&id)).unwrap_or_default();
        change(&mut cycle);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, cycle);
    }
}

/// Another route that may carry the message, as far as its settings go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlternativeRoute<'a> {
    pub(crate) name: &'a str,
    /// Whether mail goes over it now, or a probe may.
    pub(crate) is_available: bool,
    /// What it said in this round.
    pub(crate) declined: Option<&'a Declined>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> QueueId {
        QueueId::from_bits(number)
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
        let mut route_cycles = RouteCycles::default();
        let count = 3 * GENERATION as u128;
        for number in 0..count {
            route_cycles.end(id(number));
        }
        assert!(route_cycles.young.len() + route_cycles.old.len() <= 2 * GENERATION);
        assert!(route_cycles.get(id(0)).is_none() && route_cycles.get(id(count - 1)).is_some());
    }
}
