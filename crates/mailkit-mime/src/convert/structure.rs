//! Walks through the structure of a message, line by line: headers, bodies, and what stands between them.
//!
//! ```text
//!            empty line ┌──────────────────────── boundary ───────────────┐
//!            ┌──────────┴────┐                                            ▼
//! header ────┤ leaf, sealed  │ body    multipart ► preamble ─ boundary ► header of a part
//!            └───────────────┘         message   ► header of that message
//! ```

use super::entity::{Gathered, Kind, Transfer};
use super::error::Untouchable;
use super::field;
use super::lines::{Line, Lines};

/// How many multiparts and messages may be nested; deeper ones are taken as they are. Postfix has the same limit
/// (`mime_nesting_limit`).
const MAX_DEPTH: usize = 100;
/// The longest field that is kept in memory.
const MAX_FIELD: usize = 1024 * 1024;

/// The header that was just read.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) kind: &'a Kind,
    pub(super) transfer: Transfer,
    /// An empty line stands behind it.
    pub(super) explicit: bool,
}

/// Which header begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the header in the message, from 0.
    pub(super) number: usize,
    /// How many messages it is in: 1 for the message itself and its parts.
    pub(super) messages: usize,
    /// Whether it is the header of a message, not of a part.
    pub(super) is_message: bool,
}

/// What is told of a message as it goes by; all octets together are the message.
pub(super) trait Visit {
    /// A header begins.
    fn begin(&mut self, place: Place);
    /// A field of it, with its line ends.
    fn field(&mut self, field: &[u8]);
    /// It ended, with an empty line if it is explicit.
    fn header_end(&mut self, header: &Header<'_>);
    /// A piece of the body of a leaf: a line, a piece of one, or a line end.
    fn body(&mut self, piece: &[u8]);
    /// The body of a leaf ended.
    fn body_end(&mut self);
    /// A piece of what must arrive as it is.
    fn sealed(&mut self, piece: &[u8]);
    /// The line of a boundary, or a line end that belongs to it.
    fn frame(&mut self, line: &[u8]);
    /// A piece of what stands before the first part or behind the last.
    fn ignored(&mut self, piece: &[u8]);
    /// A field in a block of fields, or the empty line between two.
    fn block(&mut self, field: &[u8]);
    /// A multipart ended, and its boundary never came.
    fn hollow(&mut self, number: usize);
    /// Whether a multipart is known to be hollow, and is a leaf.
    fn is_hollow(&self, number: usize) -> bool;
    /// A field was too long.
    fn field_too_long(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Blocks,
    Leaf,
    Sealed,
    Ignored,
}

/// A multipart that is open.
#[derive(Debug)]
struct Frame {
    boundary: Vec<u8>,
    digest: bool,
    number: usize,
    place: Place,
    depth: usize,
    found: bool,
}

#[derive(Debug)]
pub(super) struct Walk<V> {
    pub(super) visit: V,
    lines: Lines,
    inner: Inner,
}

#[derive(Debug)]
struct Inner {
    state: State,
    frames: Vec<Frame>,
    place: Place,
    next: usize,
    depth: usize,
    /// The field that is being read.
    field: Vec<u8>,
    gathered: Gathered,
    /// A part in a digest.
    message_by_default: bool,
    first_line: bool,
    /// The end of the last line of a body, which may belong to the boundary.
    pending_end: bool,
}

impl<V: Visit> Walk<V> {
    pub(super) fn new(mut visit: V) -> Self {
        let place = Place { number: 0, messages: 1, is_message: true };
        visit.begin(place);
        let inner = Inner {
            state: State::Header,
            frames: Vec::new(),
            place,
            next: 1,
            depth: 0,
            field: Vec::new(),
            gathered: Gathered::default(),
            message_by_default: false,
            first_line: true,
            pending_end: false,
        };
        Self { visit, lines: Lines::new(), inner }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        let Self { visit, lines, inner } = self;
        lines.push(chunk, |line| inner.line(line, visit));
    }

    pub(super) fn finish(&mut self) {
        let Self { visit, lines, inner } = self;
        lines.finish(|line| inner.line(line, visit));
        let end = std::mem::take(&mut inner.pending_end);
        if end {
            inner.content(b"\r\n", visit);
        }
        if !inner.field.is_empty() && !inner.field.ends_with(b"\n") {
            // Fields are added behind it.
            inner.field.extend_from_slice(b"\r\n");
        }
        inner.end_entity(visit);
        inner.close_frames(0, visit);
    }
}

impl Inner {
    fn line<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) {
        if line.starts && line.text.starts_with(b"--") && self.boundary(line, visit) {
            return;
        }
        match self.state {
            State::Header => self.header_line(line, visit),
            State::Blocks => self.block_line(line, visit),
            State::Leaf | State::Sealed | State::Ignored => self.body_line(line, visit),
        }
    }

    /// Takes a line that is a boundary of an open multipart, the innermost first.
    fn boundary<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) -> bool {
        let text = line.text.get(2..).unwrap_or_default().trim_ascii_end();
        let closing = text.strip_suffix(b"--");
        let found = self.frames.iter().enumerate().rev().find_map(|(at, frame)| {
            if frame.boundary == text {
                return Some((at, false));
            }
            (closing == Some(&frame.boundary)).then_some((at, true))
        });
        let Some((at, closes)) = found else { return false };
        let ends_line = std::mem::take(&mut self.pending_end);
        self.end_entity(visit);
        if ends_line {
            visit.frame(b"\r\n");
        }
        self.close_frames(at + 1, visit);
        visit.frame(line.text);
        if line.ends {
            visit.frame(b"\r\n");
        }
        let Some(frame) = self.frames.last_mut() else { return true };
        frame.found = true;
        self.depth = frame.depth;
        let (place, digest) = (frame.place, frame.digest);
        if closes {
            self.frames.pop();
            self.state = State::Ignored;
        } else {
            self.begin(Place { is_message: false, ..place }, digest, visit);
        }
        true
    }

    fn begin<V: Visit>(&mut self, place: Place, message_by_default: bool, visit: &mut V) {
        self.place = Place { number: self.next, ..place };
        self.next += 1;
        self.message_by_default = message_by_default;
        self.first_line = true;
        self.state = State::Header;
        visit.begin(self.place);
    }

    fn header_line<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) {
        let first = std::mem::replace(&mut self.first_line, false);
        if !line.starts {
            return self.extend(line, visit);
        }
        match line.text {
            [] if line.ends => {
                self.flush(visit);
                self.end_header(true, visit);
            }
            [b' ' | b'\t', ..] if !self.field.is_empty() => self.extend(line, visit),
            text if field::name(text).is_some() || (first && is_separator(text)) => {
                self.flush(visit);
                self.extend(line, visit);
            }
            _ => {
                // A line that is no field is the first of the body, though no empty line came.
                self.flush(visit);
                self.end_header(false, visit);
                self.line(line, visit);
            }
        }
    }

    fn block_line<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) {
        let goes_on = !line.starts || matches!(line.text, [b' ' | b'\t', ..]);
        if !goes_on {
            self.flush(visit);
        }
        self.extend(line, visit);
    }

    fn extend<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) {
        self.field.extend_from_slice(line.text);
        if line.ends {
            self.field.extend_from_slice(b"\r\n");
        }
        if self.field.len() > MAX_FIELD {
            visit.field_too_long();
            self.field.clear();
        }
    }

    fn flush<V: Visit>(&mut self, visit: &mut V) {
        if self.field.is_empty() {
            return;
        }
        let field = std::mem::take(&mut self.field);
        if self.state == State::Blocks {
            visit.block(&field);
        } else {
            if let Some(name) = field::name(&field) {
                self.gathered.take(name, &field);
            }
            visit.field(&field);
        }
        self.field = field;
        self.field.clear();
    }

    fn end_header<V: Visit>(&mut self, explicit: bool, visit: &mut V) {
        let (mut kind, transfer) = self.gathered.finish(self.message_by_default);
        match &kind {
            Kind::Multipart { .. } if visit.is_hollow(self.place.number) => kind = Kind::Leaf { text: false },
            Kind::Multipart { .. } | Kind::Message if self.depth >= MAX_DEPTH => {
                kind = Kind::Sealed(Untouchable::TooDeep);
            }
            _ => {}
        }
        visit.header_end(&Header { kind: &kind, transfer, explicit });
        match kind {
            Kind::Leaf { .. } => self.state = State::Leaf,
            Kind::Sealed(_) => self.state = State::Sealed,
            Kind::Fields => self.state = State::Blocks,
            Kind::Message => {
                self.depth += 1;
                let place = Place { messages: self.place.messages + 1, is_message: true, ..self.place };
                self.begin(place, false, visit);
            }
            Kind::Multipart { boundary, digest } => {
                self.depth += 1;
                let (number, place, depth) = (self.place.number, self.place, self.depth);
                self.frames.push(Frame { boundary, digest, number, place, depth, found: false });
                self.state = State::Ignored;
            }
        }
    }

    fn body_line<V: Visit>(&mut self, line: Line<'_>, visit: &mut V) {
        if std::mem::replace(&mut self.pending_end, line.ends) {
            self.content(b"\r\n", visit);
        }
        if !line.text.is_empty() {
            self.content(line.text, visit);
        }
    }

    fn content<V: Visit>(&self, piece: &[u8], visit: &mut V) {
        match self.state {
            State::Leaf => visit.body(piece),
            State::Sealed => visit.sealed(piece),
            State::Ignored => visit.ignored(piece),
            State::Header | State::Blocks => {}
        }
    }

    /// Ends the header or the body that is open.
    fn end_entity<V: Visit>(&mut self, visit: &mut V) {
        self.flush(visit);
        while self.state == State::Header {
            self.end_header(false, visit);
        }
        if self.state == State::Leaf {
            visit.body_end();
        }
        self.state = State::Ignored;
    }

    /// Closes the multiparts from that depth on.
    fn close_frames<V: Visit>(&mut self, from: usize, visit: &mut V) {
        for frame in self.frames.drain(from..).rev().filter(|frame| !frame.found) {
            visit.hollow(frame.number);
        }
    }
}

/// The line that separates the messages of a mailbox file, as some put it into a message that they forward.
fn is_separator(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}
