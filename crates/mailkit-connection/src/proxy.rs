//! Proxies between us and the server.

mod error;
mod http;
mod socks;

use std::fmt;

use mailkit_smtp::sasl::Secret;
use percent_encoding::utf8_percent_encode;
use tokio::net::TcpStream;

pub use error::ProxyError;

use crate::host::Host;
use crate::url::{Authority, USER, UrlError, unknown_scheme};

const SCHEMES: &str = "socks5:// or http://";

/// A proxy: SOCKS5 (RFC 1928) or HTTP CONNECT (RFC 9110 §9.3.6). The proxy resolves the server's name.
#[derive(Clone)]
pub struct Proxy {
    kind: ProxyKind,
    host: Host,
    port: u16,
    login: Option<Login>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyKind {
    /// SOCKS5 (RFC 1928), with a login by user and password (RFC 1929) where given.
    Socks5,
    /// HTTP CONNECT (RFC 9110 §9.3.6), with a Basic login (RFC 7617) where given.
    Http,
}

#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

impl Proxy {
    /// A proxy without a login.
    #[must_use]
    pub fn new(kind: ProxyKind, host: Host, port: u16) -> Self {
        Self { kind, host, port, login: None }
    }

    /// Reads `socks5://[user:password@]host[:1080]` or `http://[user:password@]host[:80]`.
    /// `socks5h` means the same as `socks5`.
    ///
    /// # Errors
    /// [`UrlError`] names what is wrong, without the password.
    ///
    /// ```
    /// use mailkit_connection::Proxy;
    ///
    /// let proxy = Proxy::parse("socks5://ann:s3cret@proxy.example")?;
    /// assert_eq!(proxy.to_string(), "socks5://ann:***@proxy.example:1080");
    /// # Ok::<(), mailkit_connection::UrlError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter { field: "URL" });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(UrlError::Scheme { found: None, allowed: SCHEMES });
        };
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            "http" => (ProxyKind::Http, 80),
            _ => return Err(unknown_scheme(scheme, SCHEMES)),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if let Some((_, behind)) = place.split_once(['/', '?', '#']) {
            return Err(if behind.contains('@') { UrlError::NotEncoded } else { UrlError::Trailing });
        }
        let Authority { user, password, host, port } = Authority::parse(place)?;
        let login = match (user, password) {
            (None, _) => None,
            (Some(_), None) => return Err(UrlError::PasswordMissing),
            (Some(user), Some(password)) => Some(Login { user, password }),
        };
        Ok(Self { kind, host, port: port.unwrap_or(default_port), login })
    }

    /// Logs in to the proxy.
    ///
    /// # Errors
    /// [`UrlError::ControlCharacter`] if either holds a control character.
    pub fn with_login(mut self, user: impl Into<String>, password: Secret) -> Result<Self, UrlError> {
        let user = user.into();
        if user.chars().any(char::is_control) {
            return Err(UrlError::ControlCharacter { field: "user" });
        }
        if password.expose().chars().any(char::is_control) {
            return Err(UrlError::ControlCharacter { field: "password" });
        }
        self.login = Some(Login { user, password });
        Ok(self)
    }

    /// What the proxy speaks.
    #[must_use]
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// The proxy's name or address.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The proxy's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy at the other end of `stream` for a connection to `host:port`.
    pub(crate) async fn tunnel(&self, stream: TcpStream, host: &Host, port: u16) -> Result<TcpStream, ProxyError> {
        match self.kind {
            ProxyKind::Socks5 => socks::tunnel(stream, self.login.as_ref(), host, port).await,
            ProxyKind::Http => http::tunnel(stream, self.login.as_ref(), host, port).await,
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ProxyKind::Socks5 => "socks5://",
            ProxyKind::Http => "http://",
        })?;
        if let Some(login) = &self.login {
            write!(f, "{}:***@", utf8_percent_encode(&login.user, USER))?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
