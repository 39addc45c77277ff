//! A copy of each message, as a message of its own.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{Job, Outcome};
use mailkit_queue::{Idempotency, NewMessage, Queue, QueueError, QueueId, RecipientStatus, Record};
use sha2::{Digest as _, Sha256};

/// The first wait for a store that is out of reach, and the longest.
const STORE_RETRY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Enqueues copies.
pub(super) struct Archive {
    to: Address,
    queue: Arc<dyn Queue>,
}

impl Archive {
    pub(super) const fn new(to: Address, queue: Arc<dyn Queue>) -> Self {
        Self { to, queue }
    }

    /// Enqueues the copy before the outcome is written down: a message that has left has its copy, or is sent again. The key
    /// of the copy names the message, so that further attempts add none.
    pub(super) async fn copy(&self, job: &Job, outcome: &Outcome) {
        let message = job.message();
        // A bounce has no sender; of a message that reached no server there is nothing to keep yet.
        if message.envelope.reverse_path().address().is_none() || !reached_a_server(outcome) {
            return;
        }
        let id = job.id();
        let mut wait = *STORE_RETRY.start();
        loop {
            match self.copy_once(job, id).await {
                Ok(()) => return,
                // The outcome cannot be written down either: it waits for the copy, so that no message ends without one.
                Err(QueueError::Unavailable(error)) => {
                    let error: &dyn std::error::Error = &*error;
                    tracing::warn!(queue_id = %id, error, retry_in = ?wait, "an archive copy waits for the queue's store");
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(queue_id = %id, error, "the archive copy of a message could not be enqueued");
                    return;
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(*STORE_RETRY.end());
        }
    }

    async fn copy_once(&self, job: &Job, id: QueueId) -> Result<(), QueueError> {
        match self.queue.get(id).await? {
            Some(record) if record.archive_of().is_none() => self.enqueue(job, id, &record).await,
            Some(_) | None => Ok(()),
        }
    }

    async fn enqueue(&self, job: &Job, id: QueueId, record: &Record) -> Result<(), QueueError> {
        let message = job.message();
        let Ok(envelope) = Envelope::new(message.envelope.reverse_path().clone(), vec![self.to.clone()]) else {
            return Ok(());
        };
        let mut copy = NewMessage::new(envelope, message.content.clone());
        copy.message_id = message.message_id.clone();
        copy.subject = record.subject.clone();
        copy.tenant = message.tenant.clone();
        copy.priority = message.priority;
        copy.traceparent = message.traceparent.clone();
        copy.delivery.needs_8bit = message.delivery.needs_8bit;
        copy.delivery.needs_smtp_utf8 = message.delivery.needs_smtp_utf8;
        copy.delivery.require_tls = message.delivery.require_tls;
        let key = Record::archive_key(id);
        let fingerprint = Sha256::digest(key.as_str()).into();
        copy.idempotency = Some(Idempotency::new(key, fingerprint));
        let enqueued = self.queue.enqueue(copy).await?;
        if !enqueued.duplicate {
            tracing::debug!(queue_id = %enqueued.id, archive_of = %id, "an archive copy was enqueued");
        }
        Ok(())
    }
}

/// Whether a server has taken the message for somebody, may have, or has refused it for good.
fn reached_a_server(outcome: &Outcome) -> bool {
    outcome.recipients.iter().any(|result| match result.outcome.status {
        RecipientStatus::Accepted | RecipientStatus::Ambiguous => true,
        RecipientStatus::Permanent => result.outcome.code.is_some(),
        RecipientStatus::Pending | RecipientStatus::Temporary => false,
    })
}
