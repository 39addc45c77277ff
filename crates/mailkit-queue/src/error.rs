//! Why a queue did not do what it was asked.

use std::error::Error;
use std::fmt;

use mailkit_address::{ErrorMessage, chained_display};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::lease::Lease;
use crate::query::Command;
use crate::settlement::Settlement;
use crate::state::State;

/// Why a queue did not do what it was asked. Nothing was changed then.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// It holds as many messages, or octets, as it may.
    Full {
        /// What there is too much of, in words.
        limit: String,
    },
    /// The key was used for another message.
    Conflict {
        /// The key.
        key: String,
        /// The message that has it.
        id: QueueId,
    },
    /// Another message has this id: it was enqueued under another key.
    Exists(QueueId),
    /// The message would expire before it could be sent.
    Expired {
        /// Its last moment.
        expires_at: Timestamp,
        /// When it was to be sent, where that is not before its last moment.
        send_at: Option<Timestamp>,
    },
    /// There is no such message, or no longer.
    Unknown(QueueId),
    /// The message's state does not allow that.
    NotAllowed {
        /// The message.
        id: QueueId,
        /// What was asked.
        command: Command,
        /// Its state.
        state: State,
    },
    /// The lease has run out, and the message went on without it.
    LeaseLost(QueueId),
    /// The content of a message could not be read while it was stored.
    Content(std::io::Error),
    /// The store cannot be reached, or has no room: the same may succeed later.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// There is no store where it was looked for, or no folder to make it in.
    Missing(Box<dyn Error + Send + Sync>),
    /// No store can be at that place before it was put right: a path that is a folder, that may not be read or written,
    /// or that cannot be.
    Unusable(Box<dyn Error + Send + Sync>),
    /// The store has failed for good: nothing more is done with it before it was looked after.
    Failed(Box<dyn Error + Send + Sync>),
    /// The store is damaged, or not one of ours. It was left as it is.
    Damaged(Box<dyn Error + Send + Sync>),
}

impl QueueError {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Unavailable(_))
    }
}

impl ErrorMessage for QueueError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit } => write!(f, "the queue is full: {limit}"),
            Self::Conflict { key, id } => {
                write!(f, "the idempotency key `{}` was used for another message, {id}", key.escape_debug())
            }
            Self::Exists(id) => write!(f, "the id {id} belongs to another message of the queue"),
            Self::Expired { send_at: Some(_), .. } => {
                f.write_str("expires_at is not after send_at: the message would expire before it could be sent")
            }
            Self::Expired { .. } => f.write_str("expires_at is in the past: the message could never be sent"),
            Self::Unknown(id) => write!(f, "no message {id} is in the queue"),
            Self::NotAllowed { id, command, state } => {
                write!(f, "message {id} is {state}, which does not allow to {} it", command.as_str())
            }
            Self::LeaseLost(id) => write!(f, "the lease of message {id} has run out, and another may have it"),
            Self::Content(_) => f.write_str("the content of the message could not be read"),
            Self::Unavailable(_) => f.write_str("the queue's store is out of reach"),
            Self::Missing(_) => f.write_str("there is no store of a queue"),
            Self::Unusable(_) => f.write_str("the queue's store cannot be there"),
            Self::Failed(_) => f.write_str("the queue's store has failed"),
            Self::Damaged(_) => f.write_str("the queue's store is damaged, or not one of mailkit's"),
        }
    }
}

chained_display!(QueueError);

impl Error for QueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Content(error) => Some(error),
            Self::Unavailable(error)
            | Self::Missing(error)
            | Self::Unusable(error)
            | Self::Failed(error)
            | Self::Damaged(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why a message was not settled; with all that is needed to try again.
#[derive(Debug)]
#[non_exhaustive]
pub struct SettleError {
    /// What went wrong.
    pub error: QueueError,
    /// The lease, to try again with.
    pub lease: Lease,
    /// What was to be written.
    pub settlement: Settlement,
}

impl SettleError {
    /// Puts them together.
    #[must_use]
    pub const fn new(error: QueueError, lease: Lease, settlement: Settlement) -> Self {
        Self { error, lease, settlement }
    }
}

impl ErrorMessage for SettleError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what came of message {} could not be written down", self.lease.id())
    }
}

chained_display!(SettleError);

impl Error for SettleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
