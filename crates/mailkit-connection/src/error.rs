//! Why a message, or a connection, came to nothing.

use std::fmt;
use std::io;

use mailkit_address::Envelope;
use mailkit_address::{ErrorMessage, chained_display};
use mailkit_smtp::client::{self, BeginError};
use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

use crate::dial::{DialError, DialStep};
use crate::tls::TlsError;

/// What went wrong, and what is known of the message all the same.
#[derive(Debug)]
pub struct Error {
    cause: Cause,
    /// Apart, so that the error stays small.
    report: Option<Box<Report>>,
    /// The name that was given in EHLO, where the server refused that.
    introduced_as: Option<Box<str>>,
}

/// What went wrong, by layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// No connection came about.
    Dial(DialError),
    /// No TLS session came about.
    Tls(TlsError),
    /// The conversation ended before its time.
    Session(client::Error),
    /// The message cannot go over this connection; nothing of it was sent, and the connection is as good as before.
    Begin(BeginError),
    /// The message was [no longer to be sent](crate::Content::only_while) before all of its content had left, or stood
    /// behind such a message on its connection: it was not delivered.
    Revoked,
    /// The content could not be read; the message was not delivered.
    Content(io::Error),
    /// The system has no randomness for the login.
    Randomness(getrandom::Error),
}

impl Error {
    pub(crate) const fn new(cause: Cause) -> Self {
        Self { cause, report: None, introduced_as: None }
    }

    /// Adds what is known of each recipient.
    #[must_use]
    pub fn with_report(mut self, report: Report) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// Notes the name that was given in EHLO, if the server refused that: many refuse for the name.
    pub(crate) fn introduced_as(mut self, name: String) -> Self {
        let is_refusal = |reply: &Reply| reply.code().get() == 421 || reply.code().get() >= 500;
        // A server of the other protocol does not know the command, whatever the name.
        let other_protocol = matches!(self.cause, Cause::Session(client::Error::OtherProtocol(..)));
        if self.step() == Step::Ehlo && !other_protocol && self.reply().is_some_and(is_refusal) {
            self.introduced_as = Some(name.into());
        }
        self
    }

    /// A message was given to a connection that takes none, for this reason.
    pub(crate) fn unsent(cause: Cause, envelope: &Envelope) -> Self {
        let unsent = envelope.recipients().iter().cloned().map(|address| RecipientReport::new(address, Status::Unsent));
        Self::new(cause).with_report(Report::new(unsent.collect(), 0))
    }

    /// What went wrong.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What is known of the message, recipient by recipient; `None` where it went wrong before there was a message.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match &self.report {
            Some(report) => Some(report),
            None => None,
        }
    }

    /// The step in which it happened.
    #[must_use]
    pub fn step(&self) -> Step {
        match &self.cause {
            Cause::Dial(error) => match error.step() {
                DialStep::Resolve => Step::Resolve,
                DialStep::Connect => Step::Connect,
            },
            Cause::Tls(_) => Step::Tls,
            Cause::Session(error) => error.step(),
            Cause::Begin(_) => Step::Mail,
            Cause::Content(_) | Cause::Revoked => Step::Content,
            Cause::Randomness(_) => Step::Auth,
        }
    }

    /// The server's words, where it said any.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match &self.cause {
            Cause::Session(error) => error.reply(),
            _ => None,
        }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match &self.cause {
            Cause::Dial(error) => error.is_temporary(),
            Cause::Tls(error) => error.is_temporary(),
            Cause::Session(error) => error.is_temporary(),
            Cause::Begin(error) => matches!(error, BeginError::NotReady | BeginError::UsedUp),
            Cause::Content(_) => false,
            Cause::Randomness(_) | Cause::Revoked => true,
        }
    }

    /// Whether nobody can know if the message was delivered to some recipient: the whole of it had left.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.report().is_some_and(Report::is_ambiguous)
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause)
    }
}

impl ErrorMessage for Error {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Dial(_) => f.write_str("no connection"),
            Cause::Tls(_) => f.write_str("no secure connection"),
            Cause::Session(error) => {
                // The server's own words come first.
                match error.reply() {
                    Some(_) => write!(f, "{error}")?,
                    None => f.write_str("the conversation ended early")?,
                }
                match &self.introduced_as {
                    None => Ok(()),
                    Some(name) => write!(
                        f,
                        ", in answer to the name {name} (`hostname` in the configuration, or ehlo=NAME in the server's URL, sets \
                         another name)"
                    ),
                }
            }
            Cause::Begin(_) => f.write_str("the message cannot go over this connection"),
            Cause::Content(_) => f.write_str("the content could not be read"),
            Cause::Revoked => {
                f.write_str("the message was not sent: the right to send it ended before its content had left")
            }
            Cause::Randomness(_) => f.write_str("the system gives no random numbers"),
        }
    }
}

chained_display!(Error);

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Dial(error) => Some(error),
            Cause::Tls(error) => Some(error),
            Cause::Session(error) => Some(error),
            Cause::Begin(error) => Some(error),
            Cause::Content(error) => Some(error),
            Cause::Randomness(error) => Some(error),
            Cause::Revoked => None,
        }
    }
}
