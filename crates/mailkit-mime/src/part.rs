//! The parts that a message is structured into.

mod attachment;
mod content_type;
mod leaf;
mod nature;
mod nodes;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

pub use self::attachment::Attachment;
pub use self::leaf::Disposition;
pub(crate) use self::leaf::{ContentType, Details, Leaf};
pub(crate) use self::nodes::Nodes;
use crate::error::{EmlError, FieldError, FieldProblem};
use crate::message::Message;
use crate::source::{Source, TextSource};

/// How many levels of multiparts and attached messages may be nested.
pub(crate) const MAX_DEPTH: usize = 100;

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// A part of a message: a leaf with content, or parts joined to a multipart (RFC 2046 §5.1).
///
/// For a body whose structure the builder shall not choose:
/// [`MessageBuilder::body`](crate::MessageBuilder::body) takes a tree of them. What is wrong in
/// one is reported when the message is built.
///
/// ```
/// use mailkit_mime::{Message, MultipartKind, Part, Stamps};
/// use time::macros::datetime;
///
/// let table = Part::new("text/csv; header=present", "a,b\r\n1,2\r\n").header("Content-Language", "en");
/// let body = Part::multipart(MultipartKind::Mixed, [Part::text("See the table."), table]);
/// let message = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 1))
///     .from("ann@example.com")
///     .to("bob@example.org")
///     .body(body)
///     .build()?;
/// # Ok::<(), mailkit_mime::BuildErrors>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Part {
    nodes: Nodes,
    depth: usize,
}

/// A tree is a row of nodes: what is inside of an `Open` or a `Message` stands between it and its
/// `Close`. So neither to write nor to drop one needs recursion.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Open(Multipart),
    /// A message of our own: its header is written, one part follows.
    Message {
        leaf: Leaf,
        header: Bytes,
    },
    Close,
    Leaf(Leaf),
    /// No body at all.
    Nothing,
    /// What cannot be part of a message, and which attachment it is.
    Refused(FieldProblem, Option<usize>),
}

#[derive(Debug, Clone)]
pub(crate) struct Multipart {
    pub(crate) kind: MultipartKind,
    /// Its own fields and parameters.
    pub(crate) leaf: Leaf,
}

/// How the parts of a multipart belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MultipartKind {
    /// One behind the other (RFC 2046 §5.1.3).
    Mixed,
    /// The same in several forms, the best one last (RFC 2046 §5.1.4).
    Alternative,
    /// The first, and what it refers to by Content-ID (RFC 2387).
    Related,
    /// Messages (RFC 2046 §5.1.5).
    Digest,
    /// A report for a mail system (RFC 6522): set the parameter `report-type`.
    Report,
}

impl MultipartKind {
    pub(crate) fn essence(self) -> &'static str {
        match self {
            Self::Mixed => "multipart/mixed",
            Self::Alternative => "multipart/alternative",
            Self::Related => "multipart/related",
            Self::Digest => "multipart/digest",
            Self::Report => "multipart/report",
        }
    }
}

impl Part {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of_text(PLAIN, text.into())
    }

    /// HTML.
    pub fn html(html: impl Into<String>) -> Self {
        Self::of_text(HTML, html.into())
    }

    /// An iCalendar object (RFC 5545) and its method, such as REQUEST (RFC 6047 §2.4).
    pub fn calendar(method: impl Into<String>, calendar: impl Into<String>) -> Self {
        Self::of_text("text/calendar; charset=utf-8", calendar.into()).parameter("method", method)
    }

    /// Content of any type, which reaches the reader byte for byte.
    ///
    /// The type is written as in `text/csv; header=present`; `multipart/…` is made by its own
    /// function. What `message/…` types hold is never encoded (RFC 2045 §6.4), but for those that are
    /// made for UTF-8, `message/global…`; so it has to be lines that can travel. A message
    /// (`message/rfc822`) is kept as [`eml`](Self::eml) keeps it.
    pub fn new(content_type: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let mut leaf = Leaf::new(ContentType::Fixed("application/octet-stream"), Source::Bytes(content.into()));
        leaf.content_type = ContentType::Given(content_type.into());
        Self::leaf(leaf)
    }

    /// Text of any type: its line ends become CRLF, and it is not encoded where it need not be.
    /// Name its charset, which is UTF-8, in the type: `text/markdown; charset=utf-8`.
    pub fn text_as(content_type: impl Into<String>, text: impl Into<String>) -> Self {
        let source = Source::Text(Bytes::from(text.into()));
        Self::leaf(Leaf::new(ContentType::Given(content_type.into()), source))
    }

    /// Parts, joined to a multipart: at least one.
    pub fn multipart(kind: MultipartKind, parts: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Joined::open(kind);
        for part in parts {
            joined.push(part);
        }
        joined.close()
    }

    /// A message as an attachment: `message/rfc822`.
    ///
    /// It is never encoded as a whole (RFC 2046 §5.2.1). One that was built here is encoded anew,
    /// part by part, for what the server has; one from
    /// [`Message::from_eml`](crate::Message::from_eml) goes as it is.
    pub fn message(message: &Message) -> Self {
        message.as_part()
    }

    /// The bytes of a finished message as an attachment: `message/rfc822`.
    ///
    /// They go as they are, but for line ends and Bcc. A line above 998 bytes is refused, and
    /// bytes beyond ASCII go only to a server with 8BITMIME, since such a part may not be encoded
    /// (RFC 2046 §5.2.1). To send anything, attach it as `application/octet-stream`.
    pub fn eml(message: impl Into<Bytes>) -> Self {
        let message = message.into();
        match crate::eml::without_blind(&message) {
            Ok(message) => Self::leaf(Leaf::new(ContentType::Fixed("message/rfc822"), Source::Lines(message))),
            Err(error) => Self::no_message(error),
        }
    }

    /// Something that is no message, which is reported when the message around it is built.
    pub(crate) fn no_message(error: EmlError) -> Self {
        Self { nodes: Node::Refused(FieldProblem::NotAMessage(error), None).into(), depth: 0 }
    }

    /// Adds a parameter to Content-Type; the value may be any text (RFC 2231).
    pub fn parameter(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        if let Some(leaf) = self.head() {
            leaf.details().parameters.push((name.into(), value.into()));
        }
        self
    }

    /// Adds a field to the part's header, such as Content-Description or Content-Language. Those
    /// that the part or the message has a function for are refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(leaf) = self.head() {
            leaf.details().headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets Content-ID, by which HTML refers to the part as `cid:…`; with or without brackets.
    pub fn content_id(mut self, id: impl Into<String>) -> Self {
        if let Some(leaf) = self.head() {
            leaf.details().content_id = Some(id.into());
        }
        self
    }

    /// Sets how a reader shall show the part (RFC 2183).
    pub fn disposition(mut self, disposition: Disposition) -> Self {
        if let Some(leaf) = self.head() {
            leaf.details().disposition = Some(disposition);
        }
        self
    }

    /// Sets the name under which a reader shall keep the part.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        if let Some(leaf) = self.head() {
            leaf.details().name = Some(name.into());
        }
        self
    }

    pub(crate) fn leaf(leaf: Leaf) -> Self {
        Self { nodes: Node::Leaf(leaf).into(), depth: 0 }
    }

    pub(crate) fn nothing() -> Self {
        Self { nodes: Node::Nothing.into(), depth: 0 }
    }

    pub(crate) fn of_text(content_type: &'static str, text: String) -> Self {
        Self::leaf(Leaf::new(ContentType::Fixed(content_type), Source::Text(Bytes::from(text))))
    }

    /// Text that is not in memory.
    pub(crate) fn of_text_source(content_type: &'static str, text: TextSource) -> Self {
        Self::leaf(Leaf::new(ContentType::Fixed(content_type), Source::StreamedText(text)))
    }

    /// A message whose header is written, and its body.
    pub(crate) fn of_message(header: Bytes, body: &[Node], depth: usize) -> Self {
        // RFC 6532 §3.7: a header in raw UTF-8 makes it another type.
        let content_type = if header.is_ascii() { "message/rfc822" } else { "message/global" };
        let leaf = Leaf::new(ContentType::Fixed(content_type), Source::Lines(Bytes::new()));
        let mut nodes = Vec::with_capacity(body.len() + 2);
        nodes.push(Node::Message { leaf, header });
        nodes.extend_from_slice(body);
        nodes.push(Node::Close);
        Self { nodes: nodes.into(), depth: depth + 1 }.bounded()
    }

    pub(crate) fn into_nodes(self) -> (Nodes, usize) {
        (self.nodes, self.depth)
    }

    /// Says which of the attachments it is, counted from 0: errors name it.
    pub(crate) fn set_attachment(&mut self, place: usize) {
        for node in self.nodes.as_mut_slice() {
            match node {
                Node::Open(Multipart { leaf, .. }) | Node::Message { leaf, .. } | Node::Leaf(leaf) => {
                    leaf.details().attachment = Some(place);
                }
                Node::Refused(_, attachment) => *attachment = Some(place),
                Node::Close | Node::Nothing => {}
            }
        }
    }

    fn head(&mut self) -> Option<&mut Leaf> {
        match self.nodes.as_mut_slice().first_mut()? {
            Node::Open(Multipart { leaf, .. }) | Node::Message { leaf, .. } | Node::Leaf(leaf) => Some(leaf),
            Node::Close | Node::Nothing | Node::Refused(..) => None,
        }
    }

    /// Lets go of what is nested too deep, so that no tree is deeper.
    fn bounded(self) -> Self {
        if self.depth <= MAX_DEPTH {
            return self;
        }
        Self { nodes: Node::Refused(FieldProblem::NestedTooDeep, None).into(), depth: 0 }
    }
}

/// A multipart that is being put together.
pub(crate) struct Joined {
    nodes: Vec<Node>,
    depth: usize,
}

impl Joined {
    pub(crate) fn open(kind: MultipartKind) -> Self {
        let leaf = Leaf::new(ContentType::Fixed(kind.essence()), Source::Lines(Bytes::new()));
        let mut nodes = Vec::with_capacity(8);
        nodes.push(Node::Open(Multipart { kind, leaf }));
        Self { nodes, depth: 0 }
    }

    pub(crate) fn push(&mut self, part: Part) {
        self.depth = self.depth.max(part.depth);
        part.nodes.append_to(&mut self.nodes);
    }

    pub(crate) fn close(mut self) -> Part {
        // Each part has a node.
        if self.nodes.len() == 1 {
            return Part { nodes: Node::Refused(FieldProblem::EmptyMultipart, None).into(), depth: 0 };
        }
        self.nodes.push(Node::Close);
        Part { nodes: self.nodes.into(), depth: self.depth + 1 }.bounded()
    }
}

/// Finds what is wrong in a row of nodes, and makes what was given ready to be written.
pub(crate) fn prepare(nodes: &mut [Node], found: &mut Vec<FieldError>) {
    for node in nodes {
        match node {
            Node::Open(Multipart { leaf, .. }) | Node::Message { leaf, .. } | Node::Leaf(leaf) => leaf.prepare(found),
            Node::Refused(problem, attachment) => {
                let field = if attachment.is_some() { "attachment" } else { "body" };
                found.push(FieldError::new(field, "", problem.clone()).of_attachment(*attachment, ""));
            }
            Node::Close | Node::Nothing => {}
        }
    }
}

/// Its structure, not its content: logs show it.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("nodes", &self.nodes.as_slice().len())
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
