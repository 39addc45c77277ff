//! The log of changes: the state changes of all messages, in commit order.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::settlement::AttemptOutcome;
use crate::state::State;
use crate::text::Tenant;

/// A position in the log of changes, behind the last change that was read.
///
/// The order of cursors is the order of the changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(u64);

impl Cursor {
    /// For stores: the cursor behind the change with this number.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        Self(number)
    }

    /// For stores: the number of the last change before the cursor.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Cursor {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// A change of the state of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// The position behind this change.
    pub cursor: Cursor,
    /// The message.
    pub id: QueueId,
    /// The state before the change. `None` for a new message.
    pub previous: Option<State>,
    /// The state after the change.
    pub state: State,
    /// When the state changed.
    pub at: Timestamp,
    /// The number of attempts after the change.
    pub attempts: u32,
    /// The tenant of the message.
    pub tenant: Option<Tenant>,
    /// The attempt that ended with this change. `None` if there was no attempt.
    pub attempt: Option<AttemptSummary>,
}

impl StateChange {
    /// For stores: a change without an attempt and without a tenant.
    #[must_use]
    pub const fn new(cursor: Cursor, id: QueueId, previous: Option<State>, state: State, at: Timestamp) -> Self {
        Self { cursor, id, previous, state, at, attempts: 0, tenant: None, attempt: None }
    }
}

/// An attempt without its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptSummary {
    /// The route of the attempt.
    pub route: String,
    /// The outcome of the attempt.
    pub outcome: AttemptOutcome,
    /// The class of the failure, if anything failed.
    pub class: Option<String>,
}

impl AttemptSummary {
    /// An attempt with these fields.
    #[must_use]
    pub const fn new(route: String, outcome: AttemptOutcome, class: Option<String>) -> Self {
        Self { route, outcome, class }
    }
}

/// A part of the log. [`Queue::changes`](crate::Queue::changes) returns it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// The changes, in commit order.
    pub changes: Vec<StateChange>,
    /// The cursor for the next call.
    pub next: Cursor,
    /// Whether the log may lack changes after the requested cursor: they were removed, or no consumer was registered when
    /// they happened. The reader then has to read the messages themselves.
    pub missed: bool,
}

impl Changes {
    /// The maximum number of changes of one call.
    pub const MAX: usize = 1_000;

    /// For stores: a part of the log with these fields.
    #[must_use]
    pub const fn new(changes: Vec<StateChange>, next: Cursor, missed: bool) -> Self {
        Self { changes, next, missed }
    }
}

/// The maximum number of consumers of a queue.
pub const MAX_CONSUMERS: usize = 64;

/// The time without a stored cursor after which a consumer is dropped: 7 days.
pub const CONSUMER_SILENCE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);
