//! A round trip of 20 ms: 8 connections through a proxy that delays, with and without CHUNKING.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use mailkit_connection::{Connector, ServerUrl};
use mailkit_server::Sink;

use crate::measures::shown;
use crate::network;
use crate::report::Table;
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
    let round_trip = Duration::from_millis(options.rtt);
    let trip = world.block_on(network::measured(round_trip))?;
    let title = format!("A round trip of {:.2} ms, {} connections", trip.as_secs_f64() * 1e3, options.connections);
    let mut table = Table::new(title, ["messages/s", "of one a round trip"]);
    let most = options.connections as f64 / trip.as_secs_f64();
    for (name, way, chunking) in [
        ("send, CHUNKING", Way::Send, true),
        ("send, PIPELINING alone", Way::Send, false),
        ("send_all, CHUNKING", Way::SendAll, true),
        ("send_all, PIPELINING alone", Way::SendAll, false),
    ] {
        let (_sink, proxy) = world.block_on(async {
            let sink = Sink::builder().extensions(move |offered| offered.chunking = chunking).start().await?;
            let proxy = network::far(sink.addr(), round_trip).await?;
            Ok::<_, Failure>((sink, proxy))
        })?;
        let rate = runtime.block_on(measure(way, proxy.address(), &content, options))?;
        table.row(name, [shown(rate, 0), shown(rate / most, 2)]);
    }
    table.print();
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
