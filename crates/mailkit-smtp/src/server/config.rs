//! What a server session is told at its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Protocol;
use crate::sasl::{Mechanism, Mechanisms, Secret};
use crate::{Extensions, SizeLimit};

/// Where TLS comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum ServerTls {
    /// There is none.
    #[default]
    None,
    /// STARTTLS is offered (RFC 3207).
    StartTls,
    /// It was established before the greeting.
    Established,
}

/// How long the server waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data; made by `..TimeLimits::default()`")]
pub struct TimeLimits {
    /// For a whole command, and until replies have left: 5 minutes (RFC 5321 §4.5.3.2.7).
    pub command: Duration,
    /// For each [`TimeLimits::BLOCK`] of content: 3 minutes, as much as a client is given for it (§4.5.3.2.5).
    pub block: Duration,
}

impl TimeLimits {
    /// Octets of content that must come within [`TimeLimits::block`], so that a trickle holds no connection.
    pub const BLOCK: u64 = 64 * 1024;
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { command: Duration::from_secs(5 * 60), block: Duration::from_secs(3 * 60) }
    }
}

/// What a server session is told at its beginning.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain data; made by `..ServerConfig::new(name)`")]
pub struct ServerConfig {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// What the server calls itself: a host name or an address literal.
    pub name: String,
    /// What is offered. Three of them also depend on the session: `start_tls` follows [`ServerConfig::tls`],
    /// `require_tls` is offered under TLS only, and `auth` (the mechanisms) only where a login is possible.
    pub extensions: Extensions,
    /// Where TLS comes from.
    pub tls: ServerTls,
    /// Whether MAIL and AUTH are refused without TLS (530).
    pub require_tls: bool,
    /// Whether MAIL is refused without a login (530).
    pub require_login: bool,
    /// Who may log in. With nobody, AUTH is not offered.
    pub users: Arc<BTreeMap<String, Secret>>,
    /// Whether AUTH is offered without TLS.
    pub cleartext_auth: bool,
    /// The most recipients that a transaction may have; more get 452. RFC 5321 §4.5.3.1.8 asks for 100 or more.
    pub max_recipients: usize,
    /// After so many commands that make no sense the server closes (421). An accepted message sets the count back.
    pub max_errors: u32,
    /// How long the server waits.
    pub time_limits: TimeLimits,
    /// Random octets, new for each session, for CRAM-MD5 and SCRAM: at least [`crate::sasl::MIN_NONCE`].
    pub nonce: Vec<u8>,
}

impl ServerConfig {
    /// The defaults: SMTP without TLS and login, every extension that needs nothing of the caller, messages up to
    /// 25 MiB, 1000 recipients, 20 errors.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let auth: Mechanisms = Mechanism::ALL.into_iter().filter(|mechanism| mechanism.available()).collect();
        Self {
            protocol: Protocol::default(),
            name: name.into(),
            extensions: Extensions {
                pipelining: true,
                chunking: true,
                binary_mime: true,
                eight_bit_mime: true,
                smtp_utf8: true,
                enhanced_status_codes: true,
                size: Some(SizeLimit::Octets(25 * 1024 * 1024)),
                auth,
                ..Extensions::default()
            },
            tls: ServerTls::default(),
            require_tls: false,
            require_login: false,
            users: Arc::default(),
            cleartext_auth: false,
            max_recipients: 1000,
            max_errors: 20,
            time_limits: TimeLimits::default(),
            nonce: Vec::new(),
        }
    }
}
