//! The errors of a queue.

use std::error::Error;
use std::fmt;

use mailkit_address::{ErrorMessage, chained_display};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::query::Command;
use crate::state::State;
use crate::text::{ConsumerName, IdempotencyKey};

/// The reason why a queue did not do what it was asked. The queue is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue has reached its maximum of messages or octets.
    Full {
        /// A message that names the limit.
        limit: String,
    },
    /// The idempotency key stands for another message.
    Conflict {
        /// The key.
        key: IdempotencyKey,
        /// The message that the key stands for.
        id: QueueId,
    },
    /// Another message has this id, and was enqueued under another key.
    Exists(QueueId),
    /// The message would expire before it could be sent.
    Expired {
        /// When it expires.
        expires_at: Timestamp,
        /// The time before which it may not be sent, if that is not before its expiry.
        send_at: Option<Timestamp>,
    },
    /// The queue has no message with this id.
    Unknown(QueueId),
    /// The command does not apply to the state of the message.
    NotAllowed {
        /// The message.
        id: QueueId,
        /// The command.
        command: Command,
        /// Its state.
        state: State,
    },
    /// The token is stale: the lease was settled, or it expired and the store has ended it.
    LeaseLost(QueueId),
    /// No consumer of this name is registered. A consumer that was silent for too long or too far behind was dropped.
    UnknownConsumer(ConsumerName),
    /// The store does not implement this part of the contract.
    Unsupported {
        /// The part.
        what: &'static str,
    },
    /// The store cannot filter by this field.
    UnsupportedFilter {
        /// The field of the filter.
        field: &'static str,
    },
    /// The content of a message could not be read.
    Content(std::io::Error),
    /// The store cannot be reached, or has no space. The same request may succeed later.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The store does not exist, or the folder for a new one does not.
    Missing(Box<dyn Error + Send + Sync>),
    /// No store can be opened at that path: it is a folder, or may not be read or written, or is not a possible path.
    Unusable(Box<dyn Error + Send + Sync>),
    /// The store has failed permanently. It does nothing more until an operator has repaired and reopened it.
    Failed(Box<dyn Error + Send + Sync>),
    /// The store was written by another version of mailkit, with a schema that this version cannot use. It was not changed.
    Incompatible(Box<dyn Error + Send + Sync>),
    /// The store is damaged, or was not created by mailkit. It was not changed.
    Damaged(Box<dyn Error + Send + Sync>),
}

impl QueueError {
    /// Whether the same request may succeed later.
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
            Self::Unknown(id) => write!(f, "the queue has no message {id}"),
            Self::NotAllowed { id, command, state } => {
                write!(f, "message {id} is {state}: {command} does not apply to it")
            }
            Self::LeaseLost(id) => write!(
                f,
                "the lease of message {id} was lost: it expired, and another worker may have leased the message"
            ),
            Self::UnknownConsumer(name) => write!(f, "no consumer `{name}` of the queue's changes is registered"),
            Self::Unsupported { what } => write!(f, "the queue's store does not support {what}"),
            Self::UnsupportedFilter { field } => write!(f, "the queue's store cannot filter by {field}"),
            Self::Content(_) => f.write_str("the content of the message could not be read"),
            Self::Unavailable(_) => f.write_str("the queue's store cannot be reached"),
            Self::Missing(_) => f.write_str("the queue's store does not exist"),
            Self::Unusable(_) => f.write_str("the queue's store cannot be opened at this path"),
            Self::Failed(_) => f.write_str("the queue's store has failed"),
            Self::Incompatible(_) => f.write_str("the queue's store was written by another version of mailkit"),
            Self::Damaged(_) => f.write_str("the queue's store is damaged, or was not created by mailkit"),
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
            | Self::Incompatible(error)
            | Self::Damaged(error) => Some(&**error),
            _ => None,
        }
    }
}

/// The reason why none of the messages of an [`enqueue_all`](crate::Queue::enqueue_all) was stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct EnqueueAllError {
    /// The position of the message that was refused. `None` if the store failed.
    pub index: Option<usize>,
    /// The reason.
    pub error: QueueError,
}

impl EnqueueAllError {
    /// The message at this position was refused.
    #[must_use]
    pub const fn refused(index: usize, error: QueueError) -> Self {
        Self { index: Some(index), error }
    }
}

impl From<QueueError> for EnqueueAllError {
    /// The store failed.
    fn from(error: QueueError) -> Self {
        Self { index: None, error }
    }
}

impl ErrorMessage for EnqueueAllError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "no message was stored, since message {index} of the batch was refused"),
            None => f.write_str("no message was stored"),
        }
    }
}

chained_display!(EnqueueAllError);

impl Error for EnqueueAllError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
