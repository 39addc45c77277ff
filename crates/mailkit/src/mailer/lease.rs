//! The connection that a mailer sends over: on loan from its pool, or its own.

use std::ops::{Deref, DerefMut};

use mailkit_connection::Connection;
use mailkit_pool::Pooled;

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

    /// Gives it back, or says goodbye.
    pub(super) async fn finish(self) {
        if let Self::Own(connection) = self {
            connection.quit().await;
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
