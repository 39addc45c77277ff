//! The state of a message, without its recipients.

use crate::clock::Timestamp;
use crate::message::OnAmbiguous;
use crate::state::State;

/// The state of a message and all fields that decide about its next state, without its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifecycle {
    /// The state.
    pub state: State,
    /// When the next attempt is due, or since when the message has been ready. A lease does not change it, so that an
    /// abandoned message keeps its position.
    pub due: Timestamp,
    /// When the message expires.
    pub expires_at: Option<Timestamp>,
    /// When the message came into its terminal state.
    pub finished_at: Option<Timestamp>,
    /// When the message first became due, or when an operator retried or released it.
    pub open_since: Timestamp,
    /// The fencing token: the number of leases of the message.
    pub fence: u64,
    /// The number of attempts.
    pub attempts: u32,
    /// Whether the commit point of the current lease was recorded.
    pub commit_point: bool,
    /// What happens when the message may have been delivered.
    pub on_ambiguous: OnAmbiguous,
}

impl Lifecycle {
    /// The lifecycle of a message that is enqueued now: scheduled if `send_at` is in the future, ready otherwise.
    #[must_use]
    pub fn enqueued(
        now: Timestamp,
        send_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
        on_ambiguous: OnAmbiguous,
    ) -> Self {
        let due = send_at.map_or(now, |at| at.max(now));
        Self { expires_at, ..Self::new(Self::waiting_state(due, now), due, on_ambiguous) }
    }

    /// A lifecycle without leases and attempts. A store that reads a message sets the other fields afterwards.
    #[must_use]
    pub const fn new(state: State, due: Timestamp, on_ambiguous: OnAmbiguous) -> Self {
        Self {
            state,
            due,
            expires_at: None,
            finished_at: None,
            open_since: due,
            fence: 0,
            attempts: 0,
            commit_point: false,
            on_ambiguous,
        }
    }

    /// When the next attempt is due, or since when the message has been ready. `None` in a terminal state.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        (!self.state.is_terminal()).then_some(self.due)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(super) fn waiting_state(due: Timestamp, now: Timestamp) -> State {
        if due > now { State::Scheduled } else { State::Ready }
    }
}
