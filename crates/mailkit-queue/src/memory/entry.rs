//! One message in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::{Address, Envelope};

use super::recipients::{self, Known, KnownRecipients, PastAttempt};
use crate::change::AttemptSummary;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::lease::{LeaseToken, Leased};
use crate::message::{DeliveryOptions, Idempotency, NewMessage, Priority};
use crate::record::{Attempt, Record};
use crate::settlement::Settlement;
use crate::state::State;
use crate::text::{Tag, Tenant, Traceparent};
use crate::transition::{Change, Event, InvalidTransition, Lifecycle, transition};

/// The maximum number of attempts in the history of a message. Beyond it the oldest attempts are removed.
const MOST_ATTEMPTS: usize = 50;

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: QueueId,
    pub(super) lifecycle: Lifecycle,
    pub(super) priority: Priority,
    pub(super) route: Option<Arc<str>>,
    pub(super) tenant: Option<Tenant>,
    pub(super) lease_ends: Timestamp,
    pub(super) size: u64,
    /// Empty once the message was sent or cancelled.
    pub(super) content: Bytes,
    pub(super) tags: Vec<Tag>,
    envelope: Envelope,
    /// The status of each recipient, in the order of the envelope.
    known: Vec<Known>,
    pub(super) message_id: Option<String>,
    subject: Option<String>,
    delivery: DeliveryOptions,
    pub(super) idempotency: Option<Idempotency>,
    traceparent: Option<Traceparent>,
    pub(super) created_at: Timestamp,
    history: VecDeque<PastAttempt>,
    /// The lease under which the last attempt was made.
    attempt_fence: u64,
}

impl Entry {
    /// A new message: ready, or scheduled if its sender has set a time.
    pub(super) fn new(message: NewMessage, content: Bytes, id: QueueId, now: Timestamp) -> Self {
        Self {
            id,
            lifecycle: Lifecycle::enqueued(now, message.send_at, message.expires_at, message.on_ambiguous),
            priority: message.priority,
            route: message.route.map(Arc::from),
            tenant: message.tenant,
            lease_ends: now,
            size: content.len() as u64,
            content,
            tags: message.tags,
            known: vec![Known::pending(); message.envelope.recipients().len()],
            envelope: message.envelope,
            message_id: message.message_id,
            subject: message.subject,
            delivery: message.delivery,
            idempotency: message.idempotency,
            traceparent: message.traceparent,
            created_at: message.created_at.unwrap_or(now),
            history: VecDeque::new(),
            attempt_fence: 0,
        }
    }

    /// Applies a change. `settlement` is the one that it comes from.
    pub(super) fn apply(&mut self, change: &Change, settlement: Option<&Settlement>, now: Timestamp) {
        self.lifecycle = change.after;
        if change.may_drop_content() {
            self.content = Bytes::new();
        }
        if let Some(settlement) = settlement {
            let outcomes = recipients::note(&mut self.known, change, settlement);
            if change.records_attempt {
                self.add_attempt(PastAttempt::new(settlement, outcomes, now));
            }
        }
        recipients::apply_to_all(&mut self.known, change);
    }

    fn add_attempt(&mut self, attempt: PastAttempt) {
        self.attempt_fence = self.lifecycle.fence;
        if self.history.is_empty() {
            // Most messages have one attempt: a deque that grows by itself begins with room for four.
            self.history.reserve_exact(1);
        }
        if self.history.len() == MOST_ATTEMPTS {
            self.history.pop_front();
        }
        self.history.push_back(attempt);
    }

    /// The change that a settlement of the lease makes.
    pub(super) fn settle(&self, settlement: &Settlement, now: Timestamp) -> Result<Change, InvalidTransition> {
        let recipients = KnownRecipients { addresses: self.envelope.recipients(), known: &self.known };
        transition(&self.lifecycle, Event::Settle { settlement, recipients: &recipients }, now)
    }

    /// The attempt that was made under the last lease.
    pub(super) fn attempt_of_lease(&self) -> Option<AttemptSummary> {
        self.history.back().filter(|_| self.attempt_fence == self.lifecycle.fence).map(PastAttempt::summary)
    }

    /// The class of the failure in which the last attempt ended.
    pub(super) fn last_class(&self) -> Option<&str> {
        self.history.back()?.class()
    }

    /// Whether the token is that of the current lease.
    pub(super) fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.lifecycle.state == State::Leased && self.lifecycle.fence == token.fence
    }

    /// Whether the address is a recipient; upper and lower case are the same.
    pub(super) fn goes_to(&self, lower_case: &str) -> bool {
        self.envelope.recipients().iter().any(|address| address.to_string().to_lowercase() == lower_case)
    }

    /// The envelope with the open recipients. `None` if no recipient is open.
    fn open_envelope(&self) -> Option<Envelope> {
        if self.known.iter().all(|known| known.status.is_open()) {
            return Some(self.envelope.clone());
        }
        let open: Vec<Address> =
            self.recipients().filter(|(_, known)| known.status.is_open()).map(|(address, _)| address.clone()).collect();
        Envelope::new(self.envelope.reverse_path().clone(), open).ok()
    }

    /// The leased message for the worker. `None` if no recipient is open.
    pub(super) fn leased(&self) -> Option<Leased> {
        Some(Leased {
            token: LeaseToken::new(self.id, self.lifecycle.fence),
            expires_at: self.lease_ends,
            envelope: self.open_envelope()?,
            content: self.content.clone().into(),
            message_id: self.message_id.clone(),
            delivery: self.delivery.clone(),
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.clone(),
            on_ambiguous: self.lifecycle.on_ambiguous,
            created_at: self.created_at,
            open_since: self.lifecycle.open_since,
            message_expires_at: self.lifecycle.expires_at,
            attempts: self.lifecycle.attempts,
            traceparent: self.traceparent.clone(),
        })
    }

    /// The record, without the history.
    pub(super) fn record(&self) -> Record {
        Record {
            id: self.id,
            state: self.lifecycle.state,
            subject: self.subject.clone(),
            message_id: self.message_id.clone(),
            from: self.envelope.reverse_path().clone(),
            recipients: self.recipients().map(|(address, known)| known.record(address)).collect(),
            attempts: self.lifecycle.attempts,
            next_attempt_at: self.lifecycle.next_attempt_at(),
            created_at: self.created_at,
            expires_at: self.lifecycle.expires_at,
            finished_at: self.lifecycle.finished_at,
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.clone(),
            tags: self.tags.clone(),
            on_ambiguous: self.lifecycle.on_ambiguous,
            idempotency_key: self.idempotency.as_ref().map(|idempotency| idempotency.key.clone()),
            fingerprint: None,
            traceparent: self.traceparent.clone(),
            delivery: self.delivery.clone(),
            size: self.size,
            history: Vec::new(),
        }
    }

    /// The attempts, oldest first.
    pub(super) fn history(&self) -> Vec<Attempt> {
        self.history.iter().map(|attempt| attempt.record(self.envelope.recipients())).collect()
    }

    fn recipients(&self) -> impl Iterator<Item = (&Address, &Known)> {
        self.envelope.recipients().iter().zip(&self.known)
    }
}
