//! The record of a message, as lists and `get` return it.

use mailkit_address::{Address, ReversePath};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::{DeliveryOptions, Fingerprint, OnAmbiguous, Priority};
use crate::settlement::{AttemptOutcome, RecipientStatus};
use crate::state::State;
use crate::text::{IdempotencyKey, Tag, Tenant, Traceparent};

/// The record of a message: everything that a queue stores about it except the content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The id.
    pub id: QueueId,
    /// The state.
    pub state: State,
    /// The subject.
    pub subject: Option<String>,
    /// The Message-ID in its angle brackets.
    pub message_id: Option<String>,
    /// The reverse path: the address that bounces are sent to.
    pub from: ReversePath,
    /// All recipients and their status.
    pub recipients: Vec<RecipientRecord>,
    /// The number of attempts.
    pub attempts: u32,
    /// When the next attempt is due, or since when the message has been ready. `None` in a terminal state.
    pub next_attempt_at: Option<Timestamp>,
    /// When the message was enqueued.
    pub created_at: Timestamp,
    /// When the message expires.
    pub expires_at: Option<Timestamp>,
    /// When the message came into its terminal state.
    pub finished_at: Option<Timestamp>,
    /// The priority.
    pub priority: Priority,
    /// The only route that may send the message.
    pub route: Option<String>,
    /// The tenant that sends the message.
    pub tenant: Option<Tenant>,
    /// The tags.
    pub tags: Vec<Tag>,
    /// What happens when the message may have been delivered.
    pub on_ambiguous: OnAmbiguous,
    /// The key that the message was enqueued under.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The fingerprint under the key. `None` if the key does not stand for this message, or no longer. Always `None` in
    /// lists.
    pub fingerprint: Option<Fingerprint>,
    /// The trace that the message belongs to.
    pub traceparent: Option<Traceparent>,
    /// The options of the transaction with a server.
    pub delivery: DeliveryOptions,
    /// The size of the content in octets.
    pub size: u64,
    /// The attempts, oldest first. Always empty in lists.
    pub history: Vec<Attempt>,
}

/// The beginning of the idempotency key of an archive copy.
const ARCHIVE: &str = "archive:";

impl Record {
    /// A message that was enqueued at `created_at`, with the default options, no recipients and no attempts.
    #[must_use]
    pub fn new(id: QueueId, state: State, from: ReversePath, created_at: Timestamp) -> Self {
        Self {
            id,
            state,
            subject: None,
            message_id: None,
            from,
            recipients: Vec::new(),
            attempts: 0,
            next_attempt_at: None,
            created_at,
            expires_at: None,
            finished_at: None,
            priority: Priority::default(),
            route: None,
            tenant: None,
            tags: Vec::new(),
            on_ambiguous: OnAmbiguous::default(),
            idempotency_key: None,
            fingerprint: None,
            traceparent: None,
            delivery: DeliveryOptions::default(),
            size: 0,
            history: Vec::new(),
        }
    }

    /// The idempotency key of the archive copy of a message. It ensures that there is at most one copy.
    #[must_use]
    pub fn archive_key(id: QueueId) -> IdempotencyKey {
        IdempotencyKey::from_valid(format!("{ARCHIVE}{id}"))
    }

    /// The message that this is the archive copy of. `None` for any other message.
    #[must_use]
    pub fn archive_of(&self) -> Option<QueueId> {
        Self::archived_by_key(self.idempotency_key.as_deref()?)
    }

    /// The message whose archive copy has this key. `None` for the key of any other message.
    #[must_use]
    pub fn archived_by_key(key: &str) -> Option<QueueId> {
        key.strip_prefix(ARCHIVE)?.parse().ok()
    }
}

/// One recipient and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientRecord {
    /// The recipient.
    pub address: Address,
    /// The status.
    pub status: RecipientStatus,
    /// The server's last reply code.
    pub code: Option<u16>,
    /// The server's last enhanced status code.
    pub enhanced: Option<String>,
    /// The text of the server's last reply, or mailkit's own message.
    pub text: String,
}

impl RecipientRecord {
    /// A recipient in a status, without a reply of the server.
    #[must_use]
    pub const fn new(address: Address, status: RecipientStatus) -> Self {
        Self { address, status, code: None, enhanced: None, text: String::new() }
    }
}

/// One attempt in the history of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When it was settled.
    pub at: Timestamp,
    /// The route.
    pub route: String,
    /// The outcome as a whole.
    pub outcome: AttemptOutcome,
    /// The class of the failure, if anything failed.
    pub class: Option<String>,
    /// The message for the attempt as a whole: the server's reply, a failed connection, a time-out.
    pub text: String,
    /// The recipients of the attempt and their status after it.
    pub recipients: Vec<RecipientRecord>,
}

impl Attempt {
    /// An attempt on a route, without text and recipients.
    #[must_use]
    pub fn new(at: Timestamp, route: impl Into<String>, outcome: AttemptOutcome) -> Self {
        Self { at, route: route.into(), outcome, class: None, text: String::new(), recipients: Vec::new() }
    }
}
