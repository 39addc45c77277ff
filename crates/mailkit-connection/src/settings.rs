//! Everything that is decided before a connection is opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mailkit_smtp::client::{self, Protocol, Tracer};
use mailkit_smtp::sasl::{Credentials, Mechanism, Redactor};
use rustls_pki_types::ServerName;

use crate::host::Host;
use crate::proxy::Proxy;
use crate::tls::TlsSettings;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// The server's name or address.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// The name that the server's certificate must carry; none for a Unix socket.
    #[must_use]
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        match self {
            Self::Tcp { host, .. } => host.server_name(),
            Self::Unix(_) => None,
        }
    }

    /// Whether this is port 25, where servers talk to servers (RFC 5321 §4.5.4.2): those watch for clients that speak
    /// before they are greeted, and remember them.
    #[must_use]
    pub const fn is_relay(&self) -> bool {
        matches!(self, Self::Tcp { port: 25, .. })
    }

    /// Whether what is sent cannot leave this machine: a Unix socket, a loopback address or `localhost`.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => host.is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsMode {
    /// From the first byte (RFC 8314 §3.3).
    Implicit,
    /// By STARTTLS (RFC 3207), which the server must offer.
    StartTls,
    /// By STARTTLS where the server offers it and the handshake succeeds, in clear otherwise (RFC 7435). Keeps out
    /// who only listens: whoever can change what is on the wire can take the offer away. So any certificate will do,
    /// unless there is a login.
    Opportunistic,
    /// Never.
    None,
}

/// How long each step may take as a whole, however slowly its bytes drip in.
///
/// ```
/// use std::time::Duration;
/// use mailkit_connection::TimeLimits;
///
/// let limits = TimeLimits { connect: Duration::from_secs(10), ..TimeLimits::default() };
/// assert_eq!(limits.session.rcpt, Duration::from_secs(300));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "callers write it with the rest from default()")]
pub struct TimeLimits {
    /// Resolving the name, connecting to any of its addresses, and talking to the proxy.
    /// 30 s: the RFC names none; a TCP connect that took longer has lost five SYNs.
    pub connect: Duration,
    /// The TLS handshake. 30 s: the RFC names none; it is two round trips.
    pub tls: Duration,
    /// The steps of the conversation itself, with the defaults of RFC 5321 §4.5.3.2.
    pub session: client::TimeLimits,
}

impl TimeLimits {
    /// The same limit for every step.
    #[must_use]
    pub const fn uniform(limit: Duration) -> Self {
        Self { connect: limit, tls: limit, session: client::TimeLimits::uniform(limit) }
    }
}

impl Default for TimeLimits {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self { connect: half_a_minute, tls: half_a_minute, session: client::TimeLimits::default() }
    }
}

/// All that is needed to open a connection and log in.
///
/// Made from a [`ServerUrl`](crate::ServerUrl), or step by step:
///
/// ```
/// use mailkit_connection::{ConnectorConfig, Endpoint, Host, Protocol, TlsMode};
///
/// let endpoint = Endpoint::Tcp { host: Host::parse("smtp.example.com")?, port: 465 };
/// let config = ConnectorConfig::new(Protocol::Smtp, endpoint, TlsMode::Implicit)
///     .with_ehlo_name("client.example.org");
/// assert_eq!(config.endpoint().to_string(), "smtp.example.com:465");
/// # Ok::<(), mailkit_connection::HostError>(())
/// ```
#[derive(Clone)]
pub struct ConnectorConfig {
    protocol: Protocol,
    endpoint: Endpoint,
    tls_mode: TlsMode,
    tls: TlsSettings,
    credentials: Option<Credentials>,
    redactor: Option<Redactor>,
    mechanism: Option<Mechanism>,
    allow_cleartext_auth: bool,
    ehlo_name: Option<String>,
    proxy: Option<Proxy>,
    pipelining: bool,
    chunking: bool,
    limits: TimeLimits,
    tracer: Option<Tracer>,
}

impl ConnectorConfig {
    /// A connection without a login, with every default.
    #[must_use]
    pub fn new(protocol: Protocol, endpoint: Endpoint, tls_mode: TlsMode) -> Self {
        Self {
            protocol,
            endpoint,
            tls_mode,
            tls: TlsSettings::default(),
            credentials: None,
            redactor: None,
            mechanism: None,
            allow_cleartext_auth: false,
            ehlo_name: None,
            proxy: None,
            pipelining: true,
            chunking: true,
            limits: TimeLimits::default(),
            tracer: None,
        }
    }

    /// Hands each line of every dialogue to this tracer, without credentials and content.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Logs in with these.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Connects without the login that was set. Its secret is still removed from whatever the server says, which may know
    /// it from another connection.
    #[must_use]
    pub fn without_login(mut self) -> Self {
        self.redactor = self.redactor();
        self.credentials = None;
        self
    }

    /// Removes the secret of the login, if there is or was one.
    pub(crate) fn redactor(&self) -> Option<Redactor> {
        self.credentials.as_ref().map(Redactor::new).or_else(|| self.redactor.clone())
    }

    /// Logs in by this mechanism only, instead of the strongest that both sides have.
    #[must_use]
    pub fn with_mechanism(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = Some(mechanism);
        self
    }

    /// Allows the password to cross the network unencrypted.
    #[must_use]
    pub fn with_cleartext_auth(mut self, allowed: bool) -> Self {
        self.allow_cleartext_auth = allowed;
        self
    }

    /// The name to introduce ourselves by in EHLO or LHLO.
    #[must_use]
    pub fn with_ehlo_name(mut self, name: impl Into<String>) -> Self {
        self.ehlo_name = Some(name.into());
        self
    }

    /// Connects through this proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Whether PIPELINING (RFC 2920) is used where the server has it.
    #[must_use]
    pub fn with_pipelining(mut self, used: bool) -> Self {
        self.pipelining = used;
        self
    }

    /// Whether CHUNKING (RFC 3030) is used where the server has it.
    #[must_use]
    pub fn with_chunking(mut self, used: bool) -> Self {
        self.chunking = used;
        self
    }

    /// How long each step may take.
    #[must_use]
    pub fn with_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whom to trust, and how to identify ourselves, in TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// The dialogue that the server speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where the server listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// When the connection is encrypted.
    #[must_use]
    pub fn tls_mode(&self) -> TlsMode {
        self.tls_mode
    }

    /// Whom to trust, and how to identify ourselves, in TLS.
    #[must_use]
    pub fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    /// The login, if there is one.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The only mechanism to log in by, if the choice is restricted.
    #[must_use]
    pub fn mechanism(&self) -> Option<Mechanism> {
        self.mechanism
    }

    /// Whether the password may cross the network unencrypted.
    #[must_use]
    pub fn allows_cleartext_auth(&self) -> bool {
        self.allow_cleartext_auth
    }

    /// The name to introduce ourselves by, if one was chosen.
    #[must_use]
    pub fn ehlo_name(&self) -> Option<&str> {
        self.ehlo_name.as_deref()
    }

    /// The proxy, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Whether PIPELINING is used where the server has it.
    #[must_use]
    pub fn uses_pipelining(&self) -> bool {
        self.pipelining
    }

    /// Whether CHUNKING is used where the server has it.
    #[must_use]
    pub fn uses_chunking(&self) -> bool {
        self.chunking
    }

    /// Who receives the dialogue, if somebody does.
    #[must_use]
    pub const fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// How long each step may take.
    #[must_use]
    pub fn limits(&self) -> &TimeLimits {
        &self.limits
    }
}

impl fmt::Debug for ConnectorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorConfig")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint)
            .field("tls_mode", &self.tls_mode)
            .field("tls", &self.tls)
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .field("allow_cleartext_auth", &self.allow_cleartext_auth)
            .field("ehlo_name", &self.ehlo_name)
            .field("proxy", &self.proxy)
            .field("pipelining", &self.pipelining)
            .field("chunking", &self.chunking)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
