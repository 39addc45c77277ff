//! The steps of a session, by the names that errors, logs and metrics use.

use std::fmt;

/// Where a session stands, from finding the host to parting.
///
/// The first three happen before SMTP is spoken; they stand here so that every layer names its steps from one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Finding the addresses of the host.
    Resolve,
    /// Opening the connection, through the proxy where there is one.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Waiting for the server's first words.
    Greeting,
    /// EHLO, HELO or LHLO.
    Ehlo,
    /// The STARTTLS command.
    StartTls,
    /// AUTH and its exchange.
    Auth,
    /// MAIL, and the RSET in front of it.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, up to its 354.
    Data,
    /// The content and the reply to its end.
    Content,
    /// QUIT.
    Quit,
}

impl Step {
    /// The lower-case name: `resolve connect tls greeting ehlo starttls auth mail rcpt data content quit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
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
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
