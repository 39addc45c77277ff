//! The facade's error: what kind of trouble, and everything the layer below knows of it.

mod route;

use std::fmt;
use std::time::Duration;

use mailkit_address::{ErrorMessage, chained_display};
use mailkit_connection::{Cause, DialError, ProxyError, TlsBlame, TlsError, UrlError};
use mailkit_mime::EncodeError;
use mailkit_pool::AcquireError;
#[cfg(feature = "outbox")]
use mailkit_queue::QueueError;
use mailkit_smtp::client::{self, BeginError};
use mailkit_smtp::{Reply, ReplyError, Report, Status, Step};
pub(crate) use route::RouteRefusal;

/// Why a message could not be made or sent.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Source,
    /// What is known of each recipient, where a part of the message went over another connection.
    report: Option<Box<Report>>,
}

#[derive(Debug)]
enum Source {
    Connection(Box<mailkit_connection::Error>),
    Pool(AcquireError),
    /// The server refused every recipient for a reason of the route.
    Route(RouteRefusal),
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
    /// All connections that the settings allow stayed in use.
    Busy,
    /// The mailer was closed.
    Closed,
    /// The queue holds as much as it may.
    QueueFull,
    /// The idempotency key, or the name, stands for another message.
    Conflict,
    /// The queue's store cannot be reached, or has no room.
    StoreUnavailable,
    /// The queue's store has failed for good.
    StoreFailed,
    /// The queue's store is damaged, or was not created by mailkit.
    StoreDamaged,
    /// The queue's store was written by another version of mailkit, with a schema that this version cannot use.
    StoreIncompatible,
    /// There is no store of a queue where it was looked for, or no folder to make it in.
    StoreMissing,
    /// No store of a queue can be at its place before that was put right.
    StoreUnusable,
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
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::QueueFull => "queue-full",
            Self::Conflict => "conflict",
            Self::StoreUnavailable => "store-unavailable",
            Self::StoreFailed => "store-failed",
            Self::StoreDamaged => "store-damaged",
            Self::StoreIncompatible => "store-incompatible",
            Self::StoreMissing => "store-missing",
            Self::StoreUnusable => "store-unusable",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error {
    fn other(kind: ErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind, source: Source::Other(Box::new(error)), report: None }
    }

    /// Adds what became of the recipients that went before.
    pub(crate) fn behind(mut self, before: Option<Report>) -> Self {
        let Some(mut report) = before else { return self };
        if let Some(own) = self.report() {
            report.merge(own.clone());
        }
        self.report = Some(Box::new(report));
        self
    }

    /// The same with another report on the recipients.
    pub(crate) fn with_report(mut self, change: impl FnOnce(Report) -> Report) -> Self {
        if let Some(report) = self.report().cloned() {
            self.report = Some(Box::new(change(report)));
        }
        self
    }

    pub(crate) fn configuration(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::other(ErrorKind::Configuration, error)
    }

    /// A message that cannot be made in a form that the server takes.
    pub(crate) fn encode(error: EncodeError) -> Self {
        let kind = match error {
            EncodeError::NeedsSmtpUtf8 | EncodeError::NeedsEightBit => ErrorKind::Refused,
            _ => ErrorKind::Message,
        };
        Self::other(kind, error)
    }

    /// A message that needs what the server lacks.
    pub(crate) fn lacking(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::other(ErrorKind::Refused, error)
    }

    /// A message that cannot be signed or stored.
    pub(crate) fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::other(ErrorKind::Message, error)
    }

    /// Content that could not be read.
    pub(crate) fn content(error: std::io::Error) -> Self {
        Self::other(ErrorKind::Content, error)
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The failure of the route behind a report, where the server refused every recipient for a reason of the route: a
    /// login or TLS is missing, the account has reached a limit. It is no verdict on the recipients.
    pub(crate) fn of_route(report: Report) -> Result<Report, Self> {
        let Some(refusal) = RouteRefusal::find(&report) else { return Ok(report) };
        let kind = refusal.kind();
        Err(Self { kind, source: Source::Route(refusal), report: Some(Box::new(report)) })
    }

    fn connection(&self) -> Option<&mailkit_connection::Error> {
        match &self.source {
            Source::Connection(error) => Some(error),
            Source::Pool(error) => error.connection(),
            Source::Route(_) | Source::Other(_) => None,
        }
    }

    /// The step in which it happened; `None` before there was one.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        match &self.source {
            Source::Route(refusal) => Some(refusal.step),
            _ => self.connection().map(mailkit_connection::Error::step),
        }
    }

    /// The server's words, where it said any.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match &self.source {
            Source::Route(refusal) => Some(&refusal.reply),
            _ => self.connection().and_then(mailkit_connection::Error::reply),
        }
    }

    /// Whether the message was not sent since its lease was over, and nothing is known of any recipient.
    pub(crate) fn is_revoked(&self) -> bool {
        let is_unsent = |report: &Report| report.recipients.iter().all(|entry| entry.status == Status::Unsent);
        let cause = self.connection().map(mailkit_connection::Error::cause);
        matches!(cause, Some(Cause::Revoked)) && self.report().is_none_or(is_unsent)
    }

    /// What is known of each recipient; `None` where it went wrong before a message was on its way.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        let whole = self.report.as_deref();
        whole.or_else(|| self.connection().and_then(mailkit_connection::Error::report))
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match &self.source {
            Source::Connection(error) => error.is_temporary(),
            Source::Pool(error) => error.is_temporary(),
            Source::Route(refusal) => refusal.is_temporary(),
            Source::Other(_) => matches!(self.kind, ErrorKind::QueueFull | ErrorKind::StoreUnavailable),
        }
    }

    /// In how long the server is asked for a connection again, where it refused one: until then every message fails at
    /// once.
    #[must_use]
    pub const fn retry_in(&self) -> Option<Duration> {
        match &self.source {
            Source::Pool(AcquireError::Refused { retry_in, .. }) => Some(*retry_in),
            _ => None,
        }
    }

    /// Whether nobody can know if the message was delivered.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.report().is_some_and(Report::is_ambiguous)
    }
}

impl From<mailkit_connection::Error> for Error {
    fn from(error: mailkit_connection::Error) -> Self {
        Self { kind: connection_kind(&error), source: Source::Connection(Box::new(error)), report: None }
    }
}

impl From<AcquireError> for Error {
    fn from(error: AcquireError) -> Self {
        let kind = match (&error, error.connection()) {
            (_, Some(connection)) => connection_kind(connection),
            (AcquireError::Closed, None) => ErrorKind::Closed,
            (_, None) => ErrorKind::Busy,
        };
        Self { kind, source: Source::Pool(error), report: None }
    }
}

fn connection_kind(error: &mailkit_connection::Error) -> ErrorKind {
    match error.cause() {
        Cause::Dial(DialError::HostUnknown { .. }) => ErrorKind::HostUnknown,
        Cause::Dial(DialError::TimedOut { .. }) => ErrorKind::TimedOut,
        Cause::Dial(DialError::Proxy {
            source:
                ProxyError::LoginRequired | ProxyError::LoginRefused | ProxyError::NoLoginMethod | ProxyError::LoginTooLong,
            ..
        }) => ErrorKind::Login,
        Cause::Tls(TlsError::TimedOut { .. }) => ErrorKind::TimedOut,
        Cause::Tls(tls) if tls.blame() == TlsBlame::Network => ErrorKind::Network,
        Cause::Tls(_) => ErrorKind::Tls,
        Cause::Session(session) => session_kind(session),
        Cause::Begin(BeginError::NotReady | BeginError::UsedUp) => ErrorKind::Network,
        Cause::Begin(BeginError::Argument(_)) => ErrorKind::Message,
        Cause::Begin(_) => ErrorKind::Refused,
        Cause::Content(_) | Cause::Revoked => ErrorKind::Content,
        _ => ErrorKind::Network,
    }
}

fn session_kind(error: &client::Error) -> ErrorKind {
    match error {
        client::Error::Reply(_, ReplyError::SpeaksTls) => ErrorKind::Protocol,
        client::Error::Reply(..) | client::Error::Unexpected(..) | client::Error::Unsolicited(..) => {
            ErrorKind::Protocol
        }
        client::Error::InjectedBeforeTls => ErrorKind::Protocol,
        client::Error::LoginRefused { reply, .. } if !reply.is_temporary() => ErrorKind::Login,
        // TLS was asked for and is not to be had, at whatever code.
        client::Error::Refused(Step::StartTls, _) | client::Error::NoStartTls => ErrorKind::Tls,
        client::Error::Refused(..)
        | client::Error::LoginRefused { .. }
        | client::Error::OtherProtocol(..)
        | client::Error::Closing(..) => ErrorKind::Refused,
        client::Error::TimedOut(..) => ErrorKind::TimedOut,
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

#[cfg(feature = "outbox")]
impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        let kind = match error {
            QueueError::Full { .. } => ErrorKind::QueueFull,
            QueueError::Content(_) => ErrorKind::Content,
            QueueError::Unavailable(_) => ErrorKind::StoreUnavailable,
            QueueError::Failed(_) => ErrorKind::StoreFailed,
            QueueError::Damaged(_) => ErrorKind::StoreDamaged,
            QueueError::Incompatible(_) => ErrorKind::StoreIncompatible,
            QueueError::Missing(_) => ErrorKind::StoreMissing,
            QueueError::Unusable(_) => ErrorKind::StoreUnusable,
            QueueError::Expired { .. } => ErrorKind::Message,
            QueueError::Unsupported { .. } | QueueError::UnsupportedFilter { .. } => ErrorKind::Configuration,
            _ => ErrorKind::Conflict,
        };
        Self::other(kind, error)
    }
}

/// Speaks for this layer in one line, and goes on with what lies below.
impl ErrorMessage for Error {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, self.kind) {
            (Source::Connection(error), _) => write!(f, "{error}"),
            (Source::Route(refusal), _) => write!(f, "{refusal}"),
            (Source::Pool(error), _) => match error.connection() {
                // The pause is in `retry_in`: what happened comes first.
                Some(connection) => write!(f, "{connection}"),
                None => write!(f, "{error}"),
            },
            (_, ErrorKind::Configuration) => f.write_str("the settings make no sense"),
            (_, ErrorKind::Content) => f.write_str("the content could not be read"),
            (
                _,
                ErrorKind::QueueFull
                | ErrorKind::Conflict
                | ErrorKind::StoreUnavailable
                | ErrorKind::StoreFailed
                | ErrorKind::StoreDamaged
                | ErrorKind::StoreIncompatible
                | ErrorKind::StoreMissing
                | ErrorKind::StoreUnusable,
            ) => f.write_str("the queue did not take it"),
            _ => f.write_str("the message cannot be sent as it is"),
        }
    }
}

chained_display!(Error);

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Source::Connection(error) => std::error::Error::source(error.as_ref()),
            Source::Route(_) => None,
            Source::Pool(error) => match error.connection() {
                Some(connection) => std::error::Error::source(connection),
                None => std::error::Error::source(error),
            },
            Source::Other(error) => Some(error.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What every error of every layer answers to `{:#}`: its own message and its causes, once each, on one line.
    fn check(error: &dyn std::error::Error, alternate: &str) {
        assert_eq!(alternate.lines().count(), 1, "{alternate:?}");
        let mut next = Some(error);
        while let Some(error) = next {
            let text = mailkit_address::OneLine(&error.to_string()).to_string();
            assert_eq!(alternate.matches(&text).count(), 1, "{text:?} in {alternate:?}");
            next = error.source();
        }
    }

    #[test]
    fn the_alternate_form_of_any_error_is_its_whole_chain_on_one_line() {
        let broken = || io::Error::other("the disk\nis full");
        macro_rules! check_all {
            ($($error:expr),+ $(,)?) => {$({
                let error = $error;
                check(&error, &format!("{error:#}"));
            })+};
        }
        let reply = Reply::new(mailkit_smtp::ReplyCode::new(535).unwrap(), None, "wrong\npassword");
        let refused = || client::Error::LoginRefused { tried: Vec::new(), reply: reply.clone() };
        check_all!(
            Error::content(broken()),
            Error::from(QueueError::Content(broken())),
            QueueError::Content(broken()),
            Error::from(mailkit_connection::Error::from(Cause::Session(refused()))),
            mailkit_connection::Error::from(Cause::Content(broken())),
            mailkit_connection::Error::from(Cause::Session(client::Error::Reply(Step::Mail, ReplyError::TooManyLines))),
            Error::configuration(TlsError::File { path: "a.pem".into(), source: broken() }),
            TlsError::File { path: "a.pem".into(), source: broken() },
            ProxyError::Io(broken()),
            DialError::Proxy { proxy: "http://p".to_owned(), source: ProxyError::Io(broken()) },
        );
        let error = Error::from(mailkit_connection::Error::from(Cause::Session(refused())));
        assert!(error.to_string().contains("535 wrong password"), "{error}");
    }
}
