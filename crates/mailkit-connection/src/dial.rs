//! Opening the socket: every address in turn, the first to answer wins (RFC 8305).

mod error;
mod race;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use error::{DialError, DialStep};

use crate::host::Host;
use crate::proxy::Proxy;
use crate::resolve::resolve;
use crate::settings::{ConnectorConfig, Endpoint};
use crate::transport::{BoxedTransport, Dialed, Peer};

/// RFC 8305 §8 recommends 250 ms between one attempt and the next.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// After how long without a word a host is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);

/// Opens a connection to the server that `config` names, through its proxy if there is one. Speaks
/// neither TLS nor SMTP.
///
/// Cancel safe: dropping the future closes whatever was opened.
///
/// # Errors
/// [`DialError`] keeps what each address answered. The limit [`connect`](crate::TimeLimits::connect)
/// covers all of it, from the look-up to the proxy's answer.
pub async fn dial(config: &ConnectorConfig) -> Result<Dialed, DialError> {
    let limit = config.limits().connect;
    let mut progress = Progress::default();
    let outcome = timeout(limit, open(config.endpoint(), config.proxy(), &mut progress)).await;
    outcome.unwrap_or_else(|_| {
        Err(DialError::TimedOut {
            endpoint: config.endpoint().to_string(),
            limit,
            step: progress.step(),
            attempts: progress.failed,
        })
    })
}

/// How far it came, for the error that a time limit makes.
#[derive(Default)]
struct Progress {
    resolved: bool,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl Progress {
    fn step(&self) -> DialStep {
        if self.resolved { DialStep::Connect } else { DialStep::Resolve }
    }
}

async fn open(endpoint: &Endpoint, proxy: Option<&Proxy>, progress: &mut Progress) -> Result<Dialed, DialError> {
    match (endpoint, proxy) {
        (Endpoint::Unix(path), _) => {
            progress.resolved = true;
            open_unix(path).await
        }
        (Endpoint::Tcp { host, port }, None) => {
            let (stream, address) = open_tcp(host, *port, progress).await?;
            Ok(Dialed { local: local_ip(&stream), transport: Box::new(stream), peer: Peer::Tcp(address) })
        }
        (Endpoint::Tcp { host, port }, Some(proxy)) => {
            let (stream, address) = open_tcp(proxy.host(), proxy.port(), progress).await?;
            let local = local_ip(&stream);
            let tunnel = proxy.tunnel(stream, host, *port).await;
            let stream = tunnel.map_err(|source| DialError::Proxy { proxy: proxy.to_string(), source })?;
            let target = format!("{host}:{port}");
            Ok(Dialed { local, transport: Box::new(stream), peer: Peer::Proxied { proxy: address, target } })
        }
    }
}

async fn open_tcp(host: &Host, port: u16, progress: &mut Progress) -> Result<(TcpStream, SocketAddr), DialError> {
    let addresses = resolve(host, port).await?;
    progress.resolved = true;
    tracing::debug!(%host, port, ?addresses, "connecting");
    match race::first(addresses, ATTEMPT_DELAY, connect, &mut progress.failed).await {
        Some((address, stream)) => Ok((stream, address)),
        None => {
            Err(DialError::AllFailed { host: host.to_string(), port, attempts: std::mem::take(&mut progress.failed) })
        }
    }
}

fn local_ip(stream: &TcpStream) -> Option<IpAddr> {
    stream.local_addr().ok().map(|address| address.ip().to_canonical())
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    if let Err(error) = tune(&SockRef::from(&stream)) {
        // Mail goes without that, too.
        tracing::debug!(%address, %error, "a socket option was refused");
    }
    Ok(stream)
}

/// A host that has gone without a word is noticed within two minutes or so. The time limits of SMTP are for servers that are
/// slow, whose hosts answer all the same.
fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    // Nagle's algorithm holds the last segment of a message back until the peer's delayed ACK: 40 ms each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&soundings())?;
    // What stays unacknowledged is sent again for 15 minutes else, without soundings (RFC 5482).
    #[cfg(any(target_os = "android", target_os = "cygwin", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(120)))?;
    Ok(())
}

/// When a silent host is asked, and how often where each socket has an interval of its own.
fn soundings() -> TcpKeepalive {
    let soundings = TcpKeepalive::new().with_time(QUIET);
    // Systems ask 8 to 10 times.
    #[cfg(any(
        target_os = "android",
        target_os = "cygwin",
        target_os = "dragonfly",
        target_os = "emscripten",
        target_os = "freebsd",
        target_os = "fuchsia",
        target_os = "illumos",
        target_os = "ios",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "tvos",
        target_os = "visionos",
        target_os = "watchos",
        target_os = "windows",
    ))]
    let soundings = soundings.with_interval(Duration::from_secs(5));
    soundings
}

#[cfg(unix)]
async fn open_unix(path: &Path) -> Result<Dialed, DialError> {
    match tokio::net::UnixStream::connect(path).await {
        Ok(stream) => {
            let transport: BoxedTransport = Box::new(stream);
            Ok(Dialed { local: None, transport, peer: Peer::Unix(path.to_owned()) })
        }
        Err(source) => Err(DialError::Unix { path: path.to_owned(), source }),
    }
}

#[cfg(not(unix))]
async fn open_unix(path: &Path) -> Result<Dialed, DialError> {
    let source = io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets");
    Err(DialError::Unix { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nagle_is_off_and_a_host_that_has_gone_is_noticed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert_eq!((socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap()), (true, QUIET));
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(120)));
    }
}
