//! Whose fault a refusal is: one pure table over the step, the reply code, the enhanced status code and the text.
//!
//! The first row that matches decides. Rows that name an enhanced status code or a text stand before those that name a
//! reply code only, since servers choose the reply code freely and say more precisely what they mean in the others.

mod failure_class;
mod table;

pub use self::failure_class::FailureClass;
use crate::enum_text::string_enum;

/// The step of a session in which something failed.
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
    /// DATA, up to its 354.
    Data,
    /// The content, and the reply to its end.
    Content,
}

impl Step {
    /// All of them, in the order of a session.
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

/// A server's refusal (4yz or 5yz), as far as the table looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// The reply code (RFC 5321 §4.2).
    pub code: u16,
    /// Subject and detail of the enhanced status code (RFC 3463); its class is that of the reply code (RFC 2034 §4).
    pub enhanced: Option<(u16, u16)>,
    /// The text behind the codes.
    pub text: &'a str,
    /// For a reply to RCPT: whether the server accepted other recipients in the same transaction before.
    pub others_accepted: bool,
}

impl<'a> Refusal<'a> {
    /// A refusal with this code and text, where no other recipient was accepted before.
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
    /// The route: its connection, its login, its account. It says nothing about the message, which goes to the next
    /// available route at once.
    Route,
    /// This sender, or this mail, on this route: another route may take it, and this one may take other mail.
    Sender,
    /// The message or a recipient: every route would say the same.
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

/// Whose fault a failure is, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Disposition {
    /// What the failure is about.
    pub subject: Subject,
    /// Its kind.
    pub class: FailureClass,
    /// Whether the subject was refused for good. A fault of a route never is: routes are repaired.
    pub is_permanent: bool,
}

/// What a class means where no reply says more: see [`FailureClass::subject`].
impl From<FailureClass> for Disposition {
    fn from(class: FailureClass) -> Self {
        Self {
            subject: class.subject(),
            class,
            is_permanent: matches!(class, FailureClass::Permanent | FailureClass::NotAllowed),
        }
    }
}

/// Whose fault a failure in this step is. Without a reply it is the connection's, or that of what secures it.
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
