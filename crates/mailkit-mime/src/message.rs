//! The finished message.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::Envelope;

use crate::builder::MessageBuilder;
use crate::content::{Chunks, Content};
use crate::eml::{EmlNote, EmlNotes};
use crate::encoded::{BodyKind, Capabilities, Encoded};
use crate::error::{EmlError, EncodeError};
use crate::header::decode::decode;
use crate::layout::lay_out;
use crate::part::{Node, Nodes, Part};
use crate::source::{ContentSource, FileSource, Source};
use crate::stamps::Stamps;

/// A finished message: an envelope and the content that goes with it.
///
/// The content has CRLF line ends only and ends in one; it is the same each time that it is
/// written. Bcc is in the envelope only. A clone shares all of it.
///
/// [`encode`](Self::encode) gives it in the form for a server; the methods on the message itself
/// give the form that asks the least of one.
///
/// ```
/// use mailkit_mime::{Message, Stamps};
/// use time::macros::datetime;
///
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 0x2a))
///     .from("Ann <ann@example.com>")
///     .to("Bob <bob@example.org>")
///     .subject("Quarterly report")
///     .text("It went well.")
///     .build()?;
///
/// let wanted = "\
/// Date: Mon, 23 Nov 2026 07:03:00 +0000\r
/// From: Ann <ann@example.com>\r
/// To: Bob <bob@example.org>\r
/// Message-ID: <0000000000000000000000000000002a@example.com>\r
/// Subject: Quarterly report\r
/// MIME-Version: 1.0\r
/// Content-Type: text/plain; charset=utf-8\r
/// Content-Transfer-Encoding: 7bit\r
/// \r
/// It went well.\r
/// ";
/// assert_eq!(message.to_bytes()?, wanted);
/// assert_eq!(message.size(), Some(wanted.len() as u64));
/// assert_eq!(message.envelope().recipients()[0].to_string(), "bob@example.org");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Message(Arc<Parts>);

/// What a message consists of, shared by its clones.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) envelope: Envelope,
    pub(crate) message_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) content: Content,
    pub(crate) needs_smtp_utf8: bool,
    pub(crate) needs_8bit: bool,
    pub(crate) notes: EmlNotes,
    pub(crate) form: Form,
}

/// What a message can be encoded anew from.
#[derive(Clone)]
pub(crate) enum Form {
    Built(Tree),
    /// It goes as it is.
    Finished,
}

/// The structure of a message that was built.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(crate) nodes: Nodes,
    pub(crate) depth: usize,
    pub(crate) unique: u128,
    /// How much of the content is its header, without the fields of the first part.
    pub(crate) header_length: usize,
}

impl From<Parts> for Message {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Message {
    /// Starts a message that is stamped with the time and the number given.
    pub fn builder(stamps: Stamps) -> MessageBuilder<Stamps> {
        MessageBuilder::new(stamps)
    }

    /// Takes a finished message, as a `.eml` file holds it.
    ///
    /// It goes out byte for byte, with these exceptions: Bcc and Resent-Bcc are taken out; so is what
    /// does not belong on the wire, which [`notes`](Self::notes) tells; and line ends become CRLF (a
    /// bare CR and a bare LF each end a line). Nothing is added: a message without Date or
    /// Message-ID stays without, and a line above 998 bytes is not broken.
    ///
    /// Without an envelope, one is made from the header as `sendmail -t` does: from Sender, else
    /// the first mailbox of From, to To, Cc and Bcc. If the message was resent, the first block
    /// of Resent- fields takes their place (RFC 5322 §3.6.6).
    ///
    /// # Errors
    ///
    /// A header that is missing or malformed, naming the line; without an envelope also
    /// addresses that cannot be read, naming the field, and a lack of them.
    ///
    /// ```
    /// use mailkit_mime::Message;
    ///
    /// let eml = "From: ann@example.com\nTo: bob@example.org\nBcc: eve@example.net\n\nHello\n";
    /// let message = Message::from_eml(eml, None)?;
    /// assert_eq!(
    ///     message.to_bytes()?,
    ///     "From: ann@example.com\r\nTo: bob@example.org\r\n\r\nHello\r\n",
    /// );
    /// assert_eq!(message.envelope().recipients().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_eml(bytes: impl Into<Bytes>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        crate::eml::read(&bytes.into(), envelope)
    }

    /// Takes a finished message in a file, as [`from_eml`](Self::from_eml) does. Its header is read now, its body when it is
    /// sent: the file must not change before.
    ///
    /// # Errors
    ///
    /// As for [`from_eml`](Self::from_eml), and where the file cannot be read.
    pub fn from_eml_file(path: impl AsRef<Path>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        let source = FileSource::new(path).map_err(EmlError::unreadable)?;
        Self::from_eml_source(Arc::new(source), envelope)
    }

    /// Takes a finished message from a source, as [`from_eml`](Self::from_eml) does. Its header is read now, its body
    /// whenever it is sent.
    ///
    /// # Errors
    ///
    /// As for [`from_eml`](Self::from_eml), and where the source cannot be read.
    pub fn from_eml_source(source: Arc<dyn ContentSource>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        crate::eml::read_source(source, envelope)
    }

    /// Whom the message is from and goes to, for the servers.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    /// The Message-ID in its angle brackets. Only a message from
    /// [`from_eml`](Self::from_eml) may have none.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.0.message_id.as_deref()
    }

    /// The subject: as it was given to the builder; of a message from
    /// [`from_eml`](Self::from_eml) as it stands in the header, unfolded but not decoded.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The subject as people read it: that of a message from [`from_eml`](Self::from_eml) with its
    /// encoded words (RFC 2047) decoded, where their character set is known.
    ///
    /// ```
    /// use mailkit_mime::Message;
    ///
    /// let eml = "From: ann@example.com\nTo: bob@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\n";
    /// assert_eq!(Message::from_eml(eml, None)?.readable_subject().as_deref(), Some("Gr\u{fc}\u{df}e"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn readable_subject(&self) -> Option<Cow<'_, str>> {
        let subject = self.subject()?;
        Some(match self.0.form {
            Form::Finished => Cow::Owned(decode(subject)),
            Form::Built(_) => Cow::Borrowed(subject),
        })
    }

    /// What was left out of a finished message, for the person who sends it; nothing of one that was built.
    ///
    /// ```
    /// use mailkit_mime::{EmlNote, Message};
    ///
    /// let saved = "From ann@example.com Mon Nov 23 07:03:00 2026\nFrom: ann@example.com\nTo: bob@example.org\n\nHello\n";
    /// let message = Message::from_eml(saved, None)?;
    /// assert!(message.to_bytes()?.starts_with(b"From: ann@example.com\r\n"));
    /// assert_eq!(message.notes().collect::<Vec<_>>(), [EmlNote::MailboxSeparator]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notes(&self) -> impl Iterator<Item = EmlNote> + use<> {
        self.0.notes.iter()
    }

    /// Encodes the message for what a server has. Nothing is read or copied for it.
    ///
    /// Text goes in 8 bits where the server takes them, attachments as they are where it takes
    /// binary content. The header is in raw UTF-8 (RFC 6532) if, and only if, an address in it
    /// has a local part beyond ASCII: such a message needs SMTPUTF8 anyway, and any other reaches
    /// more people without.
    ///
    /// # Errors
    ///
    /// What the message cannot do without and the server lacks; a reader that was read before.
    pub fn encode(&self, server: Capabilities) -> Result<Encoded, EncodeError> {
        if self.0.needs_smtp_utf8 && !server.smtp_utf8 {
            return Err(EncodeError::NeedsSmtpUtf8);
        }
        if self.0.needs_8bit && !server.eight_bit {
            return Err(EncodeError::NeedsEightBit);
        }
        let least = if self.0.needs_8bit { BodyKind::EightBit } else { BodyKind::SevenBit };
        let Form::Built(tree) = &self.0.form else {
            return Ok(Encoded { content: self.0.content.clone(), body: least, smtp_utf8: self.0.needs_smtp_utf8 });
        };
        let used_up = |node: &Node| matches!(node, Node::Leaf(leaf) if leaf.source.is_used_up());
        if tree.nodes.as_slice().iter().any(used_up) {
            return Err(EncodeError::AlreadyRead);
        }
        let (content, body) = if server.eight_bit {
            let header = self.0.content.written(tree.header_length).to_vec();
            let (layout, kind) = lay_out(header, tree.nodes.as_slice(), tree.unique, server);
            (layout.finish(), kind)
        } else {
            (self.0.content.clone(), BodyKind::SevenBit)
        };
        Ok(Encoded { content, body: body.max(least), smtp_utf8: self.0.needs_smtp_utf8 })
    }

    /// The exact size of the content in bytes, before any dot-stuffing; nothing if an attachment
    /// comes from a reader of unknown size.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.0.content.size()
    }

    /// Whether only a server with SMTPUTF8 can take the message: the sender's address, or one in
    /// the header, has a local part beyond ASCII, or the header holds raw UTF-8 (RFC 6532).
    /// Recipients whose address needs it are left out by a server without, one by one. For the others
    /// [`Encoded::convert`] writes the header in ASCII, if the sender has an address in ASCII.
    #[must_use]
    pub fn needs_smtp_utf8(&self) -> bool {
        self.0.needs_smtp_utf8
    }

    /// Whether the content has bytes beyond ASCII that may not be encoded, which only a server
    /// with 8BITMIME takes.
    #[must_use]
    pub fn needs_8bit(&self) -> bool {
        self.0.needs_8bit
    }

    /// The content in pieces, encoded as they are asked for.
    ///
    /// ```
    /// # use mailkit_mime::Message;
    /// # let message = Message::from_eml("From: a@example.com\nTo: b@example.org\n\n", None).unwrap();
    /// let mut sent = 0;
    /// for chunk in message.chunks() {
    ///     sent += chunk?.len() as u64;
    /// }
    /// assert_eq!(Some(sent), message.size());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        self.0.content.chunks()
    }

    /// Writes the content.
    ///
    /// # Errors
    ///
    /// Those of the writer, and of the sources that the content is read from.
    pub fn write_to(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.0.content.write_to(writer)
    }

    /// The whole content, held in memory.
    ///
    /// # Errors
    ///
    /// Those of the sources that the content is read from; none if all of it was in memory.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        self.0.content.to_bytes()
    }

    /// Whether an attachment comes from a reader: then the content can be had once.
    #[must_use]
    pub fn is_read_once(&self) -> bool {
        let Form::Built(tree) = &self.0.form else { return false };
        tree.nodes
            .as_slice()
            .iter()
            .any(|node| matches!(node, Node::Leaf(leaf) if matches!(leaf.source, Source::Reader(_))))
    }

    /// The content without what differs whenever the same message is built: Date, Message-ID and the number in the
    /// boundaries. Two messages that say the same have the same essence; one from [`from_eml`](Self::from_eml) is taken
    /// as it is.
    ///
    /// ```
    /// use mailkit_mime::{Message, Stamps};
    /// use time::macros::datetime;
    ///
    /// let build = |unique| {
    ///     let stamps = Stamps::new(datetime!(2026-11-23 07:03 UTC), unique);
    ///     Message::builder(stamps).from("ann@example.com").to("bob@example.org").text("a").html("b").build()
    /// };
    /// let essence = |message: Message| message.essence().collect::<Result<Vec<_>, _>>().map(|pieces| pieces.concat());
    /// assert_eq!(essence(build(1)?)?, essence(build(2)?)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn essence(&self) -> Chunks {
        let Form::Built(tree) = &self.0.form else { return self.chunks() };
        let mut header = Vec::with_capacity(tree.header_length);
        let mut differs = false;
        for line in self.0.content.written(tree.header_length).split_inclusive(|byte| *byte == b'\n') {
            // A blank starts a line that goes on with the field before: a long Message-ID is folded.
            if !matches!(line, [b' ' | b'\t', ..]) {
                differs = line.starts_with(b"Date:") || line.starts_with(b"Message-ID:");
            }
            if !differs {
                header.extend_from_slice(line);
            }
        }
        lay_out(header, tree.nodes.as_slice(), 0, Capabilities::default()).0.finish().chunks()
    }

    /// The same message with another envelope, and with these header fields in front of its own, such as a trace of whom it
    /// was for before it was redirected. Each field is a whole line that ends in CRLF.
    ///
    /// ```
    /// # use mailkit_mime::Message;
    /// use mailkit_address::{Address, Envelope};
    ///
    /// let message = Message::from_eml("From: a@example.com\nTo: b@example.org\n\n", None)?;
    /// let envelope = Envelope::null_sender(vec![Address::parse("test@example.com")?])?;
    /// let redirected = message.readdressed(envelope, "X-Original-To: b@example.org\r\n");
    /// assert_eq!(redirected.to_bytes()?, "X-Original-To: b@example.org\r\nFrom: a@example.com\r\nTo: b@example.org\r\n\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn readdressed(&self, envelope: Envelope, fields: &str) -> Self {
        let parts = &*self.0;
        let form = match &parts.form {
            Form::Built(tree) => Form::Built(Tree { header_length: tree.header_length + fields.len(), ..tree.clone() }),
            Form::Finished => Form::Finished,
        };
        Self::from(Parts { envelope, content: parts.content.behind(fields.as_bytes()), form, ..parts.clone() })
    }

    pub(crate) fn as_part(&self) -> Part {
        match &self.0.form {
            Form::Built(tree) => {
                let header = Bytes::copy_from_slice(self.0.content.written(tree.header_length));
                Part::of_message(header, tree.nodes.as_slice(), tree.depth)
            }
            Form::Finished => match self.0.content.to_bytes() {
                Ok(bytes) => Part::eml(bytes),
                // It is in a file, which was changed or removed.
                Err(error) => Part::no_message(EmlError::Unreadable { kind: error.kind(), reason: error.to_string() }),
            },
        }
    }
}

/// Without the text and the hidden recipients: logs show it.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("message_id", &self.message_id())
            .field("reverse_path", self.envelope().reverse_path())
            .field("recipients", &self.envelope().recipients().len())
            .field("subject", &self.subject())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
