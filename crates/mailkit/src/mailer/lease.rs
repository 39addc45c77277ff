//! The connection that a mailer sends over: on loan from its pool, or its own.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use mailkit_connection::{Connection, Error};
use mailkit_pool::Pooled;

/// How long the server has to answer QUIT, as long as a pool gives it.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) enum Lease {
    Pooled(Pooled),
    Own(Box<Connection>),
}

impl Lease {
    /// Whether the server may have closed it without our having heard of it.
    pub(super) const fn may_be_dead(&self) -> bool {
        match self {
            Self::Pooled(pooled) => pooled.is_reused(),
            Self::Own(_) => false,
        }
    }

    /// Gives it back, or says goodbye: then it returns the error where the farewell shows that the server's replies did
    /// not match the commands.
    pub(super) async fn finish(self) -> Option<Error> {
        match self {
            Self::Pooled(_) => None,
            // On the heap: else the future of each message is as large as that of a farewell, and copied as often as it moves.
            Self::Own(connection) => Box::pin(connection.quit_and_check(FAREWELL)).await,
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Pooled(pooled) => pooled,
            Self::Own(connection) => connection,
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Pooled(pooled) => pooled,
            Self::Own(connection) => connection,
        }
    }
}
