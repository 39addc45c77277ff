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
//!
//! A state is what is awaited from the client:
//!
//! ```text
//!              Greeting?         Hello?
//!  ┌─────────┐        ┌─────────────┐        ┌───────────────┐ AUTH  ┌────────────────┐
//!  │ (begin) ├───────►│ ExpectHello ├───────►│ ExpectCommand │◄─────►│ ExpectResponse │ … Login?
//!  └────┬────┘        └─────────────┘        └─┬───┬───┬───▲─┘       └────────────────┘
//!       │ refused            ▲                 │   │   │   │
//!       ▼                    │  StartTls?      │   │   │   │    Mail? and Rcpt? lead from ExpectCommand to itself
//!  ┌────────────┐        ┌───┴───────┐         │   │   │   │
//!  │ ExpectQuit │        │ ExpectTls │◄────────┘   │   │   │
//!  └────────────┘        └───────────┘             │   │   │
//!                               Data? ┌────────────▼┐  │   │  Content?
//!                                     │ExpectContent├──┼───┤
//!                                     └─────────────┘  │   │  Chunk? or, after LAST, Content?
//!                                BDAT ┌────────────────▼┐  │
//!                                     │   ExpectChunk   ├──┘
//!                                     └─────────────────┘
//! ```

mod command;
mod config;
mod content;
mod error;
mod input;
mod login;
mod stock;
mod transaction;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mailkit_address::{Domain, ForwardPath, ReversePath};

use crate::client::Protocol;
use crate::content::StuffedDecoder;
use crate::parameter::{MailParameters, RcptParameters};
use crate::sasl::ServerExchange;
use crate::{EnhancedStatus, Extensions, Reply, Severity, Step};
use content::Piece;
use input::Input;
use stock::Stock;

pub use config::{ServerConfig, ServerTls, TimeLimits};
pub use error::Error;

/// Input is wanted while less than this many octets wait to be understood.
const HIGH_WATER: usize = 64 * 1024;

/// What the machine tells its caller.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The machine would agree to something: [`Server::accept`] it, or give another [`Server::answer`].
    Question(Question),
    /// A piece of content, as the client had it before dots were stuffed. The end is [`Question::Content`].
    Content(&'a [u8]),
    /// The transaction is over without a message: what was kept of it is void.
    Reset,
    /// The 220 to STARTTLS has left: run the handshake, then call [`Server::handle_tls_established`].
    StartTls,
    /// The session is over; [`Server::error`] says why, unless it was by QUIT. Close the connection when what
    /// [`Server::poll_transmit`] shows has left. A transaction that was under way is void.
    Closed,
}

/// What is about to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// A client has connected. With a refusal the session ends at its QUIT.
    Greeting,
    /// EHLO, HELO or LHLO. The reply that is proposed carries the extensions.
    Hello {
        /// What the client calls itself.
        name: String,
    },
    /// STARTTLS.
    StartTls,
    /// A login whose credentials are right. Wrong ones are refused without a question.
    Login {
        /// Who it is.
        user: String,
    },
    /// MAIL.
    Mail {
        /// Where failures are reported to.
        path: ReversePath,
        /// What follows the path.
        parameters: MailParameters,
    },
    /// RCPT.
    Rcpt {
        /// Who is to get the message.
        path: ForwardPath,
        /// What follows the path.
        parameters: RcptParameters,
    },
    /// DATA, with at least one recipient. The content follows a 354.
    Data,
    /// The end of a chunk that is not the last. After a refusal the rest of the message is dropped.
    Chunk,
    /// The end of the content: who accepts it takes over the message. In LMTP there is one reply for each
    /// recipient (RFC 2033 §4.2): see [`Server::answer_each`].
    Content {
        /// Octets of content.
        octets: u64,
    },
}

impl Question {
    /// The step of the session that is asked about.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Greeting => Step::Greeting,
            Self::Hello { .. } => Step::Ehlo,
            Self::StartTls => Step::StartTls,
            Self::Login { .. } => Step::Auth,
            Self::Mail { .. } => Step::Mail,
            Self::Rcpt { .. } => Step::Rcpt,
            Self::Data => Step::Data,
            Self::Chunk | Self::Content { .. } => Step::Content,
        }
    }
}

/// What the machine keeps of a question until it is answered.
#[derive(Debug)]
enum Open {
    Greeting,
    Hello(Box<Extensions>),
    StartTls,
    Login(String),
    Mail(Transaction),
    Rcpt(Option<Domain>),
    Data,
    Chunk,
    Content,
}

#[derive(Debug)]
enum State {
    ExpectHello,
    ExpectCommand,
    /// The answer to a challenge.
    ExpectResponse(ServerExchange),
    /// The handshake; whether the caller was told.
    ExpectTls(bool),
    ExpectContent,
    ExpectChunk(Chunk),
    ExpectQuit,
    /// Whether the caller was told.
    Closed(bool),
}

/// A BDAT that is being read.
#[derive(Debug)]
struct Chunk {
    left: u64,
    last: bool,
    /// Why its octets are dropped, if they are: the reply, which is due when they have passed.
    refusal: Option<Reply>,
    /// How many times the refusal is given.
    replies: usize,
    back: Back,
}

/// Where the session goes on behind a chunk: even one that is out of order has to be read.
#[derive(Clone, Copy, Debug)]
enum Back {
    Hello,
    Command,
    Quit,
}

#[derive(Debug, Default)]
struct Transaction {
    binary: bool,
    smtp_utf8: bool,
    /// Recipients accepted.
    recipients: usize,
    /// Whether a recipient was refused.
    refused: bool,
    domains: HashSet<Domain>,
    chunks_begun: bool,
    octets: u64,
    /// The message cannot be accepted any more, for this reason; what comes of it is dropped.
    ruined: Option<Reply>,
}

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
#[derive(Debug)]
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

    /// Whether more input is wanted: so much is kept at most, while a question waits for its answer.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.ended && !self.is_closed() && self.input.pending().len() < HIGH_WATER
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

    /// Answers the question as the machine proposes. Does nothing where none is open.
    pub fn accept(&mut self, now: Instant) {
        if let Some(open) = self.question.take() {
            self.mark(now);
            match &open {
                Open::Hello(offered) => self.put(&hello(&self.config.name, offered)),
                Open::Greeting => self.put(&greeting(&self.config)),
                _ => (0..self.replies_due(&open)).for_each(|_| self.say(proposal(&open))),
            }
            self.conclude(open, None);
        }
    }

    /// Answers the question in other words: a refusal, mostly. A 421 ends the session. In LMTP, at the end of the
    /// content, every recipient gets this reply. Does nothing where no question is open.
    ///
    /// An enhanced status is sent only where it was offered, and added where it is missing (RFC 2034 §4).
    pub fn answer(&mut self, now: Instant, reply: &Reply) {
        if let Some(open) = self.question.take() {
            self.mark(now);
            if reply.is_closing() {
                return self.dismiss(reply);
            }
            (0..self.replies_due(&open)).for_each(|_| self.put(reply));
            let agreed = reply.severity() == self.proposed_severity(&open);
            self.conclude(open, (!agreed).then(|| reply.clone()));
        }
    }

    /// Answers the end of the content in LMTP: a reply for each accepted recipient, in their order. Where there are too
    /// few, the rest gets the last one again. Elsewhere the first reply is the answer.
    pub fn answer_each(&mut self, now: Instant, replies: &[Reply]) {
        let Some(first) = replies.first() else { return self.accept(now) };
        let due = self.question.as_ref().map_or(0, |open| self.replies_due(open));
        if due < 2 {
            return self.answer(now, first);
        }
        if let Some(open) = self.question.take() {
            self.mark(now);
            let last = replies.last().unwrap_or(first);
            for reply in replies.iter().chain(std::iter::repeat(last)).take(due) {
                if reply.is_closing() {
                    return self.dismiss(reply);
                }
                self.put(reply);
            }
            let agreed = replies.iter().take(due).any(Reply::is_success);
            self.conclude(open, (!agreed).then(|| last.clone()));
        }
    }

    /// What [`accept`](Self::accept) would say; `None` where no question is open.
    #[must_use]
    pub fn proposed(&self) -> Option<Reply> {
        self.question.as_ref().map(|open| match open {
            Open::Greeting => greeting(&self.config),
            Open::Hello(offered) => hello(&self.config.name, offered),
            open => proposal(open).to_reply(),
        })
    }

    fn proposed_severity(&self, open: &Open) -> Severity {
        match open {
            Open::Data => Severity::PositiveIntermediate,
            _ => Severity::PositiveCompletion,
        }
    }

    /// How many replies the answer has.
    fn replies_due(&self, open: &Open) -> usize {
        match (open, &self.transaction) {
            (Open::Content, Some(transaction)) => self.replies_to_content(transaction.recipients),
            _ => 1,
        }
    }

    fn replies_to_content(&self, recipients: usize) -> usize {
        if self.config.protocol == Protocol::Lmtp { recipients } else { 1 }
    }

    /// Ends the session in these words, best a 421 (RFC 5321 §3.8): a shutdown, a server that is too busy. An open
    /// question has its answer with that.
    pub fn close(&mut self, now: Instant, reply: &Reply) {
        if !self.is_closed() {
            self.mark(now);
            self.dismiss(reply);
        }
    }

    fn dismiss(&mut self, reply: &Reply) {
        self.put(reply);
        self.end(Some(Error::Dismissed(reply.clone())));
    }

    /// Goes where the answer leads; `refusal` holds it where it was no agreement.
    fn conclude(&mut self, open: Open, refusal: Option<Reply>) {
        match (open, refusal) {
            (Open::Greeting, Some(_)) => self.state = State::ExpectQuit,
            (Open::Greeting, None) => {}
            (Open::Hello(offered), None) => {
                self.offered = *offered;
                self.drop_transaction();
                self.state = State::ExpectCommand;
            }
            (Open::StartTls, None) => self.state = State::ExpectTls(false),
            (Open::Login(user), None) => self.user = Some(user),
            (open, refusal) => self.conclude_transaction(open, refusal),
        }
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

    /// Appends one of the machine's own replies.
    fn say(&mut self, stock: Stock) {
        stock.write_to(self.offered.enhanced_status_codes, &mut self.out);
    }

    /// Appends a reply; its enhanced status goes along where, and only where, that was offered (RFC 2034 §4).
    fn put(&mut self, reply: &Reply) {
        let (code, text) = (reply.code(), reply.text());
        let status = match (reply.severity(), code.get(), self.offered.enhanced_status_codes) {
            (Severity::PositiveIntermediate, ..) | (.., false) => None,
            // The replies to EHLO and HELO have none.
            (Severity::PositiveCompletion, ..) if reply.enhanced().is_none() => None,
            (_, code, true) => {
                let class = u8::try_from(code / 100).unwrap_or_default();
                reply.enhanced().or_else(|| EnhancedStatus::new(class, 0, 0))
            }
        };
        if status == reply.enhanced() {
            reply.write_to(&mut self.out);
        } else {
            Reply::new(code, status, text).write_to(&mut self.out);
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

/// What comes of reading on.
#[derive(Debug)]
enum Progress {
    Event(Advance),
    Made,
    /// More input is needed.
    Starved,
}

/// An event that borrows nothing yet.
#[derive(Debug)]
enum Advance {
    Question(Question),
    Content(Piece),
    Reset,
    StartTls,
    Closed,
}

/// What is said where the caller accepts.
const fn proposal(open: &Open) -> Stock {
    match open {
        Open::StartTls => stock::GO_AHEAD_WITH_TLS,
        Open::Login(_) => stock::LOGGED_IN,
        Open::Mail(_) => stock::SENDER_OK,
        Open::Rcpt(_) => stock::RECIPIENT_OK,
        Open::Data => stock::GO_ON,
        Open::Content => stock::ACCEPTED,
        Open::Greeting | Open::Hello(_) | Open::Chunk => stock::OK,
    }
}

fn greeting(config: &ServerConfig) -> Reply {
    let protocol = if config.protocol == Protocol::Lmtp { "LMTP" } else { "ESMTP" };
    stock::GREETING.with_text(&format!("{} {protocol}", config.name))
}

/// The reply to EHLO, LHLO and HELO: its first line greets, the others offer.
fn hello(name: &str, offered: &Extensions) -> Reply {
    let mut text = name.to_owned();
    for line in offered.lines() {
        text.push('\n');
        text.push_str(&line);
    }
    stock::HELLO.with_text(&text)
}
