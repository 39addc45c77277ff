//! A message that was handed out, and what the dispatcher remembers of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailkit_queue::{Leased, OnAmbiguous, Permit};
use tokio::time::Instant;

use crate::job::LeaseCheck;

/// A message that was handed out.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) message: Box<Leased>,
    /// The place of its route.
    pub(crate) route: usize,
    pub(crate) way: u64,
    pub(crate) taken: Instant,
    pub(crate) receipt: Option<Permit>,
    /// Whether a message that is to be held passed its gate.
    pub(crate) departed: Option<Arc<AtomicBool>>,
    /// What was asked before content left; `None` where whoever delivers does not ask.
    pub(crate) check: Option<Arc<LeaseCheck>>,
}

impl Flight {
    /// Whether content may have begun to leave.
    pub(crate) fn has_begun(&self) -> bool {
        self.check.as_ref().is_none_or(|check| check.has_begun())
    }

    /// Whether the last octet may have left.
    pub(crate) fn may_have_left(&self) -> bool {
        match (&self.departed, self.message.on_ambiguous) {
            (_, OnAmbiguous::Resend) => self.has_begun(),
            (departed, OnAmbiguous::Hold) => departed.as_ref().is_some_and(|gone| gone.load(Ordering::Acquire)),
        }
    }
}
