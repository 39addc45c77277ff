//! The whole outbox, with its queue in memory, against `send_all` alone: what queueing, limits and settling cost.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use mailkit::queue::{Clock, NewMessage, QueueSettings};
use mailkit::{MemoryQueue, Outbox, PoolSettings, Queue as _, Route};
use mailkit_connection::{Connector, ServerUrl};
use mailkit_testkit::SmtpSink;

use crate::measures::{median, shown};
use crate::report::Table;
use crate::usage::{Stopwatch, Usage};
use crate::work::{Failure, Way, envelope, message, over};

/// What the dispatcher has to reach of `send_all`.
const TARGET: f64 = 0.8;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections at once.
    #[arg(long, default_value_t = NonZeroU32::MIN.saturating_add(15))]
    connections: NonZeroU32,
    /// Messages of one round.
    #[arg(long, default_value_t = 32_000)]
    messages: usize,
    /// Octets of a message.
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Rounds, each of which runs both in turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let sink = SmtpSink::start(&[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let content = message(options.size);
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let pair = runtime.block_on(async {
            Ok::<_, Failure>((
                send_all(sink.address(), &content, options).await?,
                outbox(sink.address(), &content, options).await?,
            ))
        })?;
        // The first round warms up.
        if round > 0 {
            alone.push(pair.0);
            whole.push(pair.1);
        }
    }
    let rate = |usage: &Usage| options.messages as f64 / usage.wall.as_secs_f64();
    let cost = |usage: &Usage| usage.processor.as_secs_f64() * 1e6 / options.messages as f64;
    let of = |what: &dyn Fn(&Usage) -> f64| -> f64 {
        median(whole.iter().zip(&alone).map(|(whole, alone)| what(whole) / what(alone)).collect())
    };
    let title = format!("Dispatching, {} connections, smtp-sink", options.connections);
    let mut table = Table::new(title, ["messages/s", "of send_all", "CPU µs each", "of send_all"]);
    for (name, usages, ratios) in
        [("send_all alone", &alone, (1.0, 1.0)), ("outbox, queue in memory", &whole, (of(&rate), of(&cost)))]
    {
        let median_of = |what: &dyn Fn(&Usage) -> f64| median(usages.iter().map(what).collect());
        let cells = [(median_of(&rate), 0), (ratios.0, 2), (median_of(&cost), 1), (ratios.1, 2)];
        table.row(name, cells.map(|(figure, decimals)| shown(figure, decimals)));
    }
    table.print();
    let verdict = if of(&rate) >= TARGET { "met" } else { "missed" };
    println!("target: at least {TARGET} of send_all alone: {verdict}");
    Ok(())
}

async fn send_all(address: SocketAddr, content: &Bytes, options: &Options) -> Result<Usage, Failure> {
    let connections = options.connections.get() as usize;
    let each = options.messages / connections;
    let envelope = envelope()?;
    let connector = Connector::new(ServerUrl::parse(&url(address))?.into_config()?)?;
    let watch = Stopwatch::start();
    let senders = (0..connections).map(|_| {
        let (connector, envelope, content) = (connector.clone(), envelope.clone(), content.clone());
        async move {
            let sender = tokio::spawn(async move {
                let mut connection = connector.connect().await.map_err(|error| error.to_string())?;
                let sent = over(&mut connection, Way::SendAll, &envelope, &content, each).await;
                sent.map_err(|error| error.to_string())
            });
            sender.await.map_err(|error| error.to_string())?
        }
    });
    try_join_all(senders).await?;
    Ok(watch.stop())
}

/// Enqueues beforehand: what is measured is from the queue to the server and back.
async fn outbox(address: SocketAddr, content: &Bytes, options: &Options) -> Result<Usage, Failure> {
    let queue = std::sync::Arc::new(MemoryQueue::with(QueueSettings::default(), Clock::system()));
    let envelope = envelope()?;
    for _ in 0..options.messages {
        queue.enqueue(NewMessage::new(envelope.clone(), content.clone())).await?;
    }
    let messages_per_connection = NonZeroU32::try_from(u32::try_from(options.messages)?)?;
    let pool = PoolSettings { max_size: options.connections, messages_per_connection, ..PoolSettings::default() };
    let watch = Stopwatch::start();
    let outbox =
        Outbox::builder().shared_queue(queue).route(Route::new("bench", &url(address))?.pool(pool)).start().await?;
    let stats = outbox.dispatcher().until_empty().await?;
    let usage = watch.stop();
    if stats.sent != options.messages as u64 {
        return Err(format!("{} of {} messages were sent", stats.sent, options.messages).into());
    }
    outbox.shutdown(Duration::from_secs(5)).await;
    Ok(usage)
}

fn url(address: SocketAddr) -> String {
    format!("smtp://{address}?tls=none")
}
