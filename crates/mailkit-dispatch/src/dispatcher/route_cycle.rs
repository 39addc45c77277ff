//! Which routes have declined a message since it was last rescheduled: its route cycle.
//!
//! If a route fails, refuses the sender or lacks a capability, the message goes to the next available route at once.
//! Each route is tried once per cycle. When no other route is available, the cycle ends and the message is rescheduled.
//! The next cycle may try every route again, since logins get repaired and servers get reconfigured. Routes that
//! refused the sender permanently are tried in fewer and fewer cycles, so that they are not flooded while another route
//! is down. Cycles are kept in the memory of the dispatcher only: another dispatcher that leases the message starts a
//! new one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mailkit_address::Address;
use mailkit_queue::QueueId;

use crate::classify::{Disposition, FailureClass, Subject};

/// The number of messages in a generation. When it is full, the older generation is forgotten, and its messages start a
/// new cycle.
const GENERATION: usize = 20_000;

/// A route that declined a message for a reason that concerns the route or the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declined {
    /// The route.
    pub(crate) route: Arc<str>,
    pub(crate) fault: Disposition,
    /// The server's reply or the error message.
    pub(crate) text: String,
    /// The recipients concerned; empty means all.
    pub(crate) recipients: HashSet<Address>,
    /// Whether the route could send the message if it were converted.
    pub(crate) can_convert: bool,
}

impl Declined {
    /// Whether the route will never accept the message for this recipient as it is.
    pub(crate) fn is_final(&self, recipient: &Address) -> bool {
        is_final(self.fault) && (self.recipients.is_empty() || self.recipients.contains(recipient))
    }
}

/// Whether another route may accept what failed for this reason.
pub(crate) fn may_use_other_route(fault: Disposition) -> bool {
    fault.subject != Subject::Message
}

/// Whether the same route would fail again for this reason.
pub(crate) fn is_final(fault: Disposition) -> bool {
    fault.class == FailureClass::Capability || refuses_sender_finally(fault)
}

fn refuses_sender_finally(fault: Disposition) -> bool {
    fault.subject == Subject::Sender && fault.is_permanent
}

/// Whether it is a failure of the route that passes or gets repaired.
pub(crate) fn is_route_failure(fault: Disposition) -> bool {
    fault.subject == Subject::Route && fault.class != FailureClass::Capability
}

/// The cycle of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteCycle {
    /// The routes that declined it in this cycle.
    pub(crate) declined: Vec<Declined>,
    /// How many cycles ended without an attempt that counts.
    pub(crate) failed_cycles: u32,
    /// Whether it is offered once more to the routes that could send it converted.
    pub(crate) is_conversion_pass: bool,
}

impl RouteCycle {
    pub(crate) fn has_declined(&self, route: &str) -> bool {
        self.declined.iter().any(|declined| *declined.route == *route)
    }
}

/// The cycles of all messages that have one.
#[derive(Debug, Default)]
pub(crate) struct RouteCycles {
    young: HashMap<QueueId, RouteCycle>,
    old: HashMap<QueueId, RouteCycle>,
}

impl RouteCycles {
    pub(crate) fn get(&self, id: QueueId) -> Option<&RouteCycle> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }

    /// A route declined the message: it is not tried again in this cycle.
    pub(crate) fn add_declined(&mut self, id: QueueId, declined: Declined) {
        self.change(id, |cycle| {
            cycle.declined.retain(|other| other.route != declined.route);
            cycle.declined.push(declined);
        });
    }

    /// No route sends the message as it is: those that could convert it are tried once more.
    pub(crate) fn convert(&mut self, id: QueueId, last: Declined) {
        self.add_declined(id, last);
        self.change(id, |cycle| {
            cycle.declined.retain(|declined| !declined.can_convert);
            cycle.is_conversion_pass = true;
        });
    }

    /// The cycle is over, and the message is rescheduled.
    pub(crate) fn end(&mut self, id: QueueId) {
        self.change(id, |cycle| {
            let failed_cycles = cycle.failed_cycles.saturating_add(1);
            let mut declined = std::mem::take(&mut cycle.declined);
            declined.retain(|declined| refuses_sender_finally(declined.fault) && !failed_cycles.is_power_of_two());
            *cycle = RouteCycle { failed_cycles, declined, is_conversion_pass: false };
        });
    }

    /// The message had an attempt that counts, or has ended.
    pub(crate) fn remove(&mut self, id: QueueId) {
        for route_cycles in [&mut self.young, &mut self.old] {
            // The maps are empty most of the time.
            if !route_cycles.is_empty() {
                route_cycles.remove(&id);
            }
        }
    }

    /// The routes have changed: every message may try all of them.
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

/// Another route that may send the message, according to its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlternativeRoute<'a> {
    pub(crate) name: &'a str,
    /// Whether it is available now, or needs a probe.
    pub(crate) is_available: bool,
    /// Its answer in this cycle, if it declined the message.
    pub(crate) declined: Option<&'a Declined>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> QueueId {
        QueueId::from_bits(number)
    }

    #[test]
    fn the_number_of_cycles_is_bounded_and_the_oldest_are_forgotten_first() {
        let mut route_cycles = RouteCycles::default();
        let count = 3 * GENERATION as u128;
        for number in 0..count {
            route_cycles.end(id(number));
        }
        assert!(route_cycles.young.len() + route_cycles.old.len() <= 2 * GENERATION);
        assert!(route_cycles.get(id(0)).is_none() && route_cycles.get(id(count - 1)).is_some());
    }
}
