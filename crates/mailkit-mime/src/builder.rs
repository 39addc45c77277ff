//! The builder: takes fields as they come, and has them read when it is told to build.

mod body;
mod draft;
mod given;
mod list;

use std::fmt;

use mailkit_address::Domain;
use time::OffsetDateTime;

pub(crate) use self::draft::{Draft, Further};
pub use self::given::{GivenAddresses, GivenMailbox};
pub(crate) use self::given::{Refused, read_mailbox};
use crate::assemble::assemble;
use crate::error::{BuildErrors, FieldError, FieldProblem};
use crate::header::message_id::MessageId;
use crate::message::Message;
use crate::stamps::StampSource;

/// Puts a message together.
///
/// Fields are taken as text, addresses also as values that were read before ([`GivenAddresses`]);
/// [`build`](Self::build) reports everything that is wrong at once. `to`, `cc`, `bcc`, `reply_to`,
/// `references`, `header`, `envelope_to`, attachments and alternatives add to what was given before;
/// all others replace it. Address fields take lists, with commas.
///
/// A control character other than a tab is refused in every field but the text.
///
/// ```
/// use mailkit_mime::{Message, Stamps};
/// use time::macros::datetime;
///
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 1))
///     .from("Jürgen <j@bücher.example>")
///     .to("Ann <ann@example.com>, bob@example.org")
///     .bcc("eve@example.net")
///     .subject("Grüße")
///     .header("X-Campaign", "42")
///     .text("Schöne Grüße,\nJürgen\n")
///     .build()?;
/// assert_eq!(message.envelope().recipients().len(), 3);
///
/// let content = String::from_utf8(message.to_bytes()?.to_vec())?;
/// assert!(content.contains("From: =?utf-8?q?J=C3=BCrgen?= <j@xn--bcher-kva.example>\r\n"));
/// assert!(!content.contains("eve"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MessageBuilder<S> {
    source: S,
    /// In one place, as the builder moves with each field.
    draft: Box<Draft>,
}

impl<S: StampSource> MessageBuilder<S> {
    /// Starts a message that gets its stamps from `source` when it is built.
    pub fn new(source: S) -> Self {
        Self { source, draft: Box::default() }
    }

    /// Sets whom the message is from: one mailbox, or several and a [`sender`](Self::sender).
    pub fn from(mut self, mailboxes: impl Into<GivenAddresses>) -> Self {
        self.draft.from = mailboxes.into();
        self
    }

    /// Sets the one mailbox that sends for those in From (RFC 5322 §3.6.2).
    pub fn sender(mut self, mailbox: impl Into<GivenMailbox>) -> Self {
        self.draft.further_mut().sender = Some(mailbox.into());
        self
    }

    /// Adds where replies shall go.
    pub fn reply_to(mut self, addresses: impl Into<GivenAddresses>) -> Self {
        self.draft.further_mut().reply_to.add(addresses.into());
        self
    }

    /// Adds recipients.
    pub fn to(mut self, addresses: impl Into<GivenAddresses>) -> Self {
        self.draft.to.add(addresses.into());
        self
    }

    /// Adds recipients of a copy.
    pub fn cc(mut self, addresses: impl Into<GivenAddresses>) -> Self {
        self.draft.further_mut().cc.add(addresses.into());
        self
    }

    /// Adds recipients of a copy whom nobody sees: they are in the envelope only.
    pub fn bcc(mut self, addresses: impl Into<GivenAddresses>) -> Self {
        self.draft.further_mut().bcc.add(addresses.into());
        self
    }

    /// Sets the time of the message, instead of that of the stamps.
    pub fn date(mut self, date: OffsetDateTime) -> Self {
        self.draft.date = Some(date);
        self
    }

    /// Sets the identifier, with or without angle brackets, instead of one made from the stamps
    /// and the domain of the first mailbox in From.
    pub fn message_id(mut self, id: impl AsRef<str>) -> Self {
        let id = id.as_ref();
        self.draft.message_id = Some(MessageId::parse(id).ok_or_else(|| id.to_owned()));
        self
    }

    /// Makes the identifier of this domain, such as the name of the sending host, instead of that of From.
    pub fn message_id_domain(mut self, domain: Domain) -> Self {
        self.draft.further_mut().message_id_domain = Some(domain);
        self
    }

    /// Sets the identifiers, apart by blanks, that this message answers (RFC 5322 §3.6.4).
    pub fn in_reply_to(mut self, ids: impl Into<String>) -> Self {
        self.draft.further_mut().in_reply_to = Some(ids.into());
        self
    }

    /// Adds identifiers, apart by blanks, of the conversation so far (RFC 5322 §3.6.4).
    pub fn references(mut self, ids: impl Into<String>) -> Self {
        self.draft.further_mut().references.push(ids.into());
        self
    }

    /// Sets the subject. Every character of it reaches the reader, blanks at its ends included.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.draft.subject = Some(subject.into());
        self
    }

    /// Adds a field with a name of its own; names may repeat, and keep their order.
    ///
    /// A value in ASCII goes out as it is, folded at its blanks; any other in encoded words
    /// (RFC 2047), where the grammar of the field allows them: in text, names and phrases. A URL, an
    /// identifier or a keyword beyond ASCII is refused. So are fields that the builder writes itself,
    /// and a second one of those that may stand once only.
    ///
    /// Content-Language, Content-Description and Content-Location are about the whole content;
    /// parts and attachments have a method of the same name for their own.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.further_mut().headers.push((name.into(), value.into()));
        self
    }

    /// Sets where reports about the message go, instead of the sender; an empty text or `<>` is
    /// the null path.
    pub fn envelope_from(mut self, address: impl Into<String>) -> Self {
        self.draft.further_mut().envelope_from = Some(address.into());
        self
    }

    /// Adds a recipient to the envelope. Once one is given, those of the header count no more.
    pub fn envelope_to(mut self, addresses: impl Into<GivenAddresses>) -> Self {
        self.draft.further_mut().envelope_to.add(addresses.into());
        self
    }

    /// Finishes the message.
    ///
    /// # Errors
    ///
    /// All fields that cannot be part of a message, each with its problem.
    pub fn build(mut self) -> Result<S::Message, BuildErrors> {
        let stamps = self.source.stamps().map_err(|error| {
            let problem = FieldProblem::NoStamps(error.to_string());
            BuildErrors::new(vec![FieldError::new("Message-ID", "", problem)])
        })?;
        assemble(self.draft, stamps).map(<S::Message as From<Message>>::from)
    }
}

/// Without the text and the hidden recipients: logs show it.
impl<S> fmt::Debug for MessageBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageBuilder")
            .field("from", &format_args!("{}", self.draft.from.list))
            .field("to", &format_args!("{}", self.draft.to.list))
            .field("subject", &self.draft.subject)
            .finish_non_exhaustive()
    }
}
