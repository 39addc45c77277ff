//! A message handed out for delivery, with its lease check and its commit point.

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

/// A message to deliver now.
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

    /// The message: envelope (with the recipients that are still undelivered), content, Message-ID, delivery options,
    /// trace.
    #[must_use]
    pub fn message(&self) -> &Leased {
        &self.in_flight().message
    }

    /// The ID of the message in the queue.
    #[must_use]
    pub fn id(&self) -> QueueId {
        self.message().id()
    }

    /// The number of this attempt, starting with 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.message().attempts.saturating_add(1)
    }

    /// Whether another configured route may still send the message unchanged: it has not been tried in this cycle, or
    /// its failure was temporary. `false` means that this route is the last one: if it can only send the message
    /// converted, convert it now.
    #[must_use]
    pub fn may_go_elsewhere(&self) -> bool {
        let in_flight = self.in_flight();
        let state = self.shared.state();
        let cycle = state.route_cycles.get(in_flight.message.id());
        let others = state.alternatives(&in_flight.message, in_flight.route, Instant::now());
        let is_conversion_pass = cycle.is_some_and(|cycle| cycle.is_conversion_pass);
        !is_conversion_pass
            && others.iter().any(|other| other.declined.is_none_or(|declined| !is_final(declined.fault)))
    }

    /// The commit point of a message that is held when its delivery is ambiguous: record it before sending the last
    /// octet of the content (the final dot). `None` for a message that is sent again instead.
    pub fn commit_point(&mut self) -> Option<CommitPoint> {
        let in_flight =
            self.in_flight.as_mut().filter(|in_flight| in_flight.message.on_ambiguous == OnAmbiguous::Hold)?;
        let committed = in_flight.committed.get_or_insert_with(Arc::default);
        Some(CommitPoint {
            shared: Arc::clone(&self.shared),
            token: in_flight.message.token,
            committed: Arc::clone(committed),
        })
    }

    /// A check whether the lease of the message is still valid. Check before sending the first octet of the content,
    /// and again before the last.
    ///
    /// The first check that succeeds records that the content begins to leave. A message that a shutdown interrupts before
    /// that returns to the queue unchanged. If the lease is never checked, an interrupted message counts as ambiguous.
    #[must_use]
    #[expect(clippy::expect_used, reason = "whatever takes it consumes the job")]
    pub fn lease_check(&mut self) -> Arc<LeaseCheck> {
        let new = |token| {
            let (shared, content_started) = (Arc::downgrade(&self.shared), AtomicBool::new(false));
            Arc::new(LeaseCheck { shared, token, content_started })
        };
        let in_flight = self.in_flight.as_mut().expect("a job that was not finished");
        let check = Arc::clone(in_flight.check.get_or_insert_with(|| new(in_flight.message.token)));
        self.shared.state().track_content(in_flight.route, in_flight.slot, &check);
        check
    }

    /// Returns the message to the queue unchanged, because its lease has expired or because nothing of it was sent for
    /// a reason that is not a failure. This is no attempt.
    pub fn abandon(mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.shared.abandon(in_flight);
        }
    }

    /// Reports one of several transactions of the message: some recipients were accepted, and others were refused
    /// because the server takes no more in one transaction. The results are stored, and the message is ready again at
    /// once for the remaining recipients. This is no attempt.
    pub fn finish_transaction(mut self, recipients: Vec<RecipientResult>) {
        if let Some(in_flight) = self.in_flight.take() {
            self.shared.finish_transaction(in_flight, recipients);
        }
    }

    /// Reports the outcome of the attempt.
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
                true => "the delivery panicked",
                false => "the delivery dropped the message before it ended",
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

/// Checks whether the lease of a message is still valid, and records that its content may have begun to leave. Cheap to
/// call.
///
/// A lease ends by the wall clock or by a monotonic clock that runs during suspend, whichever ends it first. So a
/// process that was stopped, or a machine that was suspended, does not continue with messages that other workers have
/// leased meanwhile.
pub struct LeaseCheck {
    /// Weak, since an idle connection may hold the check of its last message.
    shared: Weak<Shared>,
    token: LeaseToken,
    /// Whether content was allowed to leave.
    content_started: AtomicBool,
}

impl LeaseCheck {
    /// Whether octets of the content may be sent now: whether the lease is still valid. If it is not, the content must
    /// not be sent completely.
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

/// The point after which a message may have been delivered: stored in the queue before the final dot is sent.
pub struct CommitPoint {
    shared: Arc<Shared>,
    token: LeaseToken,
    committed: Arc<AtomicBool>,
}

impl CommitPoint {
    /// Stores that the message may be delivered from here on.
    ///
    /// # Errors
    /// The lease is lost, or the store is unavailable: then the content must not be sent completely.
    pub async fn record(&self) -> Result<(), QueueError> {
        // Set before the store answers: a job that is dropped meanwhile may have been committed.
        self.committed.store(true, Ordering::Release);
        let recorded = self.shared.queue.record_commit_point(self.token).await;
        if recorded.is_err() {
            self.committed.store(false, Ordering::Release);
        }
        recorded
    }
}

impl fmt::Debug for CommitPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitPoint").field("id", &self.token.id).finish_non_exhaustive()
    }
}
