//! Lists of messages, the commands of operators, and counts.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::record::Record;
use crate::state::State;
use crate::string_enum::string_enum;

/// The messages that a list contains. A message matches if it meets every condition that is set.
///
/// ```
/// use mailkit_queue::{Filter, State};
///
/// let filter = Filter::new().with_state(State::Dead).with_tag("welcome").with_limit(10);
/// assert_eq!(filter.state, Some(State::Dead));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Only messages in this state.
    pub state: Option<State>,
    /// Only messages to this recipient; upper and lower case are the same.
    pub recipient: Option<String>,
    /// Only messages with this tag.
    pub tag: Option<String>,
    /// Only messages of this tenant.
    pub tenant: Option<String>,
    /// Only messages that are pinned to this route.
    pub route: Option<String>,
    /// Only messages with this Message-ID, in its angle brackets.
    pub message_id: Option<String>,
    /// Only messages whose last attempt ended in a failure of this class.
    pub class: Option<String>,
    /// Only messages that were enqueued at this time or later.
    pub since: Option<Timestamp>,
    /// Only messages that were enqueued before this time.
    pub until: Option<Timestamp>,
    /// The maximum number of messages on a page. The default is 50, and a page never has more than
    /// [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub limit: usize,
    /// Only messages older than this one: the [`Page::next`] of the page before.
    pub cursor: Option<QueueId>,
}

impl Filter {
    /// The maximum number of messages on one page.
    pub const MAX_LIMIT: usize = 1_000;

    /// A filter that every message matches, with 50 messages on a page.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: None,
            recipient: None,
            tag: None,
            tenant: None,
            route: None,
            message_id: None,
            class: None,
            since: None,
            until: None,
            limit: 50,
            cursor: None,
        }
    }

    /// Sets the state.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<Option<State>>) -> Self {
        self.state = state.into();
        self
    }

    /// Sets the recipient.
    #[must_use]
    pub fn with_recipient(mut self, recipient: impl Into<String>) -> Self {
        self.recipient = Some(recipient.into());
        self
    }

    /// Sets the tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Sets the tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the route.
    #[must_use]
    pub fn with_route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Sets the Message-ID, with its angle brackets.
    #[must_use]
    pub fn with_message_id(mut self, message_id: impl Into<String>) -> Self {
        self.message_id = Some(message_id.into());
        self
    }

    /// Sets the class of the failure in which the last attempt ended.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Sets the time from which on messages were enqueued.
    #[must_use]
    pub fn with_since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Sets the time before which messages were enqueued.
    #[must_use]
    pub fn with_until(mut self, until: impl Into<Option<Timestamp>>) -> Self {
        self.until = until.into();
        self
    }

    /// Sets the maximum number of messages on a page.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// For stores: the number of messages on a page, within its maximum.
    #[must_use]
    pub const fn page_size(&self) -> usize {
        if self.limit < Self::MAX_LIMIT { self.limit } else { Self::MAX_LIMIT }
    }

    /// Sets the cursor.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<Option<QueueId>>) -> Self {
        self.cursor = cursor.into();
        self
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

/// One page of the messages that match a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The messages, newest first, without their history.
    pub records: Vec<Record>,
    /// The cursor of the next page. `None` on the last page.
    pub next: Option<QueueId>,
}

impl Page {
    /// A page of messages and the cursor of the next one.
    #[must_use]
    pub const fn new(records: Vec<Record>, next: Option<QueueId>) -> Self {
        Self { records, next }
    }
}

string_enum! {
    /// What an operator can do with a message.
    Command, "a command: retry, release or cancel", "every store must handle a new one" {
        /// Makes a dead message ready again, for the recipients that were not accepted; makes a scheduled one ready now.
        Retry = "retry",
        /// Makes a held message ready again.
        Release = "release",
        /// Cancels a message that is scheduled, ready or held.
        Cancel = "cancel",
    }
}

impl Command {
    /// Whether the command can be applied to a message in that state.
    #[must_use]
    pub const fn applies_to(self, state: State) -> bool {
        match self {
            Self::Retry => matches!(state, State::Dead | State::Scheduled),
            Self::Release => matches!(state, State::Held),
            Self::Cancel => matches!(state, State::Scheduled | State::Ready | State::Held),
        }
    }
}

/// The numbers of messages in a queue, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that are not due yet.
    pub scheduled: u64,
    /// Messages that a worker may lease.
    pub ready: u64,
    /// Messages that a worker has leased.
    pub leased: u64,
    /// Messages that were accepted for all recipients.
    pub sent: u64,
    /// Messages that were not delivered to at least one recipient, and are not tried again.
    pub dead: u64,
    /// Messages that wait for an operator.
    pub held: u64,
    /// Messages that an operator cancelled.
    pub cancelled: u64,
    /// How long the oldest ready message has been ready. `None` if no message is ready.
    pub oldest_ready: Option<Duration>,
    /// The number of ambiguous attempts since the store was created: the message may have been delivered.
    pub ambiguous_total: u64,
}

impl Stats {
    /// The number of messages that are scheduled, ready or leased.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.scheduled + self.ready + self.leased
    }
}
