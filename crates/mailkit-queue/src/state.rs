//! The states of a message.

use crate::string_enum::string_enum;

string_enum! {
    /// The state of a message. A message is in exactly one state.
    ///
    /// ```
    /// use mailkit_queue::State;
    /// assert_eq!("held".parse(), Ok(State::Held));
    /// assert!(State::Held.is_terminal() && !State::Leased.is_terminal());
    /// ```
    State, "a state: scheduled, ready, leased, sent, dead, held or cancelled", "code that acts on states must handle a new one" {
        /// It is not due yet: its first attempt or the next one is at a later time.
        Scheduled = "scheduled",
        /// A worker may lease it.
        Ready = "ready",
        /// A worker has leased it.
        Leased = "leased",
        /// Every recipient was accepted.
        Sent = "sent",
        /// At least one recipient was refused for good, or the message ran out of attempts or expired.
        Dead = "dead",
        /// It may have been delivered, and an operator decides: release or cancel.
        Held = "held",
        /// An operator cancelled it.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether the message stays in this state until an operator applies a command.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Sent | Self::Dead | Self::Held | Self::Cancelled)
    }
}
