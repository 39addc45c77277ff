//! From a message to what a queue stores.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use mailkit_address::Envelope;
#[cfg(feature = "dkim")]
use mailkit_mime::dkim::Signer;
use mailkit_mime::{Capabilities, Encoded};
use mailkit_queue::{
    Chunks, Content, ContentSource, Fingerprint, Idempotency, IdempotencyKey, InvalidText, NewMessage, OnAmbiguous,
    Priority, Record, Tag, Tenant, Timestamp, Traceparent,
};
use mailkit_smtp::client::TransactionOptions;
use sha2::{Digest as _, Sha256};
#[cfg(feature = "dkim")]
use time::OffsetDateTime;

#[cfg(doc)]
use super::UnsupportedOption;
use super::transaction::delivery_options;
use crate::mailer::ONE_PIECE;
#[cfg(feature = "dkim")]
use crate::signing::Signing;
use crate::{Error, Message};

/// What the sender of a queued message wishes.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use mailkit::{EnqueueOptions, queue::Priority};
///
/// let options = EnqueueOptions::new()
///     .idempotency_key("order-42")
///     .send_at(SystemTime::now() + Duration::from_secs(3600))
///     .priority(Priority::High);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct EnqueueOptions {
    key: Option<String>,
    send_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    priority: Priority,
    route: Option<String>,
    tenant: Option<String>,
    tags: Vec<String>,
    on_ambiguous: OnAmbiguous,
    traceparent: Option<String>,
    transaction: TransactionOptions,
    #[cfg(feature = "dkim")]
    signed_at: Option<OffsetDateTime>,
}

impl EnqueueOptions {
    /// None: it goes as soon as it can, by any route.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes one message of any number of enqueues under this key. Another message under the same key is refused, and so
    /// is the same one for another [`send_at`](Self::send_at); Date and Message-ID make no other message of it. A key has 1 to
    /// 255 printable ASCII characters.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Not before this time.
    pub fn send_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.send_at = Some(at.into());
        self
    }

    /// Not after this time. A queue refuses a time that is over, or not after [`send_at`](Self::send_at).
    pub fn expires_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.expires_at = Some(at.into());
        self
    }

    /// What goes first.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The only route that may take it.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// The tenant that sends it: tenants share the queue fairly. It has 1 to 255 octets without control characters.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// One more tag to filter by. It has 1 to 255 octets without control characters.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// What happens when nobody can know whether it was delivered.
    pub const fn on_ambiguous(mut self, policy: OnAmbiguous) -> Self {
        self.on_ambiguous = policy;
        self
    }

    /// The trace that it belongs to, as the W3C header `traceparent` has it.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// What the transaction with a server shall ask for: notifications, REQUIRETLS and the priority of MT-PRIORITY.
    ///
    /// Size, body kind and SMTPUTF8 are the message's, and the time is [`send_at`](Self::send_at):
    /// [`prepare`](Self::prepare) refuses them with an [`UnsupportedOption`].
    pub fn transaction(mut self, transaction: TransactionOptions) -> Self {
        self.transaction = transaction;
        self
    }

    /// The time that its signatures state, in the place of the clock's: that which a message was dated with by hand, so
    /// that it is signed alike each time.
    #[cfg(feature = "dkim")]
    pub const fn signed_at(mut self, at: OffsetDateTime) -> Self {
        self.signed_at = Some(at);
        self
    }

    /// Makes of a message what a [`Queue`](crate::queue::Queue) stores.
    ///
    /// # Errors
    /// [`ErrorKind::Message`](crate::ErrorKind::Message) for a message that cannot be stored,
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for options that a queue cannot grant, and
    /// [`ErrorKind::Content`](crate::ErrorKind::Content) where an attachment cannot be read.
    pub async fn prepare(self, message: &Message) -> Result<NewMessage, Error> {
        let encoded = message.encode(least(message)).map_err(Error::encode)?;
        self.finish(message, encoded).await
    }

    /// The same, signed by DKIM with each of these.
    ///
    /// # Errors
    /// As for [`prepare`](Self::prepare), and where the message cannot be signed.
    #[cfg(feature = "dkim")]
    pub async fn prepare_signed(
        self,
        message: &Message,
        signers: impl Into<Arc<[Signer]>>,
    ) -> Result<NewMessage, Error> {
        let encoded = message.encode(least(message)).map_err(Error::encode)?;
        let signing = Signing::default().by(signers);
        let signing = match self.signed_at {
            Some(at) => signing.at(at),
            None => signing,
        };
        let encoded = signing.sign(encoded).await?;
        self.finish(message, encoded).await
    }

    async fn finish(self, message: &Message, encoded: Encoded) -> Result<NewMessage, Error> {
        let idempotency = match self.key {
            None => None,
            Some(key) if Record::archived_by_key(&key).is_some() => return Err(Error::unfit(ReservedKey)),
            Some(key) => {
                let key = IdempotencyKey::new(key).map_err(invalid)?;
                Some(Idempotency::new(key, fingerprint(message, self.send_at).await?))
            }
        };
        let delivery = delivery_options(message, self.transaction).map_err(Error::configuration)?;
        let tenant = self.tenant.map(Tenant::new).transpose().map_err(invalid)?;
        let tags = self.tags.into_iter().map(Tag::new).collect::<Result<_, _>>().map_err(invalid)?;
        let traceparent = self.traceparent.map(Traceparent::new).transpose().map_err(invalid)?;
        let mut new = NewMessage::new(message.envelope().clone(), content(encoded)?);
        new.message_id = message.message_id().map(str::to_owned);
        new.subject = message.readable_subject().map(Cow::into_owned);
        new.delivery = delivery;
        new.idempotency = idempotency;
        new.send_at = self.send_at;
        new.expires_at = self.expires_at;
        new.priority = self.priority;
        new.route = self.route;
        new.tenant = tenant;
        new.tags = tags;
        new.on_ambiguous = self.on_ambiguous;
        new.traceparent = traceparent;
        Ok(new)
    }
}

/// A key, a tenant, a tag or a trace that breaks the rule of its kind.
fn invalid(error: InvalidText) -> Error {
    Error::unfit(error)
}

/// What the message cannot do without.
fn least(message: &Message) -> Capabilities {
    Capabilities { eight_bit: message.needs_8bit(), binary: false, smtp_utf8: message.needs_smtp_utf8() }
}

/// Small messages in memory are made at once; others while they are stored.
fn content(encoded: Encoded) -> Result<Content, Error> {
    if encoded.is_in_memory() && encoded.size().is_some_and(|size| size <= ONE_PIECE) {
        return encoded.to_bytes().map(Content::from).map_err(Error::content);
    }
    let size = encoded.size();
    Ok(Content::stored(Arc::new(Unread(encoded)), size))
}

/// Content that is read while it is stored.
struct Unread(Encoded);

impl ContentSource for Unread {
    fn open(&self) -> io::Result<Chunks> {
        Ok(Box::new(self.0.chunks()))
    }
}

/// A digest of what a message says, to whom and when it is to be sent, without what is made anew at each build.
async fn fingerprint(message: &Message, send_at: Option<Timestamp>) -> Result<Fingerprint, Error> {
    if message.is_read_once() {
        return Err(Error::unfit(OnceOnly));
    }
    let (envelope, essence) = (message.envelope().clone(), message.essence());
    let digest = move || digest(&envelope, send_at, essence).map_err(Error::content);
    match message.size() {
        Some(size) if size <= ONE_PIECE => digest(),
        _ => tokio::task::spawn_blocking(digest).await.map_err(Error::unfit)?,
    }
}

fn digest(
    envelope: &Envelope,
    send_at: Option<Timestamp>,
    essence: impl Iterator<Item = io::Result<bytes::Bytes>>,
) -> io::Result<Fingerprint> {
    let mut digest = Sha256::new();
    digest.update(envelope.reverse_path().to_string());
    for recipient in envelope.recipients() {
        // No address has a line end in it: so no two envelopes write the same.
        digest.update("\n");
        digest.update(recipient.to_string());
    }
    if let Some(at) = send_at {
        // No address begins with a blank.
        digest.update(format!("\n send_at {}", at.as_millis()));
    }
    digest.update("\n\n");
    for piece in essence {
        digest.update(piece?);
    }
    Ok(digest.finalize().into())
}

/// An idempotency key that only the archive copy of a message may have.
#[derive(Debug)]
struct ReservedKey;

impl std::fmt::Display for ReservedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an idempotency key `archive:ID` is reserved for the archive copy of a message: choose another key")
    }
}

impl std::error::Error for ReservedKey {}

/// An idempotency key with content that can be read once.
#[derive(Debug)]
struct OnceOnly;

impl std::fmt::Display for OnceOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "an attachment from a reader can be read once, and an idempotency key needs it read twice: attach a file or \
             bytes, or leave the key out",
        )
    }
}

impl std::error::Error for OnceOnly {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_a_tenant_a_tag_or_a_trace_that_is_invalid_is_refused_as_a_message() {
        let message = Message::builder().from("a@example.com").to("b@example.org").text("Hi").build().unwrap();
        let options = EnqueueOptions::new;
        for (options, wanted) in [
            (options().idempotency_key("caf\u{e9}"), "an idempotency key has only printable ASCII characters"),
            (options().tenant("a\nb"), "a tenant may not contain the control character U+000A"),
            (options().tag("a").tag(""), "a tag may not be empty"),
            (options().traceparent("00-1-2-3"), "a traceparent is VERSION-TRACE_ID"),
        ] {
            let error = options.prepare(&message).await.unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Message);
            assert!(format!("{error:#}").contains(wanted), "{error:#}");
        }
    }

    #[tokio::test]
    async fn the_key_of_an_archive_copy_is_refused() {
        let message = Message::builder().from("a@example.com").to("b@example.org").text("Hi").build().unwrap();
        let enqueued = |key: &'static str| EnqueueOptions::new().idempotency_key(key).prepare(&message);
        let error = enqueued("archive:01KB9V6Y4T5M3Q8Z7X2W1C0D9E").await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Message);
        assert!(format!("{error:#}").contains("reserved for the archive copy"), "{error:#}");
        assert!(enqueued("archive:report").await.is_ok());
    }
}
