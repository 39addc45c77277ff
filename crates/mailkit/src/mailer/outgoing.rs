//! What a mailer sends: a message that gets its form from the server, or content that is finished.

use std::sync::Arc;

use mailkit_address::{Address, Envelope};
use mailkit_connection::{Content, Submission};
use mailkit_mime::{BodyKind, Capabilities, Encoded};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::Body;

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

    /// The same again; `None` for content that can be read once.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.0 {
            What::Message(text, options, envelope) => {
                Some(Self(What::Message(text.clone(), options.clone(), envelope.clone())))
            }
            What::Finished(submission) => {
                let content = submission.content.again()?;
                let again = Submission::new(submission.envelope.clone(), content);
                Some(Self(What::Finished(again.with_options(submission.options.clone()))))
            }
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
        }))
    }

    pub(super) fn recipients(&self) -> &[Address] {
        let envelope = match &self.0 {
            What::Message(_, _, Some(envelope)) => envelope,
            What::Message(text, ..) => text.message().envelope(),
            What::Finished(submission) => &submission.envelope,
        };
        envelope.recipients()
    }

    /// In the form for a server, and whether it still has to be signed.
    pub(super) fn encode(self, server: Capabilities, signed: bool) -> Result<Form, Error> {
        let (text, options, envelope) = match self.0 {
            What::Message(text, options, envelope) => (text, options, envelope),
            What::Finished(submission) => return Ok(Form::Finished(submission)),
        };
        let message = text.message();
        // A server on the way that takes no 8-bit content would have to change it, and break the signature: so no more
        // than the message cannot do without.
        let least = Capabilities {
            eight_bit: server.eight_bit && message.needs_8bit(),
            binary: false,
            smtp_utf8: server.smtp_utf8 && message.needs_smtp_utf8(),
        };
        let encoded = message.encode(if signed { least } else { server }).map_err(Error::encode)?;
        let envelope = envelope.unwrap_or_else(|| message.envelope().clone());
        Ok(Form::Encoded(encoded, envelope, options))
    }
}

/// A message in the form for a server.
pub(super) enum Form {
    Finished(Submission),
    Encoded(Encoded, Envelope, TransactionOptions),
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
    Ok(Content::chunks(encoded.chunks(), encoded.size()))
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
