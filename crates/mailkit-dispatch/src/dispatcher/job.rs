//! One message in flight, and the gate before its last octet.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use mailkit_queue::{LeaseToken, Leased, OnAmbiguous, QueueError, QueueId};
use tokio::time::Instant;

use super::deliver::{DeliveryFailure, Outcome, RecipientResult};
use super::in_flight::InFlight;
use super::route_cycle::is_final;
use super::runtime::Shared;
use crate::classify::FailureClass;

/// One message to be delivered now.
#[must_use = "a job that is dropped counts as a failed attempt"]
pub struct Job {
    shared: Arc<Shared>,
    /// `None` once it is finished, which consumes the job.
    in_flight: Option<InFlight>,
}

impl Job {
    pub(crate) const fn new(shared: Arc<Shared>, in_flight: InFlight) -> Self {
        Self { shared, in_flight: Some(in_flight) }
    }

    #[expect(clippy::expect_used, reason = "whatever takes it consumes the job")]
    fn in_flight(&self) -> &InFlight {
        self.in_flight.as_ref().expect("a job that was not finished")
    }

    /// The message: envelope (only the recipients that are still to be delivered to), content, Message-ID, what the
    /// transaction asks for, the trace.
    #[must_use]
    pub fn message(&self) -> &Leased {
        &self.in_flight().message
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
        let in_flight = self.in_flight();
        let state = self.shared.state();
        let cycle = state.route_cycles.get(in_flight.message.lease.id());
        let others = state.alternatives(&in_flight.message, in_flight.route, Instant::now());
        let is_conversion_pass = cycle.is_some_and(|cycle| cycle.is_conversion_pass);
        !is_conversion_pass
            && others.iter().any(|other| other.declined.is_none_or(|declined| !is_final(declined.fault)))
    }

    /// For a message that shall be held when it is ambiguous: the gate that it has to pass before the last octet of
    /// its content leaves. Nothing for all others.
    pub fn commit_point(&mut self) -> Option<CommitPoint> {
        let in_flight =
            self.in_flight.as_mut().filter(|in_flight| in_flight.message.on_ambiguous == OnAmbiguous::Hold)?;
        let committed = in_flight.committed.get_or_insert_with(Arc::default);
        Some(CommitPoint {
            shared: Arc::clone(&self.shared),
            token: in_flight.message.lease.token(),
            committed: Arc::clone(committed),
        })
    }

    /// Tells, at any later time, whether the lease of the message still runs: whoever delivers asks before the first
    /// octet of the content leaves, and again before the last.
    ///
    /// The first time that it says so is the moment in which content begins to leave. A message that is given up at a
    /// shutdown before that moment goes back into the queue as it was; one whose lease nobody asks for may have been
    /// delivered.
    #[must_use]
    #[expect(clippy::expect_used, reason = "whatever takes it consumes the job")]
    pub fn lease_check(&mut self) -> Arc<LeaseCheck> {
        let new = |token| {
            let (shared, content_started) = (Arc::downgrade(&self.shared), AtomicBool::new(false));
            Arc::new(LeaseCheck { shared, token, content_started })
        };
        let in_flight = self.in_flight.as_mut().expect("a job that was not finished");
        let check = Arc::clone(in_flight.check.get_or_insert_with(|| new(in_flight.message.lease.token())));
        self.shared.state().watch(in_flight.route, in_flight.slot, &check);
        check
    }

    /// Gives the message back as it was: its lease is over, or for another reason nothing of it was delivered and nobody
    /// is at fault. It is no attempt.
    pub fn abandon(mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.shared.abandon(in_flight);
        }
    }

    /// Says what came of a round: somebody was accepted, and others were refused for the number of recipients in one
    /// transaction. What is known is written down, and the message is ready again at once for the rest. It is no attempt.
    pub fn finish_transaction(mut self, recipients: Vec<RecipientResult>) {
        if let Some(in_flight) = self.in_flight.take() {
            self.shared.finish_transaction(in_flight, recipients);
        }
    }

    /// Says what came of it.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(in_flight) = self.in_flight.take() {
            self.shared.finish(in_flight, outcome);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            let Some(in_flight) = self.shared.return_unsent(in_flight) else { return };
            let text = match std::thread::panicking() {
                true => "the sending program panicked",
                false => "the attempt was given up before it ended",
            };
            self.shared.finish(in_flight, Outcome::failed(DeliveryFailure::new(FailureClass::Defect, text)));
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
    shared: Weak<Shared>,
    token: LeaseToken,
    /// Whether content was allowed to leave.
    content_started: AtomicBool,
}

impl LeaseCheck {
    /// Whether octets of the content may leave now: whether the lease still runs. Once it does not, the content must not
    /// leave whole.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_valid = self.shared.upgrade().is_some_and(|shared| shared.is_leased(self.token));
        if is_valid {
            self.content_started.store(true, Ordering::Release);
        }
        is_valid
    }

    /// Whether content may have begun to leave.
    pub(crate) fn content_may_have_started(&self) -> bool {
        self.content_started.load(Ordering::Acquire)
    }
}

impl fmt::Debug for LeaseCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseCheck").field("id", &self.token.id).finish_non_exhaustive()
    }
}

/// What a message that shall be held has to pass before the last octet of its content leaves.
pub struct CommitPoint {
    shared: Arc<Shared>,
    token: LeaseToken,
    committed: Arc<AtomicBool>,
}

impl CommitPoint {
    /// Writes down that the message may be delivered from here on.
    ///
    /// # Errors
    /// The lease is lost, or the store is away: then the content must not leave whole.
    pub async fn record(&self) -> Result<(), QueueError> {
        // Before the answer: who is dropped while it waits may have been marked.
        self.committed.store(true, Ordering::Release);
        let marked = self.shared.queue.record_commit_point(self.token).await;
        if marked.is_err() {
            self.committed.store(false, Ordering::Release);
        }
        marked
    }
}

impl fmt::Debug for CommitPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitPoint").field("id", &self.token.id).finish_non_exhaustive()
    }
}
