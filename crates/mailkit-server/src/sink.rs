//! The capture server: what a program sends to it is kept, and what it answers can be made to fail.

mod builder;
mod capture;
mod counters;
mod error;
mod fail;
mod maildir;
mod session;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailkit_smtp::server::{Server, ServerConfig, ServerTls};
use mailkit_smtp::{EnhancedStatus, Reply, ReplyCode};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Outcome, now};
use capture::Archive;
use counters::Tally;
use fail::Rules;
use session::Session;

pub use builder::SinkBuilder;
pub use capture::Captured;
pub use counters::Counters;
pub use error::SinkError;
pub use fail::{FailRule, FailRuleError};

/// How long clients may take to hear that the sink stops.
const GRACE: Duration = Duration::from_secs(5);

/// The session ends.
const CLOSING: ReplyCode = code(421);

/// A fault of the sink's own.
const LOCAL_ERROR: ReplyCode = code(451);

const fn code(number: u16) -> ReplyCode {
    match ReplyCode::new(number) {
        Some(code) => code,
        None => panic!("no reply code"),
    }
}

/// Where the sink's TLS comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum SinkTls {
    /// There is none.
    #[default]
    None,
    /// STARTTLS is offered.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// A running capture server. It stops when it is dropped, or politely by [`Sink::shutdown`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use mailkit_server::Sink;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let sink = Sink::builder().start().await?;
/// let mut client = tokio::net::TcpStream::connect(sink.addr()).await?;
/// client.write_all(b"EHLO me\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\n\
///                    BDAT 4 LAST\r\nHi\r\nQUIT\r\n").await?;
/// client.read_to_string(&mut String::new()).await?;
///
/// let captured = sink.captured();
/// assert_eq!(captured[0].content, "Hi\r\n");
/// assert_eq!(captured[0].recipients[0].to_string(), "<bob@example.org>");
/// assert_eq!(sink.counters().accepted, 1);
/// sink.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sink {
    addr: SocketAddr,
    shared: Arc<Shared>,
    ca: Option<CaFile>,
    stop: watch::Sender<Option<Reply>>,
    listening: JoinHandle<()>,
}

/// The certificate authority that the sink made for itself; its file lives as long as the sink.
#[derive(Debug)]
struct CaFile {
    pem: String,
    path: std::path::PathBuf,
    /// Removes the file when it is dropped.
    _folder: TempDir,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    config: ServerConfig,
    tls: Option<Arc<rustls::ServerConfig>>,
    max_connections: Option<usize>,
    latency: Duration,
    rules: Rules,
    archive: Archive,
    tally: Tally,
}

impl Sink {
    /// A sink on a free port of the loopback interface, that accepts everything and keeps the last 1000 messages.
    pub fn builder() -> SinkBuilder {
        SinkBuilder::new()
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate authority to trust, as a PEM file that lives as long as the sink. `None` without TLS, or with a
    /// certificate that was given.
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca.as_ref().map(|ca| ca.path.as_path())
    }

    /// The certificate authority to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| ca.pem.as_str())
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.tally.counters()
    }

    /// The messages that are kept in memory, in the order in which they were accepted. A message is among them before
    /// its client hears that it was accepted.
    #[must_use]
    pub fn captured(&self) -> Vec<Captured> {
        self.shared.archive.kept()
    }

    /// Takes the messages that are kept in memory out of it.
    #[must_use]
    pub fn take_captured(&self) -> Vec<Captured> {
        self.shared.archive.take()
    }

    /// Stops: no new clients; those that are connected get a 421 and have 5 seconds to leave. A message whose end has
    /// come is still answered.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(Some(closing("the server stops; closing")));
        if tokio::time::timeout(GRACE, &mut self.listening).await.is_err() {
            tracing::debug!("clients that did not leave were hung up on");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The reply that ends a session.
fn closing(text: &str) -> Reply {
    refusal(CLOSING, 3, 2, text)
}

/// A refusal in the sink's own words.
fn refusal(code: ReplyCode, subject: u16, detail: u16, text: &str) -> Reply {
    let class = if code.get() < 500 { 4 } else { 5 };
    Reply::new(code, EnhancedStatus::new(class, subject, detail), text)
}

/// Takes clients in until the sink stops, and then waits until they have left. Aborted, it hangs up on all of them.
async fn listen(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<Option<Reply>>) {
    let mut clients = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next(), if !clients.is_empty() => continue,
            _ = stopping.wait_for(Option::is_some) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (shared, stop) = (Arc::clone(&shared), stop.clone());
                clients.spawn(async move {
                    if let Err(error) = serve(stream, shared, stop).await {
                        tracing::debug!(%peer, %error, "a connection broke");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: they come back when clients leave.
                tracing::warn!(%error, "a client could not be taken in");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, stop: watch::Receiver<Option<Reply>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let open = shared.tally.connect();
    let crowded = shared.max_connections.is_some_and(|most| open.number() > most);
    let mut config = shared.config.clone();
    config.nonce = vec![0; 18];
    getrandom::fill(&mut config.nonce).map_err(io::Error::other)?;
    let server = Server::new(config, now());
    let session = Session::new(Arc::clone(&shared), crowded);
    let mut connection = Connection::new(server, session, shared.latency, stop);
    let acceptor = shared.tls.clone().map(TlsAcceptor::from);
    if shared.config.tls == ServerTls::Established
        && let Some(acceptor) = acceptor
    {
        let mut stream = shake_hands(&acceptor, stream, &shared).await?;
        connection.run(&mut stream).await?;
        drop(open);
        connection.part(&mut stream).await;
        return Ok(());
    }
    if connection.run(&mut stream).await? == Outcome::StartTls
        && let Some(acceptor) = acceptor
    {
        let mut stream = shake_hands(&acceptor, stream, &shared).await?;
        connection.server.handle_tls_established(now());
        connection.run(&mut stream).await?;
        drop(open);
        connection.part(&mut stream).await;
    } else {
        drop(open);
        connection.part(&mut stream).await;
    }
    Ok(())
}

/// Runs the TLS handshake, which may take as long as a command.
async fn shake_hands(acceptor: &TlsAcceptor, stream: TcpStream, shared: &Shared) -> io::Result<TlsStream<TcpStream>> {
    tokio::time::timeout(shared.config.time_limits.command, acceptor.accept(stream)).await?
}
