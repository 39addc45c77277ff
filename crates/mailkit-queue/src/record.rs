//! A message as who looks at the queue sees it.

use mailkit_address::{Address, ReversePath};

use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::{DeliveryOptions, Fingerprint, OnAmbiguous, Priority};
use crate::settlement::{AttemptOutcome, RecipientStatus};
use crate::state::State;

/// All that a queue knows of a message but its content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by stores")]
pub struct Record {
    /// Its name in the queue.
    pub id: QueueId,
    /// Where it stands.
    pub state: State,
    /// The subject.
    pub subject: Option<String>,
    /// The Message-ID in its angle brackets.
    pub message_id: Option<String>,
    /// Where reports about it go.
    pub from: ReversePath,
    /// All recipients, and what is known of each.
    pub recipients: Vec<RecipientRecord>,
    /// How many attempts were made.
    pub attempts: u32,
    /// When it is to be tried next, or since when it has been ready; nothing in a terminal state.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// Not after this time.
    pub expires_at: Option<Timestamp>,
    /// When it came into a terminal state.
    pub finished_at: Option<Timestamp>,
    /// What goes first.
    pub priority: Priority,
    /// The only route that may take it.
    pub route: Option<String>,
    /// Who sends it.
    pub tenant: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What happens when nobody can know whether it was delivered.
    pub on_ambiguous: OnAmbiguous,
    /// The key that it was enqueued under.
    pub idempotency_key: Option<String>,
    /// What the key says of the message; `None` where the key does not stand for it (any more). Lists leave it empty.
    pub fingerprint: Option<Fingerprint>,
    /// The trace that it belongs to, as the W3C header `traceparent` has it.
    pub traceparent: Option<String>,
    /// What the transaction with a server asks for.
    pub delivery: DeliveryOptions,
    /// Octets of content.
    pub size: u64,
    /// Its attempts, oldest first. Lists leave it empty.
    pub history: Vec<Attempt>,
}

/// What the idempotency key of an archive copy begins with.
const ARCHIVE: &str = "archive:";

impl Record {
    /// The idempotency key of the archive copy of a message: there is one copy at most.
    #[must_use]
    pub fn archive_key(id: QueueId) -> String {
        format!("{ARCHIVE}{id}")
    }

    /// The message that this is the archive copy of; `None` for any other.
    #[must_use]
    pub fn archive_of(&self) -> Option<QueueId> {
        Self::archived_by_key(self.idempotency_key.as_deref()?)
    }

    /// The message whose archive copy has this key; `None` for the key of any other message.
    #[must_use]
    pub fn archived_by_key(key: &str) -> Option<QueueId> {
        key.strip_prefix(ARCHIVE)?.parse().ok()
    }
}

/// One recipient and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by stores")]
pub struct RecipientRecord {
    /// The recipient.
    pub address: Address,
    /// What is known.
    pub status: RecipientStatus,
    /// The server's last reply code.
    pub code: Option<u16>,
    /// The server's last enhanced status code.
    pub enhanced: Option<String>,
    /// The server's last words.
    pub text: String,
}

/// One attempt of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by stores")]
pub struct Attempt {
    /// When it was settled.
    pub at: Timestamp,
    /// The route that was tried.
    pub route: String,
    /// What came of it as a whole.
    pub outcome: AttemptOutcome,
    /// The class of the failure, if anything failed.
    pub class: Option<String>,
    /// What was said of it as a whole: the server's reply, a connection that failed, a time-out.
    pub text: String,
    /// What became of each recipient that was tried.
    pub recipients: Vec<RecipientRecord>,
}
