//! What can go wrong before a server answers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mailkit_address::{ErrorMessage, chained_display};

use crate::proxy::ProxyError;

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialStep {
    /// Looking the name up.
    Resolve,
    /// Connecting to an address, or talking to the proxy.
    Connect,
}

impl DialStep {
    /// The step's name as reports show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
        }
    }
}

/// Why no connection was opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The name does not exist, or has no address.
    HostUnknown {
        /// The name.
        host: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// The name could not be looked up, whether it exists or not.
    ResolverFailed {
        /// The name.
        host: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// No address took the connection.
    AllFailed {
        /// The server, or the proxy.
        host: String,
        /// The port.
        port: u16,
        /// What each address answered, in the order of the answers.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The time limit for connecting passed.
    TimedOut {
        /// The server.
        endpoint: String,
        /// The limit.
        limit: Duration,
        /// What was still awaited.
        step: DialStep,
        /// What the addresses answered that did answer.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The Unix socket took no connection.
    Unix {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The proxy made no connection to the server.
    Proxy {
        /// The proxy's URL, without its password.
        proxy: String,
        /// Why.
        source: ProxyError,
    },
}

impl DialError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::HostUnknown { .. } => false,
            Self::ResolverFailed { .. } | Self::AllFailed { .. } | Self::TimedOut { .. } => true,
            // A daemon that restarts takes its socket away, and leaves a dead one where it crashed.
            Self::Unix { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Proxy { source, .. } => source.is_temporary(),
        }
    }

    /// The step that failed.
    #[must_use]
    pub fn step(&self) -> DialStep {
        match self {
            Self::HostUnknown { .. } | Self::ResolverFailed { .. } => DialStep::Resolve,
            Self::TimedOut { step, .. } => *step,
            Self::AllFailed { .. } | Self::Unix { .. } | Self::Proxy { .. } => DialStep::Connect,
        }
    }

    fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        match self {
            Self::AllFailed { attempts, .. } | Self::TimedOut { attempts, .. } => attempts,
            _ => &[],
        }
    }
}

impl ErrorMessage for DialError {
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostUnknown { host, .. } => write!(f, "the host {host} is unknown: check its spelling"),
            Self::ResolverFailed { host, .. } => {
                write!(f, "the host {host} could not be looked up: the name servers do not answer")
            }
            Self::AllFailed { host, port, attempts } => {
                write!(f, "no connection to {host}:{port}")?;
                list(f, attempts)?;
                let all_refused = attempts.iter().all(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
                if all_refused && !attempts.is_empty() {
                    f.write_str("; check the port, and that the server runs")?;
                }
                Ok(())
            }
            Self::TimedOut { endpoint, limit, step, attempts } => {
                let awaited = match step {
                    DialStep::Resolve => "the name servers did not answer",
                    DialStep::Connect => "no connection",
                };
                write!(f, "{endpoint}: {awaited} within {limit:?}")?;
                list(f, attempts)?;
                f.write_str("; check for a firewall in between")
            }
            Self::Unix { path, source } => {
                let path = path.display();
                match source.kind() {
                    io::ErrorKind::NotFound => write!(f, "there is no socket {path}: check that the server runs"),
                    io::ErrorKind::ConnectionRefused => write!(f, "nobody listens on the socket {path}"),
                    io::ErrorKind::PermissionDenied => write!(f, "this user may not open the socket {path}"),
                    _ => write!(f, "no connection to the socket {path}"),
                }
            }
            Self::Proxy { proxy, .. } => write!(f, "no connection through the proxy {proxy}"),
        }
    }
}

chained_display!(DialError);

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::HostUnknown { source, .. } | Self::ResolverFailed { source, .. } | Self::Unix { source, .. } => {
                Some(source)
            }
            Self::Proxy { source, .. } => Some(source),
            // Their words are in ours; the last address to fail still leads on to the system's error.
            Self::AllFailed { .. } | Self::TimedOut { .. } => {
                self.attempts().last().map(|(_, error)| error as &(dyn std::error::Error + 'static))
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, attempts: &[(SocketAddr, io::Error)]) -> fmt::Result {
    let mut separator = ": ";
    for (address, error) in attempts {
        write!(f, "{separator}{address} {}", Reason(error))?;
        separator = ", ";
    }
    Ok(())
}

/// The reason in a word or two, where it is a usual one.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::ConnectionRefused => f.write_str("refused"),
            io::ErrorKind::TimedOut => f.write_str("did not answer"),
            io::ErrorKind::NetworkUnreachable => f.write_str("unreachable network"),
            io::ErrorKind::HostUnreachable => f.write_str("unreachable"),
            _ => write!(f, "failed ({})", self.0),
        }
    }
}
