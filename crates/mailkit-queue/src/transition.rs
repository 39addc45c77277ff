//! The state machine of a message, for every store.
//!
//! ```text
//!                      Promote          Lease           Settle
//!  enqueue ──► scheduled ────► ready ────────► leased ────────► sent, dead, held
//!                  ▲             ▲                │
//!                  └─────────────┴────────────────┘ Settle (another attempt), LeaseEnded
//! ```
//!
//! | event | from | to |
//! |---|---|---|
//! | [`Lease`](Event::Lease) | ready | leased |
//! | [`CommitPoint`](Event::CommitPoint) | leased | leased |
//! | [`Settle`](Event::Settle) | leased | sent if every recipient was accepted, dead if none is open; otherwise where [`Settlement::next`] says |
//! | [`LeaseEnded`](Event::LeaseEnded) | leased | ready; held if the policy is to hold and the commit point was recorded |
//! | [`Promote`](Event::Promote) | scheduled | ready |
//! | [`Expire`](Event::Expire) | scheduled, ready | dead |
//! | [`Unreadable`](Event::Unreadable) | ready | dead |
//! | [`Command::Retry`] | dead, scheduled | ready |
//! | [`Command::Release`] | held | ready |
//! | [`Command::Cancel`] | scheduled, ready, held | cancelled |
//!
//! A message that would become scheduled or ready after its expiry becomes dead instead.
//!
//! [`transition()`] is pure: it has no clock and no store. It takes the [`Lifecycle`] of a message and an [`Event`], and
//! returns the [`Change`] to write. A store finds the message, checks the fencing token and the end of the lease, and writes
//! the change in the same transaction. So all stores have one state machine.

mod change;
mod lifecycle;
mod outcomes;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

pub use self::change::{Change, OpenRecipients};
pub use self::lifecycle::Lifecycle;
pub use self::outcomes::{NotedOutcome, RecipientList};
use crate::clock::Timestamp;
use crate::query::Command;
use crate::settlement::Settlement;
use crate::state::State;

/// An event in the life of a message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A worker leases the message. If the message has expired, it becomes dead instead: see [`Change::after`].
    Lease,
    /// The last octet of the content is about to be sent.
    CommitPoint,
    /// The worker settles its lease.
    Settle {
        /// The outcome of the lease.
        settlement: &'a Settlement,
        /// The recipients of the message and their status before the settlement.
        recipients: &'a dyn RecipientList,
    },
    /// The lease has ended without a settlement.
    LeaseEnded,
    /// The message has reached its expiry.
    Expire,
    /// A scheduled message is due.
    Promote,
    /// The store cannot read the content of the message any more.
    Unreadable {
        /// The new text of the open recipients.
        reason: &'static str,
    },
    /// An operator applies a command to the message.
    Command(Command),
}

/// The state of the message does not allow the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTransition {
    /// The state of the message.
    pub state: State,
    /// The event.
    pub event: &'static str,
}

impl fmt::Display for InvalidTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message that is {} does not allow the event `{}`", self.state, self.event)
    }
}

impl Error for InvalidTransition {}

/// Returns the change that an event makes to a message.
///
/// ```
/// use mailkit_queue::transition::{Event, Lifecycle, transition};
/// use mailkit_queue::{OnAmbiguous, State, Timestamp};
///
/// let now = Timestamp::from_millis(1_000);
/// let ready = Lifecycle::enqueued(now, None, None, OnAmbiguous::Resend);
/// let leased = transition(&ready, Event::Lease, now)?;
/// assert_eq!((leased.after.state, leased.after.fence), (State::Leased, 1));
/// assert!(transition(&leased.after, Event::Lease, now).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`InvalidTransition`] if the state of the message does not allow the event, or if the event is not due yet.
pub fn transition(before: &Lifecycle, event: Event<'_>, now: Timestamp) -> Result<Change, InvalidTransition> {
    if !event.is_allowed(before, now) {
        return Err(InvalidTransition { state: before.state, event: event.as_str() });
    }
    let mut change = Change::of(before);
    match event {
        Event::Lease if before.is_expired(now) => change.expire(now),
        Event::Lease => change.lease(),
        Event::CommitPoint => change.after.commit_point = true,
        Event::Settle { settlement, recipients } => change.settle(settlement, recipients, now),
        Event::LeaseEnded => change.end_lease(now),
        Event::Expire => change.expire(now),
        Event::Promote => change.wait_until(before.due, now),
        Event::Unreadable { reason } => change.give_up(reason, now),
        Event::Command(Command::Cancel) => change.finish(State::Cancelled, now),
        Event::Command(Command::Retry | Command::Release) => change.retry(now),
    }
    Ok(change)
}

impl Event<'_> {
    fn is_allowed(&self, before: &Lifecycle, now: Timestamp) -> bool {
        match self {
            Self::Lease | Self::Unreadable { .. } => before.state == State::Ready,
            Self::CommitPoint | Self::Settle { .. } | Self::LeaseEnded => before.state == State::Leased,
            Self::Expire => matches!(before.state, State::Scheduled | State::Ready) && before.is_expired(now),
            Self::Promote => before.state == State::Scheduled && before.due <= now,
            Self::Command(command) => command.applies_to(before.state),
        }
    }

    const fn as_str(&self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::CommitPoint => "commit point",
            Self::Settle { .. } => "settle",
            Self::LeaseEnded => "lease ended",
            Self::Expire => "expire",
            Self::Promote => "promote",
            Self::Unreadable { .. } => "unreadable",
            Self::Command(command) => command.as_str(),
        }
    }
}
