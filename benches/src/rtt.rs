//! A round trip of 20 ms: 8 connections through a proxy that delays, with and without CHUNKING.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use mailkit_connection::{Connector, ServerUrl};
use mailkit_server::Sink;
use mailkit_testkit::{FaultProxy, Faults};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::usage::Stopwatch;
use crate::work::{Failure, Way, envelope, message, over};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections at once.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Messages on each connection.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// The round trip in milliseconds.
    #[arg(long, default_value_t = 20)]
    rtt: u64,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    // The proxy and the server have a thread of their own: they stand for the network and another machine.
    let world = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let content = message(4096);
    let delay = Duration::from_millis(options.rtt) / 2;
    let trip = world.block_on(round_trip(delay))?;
    println!("round trip through the proxy: {:.2} ms", trip.as_secs_f64() * 1e3);
    println!("{:<28} {:>12} {:>24}", "", "messages/s", "of one a round trip");
    let most = options.connections as f64 / trip.as_secs_f64();
    for (name, way, chunking) in [
        ("send, CHUNKING", Way::Send, true),
        ("send, PIPELINING alone", Way::Send, false),
        ("send_all, CHUNKING", Way::SendAll, true),
        ("send_all, PIPELINING alone", Way::SendAll, false),
    ] {
        let (_sink, proxy) = world.block_on(async {
            let sink = Sink::builder().extensions(move |offered| offered.chunking = chunking).start().await?;
            let proxy = FaultProxy::start(sink.addr(), Faults::none().one_way_delay(delay)).await?;
            Ok::<_, Failure>((sink, proxy))
        })?;
        let rate = runtime.block_on(measure(way, proxy.address(), &content, options))?;
        println!("{name:<28} {rate:>12.0} {:>24.2}", rate / most);
    }
    Ok(())
}

/// Messages per second on warm connections.
async fn measure(way: Way, server: std::net::SocketAddr, content: &Bytes, options: &Options) -> Result<f64, Failure> {
    let connector = Connector::new(ServerUrl::parse(&format!("smtp://{server}?tls=none"))?.into_config()?)?;
    let mut connections = try_join_all((0..options.connections).map(|_| connector.connect())).await?;
    let envelope = envelope()?;
    let watch = Stopwatch::start();
    let work = connections.iter_mut().map(|connection| over(connection, way, &envelope, content, options.messages));
    try_join_all(work).await?;
    Ok((options.connections * options.messages) as f64 / watch.stop().wall.as_secs_f64())
}

/// The median of what a byte and its echo take through the proxy: its timers are part of it.
async fn round_trip(delay: Duration) -> Result<Duration, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let proxy = FaultProxy::start(address, Faults::none().one_way_delay(delay)).await?;
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
