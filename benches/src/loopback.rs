//! Plain loopback against Postfix's `smtp-sink`: 16 connections, messages of 4 KiB.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::try_join_all;
use mailkit_connection::{Connector, ServerUrl};
use mailkit_testkit::SmtpSink;

use crate::floor;
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
    println!("{:<10} {:>12} {:>10} {:>12} {:>10}", "", "messages/s", "of floor", "CPU us each", "of floor");
    for (index, contender) in contenders.into_iter().enumerate() {
        let (rate, cost) = (median(&rates[index]), median(&costs[index]));
        let of_floor = median(&ratios(&rates[index], &rates[0]));
        let cost_of_floor = median(&ratios(&costs[index], &costs[0]));
        println!("{:<10} {rate:>12.0} {of_floor:>10.2} {cost:>12.1} {cost_of_floor:>10.2}", format!("{contender:?}"));
    }
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

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
