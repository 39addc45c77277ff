//! What happens, as a stream for whoever wants to know.

use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{QueueId, RecipientOutcome, Timestamp};

use super::breaker::BreakerState;
use crate::classify::FailureClass;
use crate::enum_text::string_enum;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message was tried.
    Attempted {
        /// The message.
        id: QueueId,
        /// Over which route.
        route: Arc<str>,
        /// Which attempt it was; the first is 1.
        attempt: u32,
        /// What kind of trouble there was, if any.
        class: Option<FailureClass>,
        /// What became of each recipient.
        recipients: Vec<RecipientOutcome>,
        /// How long it took.
        took: Duration,
    },
    /// Every recipient of a message was accepted, and that is written down.
    Sent {
        /// The message.
        id: QueueId,
        /// Over which route the last of them was.
        route: Arc<str>,
    },
    /// A message will be tried again.
    Retried {
        /// The message.
        id: QueueId,
        /// Over which route it was tried.
        route: Arc<str>,
        /// What kind of trouble there was.
        class: FailureClass,
        /// When it is tried again at the earliest.
        at: Timestamp,
    },
    /// A message is dead.
    Dead {
        /// The message.
        id: QueueId,
        /// Why.
        reason: DeadReason,
    },
    /// A message may have been delivered, and is held for a person to decide.
    Held {
        /// The message.
        id: QueueId,
    },
    /// A route was opened, closed, paused or resumed, fell silent or was heard again.
    RouteChanged {
        /// The route.
        route: Arc<str>,
        /// Where its breaker stands.
        breaker: BreakerState,
        /// Whether it is paused by hand.
        paused: bool,
    },
    /// The queue's store is out of reach; nothing is sent until it is back.
    StoreUnavailable {
        /// Why, in the store's words.
        message: String,
    },
    /// The queue's store is back.
    StoreAvailable,
    /// The queue's store has failed for good, and the dispatcher stops.
    StoreFailed {
        /// Why, in the store's words.
        message: String,
    },
}

/// Why a message is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever counts reasons shall notice a new one")]
pub enum DeadReason {
    /// A recipient was refused for good, and nobody is left to try.
    Refused,
    /// It was tried as often as the settings allow.
    Attempts,
    /// It became too old.
    Age,
    /// Its own last moment is over.
    Expired,
    /// The sending program failed on it again and again.
    Defect,
    /// It has more recipients than a quota ever lets through.
    OverQuota,
    /// A rule of the sender's own forbids its recipients.
    NotAllowed,
}

impl DeadReason {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Attempts, Self::Age, Self::Expired, Self::Defect, Self::OverQuota, Self::NotAllowed];

    /// The word for it, as metrics use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Attempts => "attempts",
            Self::Age => "age",
            Self::Expired => "expired",
            Self::Defect => "defect",
            Self::OverQuota => "over-quota",
            Self::NotAllowed => "not_allowed",
        }
    }
}

string_enum!(DeadReason);
