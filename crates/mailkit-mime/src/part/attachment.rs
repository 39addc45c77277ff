//! Files, bytes and readers that go along.

use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;

use super::content_type::{UNKNOWN, guess};
use super::{ContentType, Disposition, Leaf, Part};
use crate::source::{Reader, Source};

/// Content that goes along with a message and reaches the reader byte for byte.
///
/// A file is opened and measured when the message is built, and read each time that it is
/// encoded; if it was changed in between, that is an error there, and nothing is cut off
/// silently. The content type is that which the extension of the name tells, else
/// `application/octet-stream`.
///
/// ```
/// use mailkit_mime::{Attachment, Message, Stamps};
/// use time::macros::datetime;
///
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 1))
///     .from("ann@example.com")
///     .to("bob@example.org")
///     .html("<img src=\"cid:logo\">")
///     .attach(Attachment::bytes("logo.png", [0x89, b'P', b'N', b'G'].as_slice()).inline("logo"))
///     .attach(Attachment::bytes("numbers", "1,2").content_type("text/csv").name("numbers.csv"))
///     .build()?;
/// # Ok::<(), mailkit_mime::BuildErrors>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Attachment {
    leaf: Leaf,
}

impl Attachment {
    /// A file, under its own name.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::new(name, Source::Path(path))
    }

    /// Bytes in memory.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::new(name.into(), Source::Bytes(bytes.into()))
    }

    /// What a reader gives. It is read while the message is encoded, with blocking calls, and
    /// once only: a message that shall be sent again if need be takes files or bytes.
    ///
    /// `size` is the number of bytes that it gives; if it gives more or fewer, the content ends
    /// in an error. Without it, the size of the message is not known beforehand.
    pub fn reader(name: impl Into<String>, size: Option<u64>, reader: impl Read + Send + 'static) -> Self {
        Self::new(name.into(), Source::Reader(Reader::new(Box::new(reader), size)))
    }

    /// Sets the content type, with parameters if need be: `text/csv; header=present`.
    ///
    /// What is no application, text or media is kept as [`Part::new`] says: a file of the type
    /// `message/rfc822` is read whole when the message is built, and never encoded.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.leaf.content_type = ContentType::Given(content_type.into());
        self
    }

    /// Sets the name under which a reader shall keep it; any text, without control characters.
    ///
    /// Where no content type was given, the extension of this name tells it, if it is a known one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if let (ContentType::Fixed(current), Some(told)) = (&mut self.leaf.content_type, guess(&name)) {
            *current = told;
        }
        self.leaf.details().name = Some(name);
        self
    }

    /// Makes it part of the HTML, which refers to it as `cid:` and the identifier given.
    pub fn inline(mut self, content_id: impl Into<String>) -> Self {
        let details = self.leaf.details();
        details.content_id = Some(content_id.into());
        details.disposition = Some(Disposition::Inline);
        self
    }

    /// Sets how a reader shall show it.
    pub fn disposition(mut self, disposition: Disposition) -> Self {
        self.leaf.details().disposition = Some(disposition);
        self
    }

    /// Adds a field to the header of the part, such as Content-Description.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.leaf.details().headers.push((name.into(), value.into()));
        self
    }

    /// Whether it belongs to the HTML: it has an identifier and is shown in its place.
    pub(crate) fn is_inline(&self) -> bool {
        self.leaf
            .details
            .as_ref()
            .is_some_and(|details| details.content_id.is_some() && details.disposition == Some(Disposition::Inline))
    }

    fn new(name: String, source: Source) -> Self {
        let mut leaf = Leaf::new(ContentType::Fixed(guess(&name).unwrap_or(UNKNOWN)), source);
        let details = leaf.details();
        details.disposition = Some(Disposition::Attachment);
        details.name = Some(name).filter(|name| !name.is_empty());
        Self { leaf }
    }
}

impl From<Attachment> for Part {
    fn from(attachment: Attachment) -> Self {
        Self::leaf(attachment.leaf)
    }
}
