//! One message on its way, and the gate before its last octet.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailkit_queue::{Leased, OnAmbiguous, QueueError, QueueId};

use crate::deliver::{Outcome, Trouble};
use crate::desk::Desk;
use crate::flight::Flight;

/// One message to be delivered now.
#[must_use = "a job that is dropped counts as a failed attempt"]
pub struct Job {
    desk: Arc<Desk>,
    /// `None` once it is finished.
    flight: Option<Box<Flight>>,
}

impl Job {
    pub(crate) const fn new(desk: Arc<Desk>, flight: Box<Flight>) -> Self {
        Self { desk, flight: Some(flight) }
    }

    #[expect(clippy::expect_used, reason = "finish() takes the flight, and consumes the job")]
    fn flight(&self) -> &Flight {
        self.flight.as_deref().expect("a job that was not finished")
    }

    /// The message: envelope (only the recipients that are still to be delivered to), content, Message-ID, what the
    /// transaction asks for, the trace.
    #[must_use]
    pub fn message(&self) -> &Leased {
        &self.flight().message
    }

    /// The message's name in the queue.
    #[must_use]
    pub fn id(&self) -> QueueId {
        self.message().lease.id()
    }

    /// Which attempt this is; the first is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.message().attempts.saturating_add(1)
    }

    /// For a message that shall be held when it is ambiguous: the gate that it has to pass before the last octet of
    /// its content leaves.
    #[must_use]
    pub fn gate(&self) -> Option<Gate> {
        match self.message().on_ambiguous {
            OnAmbiguous::Resend => None,
            OnAmbiguous::Hold => Some(Gate { desk: Arc::clone(&self.desk), flight: self.flight().mark() }),
        }
    }

    /// Says what came of it.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(flight) = self.flight.take() {
            self.desk.finish(flight, outcome);
        }
    }
}
