//! What a client session is told at its beginning.

use std::time::Duration;

use super::Tracer;
use crate::Step;
use crate::sasl::{Credentials, Mechanism, Redactor};

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Protocol {
    /// SMTP (RFC 5321): one reply to the content for all recipients.
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO, and one reply to the content for each recipient accepted before.
    Lmtp,
}

/// What the client asks of the connection before it logs in or sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every caller has to decide for each of these")]
pub enum Security {
    /// TLS was established before the greeting.
    Established,
    /// STARTTLS, or nothing is sent.
    #[default]
    Required,
    /// STARTTLS where it is offered.
    Opportunistic,
    /// No TLS.
    None,
}

/// How long each step may take as a whole. The defaults are those of RFC 5321 §4.5.3.2 where it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data; made by `..TimeLimits::default()`")]
pub struct TimeLimits {
    /// The greeting: 5 minutes (§4.5.3.2.1).
    pub greeting: Duration,
    /// EHLO, HELO or LHLO: 5 minutes, as for MAIL.
    pub ehlo: Duration,
    /// STARTTLS: 2 minutes, as for DATA: it asks for readiness as well.
    pub starttls: Duration,
    /// Each reply of a login: 2 minutes; it asks a back end, but no mailbox.
    pub auth: Duration,
    /// MAIL: 5 minutes (§4.5.3.2.2).
    pub mail: Duration,
    /// RCPT: 5 minutes (§4.5.3.2.3).
    pub rcpt: Duration,
    /// DATA up to its 354: 2 minutes (§4.5.3.2.4).
    pub data: Duration,
    /// Each [`TimeLimits::BLOCK`] of content: 3 minutes (§4.5.3.2.5).
    pub block: Duration,
    /// The reply to the end of the content: 10 minutes (§4.5.3.2.6).
    pub final_reply: Duration,
    /// QUIT: 5 seconds; the result is known before it, so nothing is lost by leaving.
    pub quit: Duration,
}

impl TimeLimits {
    /// Octets that must leave within [`TimeLimits::block`], so that a peer that reads a byte a second holds nothing.
    pub const BLOCK: usize = 64 * 1024;

    /// The same limit for every step.
    #[must_use]
    pub const fn uniform(limit: Duration) -> Self {
        Self {
            greeting: limit,
            ehlo: limit,
            starttls: limit,
            auth: limit,
            mail: limit,
            rcpt: limit,
            data: limit,
            block: limit,
            final_reply: limit,
            quit: limit,
        }
    }

    /// The limit for the reply of a step.
    #[must_use]
    pub const fn of(&self, step: Step) -> Duration {
        match step {
            Step::Greeting => self.greeting,
            Step::Mail => self.mail,
            Step::Rcpt => self.rcpt,
            Step::Data => self.data,
            Step::Content => self.final_reply,
            Step::Quit => self.quit,
            Step::StartTls => self.starttls,
            Step::Auth => self.auth,
            _ => self.ehlo,
        }
    }
}

impl Default for TimeLimits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            greeting: minutes(5),
            ehlo: minutes(5),
            starttls: minutes(2),
            auth: minutes(2),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            final_reply: minutes(10),
            quit: Duration::from_secs(5),
        }
    }
}

/// What a client session is told at its beginning.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain data; made by `..ClientConfig::new(name)`")]
pub struct ClientConfig {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// What the client calls itself in EHLO: a host name or an address literal.
    pub name: String,
    /// What is asked of the connection.
    pub security: Security,
    /// The login; none for none.
    pub credentials: Option<Credentials>,
    /// Removes secrets from what the server says where there is no login: it may know them from another session.
    pub redactor: Option<Redactor>,
    /// The one SASL mechanism to use, instead of the strongest that both sides have.
    pub mechanism: Option<Mechanism>,
    /// The mechanism that has worked with this server before: tried first, where it is offered.
    pub preferred_mechanism: Option<Mechanism>,
    /// Whether the handshake fails for a certificate that does not say who the server is. Where it does not, REQUIRETLS is
    /// refused (RFC 8689 §4.2.1), and a password that was refused is not shown in a weaker form.
    pub certificate_verified: bool,
    /// Whether AUTH may run without TLS.
    pub cleartext_auth: bool,
    /// Whether PIPELINING is used where it is offered.
    pub pipelining: bool,
    /// Whether CHUNKING is used where it is offered.
    pub chunking: bool,
    /// How long each step may take.
    pub time_limits: TimeLimits,
    /// The host and port as the caller named them, for OAUTHBEARER (RFC 7628 §3.1).
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// Receives the dialogue, where somebody wants to read it.
    pub tracer: Option<Tracer>,
    /// Random octets, new for each session, for SCRAM (RFC 5802 §5.1): at least [`crate::sasl::MIN_NONCE`].
    pub nonce: Vec<u8>,
}

impl ClientConfig {
    /// The defaults: SMTP, TLS required, no login.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            protocol: Protocol::default(),
            name: name.into(),
            security: Security::default(),
            credentials: None,
            redactor: None,
            mechanism: None,
            preferred_mechanism: None,
            certificate_verified: true,
            cleartext_auth: false,
            pipelining: true,
            chunking: true,
            time_limits: TimeLimits::default(),
            host: String::new(),
            port: 0,
            tracer: None,
            nonce: Vec::new(),
        }
    }
}
