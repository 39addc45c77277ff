//! A message that was handed out for delivery, with what the dispatcher keeps of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailkit_queue::{Leased, OnAmbiguous, Permit};
use tokio::time::Instant;

use super::job::LeaseCheck;

/// A message that was handed out.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) message: Box<Leased>,
    /// The index of its route.
    pub(crate) route: usize,
    pub(crate) slot: u64,
    pub(crate) started_at: Instant,
    pub(crate) permit: Option<Permit>,
    /// Whether the commit point was recorded, for a message that is held when ambiguous.
    pub(crate) committed: Option<Arc<AtomicBool>>,
    /// The lease check that the delivery uses, which also tells whether content may have left; `None` if it uses none.
    pub(crate) check: Option<Arc<LeaseCheck>>,
}

impl InFlight {
    /// Whether the content may have begun to leave.
    pub(crate) fn content_may_have_started(&self) -> bool {
        self.check.as_ref().is_none_or(|check| check.content_may_have_started())
    }

    /// Whether the last octet may have been sent.
    pub(crate) fn may_be_delivered(&self) -> bool {
        match (&self.committed, self.message.on_ambiguous) {
            (_, OnAmbiguous::Resend) => self.content_may_have_started(),
            (committed, OnAmbiguous::Hold) => committed.as_ref().is_some_and(|gone| gone.load(Ordering::Acquire)),
        }
    }
}
