//! What the machine waits for, and what it keeps meanwhile.

use std::collections::HashSet;

use mailkit_address::Domain;

use super::content::Piece;
use super::event::Question;
use crate::sasl::ServerExchange;
use crate::{Extensions, Reply};

/// What the machine keeps of a question until it is answered.
#[derive(Debug)]
pub(super) enum Open {
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

/// What is awaited from the client. A question mark stands for a question, and leads on where it is agreed to.
///
/// ```text
///              Greeting?         Hello?
///  ┌─────────┐        ┌─────────────┐        ┌───────────────┐ AUTH  ┌────────────────┐
///  │ (begin) ├───────►│ ExpectHello ├───────►│ ExpectCommand │◄─────►│ ExpectResponse │ … Login?
///  └────┬────┘        └─────────────┘        └─┬───┬───┬───▲─┘       └────────────────┘
///       │ refused            ▲                 │   │   │   │
///       ▼                    │  StartTls?      │   │   │   │    Mail? and Rcpt? lead from ExpectCommand to itself
///  ┌────────────┐        ┌───┴───────┐         │   │   │   │
///  │ ExpectQuit │        │ ExpectTls │◄────────┘   │   │   │
///  └────────────┘        └───────────┘             │   │   │
///                               Data? ┌────────────▼┐  │   │  Content?
///                                     │ExpectContent├──┼───┤
///                                     └─────────────┘  │   │  Chunk? or, after LAST, Content?
///                                BDAT ┌────────────────▼┐  │
///                                     │   ExpectChunk   ├──┘
///                                     └─────────────────┘
/// ```
#[derive(Debug)]
pub(super) enum State {
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
pub(super) struct Chunk {
    pub(super) left: u64,
    pub(super) last: bool,
    /// Why its octets are dropped, if they are: the reply, which is due when they have passed.
    pub(super) refusal: Option<Reply>,
    /// How many times the refusal is given.
    pub(super) replies: usize,
    pub(super) back: Back,
}

/// Where the session goes on behind a chunk: even one that is out of order has to be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Back {
    Hello,
    Command,
    Quit,
}

#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) binary: bool,
    pub(super) smtp_utf8: bool,
    /// Recipients accepted.
    pub(super) recipients: usize,
    /// Whether a recipient was refused.
    pub(super) refused: bool,
    pub(super) domains: HashSet<Domain>,
    pub(super) chunks_begun: bool,
    pub(super) octets: u64,
    /// The message cannot be accepted any more, for this reason; what comes of it is dropped.
    pub(super) ruined: Option<Reply>,
}

/// What comes of reading on.
#[derive(Debug)]
pub(super) enum Progress {
    Event(Advance),
    Made,
    /// More input is needed.
    Starved,
}

/// An event that borrows nothing yet.
#[derive(Debug)]
pub(super) enum Advance {
    Question(Question),
    Content(Piece),
    Reset,
    StartTls,
    Closed,
}
