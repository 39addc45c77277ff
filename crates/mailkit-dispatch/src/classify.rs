//! Classification of failures: one pure table over the step, the reply code, the enhanced status code and the text.
//!
//! The first matching row decides. Rows with an enhanced status code or a text come before rows with only a reply code,
//! since servers choose reply codes freely, and enhanced codes and texts are more precise.

mod failure_class;
mod table;

pub use self::failure_class::FailureClass;
use crate::enum_text::string_enum;

/// The step of an SMTP session in which something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the table has to cover each of them")]
pub enum Step {
    /// Resolving the host and opening the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The server's greeting.
    Greeting,
    /// EHLO, HELO or LHLO.
    Ehlo,
    /// The STARTTLS command.
    StartTls,
    /// AUTH and its exchange.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, up to the 354 reply.
    Data,
    /// The content, and the reply to the end of data.
    Content,
}

impl Step {
    /// All steps, in the order of a session.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Tls,
        Self::Greeting,
        Self::Ehlo,
        Self::StartTls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Content,
    ];

    /// The name of the step, as logs use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Content => "content",
        }
    }
}

/// A negative reply (4yz or 5yz), with the parts that the table uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// The reply code (RFC 5321 §4.2).
    pub code: u16,
    /// Subject and detail of the enhanced status code (RFC 3463). Its class equals that of the reply code (RFC 2034
    /// §4).
    pub enhanced: Option<(u16, u16)>,
    /// The text after the codes.
    pub text: &'a str,
    /// For a reply to RCPT: whether the server accepted other recipients in the same transaction before.
    pub others_accepted: bool,
}

impl<'a> Refusal<'a> {
    /// A refusal with this code and text, without other recipients accepted before it.
    #[must_use]
    pub const fn new(code: u16, enhanced: Option<(u16, u16)>, text: &'a str) -> Self {
        Self { code, enhanced, text, others_accepted: false }
    }

    /// Sets whether the server accepted other recipients in the same transaction before.
    #[must_use]
    pub const fn with_others_accepted(mut self, others_accepted: bool) -> Self {
        self.others_accepted = others_accepted;
        self
    }
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the three subjects that the dispatcher tells apart")]
pub enum Subject {
    /// The route: its connection, login or account. The message goes to the next available route at once.
    Route,
    /// The sender or the message on this route. Another route may accept it, and this route may accept other mail.
    Sender,
    /// The message or a recipient. Every route would refuse it.
    Message,
}

impl Subject {
    /// All subjects.
    pub const ALL: [Self; 3] = [Self::Route, Self::Sender, Self::Message];

    /// The name of the subject, as logs use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Sender => "sender",
            Self::Message => "message",
        }
    }
}

string_enum!(Step, Subject);

/// The classification of a failure: what it is about, its class, and whether it is permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Disposition {
    /// What the failure is about.
    pub subject: Subject,
    /// The class of the failure.
    pub class: FailureClass,
    /// Whether the refusal is permanent. A failure of a route never is: routes get repaired.
    pub is_permanent: bool,
}

/// The classification of a class alone, without a reply: see [`FailureClass::subject`].
impl From<FailureClass> for Disposition {
    fn from(class: FailureClass) -> Self {
        Self {
            subject: class.subject(),
            class,
            is_permanent: matches!(class, FailureClass::Permanent | FailureClass::NotAllowed),
        }
    }
}

/// Classifies a failure in a step of an SMTP session. Without a reply, the connection failed, or its TLS or login did.
///
/// ```
/// use mailkit_dispatch::{FailureClass, Refusal, Step, Subject, classify};
///
/// let no_login = Refusal::new(530, Some((7, 0)), "Authentication required");
/// let found = classify(Step::Mail, Some(&no_login));
/// assert_eq!((found.subject, found.class, found.is_permanent), (Subject::Route, FailureClass::Login, false));
///
/// let typo = Refusal::new(550, Some((7, 1)), "not your address");
/// assert_eq!(classify(Step::Mail, Some(&typo)).subject, Subject::Sender);
///
/// let unknown = Refusal::new(550, Some((1, 1)), "no such user");
/// assert!(classify(Step::Rcpt, Some(&unknown)).is_permanent);
/// ```
#[must_use]
pub fn classify(step: Step, refusal: Option<&Refusal<'_>>) -> Disposition {
    match refusal {
        Some(refusal) => table::find(step, refusal),
        None => Disposition::from(match step {
            // RFC 3207 §4, RFC 8314: without TLS, or with a certificate that is not trusted, nothing is sent.
            Step::Tls | Step::StartTls | Step::Auth => FailureClass::Login,
            _ => FailureClass::Connection,
        }),
    }
}
