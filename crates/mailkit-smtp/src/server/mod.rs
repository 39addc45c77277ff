//! The server machine: bytes, time and decisions in; bytes, deadlines, questions and content out.
//!
//! ```text
//!            handle_input ─┐                        ┌─► poll_event: questions, content, facts
//!  handle_tls_established ─┼──►  [ Server ]  ───────┼─► poll_transmit, handle_transmitted
//!  handle_eof, _timeout   ─┘         ▲              └─► poll_timeout
//!                         accept, answer, answer_each
//! ```
//!
//! What makes no sense or is out of order the machine refuses by itself. Whatever it would agree to is a
//! [`Question`] to the caller, who accepts it, or answers in other words, now or later. There is one question at a time:
//! what the client sent behind it waits, so replies cannot get out of order.

mod answer;
mod command;
mod config;
mod content;
mod error;
mod event;
mod input;
mod login;
mod state;
mod stock;
mod transaction;

use std::fmt;
use std::time::{Duration, Instant};

use crate::content::StuffedDecoder;
use crate::{Extensions, Reply, Step};
use input::Input;
use state::{Advance, Open, Progress, State, Transaction};

pub use config::{ServerConfig, ServerTls, TimeLimits};
pub use error::Error;
pub use event::{Event, Question};

/// Input is wanted while less than this many octets wait to be understood, and less than this many to be sent.
const HIGH_WATER: usize = 64 * 1024;

/// A server session of SMTP or LMTP.
///
/// The caller owns the socket and the clock. It loops: read while [`wants_input`](Self::wants_input) and hand in; take
/// the events until there is none, and answer the questions; write what [`poll_transmit`](Self::poll_transmit) shows and
/// say how much of it left; wake up at [`poll_timeout`](Self::poll_timeout). Nothing moves but by
/// [`poll_event`](Self::poll_event), so the replies to everything that came at once leave at once.
///
/// ```
/// use std::time::Instant;
/// use mailkit_smtp::server::{Event, Question, Server, ServerConfig};
///
/// let now = Instant::now();
/// let mut server = Server::new(ServerConfig::new("mx.example.com"), now);
/// server.handle_input(now, b"EHLO client.example.org\r\nMAIL FROM:<ann@example.org>\r\n");
/// let mut senders = Vec::new();
/// while let Some(event) = server.poll_event() {
///     if let Event::Question(question) = event {
///         if let Question::Mail { path, .. } = question {
///             senders.push(path.to_string());
///         }
///         server.accept(now);
///     }
/// }
/// assert_eq!(senders, ["<ann@example.org>"]);
/// assert!(server.poll_transmit().starts_with(b"220 mx.example.com"));
/// assert!(server.poll_transmit().ends_with(b"250 2.1.0 sender ok\r\n"));
/// ```
pub struct Server {
    config: ServerConfig,
    state: State,
    question: Option<Open>,
    greeted: bool,
    secured: bool,
    /// What was offered to this client; nothing before EHLO, and to a client of before EHLO.
    offered: Extensions,
    user: Option<String>,
    transaction: Option<Transaction>,
    /// The last MAIL was refused: what was sent behind it unseen is no error of the client's.
    mail_refused: bool,
    /// Transactions begun on this connection.
    begun: u32,
    /// The caller is to hear that the transaction is over.
    reset_due: bool,
    errors: u32,
    error: Option<Error>,
    input: Input,
    ended: bool,
    decoder: StuffedDecoder,
    content: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` has left.
    out_sent: usize,
    /// Replies have left since the last input came.
    spoke: bool,
    turns: u64,
    now: Instant,
    /// When the time limit that runs now began.
    since: Instant,
    /// Octets of content since then.
    in_block: u64,
}

impl Server {
    /// A session on a connection that was just opened; with [`ServerTls::Established`], one that has TLS already.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        Self {
            secured: config.tls == ServerTls::Established,
            config,
            state: State::ExpectHello,
            question: None,
            greeted: false,
            offered: Extensions::default(),
            user: None,
            transaction: None,
            mail_refused: false,
            begun: 0,
            reset_due: false,
            errors: 0,
            error: None,
            input: Input::default(),
            ended: false,
            decoder: StuffedDecoder::default(),
            content: Vec::new(),
            out: Vec::new(),
            out_sent: 0,
            spoke: false,
            turns: 0,
            now,
            since: now,
            in_block: 0,
        }
    }

    /// Takes in what was read.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        if bytes.is_empty() || self.is_closed() {
            return;
        }
        self.turns += u64::from(self.spoke && self.is_waiting());
        self.spoke = false;
        self.input.feed(bytes);
    }

    /// The client has closed its side. What it sent before is still answered.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.ended = true;
    }

    /// The handshake that [`Event::StartTls`] asked for is done. All that was learnt before is forgotten.
    pub fn handle_tls_established(&mut self, now: Instant) {
        if matches!(self.state, State::ExpectTls(_)) {
            self.secured = true;
            self.state = State::ExpectHello;
            self.offered = Extensions::default();
            self.user = None;
            self.mail_refused = false;
            self.mark(now);
        }
    }

    /// Tells the machine the time; it closes where the client has taken longer than the limit.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.now = now;
            if self.poll_transmit().is_empty() {
                self.say(stock::TIMED_OUT);
            } else {
                // The client does not even read.
                self.out.clear();
                self.out_sent = 0;
            }
            self.end(Some(Error::TimedOut(self.step(), self.limit())));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    /// There is no limit while the caller owes an answer.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.greeted && self.question.is_none() && !self.is_closed();
        (waiting || !self.poll_transmit().is_empty()).then(|| self.since + self.limit())
    }

    fn limit(&self) -> Duration {
        match self.state {
            State::ExpectContent | State::ExpectChunk(_) => self.config.time_limits.block,
            _ => self.config.time_limits.command,
        }
    }

    /// What is to be written next; empty if nothing is. Say what left by [`handle_transmitted`](Self::handle_transmitted).
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.out.get(self.out_sent..).unwrap_or_default()
    }

    /// So many octets of what [`poll_transmit`](Self::poll_transmit) showed were handed to the connection.
    pub fn handle_transmitted(&mut self, now: Instant, octets: usize) {
        self.now = now;
        self.spoke |= octets > 0;
        self.out_sent = (self.out_sent + octets).min(self.out.len());
        if self.out_sent == self.out.len() && octets > 0 {
            self.out.clear();
            self.out_sent = 0;
            self.mark(now);
        }
    }

    /// Begins the time limit anew.
    fn mark(&mut self, now: Instant) {
        self.now = now;
        self.since = now;
        self.in_block = 0;
    }

    /// Whether more input is wanted: so much is kept at most, while a question waits for its answer or the client does
    /// not read what it is told. What comes once the 220 to STARTTLS has left belongs to the handshake.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let handshake = matches!(self.state, State::ExpectTls(_)) && self.out.is_empty();
        let room = self.input.pending().len() < HIGH_WATER && self.poll_transmit().len() < HIGH_WATER;
        !self.ended && !self.is_closed() && !handshake && room
    }

    /// The next question, piece of content or fact, if there is one. While a question is open there is none.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        match self.advance()? {
            Advance::Question(question) => Some(Event::Question(question)),
            Advance::Content(piece) => Some(Event::Content(self.piece(&piece))),
            Advance::Reset => Some(Event::Reset),
            Advance::StartTls => Some(Event::StartTls),
            Advance::Closed => Some(Event::Closed),
        }
    }

    fn advance(&mut self) -> Option<Advance> {
        loop {
            if std::mem::take(&mut self.reset_due) {
                return Some(Advance::Reset);
            }
            if let State::Closed(told) = &mut self.state {
                return (!std::mem::replace(told, true)).then_some(Advance::Closed);
            }
            if self.question.is_some() {
                return None;
            }
            if !self.greeted {
                self.greeted = true;
                return Some(self.ask(Open::Greeting, Question::Greeting));
            }
            let progress = match &mut self.state {
                State::ExpectTls(told) => {
                    if !self.input.pending().is_empty() {
                        self.end(Some(Error::InjectedBeforeTls));
                        continue;
                    }
                    if self.out.is_empty() && !std::mem::replace(told, true) {
                        return Some(Advance::StartTls);
                    }
                    Progress::Starved
                }
                State::ExpectContent => self.read_content(),
                State::ExpectChunk(_) => self.read_chunk(),
                _ => self.read_line(),
            };
            match progress {
                Progress::Event(event) => return Some(event),
                Progress::Made => {}
                Progress::Starved if self.ended => self.end(Some(Error::Disconnected(self.step()))),
                Progress::Starved => return None,
            }
        }
    }

    fn ask(&mut self, open: Open, question: Question) -> Advance {
        self.question = Some(open);
        Advance::Question(question)
    }

    /// Why the session ended, if it has, and not by QUIT.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether the session is over.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether TLS is on.
    #[must_use]
    pub const fn is_secured(&self) -> bool {
        self.secured
    }

    /// Who has logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// How many recipients of the transaction were accepted.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.recipients)
    }

    /// How often the client had to wait for the server before it went on: input that came after all replies so far had
    /// left, and not in the middle of a line or of content. That is the number of round trips as the peer sees it.
    ///
    /// A client that rides (sends ahead of the replies) waits less often than it could be counted here where the
    /// replies leave faster than it sends: this is the most that it can have waited.
    #[must_use]
    pub const fn turns(&self) -> u64 {
        self.turns
    }

    /// Whether the client has said something whole, and its next word may hang on the replies.
    fn is_waiting(&self) -> bool {
        let settled = self.out.is_empty() && self.question.is_none() && !self.input.is_within_line();
        settled
            && match &self.state {
                State::ExpectChunk(_) => false,
                State::ExpectContent => self.transaction.as_ref().is_some_and(|transaction| transaction.octets == 0),
                _ => true,
            }
    }

    /// The step that the session stands at.
    fn step(&self) -> Step {
        match &self.state {
            State::ExpectHello => Step::Ehlo,
            State::ExpectTls(_) => Step::Tls,
            State::ExpectResponse(_) => Step::Auth,
            State::ExpectContent | State::ExpectChunk(_) => Step::Content,
            State::ExpectCommand if self.transaction.is_some() => Step::Rcpt,
            State::ExpectCommand => Step::Mail,
            State::ExpectQuit | State::Closed(_) => Step::Quit,
        }
    }

    /// Ends the session.
    fn end(&mut self, error: Option<Error>) {
        if !self.is_closed() {
            self.question = None;
            self.transaction = None;
            self.reset_due = false;
            self.input.clear();
            self.error = error;
            self.state = State::Closed(false);
        }
    }

    /// Refuses a command that makes no sense; too many of them end the session.
    fn reject(&mut self, reply: &Reply) {
        self.errors += 1;
        if self.errors > self.config.max_errors {
            self.say(stock::TOO_MANY_ERRORS);
            return self.end(Some(Error::TooManyErrors));
        }
        self.put(reply);
    }
}

/// Shows where the session stands, and nothing of what was read or is to be sent: it may be a login, or mail.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("step", &self.step())
            .field("closed", &self.is_closed())
            .field("secured", &self.secured)
            .field("logged_in", &self.user.is_some())
            .field("recipients", &self.recipients())
            .field("errors", &self.errors)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
