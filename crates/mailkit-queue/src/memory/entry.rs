//! One message as the memory keeps it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::{Address, Envelope};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::lease::{Lease, LeaseToken, Leased};
use crate::message::{DeliveryOptions, IdempotencyKey, NewMessage, OnAmbiguous, Priority};
use crate::record::{Attempt, RecipientRecord, Record};
use crate::settlement::{RecipientOutcome, RecipientStatus};
use crate::state::State;

/// How many attempts a message remembers: beyond it the oldest go, so that a message that is tried for ever has a
/// bound.
const MOST_ATTEMPTS: usize = 50;

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: QueueId,
    pub(super) state: State,
    /// When it is to be tried, or since when it is ready.
    pub(super) due: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) priority: Priority,
    pub(super) route: Option<Arc<str>>,
    pub(super) tenant: Option<Arc<str>>,
    /// How often it was leased.
    pub(super) fence: u64,
    pub(super) lease_ends: Timestamp,
    /// Whether the last octet of its content may have left under the lease.
    pub(super) commit_point: bool,
    pub(super) attempts: u32,
    pub(super) on_ambiguous: OnAmbiguous,
    pub(super) size: u64,
    /// Empty once nobody will send it again.
    pub(super) content: Bytes,
    pub(super) tags: Vec<String>,
    envelope: Envelope,
    /// What is known of each recipient, in the order of the envelope.
    known: Vec<Known>,
    message_id: Option<String>,
    subject: Option<String>,
    delivery: DeliveryOptions,
    pub(super) idempotency: Option<IdempotencyKey>,
    traceparent: Option<String>,
    pub(super) created_at: Timestamp,
    /// When it first became due, or was taken up again by hand.
    pub(super) open_since: Timestamp,
    history: VecDeque<Attempt>,
}

/// What is known of a recipient.
#[derive(Clone, Debug)]
struct Known {
    status: RecipientStatus,
    code: Option<u16>,
    enhanced: Option<String>,
    text: String,
}

impl Entry {
    /// A message that is ready, or scheduled where its sender wants that.
    pub(super) fn new(message: NewMessage, content: Bytes, id: QueueId, now: Timestamp) -> Self {
        let due = message.send_at.map_or(now, |at| at.max(now));
        let pending = Known { status: RecipientStatus::Pending, code: None, enhanced: None, text: String::new() };
        Self {
            id,
            state: if due > now { State::Scheduled } else { State::Ready },
            due,
            finished_at: None,
            expires_at: message.expires_at,
            priority: message.priority,
            route: message.route.map(Arc::from),
            tenant: message.tenant.map(Arc::from),
            fence: 0,
            lease_ends: now,
            commit_point: false,
            attempts: 0,
            on_ambiguous: message.on_ambiguous,
            size: content.len() as u64,
            content,
            tags: message.tags,
            known: vec![pending; message.envelope.recipients().len()],
            envelope: message.envelope,
            message_id: message.message_id,
            subject: message.subject,
            delivery: message.delivery,
            idempotency: message.idempotency,
            traceparent: message.traceparent,
            created_at: message.created_at.unwrap_or(now),
            open_since: due,
            history: VecDeque::new(),
        }
    }

    /// Puts it into a state in which a worker may have it, now or later: dead instead, where its time is over.
    pub(super) fn open(&mut self, due: Timestamp, now: Timestamp) {
        self.due = due;
        self.finished_at = None;
        self.state = if due > now { State::Scheduled } else { State::Ready };
        if self.expires_at.is_some_and(|at| at <= now) {
            self.expire(now);
        }
    }

    /// Puts it into a terminal state.
    pub(super) fn finish(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.finished_at = Some(now);
        if matches!(state, State::Sent | State::Cancelled) {
            self.content = Bytes::new();
        }
    }

    /// Its time is over before it was delivered.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for known in self.known.iter_mut().filter(|known| known.status.is_open()) {
            "the message expired before it was delivered".clone_into(&mut known.text);
        }
        self.finish(State::Dead, now);
    }

    /// Nobody can know whether it was delivered to its open recipients.
    pub(super) fn hold(&mut self, now: Timestamp) {
        for known in self.known.iter_mut().filter(|known| known.status.is_open()) {
            known.status = RecipientStatus::Ambiguous;
            "the worker was lost while the last of the content left".clone_into(&mut known.text);
        }
        self.finish(State::Held, now);
    }

    /// Opens recipients again that were not accepted, as if nothing had been tried.
    pub(super) fn reopen(&mut self) {
        self.attempts = 0;
        for known in self.known.iter_mut().filter(|known| known.status != RecipientStatus::Accepted) {
            known.status = RecipientStatus::Pending;
        }
    }

    /// Writes down what became of a recipient; nothing where it is none of the message's, or not open.
    ///
    /// It is looked for from `next` on, since outcomes mostly come in the order of the envelope: a message may have ten
    /// thousand.
    pub(super) fn note(&mut self, outcome: RecipientOutcome, next: &mut usize) -> Option<RecipientRecord> {
        let recipients = self.envelope.recipients();
        let (before, from) = recipients.split_at((*next).min(recipients.len()));
        let found = |part: &[Address]| part.iter().position(|address| *address == outcome.address);
        let place = found(from).map(|place| before.len() + place).or_else(|| found(before))?;
        *next = place + 1;
        let known = self.known.get_mut(place).filter(|known| known.status.is_open())?;
        let RecipientOutcome { address, status, code, enhanced, text } = outcome;
        *known = Known { status, code, enhanced: enhanced.clone(), text: text.clone() };
        Some(RecipientRecord { address, status, code, enhanced, text })
    }

    /// Writes down what was tried, and counts it where it is an attempt.
    pub(super) fn remember(&mut self, attempt: Attempt, counts: bool) {
        self.attempts = self.attempts.saturating_add(u32::from(counts));
        if self.history.is_empty() {
            // Most messages have one attempt: a deque that grows by itself begins with room for four.
            self.history.reserve_exact(1);
        }
        if self.history.len() == MOST_ATTEMPTS {
            self.history.pop_front();
        }
        self.history.push_back(attempt);
    }

    /// Whether every recipient was accepted.
    pub(super) fn is_delivered(&self) -> bool {
        self.known.iter().all(|known| known.status == RecipientStatus::Accepted)
    }

    /// Whether any recipient is still to be delivered to.
    pub(super) fn has_open(&self) -> bool {
        self.known.iter().any(|known| known.status.is_open())
    }

    /// Whether that is its lease, and it was not ended.
    pub(super) fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.state == State::Leased && self.fence == token.fence
    }

    /// Whether it goes to that address, in any case.
    pub(super) fn goes_to(&self, lower_case: &str) -> bool {
        self.envelope.recipients().iter().any(|address| address.to_string().to_lowercase() == lower_case)
    }

    /// The open recipients; nothing where there are none.
    fn open_envelope(&self) -> Option<Envelope> {
        if self.known.iter().all(|known| known.status.is_open()) {
            return Some(self.envelope.clone());
        }
        let open: Vec<Address> =
            self.recipients().filter(|(_, known)| known.status.is_open()).map(|(address, _)| address.clone()).collect();
        Envelope::new(self.envelope.reverse_path().clone(), open).ok()
    }

    /// It as a worker sees it.
    pub(super) fn leased(&self) -> Option<Leased> {
        Some(Leased {
            lease: Lease::new(LeaseToken { id: self.id, fence: self.fence }),
            expires_at: self.lease_ends,
            envelope: self.open_envelope()?,
            content: self.content.clone().into(),
            message_id: self.message_id.clone(),
            delivery: self.delivery.clone(),
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.as_deref().map(str::to_owned),
            on_ambiguous: self.on_ambiguous,
            created_at: self.created_at,
            open_since: self.open_since,
            message_expires_at: self.expires_at,
            attempts: self.attempts,
            traceparent: self.traceparent.clone(),
        })
    }

    /// It as who looks at the queue sees it, without its history.
    pub(super) fn record(&self) -> Record {
        Record {
            id: self.id,
            state: self.state,
            subject: self.subject.clone(),
            message_id: self.message_id.clone(),
            from: self.envelope.reverse_path().clone(),
            recipients: self
                .recipients()
                .map(|(address, known)| RecipientRecord {
                    address: address.clone(),
                    status: known.status,
                    code: known.code,
                    enhanced: known.enhanced.clone(),
                    text: known.text.clone(),
                })
                .collect(),
            attempts: self.attempts,
            next_attempt_at: (!self.state.is_terminal()).then_some(self.due),
            created_at: self.created_at,
            expires_at: self.expires_at,
            finished_at: self.finished_at,
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.as_deref().map(str::to_owned),
            tags: self.tags.clone(),
            on_ambiguous: self.on_ambiguous,
            idempotency_key: self.idempotency.as_ref().map(|idempotency| idempotency.key.clone()),
            fingerprint: None,
            traceparent: self.traceparent.clone(),
            delivery: self.delivery.clone(),
            size: self.size,
            history: Vec::new(),
        }
    }

    /// Its attempts, oldest first.
    pub(super) fn history(&self) -> Vec<Attempt> {
        self.history.iter().cloned().collect()
    }

    fn recipients(&self) -> impl Iterator<Item = (&Address, &Known)> {
        self.envelope.recipients().iter().zip(&self.known)
    }
}
