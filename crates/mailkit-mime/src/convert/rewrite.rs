//! The second look at a message: it is written as the first has planned it.

use std::io::{self, Read};
use std::sync::Arc;

use super::bodies::Writer;
use super::field;
use super::plan::{Body, Plan};
use super::planner::is_of_content;
use super::signatures::is_by;
use super::structure::{Header, Place, Visit, Walk};
use crate::encoding::MAX_LINE;

/// How much is read at a time.
const PIECE: usize = 32 * 1024;

/// What is written: decided once, used each time that the content is read.
#[derive(Debug)]
pub(super) struct RewritePlan {
    pub(super) plans: Vec<Plan>,
    /// Bodies stay in 8 bits.
    pub(super) keeps_8bit: bool,
    /// The domains whose signatures are left out.
    pub(super) unsigned: Vec<String>,
}

/// Writes a message anew as it goes by.
#[derive(Debug)]
struct Rewrite {
    rewrite_plan: Arc<RewritePlan>,
    out: Vec<u8>,
    place: Place,
    plan: Plan,
    has_version: bool,
    has_encoding: bool,
    body: Writer,
    /// How long the line is that nobody reads.
    ignored: usize,
}

impl Rewrite {
    fn new(rewrite_plan: Arc<RewritePlan>) -> Self {
        Self {
            rewrite_plan,
            out: Vec::new(),
            place: Place::default(),
            plan: Plan::default(),
            has_version: false,
            has_encoding: false,
            body: Writer::Kept,
            ignored: 0,
        }
    }

    fn write_encoding(&mut self, token: &[u8]) {
        if !std::mem::replace(&mut self.has_encoding, true) {
            self.out.extend_from_slice(b"Content-Transfer-Encoding: ");
            self.out.extend_from_slice(token);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn write_field(&mut self, field: &[u8]) {
        if field::needs_conversion(field) {
            self.out.extend_from_slice(&field::convert(field));
        } else {
            self.out.extend_from_slice(field);
        }
    }
}

impl Visit for Rewrite {
    fn begin(&mut self, place: Place) {
        self.place = place;
        self.plan = self.rewrite_plan.plans.get(place.number).copied().unwrap_or_default();
        (self.has_version, self.has_encoding) = (false, false);
    }

    fn field(&mut self, field: &[u8]) {
        if self.place.number == 0 && is_by(field, &self.rewrite_plan.unsigned) {
            return;
        }
        if self.plan.is_sealed() && (!self.place.is_message || is_of_content(field)) {
            self.has_version |= is_called(field, "MIME-Version");
            self.out.extend_from_slice(field);
            return;
        }
        self.has_version |= is_called(field, "MIME-Version");
        match self.plan.token() {
            Some(token) if is_called(field, "Content-Transfer-Encoding") => self.write_encoding(token),
            _ => self.write_field(field),
        }
    }

    fn header_end(&mut self, header: &Header<'_>) {
        if !self.has_version && self.place.is_message && (self.place.number == 0 || self.plan.has_encoded()) {
            self.out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        let encodes = matches!(self.plan.body(), Body::QuotedPrintable | Body::Base64);
        match self.plan.token() {
            Some(token) if encodes => self.write_encoding(token),
            _ => {}
        }
        if header.explicit || encodes {
            self.out.extend_from_slice(b"\r\n");
        }
        self.body = Writer::of(self.plan.body());
    }

    fn body(&mut self, piece: &[u8]) {
        self.body.push(piece, &mut self.out);
    }

    fn body_end(&mut self) {
        self.body.finish(&mut self.out);
    }

    fn sealed(&mut self, piece: &[u8]) {
        self.out.extend_from_slice(piece);
    }

    fn frame(&mut self, line: &[u8]) {
        self.ignored = 0;
        self.out.extend_from_slice(line);
    }

    fn ignored(&mut self, piece: &[u8]) {
        if self.rewrite_plan.keeps_8bit {
            self.out.extend_from_slice(piece);
            return;
        }
        if piece == b"\r\n" {
            self.ignored = 0;
            self.out.extend_from_slice(piece);
            return;
        }
        // Nobody reads it (RFC 2046 §5.1.1), so it may lose octets beyond ASCII and what is behind the longest line.
        let room = MAX_LINE.saturating_sub(self.ignored).min(piece.len());
        self.ignored += room;
        let passes = |octet: &u8| octet.is_ascii() && *octet != 0;
        self.out.extend(piece.iter().take(room).map(|octet| if passes(octet) { *octet } else { b'?' }));
    }

    fn block(&mut self, field: &[u8]) {
        if self.rewrite_plan.keeps_8bit {
            self.out.extend_from_slice(field);
        } else {
            self.write_field(field);
        }
    }

    fn hollow(&mut self, _: usize) {}

    fn is_hollow(&self, number: usize) -> bool {
        self.rewrite_plan.plans.get(number).is_some_and(|plan| plan.is_hollow())
    }

    fn field_too_long(&mut self) {}
}

fn is_called(field: &[u8], name: &str) -> bool {
    field::name(field).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
}

/// A message that is converted while it is read.
pub(super) struct Converted {
    source: Box<dyn Read + Send>,
    walk: Walk<Rewrite>,
    input: Box<[u8]>,
    /// How much of what is written was handed out.
    taken: usize,
    ended: bool,
    /// The last octets that were handed out.
    line_ended: bool,
}

impl Converted {
    pub(super) fn new(source: Box<dyn Read + Send>, plan: Arc<RewritePlan>) -> Self {
        let walk = Walk::new(Rewrite::new(plan));
        Self { source, walk, input: vec![0; PIECE].into(), taken: 0, ended: false, line_ended: true }
    }

    fn fill(&mut self) -> io::Result<()> {
        let written = &self.walk.visit.out;
        if let Some(last) = written.last() {
            self.line_ended = *last == b'\n';
        }
        self.walk.visit.out.clear();
        self.taken = 0;
        while self.walk.visit.out.is_empty() && !self.ended {
            match self.source.read(&mut self.input) {
                Ok(0) => {
                    self.ended = true;
                    self.walk.finish();
                    let out = &mut self.walk.visit.out;
                    if !out.last().map_or(self.line_ended, |last| *last == b'\n') {
                        out.extend_from_slice(b"\r\n");
                    }
                }
                Ok(count) => self.walk.push(self.input.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Converted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.walk.visit.out.len() {
            self.fill()?;
        }
        let rest = self.walk.visit.out.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(slot), Some(now)) = (buffer.get_mut(..count), rest.get(..count)) {
            slot.copy_from_slice(now);
        }
        self.taken += count;
        Ok(count)
    }
}
