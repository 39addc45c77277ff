//! How many recipients a server takes in one transaction: as configured, and as learnt from its refusals.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::rounds::{Evidence, Round};

/// How many stops of different messages are remembered, to compare the next one with.
const MOST_STOPS: usize = 32;

/// The limit of one server, shared by all clones of a mailer.
#[derive(Debug, Default)]
pub(crate) struct RecipientLimit {
    configured: Option<NonZeroU32>,
    /// Zero while nothing is learnt.
    learned: AtomicU32,
    /// What the server offered when it was last asked (LIMITS RCPTMAX, RFC 9422); zero for nothing.
    offered: AtomicU32,
    /// Which message stopped at which count.
    stops: Mutex<VecDeque<(u128, u32)>>,
    last_key: AtomicU64,
}

impl RecipientLimit {
    pub(super) fn new(configured: NonZeroU32) -> Self {
        Self { configured: Some(configured), ..Self::default() }
    }

    /// The most recipients of one transaction, where that is known.
    #[cfg(feature = "outbox")]
    pub(crate) fn get_with_offered(&self) -> Option<NonZeroU32> {
        self.get().into_iter().chain(NonZeroU32::new(self.offered.load(Ordering::Relaxed))).min()
    }

    /// Takes in what the server offers.
    pub(super) fn note_offered(&self, rcpt_max: Option<u32>) {
        self.offered.store(rcpt_max.unwrap_or_default(), Ordering::Relaxed);
    }

    /// The same without what the server offers, which each connection keeps by itself.
    pub(super) fn get(&self) -> Option<NonZeroU32> {
        let learned = NonZeroU32::new(self.learned.load(Ordering::Relaxed));
        self.configured.into_iter().chain(learned).min()
    }

    /// A key for a message that has none of its own.
    pub(super) fn new_key(&self) -> u128 {
        u128::from(self.last_key.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes in that the server stopped taking recipients of a message. It is a limit of the server if it says so
    /// (x.5.3), or if two different messages stopped at the same count.
    pub(crate) fn note(&self, message: u128, round: &Round) {
        let is_learned = match round.evidence {
            Evidence::Stated => true,
            Evidence::Likely => self.is_repeated(message, round.max.get()),
            Evidence::None => false,
        };
        // A report on several transactions counts the recipients accepted in all of them.
        let is_lower = |known| known == 0 || round.max.get() < known;
        let lower = |known| is_lower(known).then_some(round.max.get());
        if is_learned && self.learned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lower).is_ok() {
            tracing::info!(max_recipients = round.max, "the server takes no more recipients in one transaction");
        }
    }

    /// Remembers a stop; returns whether another message stopped at the same count.
    fn is_repeated(&self, message: u128, count: u32) -> bool {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = stops.iter().any(|(other, at)| *at == count && *other != message);
        if !stops.contains(&(message, count)) {
            if stops.len() == MOST_STOPS {
                stops.pop_front();
            }
            stops.push_back((message, count));
        }
        repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(max: u32, evidence: Evidence) -> Round {
        Round { rest: Vec::new(), max: NonZeroU32::new(max).unwrap(), evidence }
    }

    fn learned(stops: &[(u128, u32, Evidence)]) -> Option<u32> {
        let limit = RecipientLimit::default();
        for (message, max, evidence) in stops {
            limit.note(*message, &round(*max, *evidence));
        }
        limit.get().map(NonZeroU32::get)
    }

    #[test]
    fn a_limit_is_learnt_from_the_servers_word_or_from_two_different_messages_that_stop_at_the_same_count() {
        use Evidence::{Likely, None as No, Stated};
        assert_eq!(learned(&[(1, 100, Stated)]), Some(100));
        assert_eq!(learned(&[(1, 100, Likely)]), None);
        assert_eq!(learned(&[(1, 100, Likely), (1, 100, Likely)]), None, "one message");
        assert_eq!(learned(&[(1, 100, Likely), (2, 99, Likely)]), None, "another count");
        assert_eq!(learned(&[(1, 100, Likely), (2, 7, Likely), (3, 100, Likely)]), Some(100));
        assert_eq!(learned(&[(1, 1, No), (2, 1, No)]), None, "full mailboxes");
        assert_eq!(learned(&[(1, 2, Stated), (2, 5, Stated)]), Some(2), "the second report is on several transactions");
    }

    #[test]
    fn the_lower_of_what_is_configured_and_learnt_counts() {
        for (configured, wanted) in [(50, 50), (200, 100)] {
            let limit = RecipientLimit::new(NonZeroU32::new(configured).unwrap());
            assert_eq!(limit.get().map(NonZeroU32::get), Some(configured));
            limit.note(1, &round(100, Evidence::Stated));
            assert_eq!(limit.get().map(NonZeroU32::get), Some(wanted));
        }
    }
}
