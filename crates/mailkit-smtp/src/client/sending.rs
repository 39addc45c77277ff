//! Transactions on their way out: what may begin, what may be sent, and the content.

use std::time::Instant;

use mailkit_address::Envelope;

use super::ending::Basis;
use super::parameters::NO_SMTP_UTF8;
use super::transaction::{Stage, Transaction};
use super::{BeginError, Client, Error, Event, Expect, Phase, TransactionOptions};
use crate::Command;

/// Content is wanted while less than this many octets wait to be sent.
const HIGH_WATER: usize = 64 * 1024;

impl Client {
    /// Whether a transaction may [`begin`](Self::begin) now.
    #[must_use]
    pub fn can_begin(&self) -> bool {
        let free = match self.transactions.back() {
            Some(last) => last.stage == Stage::Sent && self.pipelining(),
            None => true,
        };
        self.phase == Phase::Ready && free && !self.is_used_up() && self.poll_transmit().len() < HIGH_WATER
    }

    pub(super) fn pipelining(&self) -> bool {
        self.extensions.pipelining && self.config.pipelining
    }

    /// Begins a transaction. Its outcome comes as [`Event::Finished`] or [`Event::Interrupted`].
    ///
    /// # Errors
    /// [`BeginError`]: nothing was sent, and the session is as good as before.
    pub fn begin(&mut self, now: Instant, envelope: Envelope, options: &TransactionOptions) -> Result<(), BeginError> {
        if !self.can_begin() {
            return Err(BeginError::NotReady);
        }
        let chunking = self.extensions.chunking && self.config.chunking;
        let (mail, rcpt) = self.parameters(&envelope, options, chunking)?;
        // What BDAT leaves behind when it is refused is not settled (RFC 3030 §2): with an envelope still open, the
        // recipients of this message would be added to those of the one before.
        let reset = self.stale || (chunking && !self.transactions.is_empty());
        let needs_smtp_utf8 = envelope.needs_smtp_utf8();
        let mut transaction = Transaction::new(self.begun, envelope, mail, rcpt, chunking, reset);
        if needs_smtp_utf8 && !self.extensions.smtp_utf8 {
            transaction.leave_out_utf8(&NO_SMTP_UTF8);
        }
        if self.expected.is_empty() {
            self.mark(now);
        }
        // One that has nobody to go to sends nothing, and leaves the session as it is.
        self.stale &= transaction.is_doomed();
        self.begun += 1;
        self.transactions.push_back(transaction);
        self.pump();
        Ok(())
    }

    /// Whether the content of the last transaction is wanted.
    #[must_use]
    pub fn wants_content(&self) -> bool {
        self.phase == Phase::Ready
            && self.transactions.back().is_some_and(|last| last.stage == Stage::Content)
            && self.poll_transmit().len() < HIGH_WATER
            && (self.pipelining() || self.expected.is_empty())
    }

    /// Hands in a piece of content; `last` with the last one, which may be empty.
    ///
    /// Line ends are made CRLF, and dots are stuffed where the content goes by DATA. A piece that comes when no
    /// content is wanted (the server refused the message in the meantime) is dropped.
    pub fn put_content(&mut self, piece: &[u8], last: bool) {
        let ready = self.phase == Phase::Ready;
        let Some(transaction) = self.transactions.back_mut().filter(|last| ready && last.stage == Stage::Content)
        else {
            return;
        };
        let from = self.out.len();
        let begin = self.sent + (from - self.out_sent) as u64;
        let content_begin = *transaction.content_begin.get_or_insert(begin);
        let begin = if transaction.chunking { begin } else { content_begin };
        let expect = if transaction.chunking {
            self.scratch.clear();
            transaction.encoder.encode(piece, &mut self.scratch);
            if last {
                transaction.encoder.finish(&mut self.scratch);
            } else if self.scratch.is_empty() {
                return;
            }
            let chunk = Command::Bdat { size: self.scratch.len() as u64, last };
            // A BDAT line has no argument of the caller's in it.
            if let Err(error) = chunk.write_to(&mut self.out) {
                return self.fail(Error::Argument(error));
            }
            self.out.extend_from_slice(&self.scratch);
            Some(if last { Expect::Content(transaction.id) } else { Expect::Chunk(transaction.id) })
        } else {
            transaction.encoder.encode(piece, &mut self.out);
            if last {
                transaction.encoder.finish(&mut self.out);
            }
            last.then_some(Expect::Content(transaction.id))
        };
        transaction.count_turn();
        if last {
            transaction.pipelined = !self.expected.is_empty();
            transaction.stage = Stage::Sent;
            transaction.last_octet = Some(self.sent + (self.out.len() - self.out_sent) as u64);
        }
        if let Some(expect) = expect {
            transaction.due += 1;
            self.await_reply(expect, begin);
        }
        self.trace_content(from, last);
    }

    /// Traces content that was written from this octet of the output buffer on: a chunk by itself, else all of it at its
    /// end.
    fn trace_content(&mut self, from: usize, last: bool) {
        if self.config.tracer.is_none() {
            return;
        }
        let written = self.out.len() - from;
        let Some(transaction) = self.transactions.back_mut() else { return };
        if transaction.chunking {
            let line = memchr::memchr(b'\n', self.out.get(from..).unwrap_or_default()).map_or(0, |end| end + 1);
            let command = self.out.get(from..from + line).unwrap_or_default();
            let command = String::from_utf8_lossy(command).trim_end().to_owned();
            self.trace_line(|| command);
            self.trace_line(|| format!("[{} octets of content]", written - line));
        } else {
            transaction.content_octets += written as u64;
            let octets = transaction.content_octets;
            if last {
                self.trace_line(|| format!("[{} octets of content]", octets - ".\r\n".len() as u64));
                self.trace_line(|| ".".to_owned());
            }
        }
    }

    /// Whether content of the last transaction is still to come, though it may not be wanted yet.
    #[must_use]
    pub fn needs_content(&self) -> bool {
        self.phase == Phase::Ready && self.transactions.back().is_some_and(|last| last.stage != Stage::Sent)
    }

    /// The caller cannot bring the rest of the content. The message is not delivered.
    ///
    /// Between chunks the session goes on; behind a 354 there is no way back, and the conversation ends.
    pub fn abandon_content(&mut self) {
        let Some(transaction) = self.transactions.back_mut().filter(|last| last.stage == Stage::Content) else {
            return;
        };
        if transaction.chunking {
            transaction.stage = Stage::Sent;
            self.stale = true;
            self.finish_done();
        } else {
            self.fail(Error::Abandoned);
        }
    }

    /// Sends what the last transaction may send by now.
    pub(super) fn pump(&mut self) {
        if self.phase == Phase::Stopping {
            self.finish_done();
            return self.end_if_stopped();
        }
        loop {
            if !self.pipelining() && !self.expected.is_empty() {
                break;
            }
            let Some(transaction) = self.transactions.back_mut() else { break };
            let early = transaction.is_doomed() && !matches!(transaction.stage, Stage::AwaitGo | Stage::Sent);
            if early {
                // Nobody is left to get it: the content stays here, and the envelope there.
                transaction.stage = Stage::Sent;
                self.stale = true;
            }
            let from = self.out.len();
            let begin = self.sent + (from - self.out_sent) as u64;
            match transaction.write_next(&mut self.out) {
                Ok(Some(expect)) => {
                    self.await_reply(expect, begin);
                    self.trace_command(from);
                }
                Ok(None) => break,
                Err(error) => return self.fail(Error::Argument(error)),
            }
        }
        self.finish_done();
    }

    /// Reports the transactions that have all their replies.
    pub(super) fn finish_done(&mut self) {
        while self.transactions.front().is_some_and(Transaction::is_done) {
            let Some(done) = self.transactions.pop_front() else { return };
            let content_left = done.last_octet.is_some_and(|last| last <= self.sent);
            // Without content, the last command was one of several.
            let pipelined = done.pipelined || done.last_octet.is_none() && self.pipelining();
            let report = done.into_report(None);
            self.last_basis = Basis::new(&report, pipelined, content_left);
            self.events.push_back((Event::Finished(report), self.last_basis));
        }
    }
}
