//! Server URLs: where to send, and how, in one line.

mod authority;
mod error;
mod parameters;

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use mailkit_smtp::client::Protocol;
use mailkit_smtp::sasl::{Credentials, Secret};
use percent_encoding::utf8_percent_encode;

pub(crate) use authority::{Authority, USER};
pub use error::UrlError;
use parameters::{Parameters, TlsChoice};

use crate::settings::{ConnectorConfig, Endpoint, TimeLimits, TlsMode};
use crate::settings_file::read_settings_file;
use crate::tls::TlsSettings;

const SCHEMES: &str = "smtp://, smtps://, lmtp:// or lmtp+unix://";

/// More than any password or token has.
const PASSWORD_FILE_LIMIT: usize = 64 * 1024;

/// A server URL, taken apart and checked.
///
/// | URL | means |
/// |---|---|
/// | `smtp://[user:pass@]host[:587]` | SMTP; STARTTLS is required unless `tls=` says otherwise |
/// | `smtps://[user:pass@]host[:465]` | SMTP; TLS from the first byte |
/// | `lmtp://[user:pass@]host[:24]` | LMTP; unencrypted unless `tls=` says otherwise, since it is spoken inside one site (RFC 2033 §3) |
/// | `lmtp+unix:///path` | LMTP over a Unix socket |
///
/// User and password are percent-decoded. Parameters, all optional: `tls=required|opportunistic|none`,
/// `auth=MECHANISM`, `ca=FILE`, `cert=FILE&key=FILE`, `insecure=no-verify`, `allow-cleartext-auth=yes|no`,
/// `ehlo=NAME`, `proxy=socks5://…|http://…`, `pipelining=on|off`, `chunking=on|off`, `timeout=SECONDS`,
/// `password-file=PATH`. Their values are percent-decoded, and a proxy's user and password once more.
///
/// Nothing is read from the environment: a program that wants to take the password from there asks
/// [`password_missing`](Self::password_missing) and calls [`with_password`](Self::with_password).
///
/// Printed, it shows `***` for every password:
///
/// ```
/// use mailkit_connection::ServerUrl;
///
/// let url = ServerUrl::parse("smtps://ann%40example.com:s3cret@smtp.example.com?timeout=20")?;
/// assert_eq!(url.to_string(), "smtps://ann%40example.com:***@smtp.example.com?timeout=20");
/// assert_eq!(url.user(), Some("ann@example.com"));
///
/// let error = ServerUrl::parse("smtp://host?pipelinig=off").unwrap_err();
/// assert!(error.to_string().starts_with("the parameter \"pipelinig\" is unknown"));
/// # Ok::<(), mailkit_connection::UrlError>(())
/// ```
#[derive(Clone)]
pub struct ServerUrl {
    scheme: Scheme,
    endpoint: Endpoint,
    user: Option<String>,
    password: Option<Secret>,
    parameters: Parameters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Smtp,
    Smtps,
    Lmtp,
    LmtpUnix,
}

impl ServerUrl {
    /// Reads a URL. Touches neither the file system nor the environment.
    ///
    /// # Errors
    /// [`UrlError`] names the part that is wrong, and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter { field: "URL" });
        }
        let (scheme, rest) = Scheme::split(text)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let url = if scheme == Scheme::LmtpUnix {
            Self::parse_unix(place, query)?
        } else {
            Self::parse_tcp(scheme, place, query)?
        };
        if url.password.is_some() && url.parameters.password_file.is_some() {
            return Err(UrlError::PasswordTwice);
        }
        Ok(url)
    }

    /// The user to log in as.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Where the server listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether there is a password, or a file to read it from.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some() || self.parameters.password_file.is_some()
    }

    /// Whether there is a user, but neither a password nor a file to read it from.
    #[must_use]
    pub fn password_missing(&self) -> bool {
        self.user.is_some() && !self.has_password()
    }

    /// The same URL with this user, in place of any other.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The same URL with this password, in place of any other and of a password file.
    #[must_use]
    pub fn with_password(mut self, password: Secret) -> Self {
        self.password = Some(password);
        self.parameters.password_file = None;
        self
    }

    /// The same URL with the content of its password file, without the line end, as its password.
    /// Without a password file it stays as it is.
    ///
    /// # Errors
    /// [`UrlError::PasswordFile`] if the file cannot be read, is longer than 64 KiB, or is no UTF-8.
    pub fn read_password_file(self) -> Result<Self, UrlError> {
        let Some(path) = self.parameters.password_file.clone() else {
            return Ok(self);
        };
        match read_secret(&path) {
            Ok(password) => Ok(self.with_password(password)),
            Err(source) => Err(UrlError::PasswordFile { path, source }),
        }
    }

    /// The settings that the URL stands for. Reads the password file, if there is one.
    ///
    /// # Errors
    /// As [`read_password_file`](Self::read_password_file); a user without a password; a user or
    /// password that no login can carry.
    pub fn into_config(self) -> Result<ConnectorConfig, UrlError> {
        if self.user.is_none() && self.has_password() {
            return Err(UrlError::UserMissing);
        }
        let url = self.read_password_file()?;
        let credentials = url.credentials()?;
        let parameters = url.parameters;
        let mut config = ConnectorConfig::new(url.scheme.protocol(), url.endpoint, url.scheme.tls_mode(parameters.tls))
            .with_tls(tls_settings(&parameters))
            .with_cleartext_auth(parameters.cleartext_auth.unwrap_or(false))
            .with_pipelining(parameters.pipelining.unwrap_or(true))
            .with_chunking(parameters.chunking.unwrap_or(true));
        if let Some(credentials) = credentials {
            config = config.with_credentials(credentials);
        }
        if let Some(mechanism) = parameters.auth {
            config = config.with_mechanism(mechanism);
        }
        if let Some(name) = parameters.ehlo {
            config = config.with_ehlo_name(name);
        }
        if let Some(proxy) = parameters.proxy {
            config = config.with_proxy(proxy);
        }
        if let Some(limit) = parameters.timeout {
            config = config.with_limits(TimeLimits::uniform(limit));
        }
        Ok(config)
    }

    fn parse_tcp(scheme: Scheme, place: &str, query: &str) -> Result<Self, UrlError> {
        let end = place.find(['/', '#']).unwrap_or(place.len());
        let (authority, path) = place.split_at_checked(end).unwrap_or((place, ""));
        if path.contains('@') || stray_at(query) {
            return Err(UrlError::NotEncoded);
        }
        if !matches!(path, "" | "/") || query.contains('#') {
            return Err(UrlError::Trailing);
        }
        let Authority { user, password, host, port } = Authority::parse(authority)?;
        let parameters = Parameters::parse(query)?;
        if scheme == Scheme::Smtps && parameters.tls.is_some_and(|choice| choice != TlsChoice::Required) {
            return Err(UrlError::NotForScheme { name: "tls", scheme: scheme.name() });
        }
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, endpoint: Endpoint::Tcp { host, port }, user, password, parameters })
    }

    fn parse_unix(place: &str, query: &str) -> Result<Self, UrlError> {
        if query.contains('#') || place.contains('#') {
            return Err(UrlError::Trailing);
        }
        let path = authority::decode(place, "socket path")?;
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(UrlError::SocketPath);
        }
        let parameters = Parameters::parse(query)?;
        if let Some(name) = parameters.first_for_network() {
            return Err(UrlError::NotForScheme { name, scheme: Scheme::LmtpUnix.name() });
        }
        Ok(Self {
            scheme: Scheme::LmtpUnix,
            endpoint: Endpoint::Unix(path.into()),
            user: None,
            password: None,
            parameters,
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, UrlError> {
        let (user, secret) = match (&self.user, &self.password) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(UrlError::UserMissing),
            (Some(_), None) => return Err(UrlError::PasswordMissing),
            (Some(user), Some(secret)) => (user.clone(), secret.clone()),
        };
        let credentials = if self.parameters.auth.is_some_and(|mechanism| mechanism.takes_token()) {
            Credentials::token(user, secret)
        } else {
            Credentials::password(user, secret)
        };
        credentials.map(Some).map_err(UrlError::Credentials)
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<ServerUrl> for ConnectorConfig {
    type Error = UrlError;

    fn try_from(url: ServerUrl) -> Result<Self, UrlError> {
        url.into_config()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        if let Some(user) = &self.user {
            let password = if self.password.is_some() { ":***" } else { "" };
            write!(f, "{}{password}@", utf8_percent_encode(user, USER))?;
        }
        match &self.endpoint {
            Endpoint::Tcp { host, port } => {
                write!(f, "{host}")?;
                if *port != self.scheme.default_port() {
                    write!(f, ":{port}")?;
                }
            }
            Endpoint::Unix(path) => {
                let path = path.to_string_lossy();
                write!(f, "{}", utf8_percent_encode(&path, authority::VALUE))?;
            }
        }
        write!(f, "{}", self.parameters)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

impl Scheme {
    fn split(text: &str) -> Result<(Self, &str), UrlError> {
        let Some((name, rest)) = text.split_once("://") else {
            return Err(UrlError::Scheme { found: None, allowed: SCHEMES });
        };
        let known = [Self::Smtp, Self::Smtps, Self::Lmtp, Self::LmtpUnix];
        match known.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name)) {
            Some(scheme) => Ok((scheme, rest)),
            None => Err(unknown_scheme(name, SCHEMES)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Lmtp => "lmtp",
            Self::LmtpUnix => "lmtp+unix",
        }
    }

    /// RFC 6409 §3.1 (587), RFC 8314 §7.3 (465), RFC 2033 §5 forbids 25: 24 is "any private mail system".
    fn default_port(self) -> u16 {
        match self {
            Self::Smtp => 587,
            Self::Smtps => 465,
            Self::Lmtp | Self::LmtpUnix => 24,
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Smtp | Self::Smtps => Protocol::Smtp,
            Self::Lmtp | Self::LmtpUnix => Protocol::Lmtp,
        }
    }

    fn tls_mode(self, choice: Option<TlsChoice>) -> TlsMode {
        match (self, choice) {
            (Self::Smtps, _) => TlsMode::Implicit,
            (_, Some(TlsChoice::Required)) | (Self::Smtp, None) => TlsMode::StartTls,
            (_, Some(TlsChoice::Opportunistic)) => TlsMode::Opportunistic,
            (_, Some(TlsChoice::None)) | (Self::Lmtp | Self::LmtpUnix, None) => TlsMode::None,
        }
    }
}

/// Shows the scheme only where it looks like one: a text without a scheme may begin with a password.
pub(crate) fn unknown_scheme(name: &str, allowed: &'static str) -> UrlError {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let found = (name.len() <= 16 && name.bytes().all(plain)).then(|| name.to_owned());
    UrlError::Scheme { found, allowed }
}

/// Whether an `@` stands in the query but in no proxy's URL. It shows that a password's own `?` was
/// taken for the query's, so nothing of the query may be shown.
fn stray_at(query: &str) -> bool {
    query.split('&').any(|pair| pair.contains('@') && !pair.starts_with("proxy="))
}

fn tls_settings(parameters: &Parameters) -> TlsSettings {
    let mut tls = TlsSettings::default();
    if let Some(file) = &parameters.ca {
        tls = tls.add_roots_file(file);
    }
    if let (Some(cert), Some(key)) = (&parameters.cert, &parameters.key) {
        tls = tls.client_identity_files(cert, key);
    }
    if parameters.no_verify.is_some() {
        tls = tls.dangerous().accept_any_certificate();
    }
    tls
}

fn read_secret(path: &Path) -> io::Result<Secret> {
    let content = read_settings_file(path, PASSWORD_FILE_LIMIT)?;
    let text = std::str::from_utf8(&content);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(line.to_owned()))
}
