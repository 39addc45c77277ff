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

mod answers;
mod awaited;
mod clock;
mod config;
mod ending;
mod error;
mod login;
mod parameters;
mod redaction;
mod respond;
mod sending;
mod session;
mod stop;
#[cfg(test)]
mod tests;
mod trace;
mod transaction;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::sasl::Redactor;
use crate::{Command, Extensions, Reply, ReplyDecoder, Report, Severity, Step};
use awaited::Awaited;
use ending::Basis;
use login::Login;
use trace::Unsent;
use transaction::Transaction;

pub use config::{ClientConfig, Protocol, Security, TimeLimits};
pub use error::{BeginError, Error};
pub use trace::{Speaker, Tracer};
pub use transaction::TransactionOptions;

/// What the machine tells its caller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server agreed to STARTTLS: run the handshake, then call [`Client::handle_tls_established`].
    StartTls,
    /// The session is open and logged in: transactions may begin.
    Ready,
    /// Every recipient of a transaction has its answer. Transactions end in the order in which they began.
    Finished(Report),
    /// The conversation ended before every recipient had its answer; [`Client::error`] says why.
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
    /// Nothing more is sent: only the answers to what has left whole are awaited.
    Stopping,
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
pub struct Client {
    config: ClientConfig,
    phase: Phase,
    secured: bool,
    extensions: Extensions,
    server_name: String,
    login: Login,
    /// The secrets of the login in every form that was sent, so that nothing that the server says repeats them.
    secrets: Option<Redactor>,
    unsent_trace: Unsent,
    decoder: ReplyDecoder,
    expected: VecDeque<Awaited>,
    /// Octets that had left when the first octet of the reply arrived that is being read.
    sent_on_arrival: u64,
    transactions: VecDeque<Transaction>,
    begun: u64,
    /// The most transactions that the caller wants on this connection.
    most: Option<u64>,
    /// The last transaction may have left an envelope behind: RSET goes in front of the next one.
    stale: bool,
    /// The severity of a reply that no command had asked for.
    out_of_step: Option<Severity>,
    /// The first reply to QUIT, where it was no 221.
    first_quit_reply: Option<Reply>,
    /// What the caller was not told yet; and, for an outcome, what it rests on.
    events: VecDeque<(Event, Basis)>,
    /// The same of the outcome that was ready last.
    last_basis: Basis,
    error: Option<Error>,
    /// Wiped when it is dropped, and after each line of a login.
    out: Zeroizing<Vec<u8>>,
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
            secrets: config.credentials.as_ref().map(Redactor::new).or_else(|| config.redactor.clone()),
            config,
            phase: Phase::Opening,
            extensions: Extensions::default(),
            server_name: String::new(),
            login: Login::default(),
            unsent_trace: Unsent::default(),
            decoder: ReplyDecoder::new(),
            expected: VecDeque::from([Awaited::GREETING]),
            sent_on_arrival: 0,
            transactions: VecDeque::new(),
            begun: 0,
            most: None,
            stale: false,
            out_of_step: None,
            first_quit_reply: None,
            events: VecDeque::new(),
            last_basis: Basis::default(),
            error: None,
            out: Zeroizing::default(),
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
        if self.decoder.is_empty() {
            self.sent_on_arrival = self.sent;
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
                    self.trace_reply(&reply);
                    self.handle_reply(reply);
                    // The first octet of the next reply came with these bytes.
                    self.sent_on_arrival = self.sent;
                    self.pump();
                }
                Ok(None) => return,
                Err(error) => self.fail(Error::Reply(self.step(), self.redacted_fault(error))),
            }
        }
    }

    /// The peer has closed its side.
    pub fn handle_eof(&mut self) {
        self.fail(Error::Disconnected(self.step(), self.unfinished()));
    }

    /// The handshake that [`Event::StartTls`] asked for is done. All that was learnt before is forgotten.
    pub fn handle_tls_established(&mut self, now: Instant) {
        if self.phase == Phase::Securing {
            self.secured = true;
            self.phase = Phase::Opening;
            self.mark(now);
            self.send_ehlo();
        }
    }

    /// The next fact, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().map(|(event, _)| event)
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
            (Some(awaited), ..) => awaited.expect.step(),
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

    const fn is_opportunistic(&self) -> bool {
        matches!(self.config.security, Security::Opportunistic)
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

    /// Whether no further transaction may begin on this connection: by the server's limit (LIMITS MAILMAX, RFC 9422) or
    /// by the [caller's](Self::limit_transactions).
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        let offered = self.extensions.limits.mail_max.map(u64::from);
        offered.into_iter().chain(self.most).min().is_some_and(|most| self.begun >= most)
    }

    /// Lets at most so many transactions begin in this session, those that have begun included.
    pub fn limit_transactions(&mut self, most: u64) {
        self.most = Some(most);
    }

    /// Asks the server for a sign of life (NOOP). The session is idle again when it has answered.
    pub fn noop(&mut self, now: Instant) {
        if self.is_idle() {
            self.send(&Command::Noop, Expect::Noop);
            self.mark(now);
        }
    }

    /// Sends QUIT. Does nothing while transactions are in flight or the session is not open.
    pub fn quit(&mut self, now: Instant) {
        if self.is_idle() {
            self.phase = Phase::Quitting;
            self.send(&Command::Quit, Expect::Quit);
            self.mark(now);
        }
    }

    /// Whether the server sent a reply that no command had asked for, and the outcome that was ready last may therefore
    /// have been the answer to something else: its last reply was one of several that were under way, or says the opposite
    /// of the surplus one. The conversation is over then.
    #[must_use]
    pub fn doubts_last_outcome(&self) -> bool {
        self.out_of_step.is_some_and(|surplus| self.last_basis.is_doubtful(surplus))
    }

    fn send(&mut self, command: &Command<'_>, expect: Expect) {
        let (begin, from) = (self.written(), self.out.len());
        match command.write_to(&mut self.out) {
            Ok(()) => {
                self.await_reply(expect, begin);
                match command {
                    Command::Auth { mechanism, initial } => {
                        self.trace_line(|| login::masked(mechanism, initial.as_ref()));
                    }
                    _ => self.trace_command(from),
                }
            }
            Err(error) => self.fail(Error::Argument(error)),
        }
    }
}

/// Leaves out what is about to be sent: it may be a login, or content.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("phase", &self.phase)
            .field("secured", &self.secured)
            .field("expected", &self.expected)
            .field("in_flight", &self.in_flight())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
