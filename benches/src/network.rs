//! A network between two programs of this machine: a proxy that delays.

use std::net::SocketAddr;
use std::time::Duration;

use mailkit_testkit::{FaultProxy, Faults};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::usage::Stopwatch;
use crate::work::Failure;

/// A way to the server that takes so long there and back. (To connect takes no time.)
pub(crate) async fn far(server: SocketAddr, round_trip: Duration) -> std::io::Result<FaultProxy> {
    FaultProxy::start(server, Faults::none().one_way_delay(round_trip / 2)).await
}

/// The median of what a byte and its echo take through the proxy: its timers are part of it.
pub(crate) async fn measured(round_trip: Duration) -> Result<Duration, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let proxy = far(address, round_trip).await?;
    let mut stream = TcpStream::connect(proxy.address()).await?;
    stream.set_nodelay(true)?;
    let mut trips = Vec::new();
    for _ in 0..25 {
        let watch = Stopwatch::start();
        stream.write_all(b"x").await?;
        stream.read_u8().await?;
        trips.push(watch.stop().wall);
    }
    echo.abort();
    trips.sort();
    trips.get(trips.len() / 2).copied().ok_or_else(|| "no trips".into())
}
