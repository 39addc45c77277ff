//! What can go wrong with TLS, in words.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mailkit_address::{ErrorMessage, chained_display, is_unprintable};
use mailkit_smtp::sasl::Redactor;
use rustls::{AlertDescription, CertificateError, Error as RustlsError, PeerIncompatible};
use rustls_pki_types::UnixTime;

use super::verify::is_authority_as_server;

/// Why there is no TLS session.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates or a key cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate where one should be.
    NoCertificate {
        /// The file, or "the PEM text given".
        origin: String,
    },
    /// A certificate in a file is broken.
    BadCertificate {
        /// The file, or "the PEM text given".
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no usable private key where one should be.
    NoKey {
        /// The file, or "the PEM text given".
        origin: String,
    },
    /// The private key is not that of the certificate.
    KeyMismatch {
        /// Where the certificate is from.
        chain: String,
        /// Where the key is from.
        key: String,
    },
    /// Nobody is trusted: no roots were built in or added.
    NoRoots,
    /// The platform's roots cannot be read.
    PlatformRoots {
        /// Why.
        reason: String,
    },
    /// rustls refuses the settings.
    Setup(RustlsError),
    /// The host's name cannot stand in a certificate.
    NoServerName {
        /// The host.
        host: String,
    },
    /// The server's certificate has expired.
    Expired {
        /// The server's name.
        server: String,
        /// How long ago, where known.
        ago: Option<Duration>,
    },
    /// The server's certificate is not valid yet.
    NotYetValid {
        /// The server's name.
        server: String,
        /// In how long it will be, where known.
        wait: Option<Duration>,
    },
    /// The server's certificate is for other names.
    NameMismatch {
        /// The name that was expected.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// No root that is trusted has issued the server's certificate.
    UnknownIssuer {
        /// The server's name.
        server: String,
    },
    /// An authority that is trusted has the issuer's name, but not its key.
    IssuerChanged {
        /// The server's name.
        server: String,
    },
    /// The server presents the certificate of an authority as its own.
    AuthorityAsServer {
        /// The server's name.
        server: String,
    },
    /// The server's certificate is wrong in another way.
    Certificate {
        /// The server's name.
        server: String,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The server wants a certificate from us.
    ClientCertificateRequired,
    /// The server does not accept our certificate.
    ClientCertificateRefused {
        /// TLS's name for the reason.
        alert: String,
    },
    /// The peer's first words are no TLS.
    NotTls {
        /// The words, as far as they can be shown.
        said: String,
    },
    /// The peer speaks neither TLS 1.2 nor 1.3.
    Version,
    /// Both speak TLS, but share no cipher suite, curve or signature scheme. Some servers say so by the
    /// same alert when they miss a client certificate in TLS 1.2.
    NothingInCommon,
    /// The peer ended the handshake with an alert.
    Alert {
        /// TLS's name for the reason.
        alert: String,
    },
    /// The handshake broke down in another way.
    Handshake(RustlsError),
    /// The peer closed the connection during the handshake.
    Closed,
    /// The handshake took too long.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The connection broke.
    Io(io::Error),
}

/// Who is to blame for a [`TlsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsBlame {
    /// The settings or files given.
    Caller,
    /// One side's certificate.
    Certificate,
    /// The peer, which broke the protocol or speaks another.
    Peer,
    /// The network.
    Network,
}

impl TlsError {
    /// What rustls said in an error that reading from or writing to a secured transport gave. `None` if
    /// the error is not about TLS.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<RustlsError>()?;
        Some(Self::from_rustls(inner.clone(), "the server"))
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.blame() == TlsBlame::Network
    }

    /// Who is to blame.
    #[must_use]
    pub fn blame(&self) -> TlsBlame {
        match self {
            Self::File { .. }
            | Self::NoCertificate { .. }
            | Self::BadCertificate { .. }
            | Self::NoKey { .. }
            | Self::KeyMismatch { .. }
            | Self::NoRoots
            | Self::PlatformRoots { .. }
            | Self::Setup(_)
            | Self::NoServerName { .. } => TlsBlame::Caller,
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::NameMismatch { .. }
            | Self::UnknownIssuer { .. }
            | Self::IssuerChanged { .. }
            | Self::AuthorityAsServer { .. }
            | Self::Certificate { .. }
            | Self::ClientCertificateRequired
            | Self::ClientCertificateRefused { .. } => TlsBlame::Certificate,
            Self::NotTls { .. } | Self::Version | Self::NothingInCommon | Self::Alert { .. } | Self::Handshake(_) => {
                TlsBlame::Peer
            }
            Self::Closed | Self::TimedOut { .. } | Self::Io(_) => TlsBlame::Network,
        }
    }

    /// The error without secrets that a peer repeats.
    pub(crate) fn without_secrets(mut self, secrets: &Redactor) -> Self {
        if let Self::NotTls { said } = &mut self {
            *said = secrets.redact(said).into_owned();
        }
        self
    }

    /// Sorts a failed handshake out; `head` is what the peer said first.
    pub(super) fn classify(error: io::Error, server: &str, head: &[u8]) -> Self {
        if head.first().is_some_and(|first| !is_tls_record(*first)) {
            return Self::NotTls { said: first_line(head) };
        }
        if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) {
            return Self::from_rustls(inner.clone(), server);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }

    fn from_rustls(error: RustlsError, server: &str) -> Self {
        let server = server.to_owned();
        match error {
            error if is_authority_as_server(&error) => Self::AuthorityAsServer { server },
            RustlsError::InvalidCertificate(error) => Self::from_certificate(error, server),
            RustlsError::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            )
            | RustlsError::AlertReceived(AlertDescription::ProtocolVersion) => Self::Version,
            RustlsError::PeerIncompatible(_)
            | RustlsError::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
                Self::NothingInCommon
            }
            RustlsError::AlertReceived(AlertDescription::CertificateRequired) => Self::ClientCertificateRequired,
            RustlsError::AlertReceived(
                alert @ (AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied),
            ) => Self::ClientCertificateRefused { alert: format!("{alert:?}") },
            RustlsError::AlertReceived(alert) => Self::Alert { alert: format!("{alert:?}") },
            other => Self::Handshake(other),
        }
    }

    fn from_certificate(error: CertificateError, server: String) -> Self {
        match error {
            CertificateError::Expired => Self::Expired { server, ago: None },
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired { server, ago: between(not_after, time) }
            }
            CertificateError::NotValidYet => Self::NotYetValid { server, wait: None },
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { server, wait: between(time, not_before) }
            }
            CertificateError::NotValidForName => Self::NameMismatch { expected: server, presented: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => Self::NameMismatch {
                expected: server,
                presented: presented.iter().map(|name| bare_name(name)).collect(),
            },
            CertificateError::UnknownIssuer => Self::UnknownIssuer { server },
            CertificateError::BadSignature => Self::IssuerChanged { server },
            source => Self::Certificate { server, source },
        }
    }
}

impl ErrorMessage for TlsError {
    #[expect(clippy::too_many_lines, reason = "one table: a line of words per way to fail")]
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } if source.kind() == io::ErrorKind::NotFound => {
                write!(f, "there is no file {}", path.display())
            }
            Self::File { path, .. } => write!(f, "the file {} cannot be read", path.display()),
            Self::NoCertificate { origin } => {
                write!(f, "no certificate in {origin}: it must be PEM (-----BEGIN CERTIFICATE-----)")
            }
            Self::BadCertificate { origin, reason } => write!(f, "a certificate in {origin} is broken: {reason}"),
            Self::NoKey { origin } => {
                write!(f, "no usable private key in {origin}: it must be unencrypted PEM (-----BEGIN PRIVATE KEY-----)")
            }
            Self::KeyMismatch { chain, key } => {
                write!(f, "the private key in {key} is not the one of the certificate in {chain}")
            }
            Self::NoRoots => f.write_str("no certificate authority is trusted: name one with ca=FILE"),
            Self::PlatformRoots { reason } => {
                write!(f, "the certificate authorities of this platform cannot be read: {reason}")
            }
            Self::Setup(_) => f.write_str("the TLS settings do not fit together"),
            Self::NoServerName { host } => write!(f, "{host} cannot be the name in a certificate"),
            Self::Expired { server, ago } => {
                write!(f, "the certificate of {server} has expired")?;
                ago.map_or(Ok(()), |ago| write!(f, " ({} ago)", Span(ago)))
            }
            Self::NotYetValid { server, wait } => {
                write!(f, "the certificate of {server} is not valid yet")?;
                wait.map_or(Ok(()), |wait| write!(f, " (it will be in {})", Span(wait)))?;
                f.write_str(": check this machine's clock")
            }
            Self::NameMismatch { expected, presented } if presented.is_empty() => {
                write!(f, "the certificate is not for {expected}")
            }
            Self::NameMismatch { expected, presented } => {
                write!(f, "the certificate is not for {expected}, but for {}", presented.join(", "))
            }
            Self::UnknownIssuer { server } => write!(
                f,
                "the certificate of {server} was issued by nobody who is trusted: use ca=FILE to trust its issuer"
            ),
            Self::IssuerChanged { server } => write!(
                f,
                "the certificate of {server} is not signed by the authority that is trusted under its issuer's name: \
                 is ca=FILE out of date?"
            ),
            Self::AuthorityAsServer { server } => write!(
                f,
                "{server} presents the certificate of an authority as its own: use ca=FILE to trust exactly this one"
            ),
            Self::Certificate { server, source } => {
                write!(f, "the certificate of {server} is not acceptable: {source}")
            }
            Self::ClientCertificateRequired => {
                f.write_str("the server wants a client certificate: use cert=FILE&key=FILE")
            }
            Self::ClientCertificateRefused { alert } => {
                write!(f, "the server refused the TLS session over a certificate ({alert}): check cert=FILE")
            }
            Self::NotTls { said } if said.is_empty() => f.write_str(
                "the server does not speak TLS: if this port speaks plain text first, use smtp:// for STARTTLS",
            ),
            Self::NotTls { said } => {
                let said: String = said.chars().take(120).collect();
                write!(f, "this port speaks plain text first ({said:?}): use smtp://, which changes to TLS by STARTTLS")
            }
            Self::Version => f.write_str("the server speaks neither TLS 1.2 nor TLS 1.3"),
            Self::NothingInCommon => f.write_str(
                "no TLS cipher suite is shared with the server, or it wants a client certificate (cert=FILE&key=FILE)",
            ),
            Self::Alert { alert } => write!(f, "the server ended the TLS handshake ({alert})"),
            Self::Handshake(_) => f.write_str("the TLS handshake failed"),
            Self::Closed => f.write_str("the server closed the connection during the TLS handshake"),
            Self::TimedOut { limit } => write!(f, "the TLS handshake took longer than {limit:?}"),
            Self::Io(_) => f.write_str("the connection broke during the TLS handshake"),
        }
    }
}

chained_display!(TlsError);

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Setup(source) | Self::Handshake(source) => Some(source),
            Self::Io(source) => Some(source),
            _ => None,
        }
    }
}

/// The content types of RFC 8446 §5.1, of which one begins each record.
pub(crate) fn is_tls_record(first: u8) -> bool {
    (20..=24).contains(&first)
}

fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    String::from_utf8_lossy(line).chars().filter(|letter| !is_unprintable(*letter)).collect()
}

/// webpki wraps each name in its kind, as `DnsName("mail.example.com")`.
fn bare_name(name: &str) -> String {
    name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name).trim_matches('"').to_owned()
}

fn between(earlier: UnixTime, later: UnixTime) -> Option<Duration> {
    later.as_secs().checked_sub(earlier.as_secs()).map(Duration::from_secs)
}

/// A span in the largest unit that says enough.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..120 => write!(f, "{seconds} seconds"),
            120..7_200 => write!(f, "{} minutes", seconds / 60),
            7_200..172_800 => write!(f, "{} hours", seconds / 3_600),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}
