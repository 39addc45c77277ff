//! Why a conversation ended, and why a transaction could not begin. The variants say whose fault it was.

use std::fmt;
use std::time::Duration;

use mailkit_address::{ErrorMessage, chained_display};

use super::Protocol;
use crate::sasl::{Mechanism, NoCommonMechanism, SaslError};
use crate::{InvalidArgument, Reply, ReplyError, Severity, Step};

/// Why a conversation is over. No further transaction can run on its connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer does not speak SMTP, or breaks its limits.
    Reply(Step, ReplyError),
    /// The peer gave a reply that its command does not allow, such as a 354 to MAIL.
    Unexpected(Step, Reply),
    /// The peer said something that no command had asked for that had left by then.
    Unsolicited(Step, Reply),
    /// The peer refused the session: its greeting, EHLO or STARTTLS.
    Refused(Step, Reply),
    /// The peer refused the login.
    LoginRefused {
        /// The mechanisms that were tried, in order.
        tried: Vec<Mechanism>,
        /// The peer's words: what it says of user and password where it came to that, else of the last mechanism.
        reply: Reply,
    },
    /// The peer does not know the command that opens a session: it seems to speak this protocol instead.
    OtherProtocol(Protocol, Reply),
    /// The peer closes the connection by a 421 (RFC 5321 §3.8).
    Closing(Step, Reply),
    /// The peer closed the connection without a reply, or after the half line given here.
    Disconnected(Step, String),
    /// The peer took longer than the limit; the half line that had come by then is given.
    TimedOut(Step, Duration, String),
    /// The caller's content did not go on for so long, while the peer waited for it.
    ContentStalled(Duration),
    /// The peer sent bytes behind its 220 to STARTTLS: an injection, or a broken server (RFC 3207 §6).
    InjectedBeforeTls,
    /// TLS is required and the peer does not offer STARTTLS.
    NoStartTls,
    /// A login is asked for and the peer offers no AUTH.
    NoAuth {
        /// Whether TLS was on: many servers offer AUTH only then.
        secured: bool,
    },
    /// A login was about to go out in clear, which was not allowed by name.
    CleartextAuth,
    /// No mechanism is offered that can be used here.
    NoMechanism(NoCommonMechanism),
    /// The login failed on our side of it: a challenge that makes no sense, a server that cannot prove itself.
    Sasl(SaslError),
    /// The client's own name cannot go into a protocol line.
    Argument(InvalidArgument),
    /// The caller gave up in the middle of the content; the peer was never told its end.
    Abandoned,
}

impl Error {
    /// The step in which it happened.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Reply(step, _)
            | Self::Unexpected(step, _)
            | Self::Unsolicited(step, _)
            | Self::Refused(step, _)
            | Self::Closing(step, _)
            | Self::Disconnected(step, _)
            | Self::TimedOut(step, ..) => *step,
            Self::InjectedBeforeTls | Self::NoStartTls => Step::StartTls,
            Self::OtherProtocol(..) => Step::Ehlo,
            Self::LoginRefused { .. }
            | Self::NoAuth { .. }
            | Self::CleartextAuth
            | Self::NoMechanism(_)
            | Self::Sasl(_) => Step::Auth,
            Self::Argument(_) => Step::Ehlo,
            Self::Abandoned | Self::ContentStalled(_) => Step::Content,
        }
    }

    /// Whether the replies no longer match the commands, so that none of those behind the last pause proves anything.
    pub(super) const fn is_out_of_step(&self) -> bool {
        match self {
            // A server that leaves may say so by a 221 that nobody asked for.
            Self::Unsolicited(_, reply) => reply.code().get() != 221,
            // A refusal in the middle of the content is meant for it.
            Self::Unexpected(Step::Content, reply) => reply.code().get() < 400,
            // A server of LMTP that wants content for nobody.
            Self::Unexpected(Step::Data, reply) => !matches!(reply.severity(), Severity::PositiveIntermediate),
            Self::Unexpected(step, _) => matches!(step, Step::Mail | Step::Rcpt | Step::Quit),
            _ => false,
        }
    }

    /// Whether it is no error once QUIT was to be said.
    pub(super) const fn is_expected_at_quit(&self) -> bool {
        match self {
            Self::Disconnected(..) | Self::Closing(..) => true,
            Self::Unsolicited(_, reply) => reply.code().get() == 221,
            _ => false,
        }
    }

    /// The server's words, where it said any.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Unexpected(_, reply)
            | Self::Unsolicited(_, reply)
            | Self::Refused(_, reply)
            | Self::LoginRefused { reply, .. }
            | Self::OtherProtocol(_, reply)
            | Self::Closing(_, reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(_, reply) | Self::LoginRefused { reply, .. } => reply.is_temporary(),
            Self::Closing(..)
            | Self::Disconnected(..)
            | Self::TimedOut(..)
            | Self::Unsolicited(..)
            | Self::ContentStalled(_)
            | Self::Abandoned => true,
            _ => false,
        }
    }
}

impl ErrorMessage for Error {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(step, _) => write!(f, "the server broke the protocol at {step}"),
            Self::Unexpected(step, reply) => write!(f, "the server gave a reply that {step} does not allow: {reply}"),
            Self::Unsolicited(step, reply) => {
                write!(f, "the server sent a reply at {step} that no command had asked for: {reply}")
            }
            Self::LoginRefused { tried, reply } => {
                let names: Vec<_> = tried.iter().map(|mechanism| mechanism.name()).collect();
                write!(f, "the server refused the login by {}: {reply}", names.join(", then "))
            }
            Self::OtherProtocol(Protocol::Smtp, reply) => {
                write!(f, "the server does not know LHLO, so it seems to speak SMTP, not LMTP (use smtp:// or smtps://): {reply}")
            }
            Self::OtherProtocol(Protocol::Lmtp, reply) => {
                write!(f, "the server knows neither EHLO nor HELO, so it may speak LMTP, not SMTP (use lmtp://): {reply}")
            }
            Self::Refused(step, reply) => write!(f, "the server refused the session at {step}: {reply}"),
            Self::Closing(step, reply) => write!(f, "the server is closing the connection at {step}: {reply}"),
            Self::Disconnected(step, words) => {
                write!(f, "the server closed the connection at {step}")?;
                said(f, words)
            }
            Self::TimedOut(step, limit, words) => {
                write!(f, "no answer within {limit:?} at {step}")?;
                said(f, words)
            }
            Self::ContentStalled(limit) => write!(f, "the content did not go on for {limit:?}"),
            Self::InjectedBeforeTls => f.write_str("the server sent more behind its 220 to STARTTLS: an injection, or broken"),
            Self::NoStartTls => f.write_str(
                "the server does not offer STARTTLS: use smtps:// if it has a port for TLS, or ask for tls=opportunistic by name",
            ),
            Self::NoAuth { secured: true } => f.write_str("the server offers no login (AUTH): leave user and password out"),
            Self::NoAuth { secured: false } => {
                f.write_str("the server offers no login (AUTH) without TLS: use smtps:// or STARTTLS")
            }
            Self::CleartextAuth => {
                f.write_str("a login would go out in clear: use TLS, or allow it by name with allow-cleartext-auth=yes")
            }
            Self::NoMechanism(_) | Self::Sasl(_) => f.write_str("the login failed"),
            Self::Argument(_) => f.write_str("the client's name cannot be sent"),
            Self::Abandoned => f.write_str("the content was abandoned before its end"),
        }
    }
}

chained_display!(Error);

fn said(f: &mut fmt::Formatter<'_>, words: &str) -> fmt::Result {
    if words.is_empty() { Ok(()) } else { write!(f, ", having said `{words}`") }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Reply(_, error) => Some(error),
            Self::NoMechanism(error) => Some(error),
            Self::Sasl(error) => Some(error),
            Self::Argument(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a transaction could not begin. Nothing was sent, and the connection is as good as before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginError {
    /// The session is not ready: still opening, ending, or the content of another transaction is not finished.
    NotReady,
    /// No further transaction may begin on this connection (LIMITS MAILMAX, RFC 9422 §4.1, or the caller's own limit).
    UsedUp,
    /// The message is larger than the server takes (RFC 1870 §6.1).
    TooLarge {
        /// The message's size in octets.
        size: u64,
        /// What the server takes.
        limit: u64,
    },
    /// More recipients, or recipient domains, than the server takes in one transaction (RFC 9422).
    TooManyRecipients {
        /// How many recipients from the first on would fit.
        limit: usize,
    },
    /// The message needs what the server does not offer.
    Unsupported {
        /// The extension's keyword.
        extension: &'static str,
        /// What needs it.
        needed_for: &'static str,
    },
    /// The message asks for REQUIRETLS, and the connection has no TLS with a certificate that was verified (RFC 8689 §4.2.1).
    UnverifiedTls,
    /// The server holds messages only for so many seconds (RFC 4865 §4).
    HeldTooLong {
        /// The longest time in seconds.
        limit: u32,
    },
    /// A value cannot go into a protocol line.
    Argument(InvalidArgument),
}

impl ErrorMessage for BeginError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the session is not ready for a transaction"),
            Self::UsedUp => f.write_str("the connection takes no more messages: use another"),
            Self::TooLarge { size, limit } => {
                write!(f, "the message has {size} octets and the server takes {limit} at the most")
            }
            Self::TooManyRecipients { limit } => {
                write!(f, "the server takes only {limit} of these recipients at a time")
            }
            Self::Unsupported { extension, needed_for } => {
                write!(f, "the server does not offer {extension}, which {needed_for} needs")
            }
            Self::UnverifiedTls => f.write_str(
                "REQUIRETLS asks for TLS with a verified certificate, and this connection has none (without insecure=no-verify \
                 and tls=opportunistic it is verified)",
            ),
            Self::HeldTooLong { limit } => write!(f, "the server holds messages for at most {limit} seconds"),
            Self::Argument(_) => f.write_str("a value cannot be sent"),
        }
    }
}

chained_display!(BeginError);

impl std::error::Error for BeginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Argument(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InvalidArgument> for BeginError {
    fn from(error: InvalidArgument) -> Self {
        Self::Argument(error)
    }
}
