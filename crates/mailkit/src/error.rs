//! The facade's error: what kind of trouble, and everything the layer below knows of it.

use std::fmt;

use mailkit_connection::{Cause, DialError, ProxyError, TlsBlame, TlsError, UrlError};
use mailkit_mime::EncodeError;
use mailkit_smtp::client::{self, BeginError};
use mailkit_smtp::{Reply, ReplyError, Report, Step};

/// Why a message could not be made or sent.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Connection(Box<mailkit_connection::Error>),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// What kind of trouble it is: what a caller decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The settings make no sense, or a file that they name cannot be read.
    Configuration,
    /// The message or an address in it makes no sense.
    Message,
    /// The host has no address.
    HostUnknown,
    /// The network broke, or the peer hung up.
    Network,
    /// A step took longer than its limit.
    TimedOut,
    /// No TLS session, or a certificate that is not trusted.
    Tls,
    /// The login was refused, or could not be tried.
    Login,
    /// The peer does not speak the protocol.
    Protocol,
    /// The server refused the session or cannot carry the message.
    Refused,
    /// The content could not be read.
    Content,
}

impl ErrorKind {
    /// The name that `--json` output and logs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Message => "message",
            Self::HostUnknown => "host-unknown",
            Self::Network => "network",
            Self::TimedOut => "timed-out",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Content => "content",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error {
    pub(crate) fn configuration(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind: ErrorKind::Configuration, source: Source::Other(Box::new(error)) }
    }

    /// A message that cannot be made in a form that the server takes.
    pub(crate) fn encode(error: EncodeError) -> Self {
        let kind = match error {
            EncodeError::NeedsSmtpUtf8 | EncodeError::NeedsEightBit => ErrorKind::Refused,
            _ => ErrorKind::Message,
        };
        Self { kind, source: Source::Other(Box::new(error)) }
    }

    /// A message that cannot be signed.
    #[cfg(feature = "dkim")]
    pub(crate) fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind: ErrorKind::Message, source: Source::Other(Box::new(error)) }
    }

    /// Content that could not be read.
    pub(crate) fn content(error: std::io::Error) -> Self {
        Self { kind: ErrorKind::Content, source: Source::Other(Box::new(error)) }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn connection(&self) -> Option<&mailkit_connection::Error> {
        match &self.source {
            Source::Connection(error) => Some(error),
            Source::Other(_) => None,
        }
    }

    /// The step in which it happened; `None` before there was one.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        self.connection().map(mailkit_connection::Error::step)
    }

    /// The server's words, where it said any.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.connection().and_then(mailkit_connection::Error::reply)
    }

    /// What is known of each recipient; `None` where it went wrong before a message was on its way.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.connection().and_then(mailkit_connection::Error::report)
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.connection().is_some_and(mailkit_connection::Error::is_temporary)
    }

    /// Whether nobody can know if the message was delivered.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.connection().is_some_and(mailkit_connection::Error::is_ambiguous)
    }
}

impl From<mailkit_connection::Error> for Error {
    fn from(error: mailkit_connection::Error) -> Self {
        let kind = match error.cause() {
            Cause::Dial(DialError::HostUnknown { .. }) => ErrorKind::HostUnknown,
            Cause::Dial(DialError::TimedOut { .. }) => ErrorKind::TimedOut,
            Cause::Dial(DialError::Proxy {
                source: ProxyError::LoginRequired | ProxyError::LoginRefused | ProxyError::LoginTooLong,
                ..
            }) => ErrorKind::Login,
            Cause::Tls(TlsError::TimedOut { .. }) => ErrorKind::TimedOut,
            Cause::Tls(tls) if tls.blame() == TlsBlame::Network => ErrorKind::Network,
            Cause::Tls(_) => ErrorKind::Tls,
            Cause::Session(session) => session_kind(session),
            Cause::Begin(BeginError::NotReady | BeginError::UsedUp) => ErrorKind::Network,
            Cause::Begin(BeginError::Argument(_)) => ErrorKind::Message,
            Cause::Begin(_) => ErrorKind::Refused,
            Cause::Content(_) => ErrorKind::Content,
            _ => ErrorKind::Network,
        };
        Self { kind, source: Source::Connection(Box::new(error)) }
    }
}

fn session_kind(error: &client::Error) -> ErrorKind {
    match error {
        client::Error::Reply(_, ReplyError::SpeaksTls) => ErrorKind::Protocol,
        client::Error::Reply(..) | client::Error::Unexpected(..) | client::Error::Unsolicited(_) => ErrorKind::Protocol,
        client::Error::InjectedBeforeTls => ErrorKind::Protocol,
        client::Error::Refused(Step::Auth, reply) if !reply.is_temporary() => ErrorKind::Login,
        client::Error::Refused(..) | client::Error::Closing(..) => ErrorKind::Refused,
        client::Error::TimedOut(..) => ErrorKind::TimedOut,
        client::Error::NoStartTls => ErrorKind::Tls,
        client::Error::NoAuth { .. } | client::Error::NoMechanism(_) | client::Error::Sasl(_) => ErrorKind::Login,
        client::Error::CleartextAuth | client::Error::Argument(_) => ErrorKind::Configuration,
        client::Error::Abandoned | client::Error::ContentStalled(_) => ErrorKind::Content,
        _ => ErrorKind::Network,
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::configuration(error)
    }
}

/// Speaks for this layer in one line, and goes on with what lies below.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, self.kind) {
            (Source::Connection(error), _) => error.fmt(f),
            (_, ErrorKind::Configuration) => f.write_str("the settings make no sense"),
            (_, ErrorKind::Content) => f.write_str("the content could not be read"),
            _ => f.write_str("the message cannot be sent as it is"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Source::Connection(error) => std::error::Error::source(error.as_ref()),
            Source::Other(error) => Some(error.as_ref()),
        }
    }
}
