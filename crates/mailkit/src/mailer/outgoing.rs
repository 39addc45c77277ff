//! What a mailer sends: a message that gets its form from the server, or content that is finished.

use std::sync::Arc;

use mailkit_address::{Address, Envelope};
use mailkit_connection::{Content, Submission};
use mailkit_mime::{BodyKind, Capabilities, ContentSource, EncodeError, Encoded};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::Body;

use crate::conversion::{Conversions, Convert, Note};
use crate::{Error, Message};

/// Up to this size a message in memory is made at once: a thread for it would cost more.
pub(crate) const ONE_PIECE: u64 = 256 * 1024;

/// Something to send: a [`Message`], or a [`Submission`] of finished content.
#[derive(Debug)]
pub struct Outgoing<'m>(What<'m>);

#[derive(Debug)]
enum What<'m> {
    Message(Text<'m>, TransactionOptions, Option<Envelope>),
    Finished(Submission),
    /// Finished content that can be read again, to be converted.
    Stored(Submission, Stored),
}

/// The content of a submission in its store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) content: Arc<dyn ContentSource>,
    /// Whether another route may still carry the message without breaking a signature.
    pub(crate) keeps_signatures: bool,
    /// Where to say that it was converted.
    pub(crate) note: Arc<Note>,
}

#[derive(Clone, Debug)]
enum Text<'m> {
    Borrowed(&'m Message),
    Owned(Arc<Message>),
}

impl<'m> Outgoing<'m> {
    /// A message with wishes of its own for the transaction; size, body kind and SMTPUTF8 are the message's.
    #[must_use]
    pub const fn with_options(message: &'m Message, options: TransactionOptions) -> Self {
        Self(What::Message(Text::Borrowed(message), options, None))
    }

    /// The same with its content in a store, to be converted where the server asks for it.
    pub(crate) fn convertible(self, stored: Stored) -> Self {
        match self.0 {
            What::Finished(submission) => Self(What::Stored(submission, stored)),
            what => Self(what),
        }
    }

    /// The same again; `None` for content that can be read once.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.0 {
            What::Message(text, options, envelope) => {
                Some(Self(What::Message(text.clone(), options.clone(), envelope.clone())))
            }
            What::Finished(submission) => Some(Self(What::Finished(submission_again(submission)?))),
            What::Stored(submission, stored) => Some(Self(What::Stored(submission_again(submission)?, stored.clone()))),
        }
    }

    /// The same for some of its recipients only; `None` where there are none.
    pub(super) fn only_for(self, recipients: Vec<Address>) -> Option<Self> {
        let narrow = |envelope: &Envelope| Envelope::new(envelope.reverse_path().clone(), recipients).ok();
        Some(Self(match self.0 {
            What::Message(text, options, _) => {
                let envelope = narrow(text.message().envelope())?;
                What::Message(text, options, Some(envelope))
            }
            What::Finished(mut submission) => {
                submission.envelope = narrow(&submission.envelope)?;
                What::Finished(submission)
            }
            What::Stored(mut submission, stored) => {
                submission.envelope = narrow(&submission.envelope)?;
                What::Stored(submission, stored)
            }
        }))
    }

    pub(super) fn recipients(&self) -> &[Address] {
        let envelope = match &self.0 {
            What::Message(_, _, Some(envelope)) => envelope,
            What::Message(text, ..) => text.message().envelope(),
            What::Finished(submission) | What::Stored(submission, _) => &submission.envelope,
        };
        envelope.recipients()
    }

    /// In the form for a server, and whether it still has to be signed.
    pub(super) fn encode(self, server: Capabilities, signed: bool) -> Result<Form, Error> {
        let (text, options, envelope) = match self.0 {
            What::Message(text, options, envelope) => (text, options, envelope),
            What::Finished(submission) => return Ok(Form::Finished(submission)),
            What::Stored(submission, stored) => return Ok(of_stored(submission, stored, server)),
        };
        let message = text.message();
        // A server on the way that takes no 8-bit content would have to change it, and break the signature: so no more
        // than the message cannot do without.
        let least = Capabilities {
            eight_bit: server.eight_bit && message.needs_8bit(),
            binary: false,
            smtp_utf8: server.smtp_utf8 && message.needs_smtp_utf8(),
        };
        let envelope = envelope.unwrap_or_else(|| message.envelope().clone());
        match message.encode(if signed { least } else { server }) {
            Ok(encoded) => Ok(Form::Encoded(encoded, envelope, options)),
            Err(error @ (EncodeError::NeedsEightBit | EncodeError::NeedsSmtpUtf8)) if reaches_ascii(&envelope) => {
                let whole = Capabilities { eight_bit: true, binary: false, smtp_utf8: message.needs_smtp_utf8() };
                let encoded = message.encode(whole).map_err(Error::encode)?;
                Ok(Form::Convert(Box::new(Convertible { encoded, envelope, options, stored: None, error })))
            }
            Err(error) => Err(Error::encode(error)),
        }
    }
}

fn submission_again(submission: &Submission) -> Option<Submission> {
    let again = Submission::new(submission.envelope.clone(), submission.content.again()?);
    Some(again.with_options(submission.options.clone()))
}

/// Whether a server without SMTPUTF8 can be given a message for somebody: its sender and a recipient have addresses in
/// ASCII. The other recipients are left out there, and their addresses in the header are written as RFC 6857 §3.1 says.
fn reaches_ascii(envelope: &Envelope) -> bool {
    !envelope.reverse_path().address().is_some_and(Address::needs_smtp_utf8)
        && !envelope.recipients().iter().all(Address::needs_smtp_utf8)
}

/// Finished content goes as it is, unless the server lacks what it needs and it can be converted.
fn of_stored(submission: Submission, stored: Stored, server: Capabilities) -> Form {
    let options = &submission.options;
    let needs_8bit = options.body == Body::EightBitMime && !server.eight_bit;
    let needs_smtp_utf8 = options.smtp_utf8 && !server.smtp_utf8;
    if !(needs_8bit || needs_smtp_utf8) || !reaches_ascii(&submission.envelope) {
        return Form::Finished(submission);
    }
    let error = if needs_8bit { EncodeError::NeedsEightBit } else { EncodeError::NeedsSmtpUtf8 };
    let body = if options.body == Body::EightBitMime { BodyKind::EightBit } else { BodyKind::SevenBit };
    let encoded = Encoded::stored(Arc::clone(&stored.content), submission.content.size(), body, options.smtp_utf8);
    let (envelope, options) = (submission.envelope.clone(), submission.options.clone());
    Form::Convert(Box::new(Convertible { encoded, envelope, options, stored: Some((submission, stored)), error }))
}

/// A message that has to be converted before the server takes it.
pub(super) struct Convertible {
    /// In the form for a server that takes anything.
    encoded: Encoded,
    envelope: Envelope,
    options: TransactionOptions,
    /// What it was before, whose content may wait for something before it ends.
    stored: Option<(Submission, Stored)>,
    /// Why it cannot go as it is.
    error: EncodeError,
}

impl Convertible {
    /// Converts it.
    pub(super) async fn convert(self, conversions: &Conversions, server: Capabilities) -> Result<Submission, Error> {
        if conversions.policy == Convert::Never {
            return Err(Error::encode(self.error));
        }
        let keeps_signatures = self.stored.as_ref().is_some_and(|(_, stored)| stored.keeps_signatures);
        let note = self.stored.as_ref().map(|(_, stored)| &*stored.note);
        let encoded = conversions.convert(self.encoded, server, keeps_signatures, note).await?;
        let mut made = submission(&encoded, self.envelope, self.options)?;
        if encoded.size().is_some_and(|size| size <= ONE_PIECE) {
            // Content in memory can be sent again, and to some of the recipients at a time.
            let whole = tokio::task::spawn_blocking(move || encoded.to_bytes()).await.map_err(Error::unfit)?;
            made.content = whole.map_err(Error::content)?.into();
        }
        if let Some((before, _)) = self.stored {
            made.content = before.content.replaced_by(made.content);
        }
        Ok(made)
    }
}

/// A message in the form for a server.
pub(super) enum Form {
    Finished(Submission),
    Encoded(Encoded, Envelope, TransactionOptions),
    Convert(Box<Convertible>),
}

/// Puts the encoded message and its envelope together.
pub(super) fn submission(
    encoded: &Encoded,
    envelope: Envelope,
    options: TransactionOptions,
) -> Result<Submission, Error> {
    let options = TransactionOptions {
        size: encoded.size(),
        body: body(encoded.body()),
        smtp_utf8: encoded.smtp_utf8(),
        ..options
    };
    Ok(Submission::new(envelope, content(encoded)?).with_options(options))
}

const fn body(kind: BodyKind) -> Body {
    match kind {
        BodyKind::SevenBit => Body::SevenBit,
        BodyKind::EightBit => Body::EightBitMime,
        BodyKind::Binary => Body::BinaryMime,
    }
}

/// Small messages in memory go in one piece; what is large, or read from somewhere, is made while it is sent.
fn content(encoded: &Encoded) -> Result<Content, Error> {
    if encoded.is_in_memory() && encoded.size().is_some_and(|size| size <= ONE_PIECE) {
        return encoded.to_bytes().map(Content::from).map_err(Error::content);
    }
    if !encoded.is_repeatable() {
        return Ok(Content::chunks(encoded.chunks(), encoded.size()));
    }
    let again = encoded.clone();
    Ok(Content::repeatable(move || again.chunks(), encoded.size()))
}

impl Text<'_> {
    fn message(&self) -> &Message {
        match self {
            Self::Borrowed(message) => message,
            Self::Owned(message) => message,
        }
    }
}

impl<'m> From<&'m Message> for Outgoing<'m> {
    fn from(message: &'m Message) -> Self {
        Self::with_options(message, TransactionOptions::default())
    }
}

impl From<Message> for Outgoing<'_> {
    fn from(message: Message) -> Self {
        Self(What::Message(Text::Owned(Arc::new(message)), TransactionOptions::default(), None))
    }
}

impl From<Submission> for Outgoing<'_> {
    fn from(submission: Submission) -> Self {
        Self(What::Finished(submission))
    }
}
