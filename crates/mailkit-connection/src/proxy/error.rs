//! What can go wrong with a proxy.

use std::fmt;
use std::io;

use mailkit_address::{ErrorMessage, chained_display};

/// Why a proxy made no connection to the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy wants a login, and there is none.
    LoginRequired,
    /// The proxy refused the user and password.
    LoginRefused,
    /// The proxy takes neither a connection without a login nor one by user and password (RFC 1928 §3: it may want GSSAPI).
    NoLoginMethod,
    /// User or password are empty or longer than SOCKS5 can carry (RFC 1929 §2: 255 octets each).
    LoginTooLong,
    /// The proxy answered that it does not make the connection.
    Refused {
        /// The target, as `host:port`.
        target: String,
        /// The proxy's words.
        reply: String,
        /// Whether it may make it later.
        temporary: bool,
    },
    /// The other end does not speak the proxy's protocol.
    NotAProxy {
        /// What was expected.
        expected: &'static str,
        /// What was wrong.
        found: String,
    },
    /// The proxy's answer is longer than 16 KiB.
    TooLong,
    /// The proxy closed the connection instead of answering.
    Closed,
    /// The connection to the proxy broke.
    Io(io::Error),
}

impl ProxyError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { temporary, .. } => *temporary,
            Self::Closed | Self::Io(_) => true,
            Self::LoginRequired
            | Self::LoginRefused
            | Self::NoLoginMethod
            | Self::LoginTooLong
            | Self::NotAProxy { .. }
            | Self::TooLong => false,
        }
    }

    /// Sorts out what reading and writing can bring.
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl ErrorMessage for ProxyError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginRequired => f.write_str("the proxy wants a login: write proxy=scheme://user:password@host"),
            Self::NoLoginMethod => f.write_str(
                "the proxy wants another login than by user and password: have it allow that, or no login, for this host",
            ),
            Self::LoginRefused => f.write_str("the proxy refused the user and password"),
            Self::LoginTooLong => f.write_str("the proxy's user or password is empty or longer than 255 octets"),
            Self::Refused { target, reply, .. } => write!(f, "the proxy does not connect to {target}: {reply}"),
            Self::NotAProxy { expected, found } => {
                write!(f, "the proxy does not speak {expected} ({found}): check its scheme and port")
            }
            Self::TooLong => f.write_str("the proxy's answer is longer than 16 KiB"),
            Self::Closed => f.write_str("the proxy closed the connection instead of answering"),
            Self::Io(_) => f.write_str("the connection to the proxy broke"),
        }
    }
}

chained_display!(ProxyError);

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
