//! A message as it is enqueued.

use std::time::Duration;

use mailkit_address::Envelope;

use crate::clock::Timestamp;
use crate::content::Content;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::record::Record;
use crate::state::State;
use crate::string_enum::string_enum;
use crate::text::{IdempotencyKey, Tag, Tenant, Traceparent};

/// A message for [`Queue::enqueue`](crate::Queue::enqueue), with the options of its sender.
///
/// ```
/// use mailkit_address::Envelope;
/// use mailkit_queue::{NewMessage, Priority};
///
/// let envelope = Envelope::null_sender(vec!["bob@example.org".parse()?])?;
/// let message = NewMessage::new(envelope, "Subject: hello\r\n\r\nHello.\r\n")
///     .with_priority(Priority::High)
///     .with_tenant("shop".parse()?);
/// assert_eq!(message.priority, Priority::High);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewMessage {
    /// The reverse path and the recipients.
    pub envelope: Envelope,
    /// Header and body, encoded for a server without extensions if possible. All attempts send the same content.
    pub content: Content,
    /// The Message-ID in its angle brackets, to be shown in lists.
    pub message_id: Option<String>,
    /// The subject, to be shown in lists.
    pub subject: Option<String>,
    /// The options of the transaction with a server.
    pub delivery: DeliveryOptions,
    /// The idempotency key and the fingerprint of the message under it.
    pub idempotency: Option<Idempotency>,
    /// The message is not sent before this time. A time in the past means now.
    pub send_at: Option<Timestamp>,
    /// The message expires at this time: it is dead then, unless it was sent.
    pub expires_at: Option<Timestamp>,
    /// The priority.
    pub priority: Priority,
    /// The only route that may send the message. `None` allows every route.
    pub route: Option<String>,
    /// The tenant that sends the message. Tenants share the queue fairly.
    pub tenant: Option<Tenant>,
    /// Tags to filter by.
    pub tags: Vec<Tag>,
    /// What happens when the message may have been delivered.
    pub on_ambiguous: OnAmbiguous,
    /// The trace that the message belongs to.
    pub traceparent: Option<Traceparent>,
    /// The id that the message had in another queue, and keeps. `None` gives it a new id. A message whose id is in the
    /// queue already is a duplicate.
    pub id: Option<QueueId>,
    /// When the message was enqueued in another queue. `None` means now. The window of its key begins at this time, and the
    /// message may have expired.
    pub created_at: Option<Timestamp>,
}

impl NewMessage {
    /// A message with the default options.
    #[must_use]
    pub fn new(envelope: Envelope, content: impl Into<Content>) -> Self {
        Self {
            envelope,
            content: content.into(),
            message_id: None,
            subject: None,
            delivery: DeliveryOptions::default(),
            idempotency: None,
            send_at: None,
            expires_at: None,
            priority: Priority::default(),
            route: None,
            tenant: None,
            tags: Vec::new(),
            on_ambiguous: OnAmbiguous::default(),
            traceparent: None,
            id: None,
            created_at: None,
        }
    }

    /// Sets the idempotency key and the fingerprint.
    #[must_use]
    pub fn with_idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = Some(idempotency);
        self
    }

    /// Sets the options of the transaction with a server.
    #[must_use]
    pub fn with_delivery(mut self, delivery: DeliveryOptions) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets the time before which the message is not sent.
    #[must_use]
    pub const fn with_send_at(mut self, send_at: Timestamp) -> Self {
        self.send_at = Some(send_at);
        self
    }

    /// Sets the time at which the message expires.
    #[must_use]
    pub const fn with_expires_at(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Sets the priority.
    #[must_use]
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the only route that may send the message.
    #[must_use]
    pub fn with_route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Sets the tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Sets what happens when the message may have been delivered.
    #[must_use]
    pub const fn with_on_ambiguous(mut self, on_ambiguous: OnAmbiguous) -> Self {
        self.on_ambiguous = on_ambiguous;
        self
    }

    /// Sets the trace that the message belongs to.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Traceparent) -> Self {
        self.traceparent = Some(traceparent);
        self
    }

    /// Checks that the message can be sent before it expires. An imported message, which has a `created_at`, passes: if it
    /// has expired, it is stored as dead, so that it can be seen.
    ///
    /// # Errors
    /// [`QueueError::Expired`] if `expires_at` is not after `now`, or not after `send_at`.
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), QueueError> {
        let Some(expires_at) = self.expires_at.filter(|_| self.created_at.is_none()) else { return Ok(()) };
        let earliest = self.send_at.map_or(now, |at| at.max(now));
        match expires_at > earliest {
            true => Ok(()),
            false => Err(QueueError::Expired { expires_at, send_at: self.send_at.filter(|at| *at >= expires_at) }),
        }
    }

    /// The key that a store has to look up for the message. `None` if the message has no key, or if it is an imported
    /// message and the window of its key has ended.
    #[must_use]
    pub fn active_key(&self, now: Timestamp, key_window: Duration) -> Option<&Idempotency> {
        let used_at = self.created_at.map_or(now, |at| at.min(now));
        self.idempotency.as_ref().filter(|_| used_at + key_window > now)
    }

    /// The message that this is the archive copy of, by its key. `None` for any other message.
    ///
    /// A full queue accepts an archive copy: the original is about to end, and cannot end before its copy is stored.
    #[must_use]
    pub fn archive_of(&self) -> Option<QueueId> {
        Record::archived_by_key(&self.idempotency.as_ref()?.key)
    }
}

/// The result of an enqueue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The id of the message.
    pub id: QueueId,
    /// Whether the message is a duplicate by its key or its id, and nothing new was stored.
    pub duplicate: bool,
    /// The state of the message. The state of a duplicate is `sent` if the first message was sent and removed since.
    pub state: State,
}

impl Enqueued {
    /// A message that was stored.
    #[must_use]
    pub const fn new(id: QueueId, state: State) -> Self {
        Self { id, duplicate: false, state }
    }

    /// A message that was in the queue already.
    #[must_use]
    pub const fn duplicate(id: QueueId, state: State) -> Self {
        Self { id, duplicate: true, state }
    }
}

/// An idempotency key, and the fingerprint of the message under it. A message that is enqueued again under its key is stored
/// once.
///
/// The fingerprint tells whether a later message under the same key is the same message. It covers what the caller means,
/// not the octets of the message, since Date and Message-ID differ each time that a message is built.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Idempotency {
    /// The key.
    pub key: IdempotencyKey,
    /// The digest of the meaning of the message.
    pub fingerprint: Fingerprint,
}

impl Idempotency {
    /// A key and the fingerprint of the message under it.
    #[must_use]
    pub const fn new(key: IdempotencyKey, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint }
    }
}

/// A digest that differs if two messages do.
pub type Fingerprint = [u8; 32];

/// The options of the transaction with a server, beyond the envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeliveryOptions {
    /// The content has octets beyond ASCII that may not be encoded. It needs a server with 8BITMIME (RFC 6152).
    pub needs_8bit: bool,
    /// The header is in UTF-8. It needs a server with SMTPUTF8 (RFC 6531).
    pub needs_smtp_utf8: bool,
    /// When the sender wants notifications (RFC 3461 §4.1). If it is empty, the server decides.
    pub notify: Vec<Notify>,
    /// How much of the message a notification returns (RFC 3461 §4.3).
    pub return_content: Option<ReturnContent>,
    /// The envelope identifier that a notification quotes (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// Every hop must use TLS (RFC 8689).
    pub require_tls: bool,
    /// The priority from -9 to 9 for a server with MT-PRIORITY (RFC 6710).
    pub mt_priority: Option<i8>,
}

impl DeliveryOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

string_enum! {
    /// The priority of a message. Ready messages of a higher priority are leased first.
    #[derive(Default)]
    Priority, "a priority: high, normal or low", "stores and senders must handle a new one" {
        /// Before all others.
        High = "high",
        /// The default.
        #[default]
        Normal = "normal",
        /// After all others.
        Low = "low",
    }
}

string_enum! {
    /// What happens to a message that may have been delivered, because the connection broke before the server answered.
    #[derive(Default)]
    OnAmbiguous, "a policy: resend or hold", "stores and senders must handle a new one" {
        /// It is sent again with the same Message-ID, and counted. A recipient may get two copies.
        #[default]
        Resend = "resend",
        /// It is held until an operator decides.
        Hold = "hold",
    }
}

string_enum! {
    /// When the sender wants a notification (RFC 3461 §4.1).
    Notify, "a notification: never, success, failure or delay", "stores and senders must handle a new one" {
        /// Never.
        Never = "never",
        /// When the message was delivered.
        Success = "success",
        /// When it could not be delivered.
        Failure = "failure",
        /// When delivery takes long.
        Delay = "delay",
    }
}

string_enum! {
    /// How much of a message a notification returns (RFC 3461 §4.3).
    ReturnContent, "what to return: full or headers", "stores and senders must handle a new one" {
        /// All of it.
        Full = "full",
        /// Its header.
        Headers = "headers",
    }
}
