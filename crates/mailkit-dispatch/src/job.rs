//! One message on its way, and the gate before its last octet.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use mailkit_queue::{LeaseToken, Leased, OnAmbiguous, QueueError, QueueId};
use tokio::time::Instant;

use crate::class::Class;
use crate::deliver::{Outcome, RecipientResult, Trouble};
use crate::desk::Desk;
use crate::flight::Flight;
use crate::round::is_for_good;

/// One message to be delivered now.
#[must_use = "a job that is dropped counts as a failed attempt"]
pub struct Job {
    desk: Arc<Desk>,
    /// `None` once it is finished, which consumes the job.
    flight: Option<Flight>,
}

impl Job {
    pub(crate) const fn new(desk: Arc<Desk>, flight: Flight) -> Self {
        Self { desk, flight: Some(flight) }
    }

    #[expect(clippy::expect_used, reason = "what takes the flight consumes the job")]
    fn flight(&self) -> &Flight {
        self.flight.as_ref().expect("a job that was not finished")
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

    /// Whether another configured route may still carry the message as it is: it was not asked in this round, or failed for
    /// a reason that passes. `false` means that this route is the last one, so that a message which it can only carry
    /// converted is to be converted now.
    #[must_use]
    pub fn may_go_elsewhere(&self) -> bool {
        let flight = self.flight();
        let state = self.desk.state();
        let round = state.rounds.get(flight.message.lease.id());
        let others = state.others(&flight.message, flight.route, Instant::now());
        let is_last_resort = round.is_some_and(|round| round.is_last_resort);
        !is_last_resort && others.iter().any(|other| other.passed.is_none_or(|passed| !is_for_good(passed.fault)))
    }

    /// For a message that shall be held when it is ambiguous: the gate that it has to pass before the last octet of
    /// its content leaves. Nothing for all others.
    pub fn gate(&mut self) -> Option<Gate> {
        let flight = self.flight.as_mut().filter(|flight| flight.message.on_ambiguous == OnAmbiguous::Hold)?;
        let departed = flight.departed.get_or_insert_with(Arc::default);
        Some(Gate { desk: Arc::clone(&self.desk), token: flight.message.lease.token(), departed: Arc::clone(departed) })
    }

    /// Tells, at any later time, whether the lease of the message still runs: whoever delivers asks before the first
    /// octet of the content leaves, and again before the last.
    ///
    /// The first time that it says so is the moment in which content begins to leave. A message that is given up at a
    /// shutdown before that moment goes back into the queue as it was; one whose lease nobody asks for may have been
    /// delivered.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what takes the flight consumes the job")]
    pub fn lease_check(&mut self) -> Arc<LeaseCheck> {
        let new = |token| {
            let (desk, content_began) = (Arc::downgrade(&self.desk), AtomicBool::new(false));
            Arc::new(LeaseCheck { desk, token, content_began })
        };
        let flight = self.flight.as_mut().expect("a job that was not finished");
        let check = Arc::clone(flight.check.get_or_insert_with(|| new(flight.message.lease.token())));
        self.desk.state().watch(flight.route, flight.way, &check);
        check
    }

    /// Gives the message back as it was: its lease is over, or for another reason nothing of it was delivered and nobody
    /// is at fault. It is no attempt.
    pub fn abandon(mut self) {
        if let Some(flight) = self.flight.take() {
            self.desk.abandon(flight);
        }
    }

    /// Says what came of a round: somebody was accepted, and others were refused for the number of recipients in one
    /// transaction. What is known is written down, and the message is ready again at once for the rest. It is no attempt.
    pub fn finish_round(mut self, recipients: Vec<RecipientResult>) {
        if let Some(flight) = self.flight.take() {
            self.desk.finish_round(flight, recipients);
        }
    }

    /// Says what came of it.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(flight) = self.flight.take() {
            self.desk.finish(flight, outcome);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            let Some(flight) = self.desk.release(flight) else { return };
            let words = match std::thread::panicking() {
                true => "the sending program panicked",
                false => "the attempt was given up before it ended",
            };
            self.desk.finish(flight, Outcome::failed(Trouble::new(Class::Defect, words)));
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("id", &self.id()).field("attempt", &self.attempt()).finish_non_exhaustive()
    }
}

/// Tells whether the lease of a message still runs, and remembers that its content may have begun to leave. Cheap to ask.
///
/// Both the wall clock and a clock that never steps can end a lease, whichever says that more time has passed: so a process
/// that was stopped, or a machine that was suspended, does not go on with messages that other workers have taken.
pub struct LeaseCheck {
    /// Weak, since a connection that is kept may hold the check of the message that it sent last.
    desk: Weak<Desk>,
    token: LeaseToken,
    /// Whether content was allowed to leave.
    content_began: AtomicBool,
}

impl LeaseCheck {
    /// Whether octets of the content may leave now: whether the lease still runs. Once it does not, the content must not
    /// leave whole.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_valid = self.desk.upgrade().is_some_and(|desk| desk.is_leased(self.token));
        if is_valid {
            self.content_began.store(true, Ordering::Release);
        }
        is_valid
    }

    /// Whether content may have begun to leave.
    pub(crate) fn has_begun(&self) -> bool {
        self.content_began.load(Ordering::Acquire)
    }
}

impl fmt::Debug for LeaseCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseCheck").field("id", &self.token.id).finish_non_exhaustive()
    }
}

/// What a message that shall be held has to pass before the last octet of its content leaves.
pub struct Gate {
    desk: Arc<Desk>,
    token: LeaseToken,
    departed: Arc<AtomicBool>,
}

impl Gate {
    /// Writes down that the message may be delivered from here on.
    ///
    /// # Errors
    /// The lease is lost, or the store is away: then the content must not leave whole.
    pub async fn pass(&self) -> Result<(), QueueError> {
        // Before the answer: who is dropped while it waits may have been marked.
        self.departed.store(true, Ordering::Release);
        let marked = self.desk.queue.record_commit_point(self.token).await;
        if marked.is_err() {
            self.departed.store(false, Ordering::Release);
        }
        marked
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("id", &self.token.id).finish_non_exhaustive()
    }
}
