//! A connection on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};

use mailkit_connection::Connection;
use tokio::sync::OwnedSemaphorePermit;

use crate::link::{FRESH, Link};
use crate::manager::Manager;

/// A connection on loan from a pool. Dropped, it goes back if no reply is awaited on it, and is closed otherwise: so a
/// future that is dropped in the middle of a message costs a connection, and harms no other message.
pub struct Pooled {
    slot: bb8::PooledConnection<'static, Manager>,
    /// Given up behind the slot, so that the next in turn finds it.
    _turn: OwnedSemaphorePermit,
    reused: bool,
}

impl Pooled {
    pub(crate) fn new(slot: bb8::PooledConnection<'static, Manager>, turn: OwnedSemaphorePermit) -> Self {
        let reused = slot.link.as_ref().is_some_and(|link| link.uses > 0 || link.idle_since.elapsed() >= FRESH);
        Self { slot, _turn: turn, reused }
    }

    /// Whether it has been idle, so that the server may have closed it without our having heard of it.
    #[must_use]
    pub const fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn link(&self) -> Option<&Link> {
        self.slot.link.as_deref()
    }

    /// Gives the place in turn back with the connection.
    pub(crate) fn into_turn(self) -> OwnedSemaphorePermit {
        let Self { slot, _turn, .. } = self;
        drop(slot);
        _turn
    }
}

impl Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.slot.link {
            Some(link) => &link.connection,
            None => unreachable!("a slot on loan has a connection"),
        }
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.slot.link {
            Some(link) => &mut link.connection,
            None => unreachable!("a slot on loan has a connection"),
        }
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("link", &self.slot.link).field("reused", &self.reused).finish_non_exhaustive()
    }
}
