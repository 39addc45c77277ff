//! Looking at a queue, and acting on it by hand.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::record::Record;
use crate::state::State;

/// Which messages a list shows, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only to this recipient, in any case.
    pub recipient: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only of this tenant.
    pub tenant: Option<String>,
    /// Only those that are pinned to this route.
    pub route: Option<String>,
    /// Only those that were enqueued at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that were enqueued before this time.
    pub until: Option<Timestamp>,
    /// How many at the most; 50 by default.
    pub limit: usize,
    /// Only those older than this: what [`Page::next`] of the page before says.
    pub cursor: Option<QueueId>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            state: None,
            recipient: None,
            tag: None,
            tenant: None,
            route: None,
            since: None,
            until: None,
            limit: 50,
            cursor: None,
        }
    }
}

/// Some of the messages that a filter lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Page {
    /// The messages, newest first, without their history.
    pub records: Vec<Record>,
    /// The cursor of the next page, if there is one.
    pub next: Option<QueueId>,
}

/// What a person can do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store shall notice a new one")]
pub enum Command {
    /// Takes up a dead message again, for the recipients that were not accepted; a scheduled one at once.
    Retry,
    /// Sends a held message after all.
    Release,
    /// Takes back a message that is scheduled, ready or held.
    Cancel,
}

impl Command {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }

    /// Whether a message in that state allows it.
    #[must_use]
    pub const fn applies_to(self, state: State) -> bool {
        match self {
            Self::Retry => matches!(state, State::Dead | State::Scheduled),
            Self::Release => matches!(state, State::Held),
            Self::Cancel => matches!(state, State::Scheduled | State::Ready | State::Held),
        }
    }
}

/// How many messages a queue has, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Stats {
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub ready: u64,
    /// With a worker.
    pub leased: u64,
    /// Accepted for all recipients.
    pub sent: u64,
    /// Lost for at least one recipient.
    pub dead: u64,
    /// Waiting for a person.
    pub held: u64,
    /// Taken back.
    pub cancelled: u64,
    /// For how long the oldest ready message has been ready.
    pub oldest_ready: Option<Duration>,
    /// How often a message may have been delivered and nobody could know, since the store was made.
    pub ambiguous_total: u64,
}

impl Stats {
    /// Messages that are not finished.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.scheduled + self.ready + self.leased
    }
}
