//! Content: by DATA up to its dot, by BDAT as many octets as were announced.

use std::ops::Range;

use super::state::{Advance, Back, Chunk, Open, Progress, State};
use super::{Question, Server, TimeLimits, stock};
use crate::Reply;

/// Where a piece of content lies until the caller has looked at it.
#[derive(Debug)]
pub(super) enum Piece {
    /// In `content`, without its stuffing.
    Decoded,
    /// In the input as it came.
    Raw(Range<usize>),
}

impl Server {
    pub(super) fn piece(&self, piece: &Piece) -> &[u8] {
        match piece {
            Piece::Decoded => &self.content,
            Piece::Raw(range) => self.input.get(range.clone()),
        }
    }

    /// Reads on behind the 354 of DATA.
    pub(super) fn read_content(&mut self) -> Progress {
        let pending = self.input.pending();
        if pending.is_empty() {
            return Progress::Starved;
        }
        self.content.clear();
        let (used, done) = self.decoder.decode(pending, &mut self.content);
        self.input.take(used as u64);
        let wanted = self.count(self.content.len() as u64, used as u64);
        if done {
            // The last piece and the end are two events: the piece goes first.
            self.state = State::ExpectChunk(Chunk {
                left: 0,
                last: true,
                refusal: self.ruined(),
                replies: self.replies_to_content(self.recipients()),
                back: Back::Command,
            });
        }
        if wanted && !self.content.is_empty() {
            Progress::Event(Advance::Content(Piece::Decoded))
        } else {
            Progress::Made
        }
    }

    /// Reads on behind a BDAT.
    pub(super) fn read_chunk(&mut self) -> Progress {
        let State::ExpectChunk(chunk) = &mut self.state else { return Progress::Made };
        if chunk.left == 0 {
            return self.finish_chunk();
        }
        let range = self.input.take(chunk.left);
        if range.is_empty() {
            return Progress::Starved;
        }
        let octets = range.len() as u64;
        chunk.left -= octets;
        let (dropped, last) = (chunk.refusal.is_some(), chunk.last);
        if dropped {
            self.count_block(octets);
            return Progress::Made;
        }
        if self.count(octets, octets) {
            return Progress::Event(Advance::Content(Piece::Raw(range)));
        }
        let replies = if last { self.replies_to_content(self.recipients()) } else { 1 };
        let refusal = self.ruined();
        if let State::ExpectChunk(chunk) = &mut self.state {
            (chunk.refusal, chunk.replies) = (refusal, replies);
        }
        Progress::Made
    }

    /// All octets of a chunk have come, or all content of DATA: it is answered.
    fn finish_chunk(&mut self) -> Progress {
        self.mark(self.now);
        let State::ExpectChunk(chunk) = std::mem::replace(&mut self.state, State::ExpectCommand) else {
            return Progress::Made;
        };
        self.state = match chunk.back {
            Back::Hello => State::ExpectHello,
            Back::Command => State::ExpectCommand,
            Back::Quit => State::ExpectQuit,
        };
        let Some(refusal) = chunk.refusal else {
            let octets = self.transaction.as_ref().map_or(0, |transaction| transaction.octets);
            return Progress::Event(if chunk.last {
                self.ask(Open::Content, Question::Content { octets })
            } else {
                self.ask(Open::Chunk, Question::Chunk)
            });
        };
        (0..chunk.replies).for_each(|_| self.put(&refusal));
        if chunk.last && self.transaction.as_ref().is_some_and(|transaction| transaction.ruined.is_some()) {
            self.transaction = None;
        }
        Progress::Made
    }

    fn ruined(&self) -> Option<Reply> {
        self.transaction.as_ref().and_then(|transaction| transaction.ruined.clone())
    }

    /// Counts content; returns whether it is still wanted.
    fn count(&mut self, octets: u64, on_the_wire: u64) -> bool {
        self.count_block(on_the_wire);
        let limit = self.limit_of_size();
        let Some(transaction) = &mut self.transaction else { return false };
        transaction.octets = transaction.octets.saturating_add(octets);
        if transaction.ruined.is_some() {
            return false;
        }
        if limit.is_some_and(|limit| transaction.octets > limit) {
            self.ruin(stock::TOO_LARGE.to_reply());
            return false;
        }
        true
    }

    /// The time limit begins anew with each block.
    fn count_block(&mut self, octets: u64) {
        self.in_block += octets;
        if self.in_block >= TimeLimits::BLOCK {
            self.mark(self.now);
        }
    }
}
