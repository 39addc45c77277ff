//! Messages that take their date and their Message-ID from the system.

use std::ops::Deref;
use std::sync::Arc;

use mailkit_address::Envelope;
use mailkit_mime::{ContentSource, EmlError, MessageBuilder};

use crate::System;

/// A finished message: its envelope, and the bytes that go over the wire.
///
/// It has its date and Message-ID from when it was built, and keeps them however often it is sent. All that a
/// [`mailkit_mime::Message`] can do, it can.
#[derive(Clone, Debug)]
pub struct Message(mailkit_mime::Message);

impl Message {
    /// Composes a message.
    ///
    /// ```
    /// use mailkit::Message;
    /// let message = Message::builder()
    ///     .from("Ann <ann@example.com>")
    ///     .to("Bob <bob@example.org>")
    ///     .subject("Hello")
    ///     .text("How are you?")
    ///     .build()?;
    /// assert_eq!(message.envelope().recipients().len(), 1);
    /// # Ok::<(), mailkit::mime::BuildErrors>(())
    /// ```
    pub fn builder() -> MessageBuilder<System> {
        MessageBuilder::new(System)
    }

    /// Takes a finished message as it is; see [`mailkit_mime::Message::from_eml`].
    ///
    /// # Errors
    /// [`EmlError`] where it has no header, or an address in it makes no sense.
    pub fn from_eml(bytes: impl Into<Vec<u8>>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        mailkit_mime::Message::from_eml(bytes.into(), envelope).map(Self)
    }

    /// Takes a finished message in a file, whose body is read while it is sent; see
    /// [`mailkit_mime::Message::from_eml_file`].
    ///
    /// # Errors
    /// As for [`from_eml`](Self::from_eml), and where the file cannot be read.
    pub fn from_eml_file(path: impl AsRef<std::path::Path>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        mailkit_mime::Message::from_eml_file(path, envelope).map(Self)
    }

    /// Takes a finished message from a source, whose body is read while it is sent; see
    /// [`mailkit_mime::Message::from_eml_source`].
    ///
    /// # Errors
    /// As for [`from_eml`](Self::from_eml), and where the source cannot be read.
    pub fn from_eml_source(source: Arc<dyn ContentSource>, envelope: Option<Envelope>) -> Result<Self, EmlError> {
        mailkit_mime::Message::from_eml_source(source, envelope).map(Self)
    }
}

impl Deref for Message {
    type Target = mailkit_mime::Message;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<mailkit_mime::Message> for Message {
    fn from(message: mailkit_mime::Message) -> Self {
        Self(message)
    }
}
