//! The client machine: bytes and time in; bytes, deadlines and facts out.
//!
//! ```text
//!            handle_input ─┐                        ┌─► poll_transmit, handle_transmitted
//!  handle_tls_established ─┼──►  [ Client ]  ───────┼─► poll_event
//!  handle_eof, _timeout   ─┘      ▲      ▲          └─► poll_timeout
//!                               begin  put_content
//! ```
//!
//! A state is the reply that is awaited, and since a pipelined protocol runs ahead of its replies (RFC 2920),
//! the state of the machine is a queue of them:
//!
//! ```text
//!  Greeting ─► Ehlo ─► StartTls ─(TLS)─► Ehlo ─► Auth … ─► (empty: ready)
//!               └─► Helo ─────────────────────────────────►    │ begin
//!                       ┌──────────────────────────────────────┘
//!                       ▼
//!  DATA:   [Reset] Mail Rcpt… Data ─354─► content ─► Content          a reply for each; in LMTP the last
//!  BDAT:   [Reset] Mail Rcpt… Chunk… Content                          one for each recipient taken
//! ```
//!
//! With PIPELINING a whole row is sent before its first reply; without, each entry waits until the queue is empty.
//! That is the only difference between the two.

mod config;
mod error;
mod parameters;
mod respond;
mod session;
mod transaction;

use std::collections::VecDeque;
use std::time::Instant;

use mailkit_address::Envelope;

use crate::sasl::ClientExchange;
use crate::{Command, Extensions, ReplyDecoder, Report, Step};
use transaction::{Stage, Transaction};

pub use config::{ClientConfig, Protocol, Security, TimeLimits};
pub use error::{BeginError, Error};
pub use transaction::TransactionOptions;

/// Content is wanted while less than this many octets wait to be sent.
const HIGH_WATER: usize = 64 * 1024;

/// What the machine tells its caller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server agreed to STARTTLS: run the handshake, then call [`Client::handle_tls_established`].
    StartTls,
    /// The session is open and logged in: transactions may begin.
    Ready,
    /// A transaction has all its replies. Transactions end in the order in which they began.
    Finished(Report),
    /// The conversation ended before a transaction had all its replies; [`Client::error`] says why.
    Interrupted(Report),
    /// The conversation is over; [`Client::error`] says why, unless it was by QUIT.
    Closed,
}

/// Which reply comes next; for the replies of a transaction, of which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Reset(u64),
    Mail(u64),
    Rcpt(u64, usize),
    Data(u64),
    Chunk(u64),
    Content(u64),
    Noop,
    Quit,
}

impl Expect {
    const fn step(self) -> Step {
        match self {
            Self::Greeting => Step::Greeting,
            Self::Ehlo | Self::Helo => Step::Ehlo,
            Self::StartTls => Step::StartTls,
            Self::Auth => Step::Auth,
            Self::Reset(_) | Self::Mail(_) | Self::Noop => Step::Mail,
            Self::Rcpt(..) => Step::Rcpt,
            Self::Data(_) => Step::Data,
            Self::Chunk(_) | Self::Content(_) => Step::Content,
            Self::Quit => Step::Quit,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    /// Between the 220 to STARTTLS and the end of the handshake.
    Securing,
    Ready,
    Quitting,
    Closed,
}

/// A client session of SMTP or LMTP.
///
/// The caller owns the socket and the clock. It loops: write what [`poll_transmit`](Self::poll_transmit) shows and say
/// how much of it left; read and hand in; take the events; wake up at [`poll_timeout`](Self::poll_timeout).
/// After [`Event::Ready`] it may [`begin`](Self::begin) a transaction, and hands in its content by
/// [`put_content`](Self::put_content) while [`wants_content`](Self::wants_content). With PIPELINING the next
/// transaction may begin as soon as the content of the last one was handed in.
///
/// A connection is clean if, and only if, [`is_idle`](Self::is_idle).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    phase: Phase,
    secured: bool,
    extensions: Extensions,
    server_name: String,
    exchange: Option<ClientExchange>,
    challenges: u8,
    decoder: ReplyDecoder,
    expected: VecDeque<Expect>,
    transactions: VecDeque<Transaction>,
    begun: u64,
    /// The last transaction may have left an envelope behind: RSET goes in front of the next one.
    stale: bool,
    events: VecDeque<Event>,
    error: Option<Error>,
    out: Vec<u8>,
    /// How much of `out` has left.
    out_sent: usize,
    /// Octets that have left since the beginning of the session.
    sent: u64,
    /// Octets that had left when the time limit last began anew.
    sent_at_mark: u64,
    /// When the time limit that runs now began.
    since: Instant,
    scratch: Vec<u8>,
}

impl Client {
    /// A session on a connection that was just opened; with [`Security::Established`], one that has TLS already.
    #[must_use]
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        Self {
            secured: config.security == Security::Established,
            config,
            phase: Phase::Opening,
            extensions: Extensions::default(),
            server_name: String::new(),
            exchange: None,
            challenges: 0,
            decoder: ReplyDecoder::new(),
            expected: VecDeque::from([Expect::Greeting]),
            transactions: VecDeque::new(),
            begun: 0,
            stale: false,
            events: VecDeque::new(),
            error: None,
            out: Vec::new(),
            out_sent: 0,
            sent: 0,
            sent_at_mark: 0,
            since: now,
            scratch: Vec::new(),
        }
    }

    /// Takes in what was read.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        if self.phase == Phase::Closed {
            return;
        }
        self.decoder.feed(bytes);
        while self.phase != Phase::Closed {
            if self.phase == Phase::Securing {
                if !self.decoder.is_empty() {
                    self.fail(Error::InjectedBeforeTls);
                }
                return;
            }
            match self.decoder.next_reply() {
                Ok(Some(reply)) => {
                    self.mark(now);
                    self.handle_reply(reply);
                    self.pump();
                }
                Ok(None) => return,
                Err(error) => self.fail(Error::Reply(self.step(), error)),
            }
        }
    }

    /// The peer has closed its side.
    pub fn handle_eof(&mut self) {
        self.fail(Error::Disconnected(self.step(), self.decoder.unfinished()));
    }

    /// The handshake that [`Event::StartTls`] asked for is done. All that was learnt before is forgotten.
    pub fn handle_tls_established(&mut self, now: Instant) {
        if self.phase == Phase::Securing {
            self.secured = true;
            self.phase = Phase::Opening;
            self.mark(now);
            self.say_hello();
        }
    }

    /// Tells the machine the time; it gives up where a step has taken longer than its limit.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.fail(Error::TimedOut(self.step(), self.limit(), self.decoder.unfinished()));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = !self.expected.is_empty() || !self.poll_transmit().is_empty() || self.wants_content();
        (self.phase != Phase::Closed && waiting).then(|| self.since + self.limit())
    }

    fn limit(&self) -> std::time::Duration {
        if self.poll_transmit().is_empty() && !self.wants_content() {
            self.config.time_limits.of(self.step())
        } else {
            self.config.time_limits.block
        }
    }

    /// What is to be written next; empty if nothing is. Say what left by [`handle_transmitted`](Self::handle_transmitted).
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.out.get(self.out_sent..).unwrap_or_default()
    }

    /// So many octets of what [`poll_transmit`](Self::poll_transmit) showed were handed to the connection.
    pub fn handle_transmitted(&mut self, now: Instant, octets: usize) {
        self.out_sent = (self.out_sent + octets).min(self.out.len());
        self.sent += octets as u64;
        if self.out_sent == self.out.len() {
            self.out.clear();
            self.out_sent = 0;
            self.mark(now);
        } else if self.sent - self.sent_at_mark >= TimeLimits::BLOCK as u64 {
            self.mark(now);
        }
    }

    /// Begins the time limit anew.
    fn mark(&mut self, now: Instant) {
        self.since = now;
        self.sent_at_mark = self.sent;
    }

    /// The next fact, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Why the conversation is over, if it is, and was not ended by QUIT.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// What the server offers, as far as it is known now.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What the server calls itself in its greeting; empty before it.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The step that is awaited.
    #[must_use]
    pub fn step(&self) -> Step {
        match (self.expected.front(), self.phase, self.transactions.back()) {
            (Some(expected), ..) => expected.step(),
            (None, Phase::Securing, _) => Step::Tls,
            (None, _, Some(_)) => Step::Content,
            (None, ..) => Step::Mail,
        }
    }

    /// Whether the session is open, logged in, and every reply of every transaction has come: the connection is clean.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.expected.is_empty() && self.transactions.is_empty() && self.out.is_empty()
    }

    /// Whether the conversation is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the conversation is not under TLS now.
    #[must_use]
    pub const fn is_in_clear(&self) -> bool {
        !self.secured
    }

    /// How many transactions have begun and have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.transactions.len()
    }

    /// Whether the server takes no further transaction on this connection (LIMITS MAILMAX, RFC 9422).
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.extensions.limits.mail_max.is_some_and(|most| self.begun >= u64::from(most))
    }

    /// Whether a transaction may [`begin`](Self::begin) now.
    #[must_use]
    pub fn can_begin(&self) -> bool {
        let free = match self.transactions.back() {
            Some(last) => last.stage == Stage::Sent && self.pipelining(),
            None => true,
        };
        self.phase == Phase::Ready && free && !self.is_used_up() && self.poll_transmit().len() < HIGH_WATER
    }

    fn pipelining(&self) -> bool {
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
        let transaction = Transaction::new(self.begun, envelope, mail, rcpt, chunking, reset);
        if self.expected.is_empty() {
            self.mark(now);
        }
        self.stale = false;
        self.begun += 1;
        self.transactions.push_back(transaction);
        self.pump();
        Ok(())
    }

    /// Whether the content of the last transaction is wanted.
    #[must_use]
    pub fn wants_content(&self) -> bool {
        self.transactions.back().is_some_and(|last| last.stage == Stage::Content)
            && self.poll_transmit().len() < HIGH_WATER
            && (self.pipelining() || self.expected.is_empty())
    }

    /// Hands in a piece of content; `last` with the last one, which may be empty.
    ///
    /// Line ends are made CRLF, and dots are stuffed where the content goes by DATA. A piece that comes when no
    /// content is wanted (the server refused the message in the meantime) is dropped.
    pub fn put_content(&mut self, piece: &[u8], last: bool) {
        let Some(transaction) = self.transactions.back_mut().filter(|last| last.stage == Stage::Content) else {
            return;
        };
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
            transaction.stage = Stage::Sent;
            transaction.last_octet = Some(self.sent + (self.out.len() - self.out_sent) as u64);
        }
        if let Some(expect) = expect {
            transaction.due += 1;
            self.expected.push_back(expect);
        }
    }

    /// Whether content of the last transaction is still to come, though it may not be wanted yet.
    #[must_use]
    pub fn needs_content(&self) -> bool {
        self.transactions.back().is_some_and(|last| last.stage != Stage::Sent)
    }

    /// The caller cannot bring the rest of the content. The message is not delivered.
    ///
    /// Between chunks the session goes on; behind a 354 there is no way back, and the conversation ends.
    pub fn abandon_content(&mut self) {
        let Some(transaction) = self.transactions.back_mut().filter(|last| last.stage == Stage::Content) else { return };
        if transaction.chunking {
            transaction.stage = Stage::Sent;
            self.stale = true;
            self.finish_done();
        } else {
            self.fail(Error::Abandoned);
        }
    }

    /// Asks the server for a sign of life (NOOP). The session is idle again when it has answered.
    pub fn noop(&mut self, now: Instant) {
        if self.is_idle() {
            self.send(&Command::Noop, Expect::Noop);
            self.mark(now);
        }
    }

    /// Says goodbye. Does nothing while transactions are in flight or the session is not open.
    pub fn quit(&mut self, now: Instant) {
        if self.is_idle() {
            self.phase = Phase::Quitting;
            self.send(&Command::Quit, Expect::Quit);
            self.mark(now);
        }
    }

    /// Sends what the last transaction may send by now.
    fn pump(&mut self) {
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
            match transaction.write_next(&mut self.out, &mut self.expected) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.fail(Error::Argument(error)),
            }
        }
        self.finish_done();
    }

    /// Reports the transactions that have all their replies.
    fn finish_done(&mut self) {
        while self.transactions.front().is_some_and(Transaction::is_done) {
            let report = self.transactions.pop_front().map(|done| done.into_report(None));
            self.events.extend(report.map(Event::Finished));
        }
    }

    fn send(&mut self, command: &Command<'_>, expect: Expect) {
        match command.write_to(&mut self.out) {
            Ok(()) => self.expected.push_back(expect),
            Err(error) => self.fail(Error::Argument(error)),
        }
    }

    /// Ends the conversation: what is in flight is reported as far as it is known.
    fn fail(&mut self, error: Error) {
        if self.phase == Phase::Closed {
            return;
        }
        let polite = self.phase == Phase::Quitting && matches!(error, Error::Disconnected(..) | Error::Closing(..));
        self.phase = Phase::Closed;
        self.expected.clear();
        self.out.clear();
        self.out_sent = 0;
        for transaction in std::mem::take(&mut self.transactions) {
            let report = transaction.into_report(Some((&error, self.sent)));
            let by_words = matches!(error, Error::Closing(..));
            self.events.push_back(if by_words { Event::Finished(report) } else { Event::Interrupted(report) });
        }
        if !polite {
            self.error = Some(error);
        }
        self.events.push_back(Event::Closed);
    }
}
