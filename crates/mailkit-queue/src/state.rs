//! The states of a message.

use std::fmt;
use std::str::FromStr;

use crate::message::ParseEnumError;

/// Where a message stands. Each is in exactly one state.
///
/// ```
/// use mailkit_queue::State;
/// assert_eq!("held".parse(), Ok(State::Held));
/// assert!(State::Held.is_terminal() && !State::Leased.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever acts on states shall notice a new one")]
pub enum State {
    /// It waits for its time: the first, or that of another attempt.
    Scheduled,
    /// A worker may lease it.
    Ready,
    /// A worker has it.
    Leased,
    /// Every recipient was accepted.
    Sent,
    /// At least one recipient was refused for good, or it ran out of attempts or time.
    Dead,
    /// It may have been delivered, and a person shall decide: release or cancel.
    Held,
    /// It was taken back by hand.
    Cancelled,
}

impl State {
    /// All of them, in the order of a message's way.
    pub const ALL: [Self; 7] =
        [Self::Scheduled, Self::Ready, Self::Leased, Self::Sent, Self::Dead, Self::Held, Self::Cancelled];

    /// The word for it, as output and filters use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether only a person can move the message on.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Sent | Self::Dead | Self::Held | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = ParseEnumError;

    fn from_str(word: &str) -> Result<Self, ParseEnumError> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            ParseEnumError::new(word, "a state: scheduled, ready, leased, sent, dead, held or cancelled")
        })
    }
}
