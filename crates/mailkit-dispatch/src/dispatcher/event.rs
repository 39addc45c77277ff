//! The events of a dispatcher.

use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{QueueId, RecipientOutcome, Timestamp};

use super::breaker::BreakerState;
use crate::classify::FailureClass;
use crate::enum_text::string_enum;

/// An event of a dispatcher.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt to deliver a message ended.
    #[non_exhaustive]
    Attempted {
        /// The message.
        id: QueueId,
        /// The route used.
        route: Arc<str>,
        /// The number of the attempt, starting with 1.
        attempt: u32,
        /// The class of the failure, if the attempt failed.
        class: Option<FailureClass>,
        /// The result for each recipient.
        recipients: Vec<RecipientOutcome>,
        /// How long the attempt took.
        took: Duration,
    },
    /// Every recipient of a message was accepted, and the queue has stored that.
    #[non_exhaustive]
    Sent {
        /// The message.
        id: QueueId,
        /// The route of the last attempt.
        route: Arc<str>,
    },
    /// A message was rescheduled after an attempt.
    #[non_exhaustive]
    Retried {
        /// The message.
        id: QueueId,
        /// The route of the attempt.
        route: Arc<str>,
        /// The class of the failure.
        class: FailureClass,
        /// The earliest time of the next attempt.
        at: Timestamp,
    },
    /// A message is dead.
    #[non_exhaustive]
    Dead {
        /// The message.
        id: QueueId,
        /// Why the message is dead.
        reason: DeadReason,
    },
    /// A message may have been delivered, and is held until an operator decides.
    #[non_exhaustive]
    Held {
        /// The message.
        id: QueueId,
    },
    /// The breaker of a route changed, the route was paused or resumed, or it was suspected or responded again.
    #[non_exhaustive]
    RouteChanged {
        /// The route.
        route: Arc<str>,
        /// The state of its breaker.
        breaker: BreakerState,
        /// Whether it is paused by an operator.
        paused: bool,
    },
    /// The queue's store is unavailable; nothing is sent until it is available again.
    #[non_exhaustive]
    StoreUnavailable {
        /// The error message of the store.
        message: String,
    },
    /// The queue's store is available again.
    StoreAvailable,
    /// The queue's store has failed permanently, and the dispatcher stops.
    #[non_exhaustive]
    StoreFailed {
        /// The error message of the store.
        message: String,
    },
}

/// Why a message is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "code that counts reasons must handle a new one")]
pub enum DeadReason {
    /// A recipient was refused permanently, and no other recipient is left to try.
    Refused,
    /// The maximum number of attempts was reached ([`RetrySettings::attempts`](crate::RetrySettings::attempts)).
    Attempts,
    /// The message was not delivered in time ([`RetrySettings::give_up_after`](crate::RetrySettings::give_up_after)).
    Age,
    /// The expiry time of the message has passed.
    Expired,
    /// The delivery panicked on the message or dropped it repeatedly.
    Defect,
    /// The message has more recipients than a quota allows in one window.
    OverQuota,
    /// A local rule forbids its recipients.
    NotAllowed,
}

impl DeadReason {
    /// All reasons.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Attempts, Self::Age, Self::Expired, Self::Defect, Self::OverQuota, Self::NotAllowed];

    /// The name of the reason, as logs and metrics use it.
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
