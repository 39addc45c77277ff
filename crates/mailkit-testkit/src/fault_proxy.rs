//! A TCP proxy that makes a good network bad: slow, cut, trickling or silent.

mod pipe;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use pipe::Pipe;

/// What a [`FaultProxy`] does to the bytes that pass; [`Faults::none`] lets them pass at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    delay: Duration,
    to_server: Path,
    to_client: Path,
    swallow: bool,
    connections: Option<u64>,
}

/// The faults of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Path {
    cut_after: Option<u64>,
    trickle: Option<(usize, Duration)>,
}

impl Faults {
    /// A network without faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every byte arrives this much later, in either direction: the round trip takes twice as long. Any number of bytes
    /// may be under way, so the rate stays what it was. (Connecting to the proxy itself takes no time.)
    #[must_use]
    pub fn one_way_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Ends a connection, both ways, once it has carried this many bytes to the server.
    #[must_use]
    pub fn cut_to_server_after(mut self, bytes: u64) -> Self {
        self.to_server.cut_after = Some(bytes);
        self
    }

    /// Ends a connection, both ways, once it has carried this many bytes to the client.
    #[must_use]
    pub fn cut_to_client_after(mut self, bytes: u64) -> Self {
        self.to_client.cut_after = Some(bytes);
        self
    }

    /// Lets at most `bytes` pass to the server in each interval.
    #[must_use]
    pub fn trickle_to_server(mut self, bytes: usize, interval: Duration) -> Self {
        self.to_server.trickle = Some((bytes.max(1), interval));
        self
    }

    /// Lets at most `bytes` pass to the client in each interval.
    #[must_use]
    pub fn trickle_to_client(mut self, bytes: usize, interval: Duration) -> Self {
        self.to_client.trickle = Some((bytes.max(1), interval));
        self
    }

    /// Accepts connections, takes in what the client says, and never answers.
    #[must_use]
    pub fn swallow(mut self) -> Self {
        self.swallow = true;
        self
    }

    /// Only the first `count` connections suffer; those after it meet no fault.
    #[must_use]
    pub fn for_first_connections(mut self, count: u64) -> Self {
        self.connections = Some(count);
        self
    }

    fn for_connection(self, number: u64) -> Self {
        match self.connections {
            Some(count) if number >= count => Self::none(),
            _ => self,
        }
    }
}

/// What passed through a [`FaultProxy`] so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that clients opened.
    pub connections: u64,
    /// Bytes handed on to the server.
    pub to_server: u64,
    /// Bytes handed on to clients.
    pub to_client: u64,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    to_server: Arc<AtomicU64>,
    to_client: Arc<AtomicU64>,
}

/// A running proxy; dropping it ends it and all connections through it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    task: AbortHandle,
}

impl FaultProxy {
    /// Listens on a free loopback port and connects each client to `upstream`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr, faults: Faults) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let task = tokio::spawn(serve(listener, upstream, faults, Arc::clone(&counters))).abort_handle();
        Ok(Self { address, counters, task })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            connections: self.counters.connections.load(Ordering::Relaxed),
            to_server: self.counters.to_server.load(Ordering::Relaxed),
            to_client: self.counters.to_client.load(Ordering::Relaxed),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, upstream: SocketAddr, faults: Faults, counters: Arc<Counters>) {
    // The set ends its tasks when this task ends.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = counters.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(carry(client, upstream, faults.for_connection(number), Arc::clone(&counters)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection. An error on either side ends it, which the other side then sees: that is all a network tells.
async fn carry(client: TcpStream, upstream: SocketAddr, faults: Faults, counters: Arc<Counters>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (client_reader, client_writer) = client.into_split();
    if faults.swallow {
        pipe::drain(client_reader).await;
        return Ok(());
    }
    let server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let (server_reader, server_writer) = server.into_split();
    let pipe = |path: Path, counter: &Arc<AtomicU64>| Pipe {
        delay: faults.delay,
        cut_after: path.cut_after,
        trickle: path.trickle,
        counter: Arc::clone(counter),
    };
    let to_server = pipe(faults.to_server, &counters.to_server).run(client_reader, server_writer);
    let to_client = pipe(faults.to_client, &counters.to_client).run(server_reader, client_writer);
    // A cut or an error in one direction ends both at once; an end of file lets the other direction finish.
    tokio::try_join!(to_server, to_client).map(drop)
}

#[cfg(test)]
mod tests;
