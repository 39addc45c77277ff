//! Why a session ended other than by QUIT.

use std::fmt;
use std::time::Duration;

use crate::{Reply, Step};

/// Why a session ended other than by QUIT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The client closed the connection without QUIT.
    Disconnected(Step),
    /// The client took longer than the limit.
    TimedOut(Step, Duration),
    /// The client sent more behind STARTTLS: an injection, or a broken client (RFC 3207 §6).
    InjectedBeforeTls,
    /// The client began with a TLS handshake where the greeting goes in clear.
    SpeaksTls,
    /// The client sent too many commands that make no sense.
    TooManyErrors,
    /// A BDAT without a readable size: where the next command begins cannot be known.
    UnreadableChunk,
    /// The caller ended the session, in these words.
    Dismissed(Reply),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(step) => write!(f, "the client closed the connection at {step}"),
            Self::TimedOut(step, limit) => write!(f, "the client said nothing whole within {limit:?} at {step}"),
            Self::InjectedBeforeTls => f.write_str("the client sent more behind STARTTLS: an injection, or broken"),
            Self::SpeaksTls => f.write_str("the client speaks TLS from the first byte, and this port does not"),
            Self::TooManyErrors => f.write_str("the client sent too many commands that make no sense"),
            Self::UnreadableChunk => f.write_str("the client sent a BDAT without a readable size"),
            Self::Dismissed(reply) => write!(f, "the session was ended: {reply}"),
        }
    }
}

impl std::error::Error for Error {}
