//! Statistics of a dispatcher.

use std::collections::BTreeMap;
use std::time::Duration;

use mailkit_queue::{RecipientOutcome, RecipientStatus};

use super::breaker::BreakerState;
use super::event::DeadReason;
use crate::classify::FailureClass;

/// Statistics of a dispatcher since it started.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The routes, in the order of the settings.
    pub routes: Vec<RouteStats>,
    /// Whether the queue's store is unavailable.
    pub store_unavailable: bool,
    /// Outcomes that the queue has not stored yet.
    pub unsettled: usize,
    /// Messages that became dead, by reason.
    pub dead: BTreeMap<DeadReason, u64>,
}

/// Statistics of a route.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RouteStats {
    /// The name of the route.
    pub name: String,
    /// The number of delivery slots (connections) that the route may use now.
    pub concurrency_limit: u32,
    /// The number of connections that the server allows, if it has refused more.
    pub learned_limit: Option<u32>,
    /// The number of delivery slots (connections) in use or being opened.
    pub active_slots: usize,
    /// Messages in flight.
    pub in_flight: u32,
    /// Leased messages that wait for the route in memory.
    pub waiting: usize,
    /// The state of the breaker.
    pub breaker: BreakerState,
    /// Whether the route is paused by an operator.
    pub paused: bool,
    /// How long the limits of the route have delayed mail, in total.
    pub throttled: Duration,
    /// Results of attempts and recipients.
    pub outcomes: Outcomes,
}

/// Results of attempts and recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcomes {
    /// Attempts, successful or not.
    pub attempts: u64,
    /// Recipients that were accepted.
    pub accepted: u64,
    /// Recipients that were refused temporarily.
    pub temporary: u64,
    /// Recipients that were refused permanently.
    pub permanent: u64,
    /// Recipients that may or may not have got the message.
    pub ambiguous: u64,
    /// Recipients that were not reached because the connection failed.
    pub network: u64,
    /// Failed attempts, by class.
    pub failures: BTreeMap<FailureClass, u64>,
}

impl Outcomes {
    pub(crate) fn count(&mut self, recipients: &[RecipientOutcome], class: Option<FailureClass>) {
        self.attempts += 1;
        self.count_recipients(recipients, class);
        if let Some(class) = class {
            *self.failures.entry(class).or_default() += 1;
        }
    }

    /// Counts the recipients that one of several transactions has settled, which is no attempt.
    pub(crate) fn count_ended(&mut self, recipients: &[RecipientOutcome]) {
        let ended = |recipient: &&RecipientOutcome| !recipient.status.is_open();
        recipients
            .iter()
            .filter(ended)
            .for_each(|recipient| self.count_recipients(std::slice::from_ref(recipient), None));
    }

    fn count_recipients(&mut self, recipients: &[RecipientOutcome], class: Option<FailureClass>) {
        for recipient in recipients {
            let counter = match recipient.status {
                RecipientStatus::Accepted => &mut self.accepted,
                RecipientStatus::Permanent => &mut self.permanent,
                RecipientStatus::Ambiguous => &mut self.ambiguous,
                _ if recipient.code.is_none() && class == Some(FailureClass::Connection) => &mut self.network,
                RecipientStatus::Pending | RecipientStatus::Temporary => &mut self.temporary,
            };
            *counter += 1;
        }
    }
}
