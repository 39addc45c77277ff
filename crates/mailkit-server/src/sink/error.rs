//! Why a sink does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mailkit_address::{ErrorMessage, chained_display};

use super::FailRuleError;

/// Why a sink does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum SinkError {
    /// The address cannot be listened at.
    Listen(SocketAddr, io::Error),
    /// A file or folder cannot be read or made.
    File(PathBuf, io::Error),
    /// A certificate or key file holds none that can be used.
    Certificate(PathBuf, rustls_pki_types::pem::Error),
    /// Certificate and key do not make a TLS server.
    Tls(rustls::Error),
    /// The self-made certificate could not be made.
    SelfMade(rcgen::Error),
    /// A login is asked for, the address is not loopback, and there is no TLS.
    LoginInClear(SocketAddr),
    /// A fail rule makes no sense.
    FailRule(FailRuleError),
}

impl ErrorMessage for SinkError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(addr, _) => write!(f, "cannot listen at {addr}"),
            Self::File(path, _) => write!(f, "cannot use {}", path.display()),
            Self::Certificate(path, _) => write!(f, "no usable certificate or key in {}", path.display()),
            Self::Tls(_) => f.write_str("the certificate and its key make no TLS server"),
            Self::SelfMade(_) => f.write_str("the self-made certificate could not be made"),
            Self::LoginInClear(addr) => {
                write!(f, "a login at {addr} would go out in clear: use TLS, or listen at a loopback address")
            }
            Self::FailRule(_) => f.write_str("a fail rule makes no sense"),
        }
    }
}

chained_display!(SinkError);

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::File(_, error) => Some(error),
            Self::Certificate(_, error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::SelfMade(error) => Some(error),
            Self::LoginInClear(_) => None,
            Self::FailRule(error) => Some(error),
        }
    }
}

impl From<FailRuleError> for SinkError {
    fn from(error: FailRuleError) -> Self {
        Self::FailRule(error)
    }
}
