//! One message in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::{Address, Envelope};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::lease::{Lease, LeaseToken, Leased};
use crate::message::{DeliveryOptions, Idempotency, NewMessage, OnAmbiguous, Priority};
use crate::record::{Attempt, RecipientRecord, Record};
use crate::settlement::{RecipientOutcome, RecipientStatus};
use crate::state::State;
use crate::text::{Tag, Tenant, Traceparent};

/// The maximum number of attempts in the history of a message. Beyond it the oldest attempts are removed.
const MOST_ATTEMPTS: usize = 50;

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: QueueId,
    pub(super) state: State,
    /// When the next attempt is due, or since when the message has been ready.
    pub(super) due: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) priority: Priority,
    pub(super) route: Option<Arc<str>>,
    pub(super) tenant: Option<Tenant>,
    /// How often the message was leased.
    pub(super) fence: u64,
    pub(super) lease_ends: Timestamp,
    /// Whether the commit point was recorded under the current lease.
    pub(super) commit_point: bool,
    pub(super) attempts: u32,
    pub(super) on_ambiguous: OnAmbiguous,
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
    /// When the message first became due, or when an operator retried or released it.
    pub(super) open_since: Timestamp,
    history: VecDeque<Attempt>,
    /// The lease under which the last attempt was made.
    attempt_fence: u64,
}

/// The status of a recipient and the server's last reply.
#[derive(Clone, Debug)]
struct Known {
    status: RecipientStatus,
    code: Option<u16>,
    enhanced: Option<String>,
    text: String,
}

impl Entry {
    /// A new message: ready, or scheduled if its sender has set a time.
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
            tenant: message.tenant,
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
            attempt_fence: 0,
        }
    }

    /// Makes the message ready or scheduled, or dead if it has expired.
    pub(super) fn open(&mut self, due: Timestamp, now: Timestamp) {
        self.due = due;
        self.finished_at = None;
        self.state = if due > now { State::Scheduled } else { State::Ready };
        if self.expires_at.is_some_and(|at| at <= now) {
            self.expire(now);
        }
    }

    /// Puts the message into a terminal state.
    pub(super) fn finish(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.finished_at = Some(now);
        if matches!(state, State::Sent | State::Cancelled) {
            self.content = Bytes::new();
        }
    }

    /// Makes the message dead because it has expired.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for known in self.known.iter_mut().filter(|known| known.status.is_open()) {
            "the message expired before it was delivered".clone_into(&mut known.text);
        }
        self.finish(State::Dead, now);
    }

    /// Holds the message: it may have been delivered to its open recipients.
    pub(super) fn hold(&mut self, now: Timestamp) {
        for known in self.known.iter_mut().filter(|known| known.status.is_open()) {
            known.status = RecipientStatus::Ambiguous;
            "the worker was lost after the commit point: the message may have been delivered"
                .clone_into(&mut known.text);
        }
        self.finish(State::Held, now);
    }

    /// Resets the attempts and makes the recipients pending that were not accepted.
    pub(super) fn reopen(&mut self) {
        self.attempts = 0;
        for known in self.known.iter_mut().filter(|known| known.status != RecipientStatus::Accepted) {
            known.status = RecipientStatus::Pending;
        }
    }

    /// Records the outcome of a recipient. Returns `None` if it is not a recipient of the message, or not open.
    ///
    /// The search begins at `next`, since outcomes mostly have the order of the envelope, which may have ten thousand
    /// recipients.
    pub(super) fn note(&mut self, outcome: RecipientOutcome, next: &mut usize) -> Option<RecipientRecord> {
        let recipients = self.envelope.recipients();
        let (before, from) = recipients.split_at((*next).min(recipients.len()));
        let found = |part: &[Address]| part.iter().position(|address| *address == outcome.address);
        let position = found(from).map(|position| before.len() + position).or_else(|| found(before))?;
        *next = position + 1;
        let known = self.known.get_mut(position).filter(|known| known.status.is_open())?;
        let RecipientOutcome { address, status, code, enhanced, text } = outcome;
        *known = Known { status, code, enhanced: enhanced.clone(), text: text.clone() };
        Some(RecipientRecord { code, enhanced, text, ..RecipientRecord::new(address, status) })
    }

    /// Adds an attempt to the history, and counts it unless the route failed.
    pub(super) fn add_attempt(&mut self, attempt: Attempt, counts: bool) {
        self.attempts = self.attempts.saturating_add(u32::from(counts));
        self.attempt_fence = self.fence;
        if self.history.is_empty() {
            // Most messages have one attempt: a deque that grows by itself begins with room for four.
            self.history.reserve_exact(1);
        }
        if self.history.len() == MOST_ATTEMPTS {
            self.history.pop_front();
        }
        self.history.push_back(attempt);
    }

    /// The attempt that was made under the last lease.
    pub(super) fn attempt_of_lease(&self) -> Option<&Attempt> {
        self.history.back().filter(|_| self.attempt_fence == self.fence)
    }

    /// The class of the failure in which the last attempt ended.
    pub(super) fn last_class(&self) -> Option<&str> {
        self.history.back()?.class.as_deref()
    }

    /// Whether every recipient was accepted.
    pub(super) fn is_delivered(&self) -> bool {
        self.known.iter().all(|known| known.status == RecipientStatus::Accepted)
    }

    /// Whether any recipient is open.
    pub(super) fn has_open(&self) -> bool {
        self.known.iter().any(|known| known.status.is_open())
    }

    /// Whether the token is that of the current lease.
    pub(super) fn is_leased_as(&self, token: LeaseToken) -> bool {
        self.state == State::Leased && self.fence == token.fence
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
            lease: Lease::new(LeaseToken::new(self.id, self.fence)),
            expires_at: self.lease_ends,
            envelope: self.open_envelope()?,
            content: self.content.clone().into(),
            message_id: self.message_id.clone(),
            delivery: self.delivery.clone(),
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.clone(),
            on_ambiguous: self.on_ambiguous,
            created_at: self.created_at,
            open_since: self.open_since,
            message_expires_at: self.expires_at,
            attempts: self.attempts,
            traceparent: self.traceparent.clone(),
        })
    }

    /// The record, without the history.
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
                    code: known.code,
                    enhanced: known.enhanced.clone(),
                    text: known.text.clone(),
                    ..RecipientRecord::new(address.clone(), known.status)
                })
                .collect(),
            attempts: self.attempts,
            next_attempt_at: (!self.state.is_terminal()).then_some(self.due),
            created_at: self.created_at,
            expires_at: self.expires_at,
            finished_at: self.finished_at,
            priority: self.priority,
            route: self.route.as_deref().map(str::to_owned),
            tenant: self.tenant.clone(),
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

    /// The attempts, oldest first.
    pub(super) fn history(&self) -> Vec<Attempt> {
        self.history.iter().cloned().collect()
    }

    fn recipients(&self) -> impl Iterator<Item = (&Address, &Known)> {
        self.envelope.recipients().iter().zip(&self.known)
    }
}
