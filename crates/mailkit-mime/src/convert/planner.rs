//! The first look at a message: what has to be encoded, how, and whether anything stands against it.

use super::bodies::Writer;
use super::entity::{Kind, Transfer};
use super::error::{ConvertError, Untouchable};
use super::field;
use super::plan::{Body, Plan};
use super::signatures::Signatures;
use super::structure::{Header, Place, Visit};
use crate::encoding::{MAX_LINE, base64_size};

/// Plans the conversion of a message as it is read.
#[derive(Debug, Default)]
pub(super) struct Planner {
    /// Bodies may stay in 8 bits: only the headers are to be converted.
    keeps_8bit: bool,
    pub(super) plans: Vec<Plan>,
    pub(super) signatures: Signatures,
    /// The first thing that stands against a conversion.
    pub(super) fault: Option<ConvertError>,
    place: Place,
    header: HeaderStats,
    body: BodyStats,
    /// The headers of the messages that are open, outermost first.
    messages: Vec<usize>,
    sealed: Option<Untouchable>,
}

/// What a header has that a sealed one may not have.
#[derive(Debug, Default)]
struct HeaderStats {
    /// A field beyond ASCII.
    any: bool,
    /// One that belongs to the content.
    content: bool,
}

/// What the encoding of a body depends on.
#[derive(Debug)]
struct BodyStats {
    text: bool,
    transfer: Transfer,
    has_8bit: bool,
    line: usize,
    longest: usize,
    length: u64,
    /// It in quoted-printable, as far as it came.
    encoder: Writer,
    encoded: Vec<u8>,
    quoted_printable: u64,
    /// A line that is broken would go on like a boundary.
    resembles_boundary: bool,
}

impl Default for BodyStats {
    fn default() -> Self {
        Self::new(true, Transfer::SevenBit)
    }
}

impl Default for Place {
    fn default() -> Self {
        Self { number: 0, messages: 1, is_message: true }
    }
}

impl BodyStats {
    fn new(text: bool, transfer: Transfer) -> Self {
        Self {
            text,
            transfer,
            has_8bit: false,
            line: 0,
            longest: 0,
            length: 0,
            encoder: Writer::of(Body::QuotedPrintable),
            encoded: Vec::new(),
            quoted_printable: 0,
            resembles_boundary: false,
        }
    }

    fn take(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        if piece == b"\r\n" {
            self.line = 0;
        } else {
            self.line += piece.len();
            self.longest = self.longest.max(self.line);
            self.has_8bit |= !piece.is_ascii() || memchr::memchr(0, piece).is_some();
        }
        let before = self.encoded.len();
        self.encoder.push(piece, &mut self.encoded);
        self.look_at_breaks(before);
    }

    /// Counts what was encoded, and keeps as much of it as a break may reach back.
    fn look_at_breaks(&mut self, before: usize) {
        const BREAK: &[u8] = b"=\r\n--";
        self.quoted_printable += (self.encoded.len() - before) as u64;
        self.resembles_boundary |= memchr::memmem::find(&self.encoded, BREAK).is_some();
        let kept = self.encoded.len().min(BREAK.len() - 1);
        self.encoded.drain(..self.encoded.len() - kept);
    }

    /// How the body is to be written.
    fn choose(&mut self) -> Result<Body, Untouchable> {
        let before = self.encoded.len();
        self.encoder.finish(&mut self.encoded);
        self.look_at_breaks(before);
        if !self.has_8bit && self.longest <= MAX_LINE {
            return Ok(Body::Kept);
        }
        let base64 = base64_size(self.length);
        let quoted_printable = match self.text {
            true => self.quoted_printable <= base64,
            false => self.quoted_printable < base64,
        };
        match self.transfer {
            Transfer::QuotedPrintable => Ok(Body::MendQuotedPrintable),
            Transfer::Base64 => Ok(Body::MendBase64),
            Transfer::Uuencode => Err(Untouchable::Uuencode),
            _ if quoted_printable && !self.resembles_boundary => Ok(Body::QuotedPrintable),
            _ => Ok(Body::Base64),
        }
    }
}

impl Planner {
    pub(super) fn new(keeps_8bit: bool) -> Self {
        Self { keeps_8bit, ..Self::default() }
    }

    fn refuse(&mut self, what: Untouchable) {
        self.fault.get_or_insert(ConvertError::Untouchable(what));
    }

    fn plan(&mut self, number: usize) -> Option<&mut Plan> {
        self.plans.get_mut(number)
    }

    /// Fixes how the body of the header that was read last is written.
    fn end_body(&mut self, number: usize) {
        if self.keeps_8bit {
            return;
        }
        match self.body.choose() {
            Err(what) => self.refuse(what),
            Ok(body) => {
                if let Some(plan) = self.plan(number) {
                    plan.set_body(body);
                }
                if matches!(body, Body::QuotedPrintable | Body::Base64) {
                    for at in 0..self.messages.len() {
                        let number = self.messages[at];
                        self.plan(number).into_iter().for_each(Plan::set_has_encoded);
                    }
                }
            }
        }
    }
}

impl Visit for Planner {
    fn begin(&mut self, place: Place) {
        self.place = place;
        self.plans.push(Plan::default());
        self.header = HeaderStats::default();
        self.messages.truncate(place.messages - usize::from(place.is_message));
        if place.is_message {
            self.messages.push(place.number);
        }
    }

    fn field(&mut self, field: &[u8]) {
        if self.place.number == 0 {
            self.signatures.take(field);
        }
        if !field.is_ascii() {
            self.header.any = true;
            self.header.content |= is_of_content(field);
        }
    }

    fn header_end(&mut self, header: &Header<'_>) {
        let mut text = false;
        self.sealed = None;
        let mut plan = Plan::default();
        if !self.keeps_8bit && header.transfer == Transfer::EightBit {
            plan.set_label();
        }
        match header.kind {
            Kind::Sealed(what) => {
                self.sealed = Some(*what);
                plan = Plan::default();
                plan.set_sealed();
                if self.header.content || (self.header.any && !self.place.is_message) {
                    self.refuse(*what);
                }
            }
            Kind::Leaf { text: is_text } => text = *is_text,
            Kind::Multipart { boundary, .. } if !boundary.is_ascii() => self.refuse(Untouchable::Boundary),
            Kind::Multipart { .. } | Kind::Message | Kind::Fields => {}
        }
        if let Some(slot) = self.plan(self.place.number) {
            *slot = plan;
        }
        self.body = BodyStats::new(text, header.transfer);
    }

    fn body(&mut self, piece: &[u8]) {
        self.body.take(piece);
    }

    fn body_end(&mut self) {
        self.end_body(self.place.number);
    }

    fn sealed(&mut self, piece: &[u8]) {
        if !self.keeps_8bit && !piece.is_ascii() {
            self.refuse(self.sealed.unwrap_or(Untouchable::Smime));
        }
    }

    fn frame(&mut self, _: &[u8]) {}

    fn ignored(&mut self, piece: &[u8]) {
        // It is a body after all if the boundary never comes.
        self.body.take(piece);
    }

    fn block(&mut self, _: &[u8]) {}

    fn hollow(&mut self, number: usize) {
        // Only the innermost can be one that has a body: another without parts has a header in it, or nothing.
        if let Some(plan) = self.plan(number) {
            plan.set_hollow();
        }
        if number == self.place.number {
            self.end_body(number);
        }
    }

    fn is_hollow(&self, _: usize) -> bool {
        false
    }

    fn field_too_long(&mut self) {
        self.fault.get_or_insert(ConvertError::FieldTooLong);
    }
}

/// Whether a field says how the content is to be read.
pub(super) fn is_of_content(field: &[u8]) -> bool {
    field::name(field).and_then(|name| name.get(..8)).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"))
}
