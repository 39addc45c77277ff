//! What the machine tells its caller, and what it asks.

use std::fmt;

use mailkit_address::{ForwardPath, ReversePath};

use crate::Step;
use crate::parameter::{MailParameters, RcptParameters};

/// What the machine tells its caller.
#[non_exhaustive]
pub enum Event<'a> {
    /// The machine would agree to something: [`Server::accept`](super::Server::accept) it, or give another
    /// [`Server::answer`](super::Server::answer).
    Question(Question),
    /// A piece of content, as the client had it before dots were stuffed. The end is [`Question::Content`].
    Content(&'a [u8]),
    /// The transaction is over without a message: what was kept of it is void.
    Reset,
    /// The 220 to STARTTLS has left: run the handshake, then call
    /// [`Server::handle_tls_established`](super::Server::handle_tls_established).
    StartTls,
    /// The session is over; [`Server::error`](super::Server::error) says why, unless it was by QUIT. Close the connection
    /// when what [`Server::poll_transmit`](super::Server::poll_transmit) shows has left. A transaction that was under way
    /// is void.
    Closed,
}

/// Shows how much content there is, and none of it.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(question) => f.debug_tuple("Question").field(question).finish(),
            Self::Content(piece) => write!(f, "Content({} octets)", piece.len()),
            Self::Reset => f.write_str("Reset"),
            Self::StartTls => f.write_str("StartTls"),
            Self::Closed => f.write_str("Closed"),
        }
    }
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
    /// recipient (RFC 2033 §4.2): see [`Server::answer_each`](super::Server::answer_each).
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
