//! Plain loopback against Postfix's `smtp-sink`: 16 connections, messages of 4 KiB.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::try_join_all;
use mailkit_connection::{Connector, ServerUrl};
use mailkit_testkit::SmtpSink;

use crate::floor;
use crate::measures::{median, shown};
use crate::report::Table;
use crate::usage::{Stopwatch, Usage};
use crate::work::{Failure, Way, envelope, message, over};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Messages of one round.
    #[arg(long, default_value_t = 16_000)]
    messages: usize,
    /// Octets of a message.
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Rounds, each of which runs every contender in turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Run this contender alone, once: for a profiler.
    #[arg(long)]
    only: Option<Contender>,
    /// Measure against this server instead of one started here.
    #[arg(long)]
    server: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Contender {
    Floor,
    SendAll,
    Send,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let sink = if options.server.is_none() { Some(SmtpSink::start(&[])?) } else { None };
    let address = match (&sink, options.server) {
        (Some(sink), _) => sink.address(),
        (None, Some(address)) => address,
        (None, None) => return Err("no server".into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let content = message(options.size);
    if let Some(contender) = options.only {
        let usage = runtime.block_on(measure(contender, address, &content, options))?;
        println!("{contender:?}: {:.0} messages/s", per_second(options.messages, usage));
        return Ok(());
    }
    let contenders = [Contender::Floor, Contender::SendAll, Contender::Send];
    let mut rates = vec![Vec::new(); contenders.len()];
    let mut costs = vec![Vec::new(); contenders.len()];
    for round in 0..=options.rounds {
        for (index, contender) in contenders.into_iter().enumerate() {
            let usage = runtime.block_on(measure(contender, address, &content, options))?;
            // The first round warms up.
            if round > 0 {
                rates[index].push(per_second(options.messages, usage));
                costs[index].push(usage.processor.as_secs_f64() * 1e6 / options.messages as f64);
            }
        }
    }
    let title = format!("Plain loopback, {} connections, smtp-sink", options.connections);
    let mut table = Table::new(title, ["messages/s", "of floor", "CPU µs each", "of floor"]);
    for (index, contender) in contenders.into_iter().enumerate() {
        let rate = shown(median(rates[index].clone()), 0);
        let of_floor = shown(median(ratios(&rates[index], &rates[0])), 2);
        let cost = shown(median(costs[index].clone()), 1);
        let cost_of_floor = shown(median(ratios(&costs[index], &costs[0])), 2);
        table.row(format!("{contender:?}"), [rate, of_floor, cost, cost_of_floor]);
    }
    table.print();
    Ok(())
}

async fn measure(
    contender: Contender,
    address: SocketAddr,
    content: &Bytes,
    options: &Options,
) -> Result<Usage, Failure> {
    let each = options.messages / options.connections;
    let way = match contender {
        Contender::Floor => {
            let watch = Stopwatch::start();
            try_join_all((0..options.connections).map(|_| floor::run(address, content, each))).await?;
            return Ok(watch.stop());
        }
        Contender::Send => Way::Send,
        Contender::SendAll => Way::SendAll,
    };
    let envelope = envelope()?;
    let connector = Connector::new(ServerUrl::parse(&format!("smtp://{address}?tls=none"))?.into_config()?)?;
    let watch = Stopwatch::start();
    let work = (0..options.connections).map(|_| async {
        let mut connection = connector.connect().await?;
        over(&mut connection, way, &envelope, content, each).await
    });
    try_join_all(work).await?;
    Ok(watch.stop())
}

fn per_second(messages: usize, usage: Usage) -> f64 {
    messages as f64 / usage.wall.as_secs_f64()
}

fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this / that).collect()
}
