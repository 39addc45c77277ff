//! Figures of a dispatcher.

use std::collections::BTreeMap;
use std::time::Duration;

use mailkit_queue::{RecipientOutcome, RecipientStatus};

use super::breaker::BreakerState;
use super::event::DeadReason;
use crate::classify::FailureClass;

/// Figures of a dispatcher, since it started.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Its routes, in their order.
    pub routes: Vec<RouteStats>,
    /// Whether the queue's store is out of reach.
    pub store_unavailable: bool,
    /// Outcomes that are not written down yet.
    pub unsettled: usize,
    /// Messages that died, by reason.
    pub dead: BTreeMap<DeadReason, u64>,
}

/// Figures of a route.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RouteStats {
    /// Its name.
    pub name: String,
    /// How many slots it may have now.
    pub concurrency_limit: u32,
    /// How many its server serves, where that was learnt.
    pub learned_limit: Option<u32>,
    /// How many slots it has.
    pub active_slots: usize,
    /// Messages in flight.
    pub in_flight: u32,
    /// Messages that wait here for it.
    pub waiting: usize,
    /// Where its breaker stands.
    pub breaker: BreakerState,
    /// Whether it is paused by hand.
    pub paused: bool,
    /// For how long its own limits have held it up.
    pub throttled: Duration,
    /// What became of recipients and attempts.
    pub outcomes: Outcomes,
}

/// What became of recipients, and of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcomes {
    /// Attempts, whatever came of them.
    pub attempts: u64,
    /// Recipients that were accepted.
    pub accepted: u64,
    /// Recipients that were refused for now.
    pub temporary: u64,
    /// Recipients that were refused for good.
    pub permanent: u64,
    /// Recipients of whom nobody can know.
    pub ambiguous: u64,
    /// Recipients that were not reached, since the connection failed.
    pub network: u64,
    /// Attempts that had trouble, by class.
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

    /// Counts the recipients that a round has ended, which is no attempt.
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
