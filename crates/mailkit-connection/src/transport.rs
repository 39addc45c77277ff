//! A byte stream to the server, whatever carries it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection reads from and writes to: a TCP or Unix socket, or a TLS session over one.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A [`Transport`] whose kind is known only at run time.
pub type BoxedTransport = Box<dyn Transport>;

/// A connection before a word of SMTP or TLS is spoken.
#[non_exhaustive]
pub struct Dialed {
    /// The stream. What the server has said so far is still in it.
    pub transport: BoxedTransport,
    /// Who is at the other end.
    pub peer: Peer,
    /// Our own address on a TCP connection: what we call ourselves in EHLO where no name is given.
    pub local: Option<IpAddr>,
}

impl fmt::Debug for Dialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialed").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The other end of a dialed connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP connection to this address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// A stream that the caller brought.
    Brought,
    /// A connection that a proxy made: the server's own address is not known.
    Proxied {
        /// The proxy's address.
        proxy: SocketAddr,
        /// The server as `host:port`, resolved by the proxy.
        target: String,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Brought => f.write_str("a stream of the caller's"),
            Self::Proxied { proxy, target } => write!(f, "{target} through the proxy at {proxy}"),
        }
    }
}
