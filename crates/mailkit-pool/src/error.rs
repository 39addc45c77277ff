//! Why there is no connection to be had.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mailkit_connection::Error;
use mailkit_smtp::{ErrorMessage, chained_display};

/// Why [`acquire`](crate::Pool::acquire) gave no connection. Nothing was sent. All that wait for the same connection
/// are told the same, so the reason is shared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AcquireError {
    /// The server refuses: the session, the login, or our trust; or it was of no use time and again: it cannot be reached,
    /// or what it opens ends before a message was answered. It is left alone for a while.
    Refused {
        /// What it said.
        error: Arc<Error>,
        /// In how long a connection is tried again; until then everybody is told this at once.
        retry_in: Duration,
    },
    /// No connection came about. The next caller tries again.
    Failed {
        /// Why.
        error: Arc<Error>,
    },
    /// All connections stayed in use.
    TimedOut {
        /// How long was waited.
        limit: Duration,
        /// How many connections were in use or being closed: one at least.
        in_use: u32,
        /// Why no further one could be opened, where that was tried.
        last: Option<Arc<Error>>,
    },
    /// The pool was closed.
    Closed,
}

impl AcquireError {
    /// What went wrong when a connection was opened, where that is the reason.
    #[must_use]
    pub fn connection(&self) -> Option<&Error> {
        match self {
            Self::Refused { error, .. } | Self::Failed { error } => Some(error),
            Self::TimedOut { .. } | Self::Closed => None,
        }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { error, .. } | Self::Failed { error } => error.is_temporary(),
            Self::TimedOut { .. } => true,
            Self::Closed => false,
        }
    }
}

impl ErrorMessage for AcquireError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { retry_in, .. } => {
                write!(f, "no connection; the next try is in {} s", retry_in.as_secs_f32().ceil())
            }
            Self::Failed { error } => write!(f, "{error}"),
            Self::TimedOut { limit, in_use, .. } => {
                write!(f, "no connection became free within {limit:?}; {in_use} are in use: allow more, or send less")
            }
            Self::Closed => f.write_str("the pool was closed"),
        }
    }
}

chained_display!(AcquireError);

impl std::error::Error for AcquireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { error } => std::error::Error::source(error.as_ref()),
            Self::Refused { error, .. } | Self::TimedOut { last: Some(error), .. } => Some(error.as_ref()),
            Self::TimedOut { last: None, .. } | Self::Closed => None,
        }
    }
}
