//! `mailkit demo`: thousands of real messages through a durable queue to a sink of its own, each accounted for.

mod ledger;
mod letters;
mod summary;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mailkit::connection::{ConnectorConfig, Endpoint, Host, Protocol, TlsMode, TlsSettings};
use mailkit::queue::Stats;
use mailkit::smtp::sasl::Credentials;
use mailkit::{EnqueueOptions, Error, Outbox, PoolSettings, Route, SqliteQueue};
use mailkit_server::{Sink, SinkTls};
use tokio::task::JoinSet;

use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::signals::AnyEnd;
use ledger::Ledger;
use summary::Summary;

const USER: &str = "demo";

/// It guards a sink that lives as long as the demo, on this machine alone.
const PASSWORD: &str = "nothing to hide";

/// How many tasks enqueue: those that wait together share one fsync.
const ENQUEUERS: u32 = 32;

const ROUTE: &str = "sink";

/// How long what is on its way has to end, once all has arrived.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &DemoArgs, output: &mut Output) -> Result<Exit, Failure> {
    // Before there is anything to clean up.
    let mut signals = AnyEnd::catch().map_err(|error| Failure::system("no signals can be received", &error))?;
    let (ledger, bar) = (Arc::new(Ledger::default()), progress(args, output));
    let (arrived, moved) = (Arc::clone(&ledger), bar.clone());
    let sink = Sink::builder()
        .tls(SinkTls::StartTls)
        .user(USER, PASSWORD)
        .keep(0)
        .on_message(move |captured| {
            arrived.arrived(&captured.content);
            moved.inc(1);
        })
        .start()
        .await
        .map_err(|error| Failure::system("the demo's sink does not start", &error))?;
    let folder = tempfile::Builder::new().prefix("mailkit-demo-").tempdir();
    let folder = folder.map_err(|error| Failure::system("there is no room for the queue", &error))?;
    let queue = SqliteQueue::open(folder.path().join("mailkit.db")).await?;
    let route = Route::with_config(ROUTE, settings(&sink)?).pool(pool(args));
    let outbox = Outbox::builder().queue(queue.clone()).route(route).start().await?;
    let tls = tls_version(&outbox).await?;
    let outcome = tokio::select! {
        outcome = deliver(args, &outbox, &ledger) => Ok(outcome),
        ended = signals.next() => Err(ended),
    };
    bar.finish_and_clear();
    outbox.shutdown(if outcome.is_ok() { DRAIN } else { Duration::ZERO }).await;
    let connections = sink.counters().most_open;
    sink.shutdown().await;
    let closed = queue.close().await;
    let removed = folder.close().map_err(|error| Failure::system("the demo's queue cannot be removed", &error));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(ended) => {
            removed?;
            output.note("interrupted: the demo's queue and mail are removed");
            return Ok(ended);
        }
    };
    closed?;
    removed?;
    let summary = Summary::new(args.messages, &outcome?, &ledger, tls, connections);
    if output.json {
        output.object(&summary)?;
    } else {
        summary.print(output)?;
    }
    if summary.is_whole() { Ok(Exit::Done) } else { Err(Failure::unmet(summary.verdict())) }
}

fn settings(sink: &Sink) -> Result<ConnectorConfig, Failure> {
    let endpoint = Endpoint::Tcp { host: Host::from(sink.addr().ip()), port: sink.addr().port() };
    let pem = sink.ca_pem().unwrap_or_default();
    let credentials = Credentials::password(USER, PASSWORD)
        .map_err(|error| Failure::configuration("the demo's login makes no sense", &error))?;
    Ok(ConnectorConfig::new(Protocol::Smtp, endpoint, TlsMode::StartTls)
        .with_tls(TlsSettings::default().add_roots_pem(pem).only_added_roots())
        .with_credentials(credentials))
}

fn pool(args: &DemoArgs) -> PoolSettings {
    let max_size = NonZeroU32::new(args.connections.into()).unwrap_or(NonZeroU32::MIN);
    let usual = PoolSettings::default();
    PoolSettings { max_size, min_idle: usual.min_idle.min(max_size.get()), ..usual }
}

async fn tls_version(outbox: &Outbox) -> Result<&'static str, Error> {
    let Some(mailer) = outbox.mailer(ROUTE) else { return Ok("none") };
    let connection = mailer.connect().await?;
    let version = connection.tls().map_or("none", |tls| tls.version);
    connection.quit().await;
    Ok(version)
}

fn progress(args: &DemoArgs, output: &Output) -> ProgressBar {
    if output.quiet || output.json {
        return ProgressBar::hidden();
    }
    // It draws on standard error, and nowhere but on a terminal.
    let bar = ProgressBar::new(args.messages.into());
    match ProgressStyle::with_template("{bar:40} {pos}/{len} messages  {per_sec}  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What was done, and how long it took.
struct Delivery {
    octets: u64,
    /// Until all was on stable storage.
    enqueued_in: Duration,
    /// Until all had arrived, and that was on stable storage.
    delivered_in: Duration,
    stats: Stats,
}

async fn deliver(args: &DemoArgs, outbox: &Outbox, ledger: &Arc<Ledger>) -> Result<Delivery, Failure> {
    let started = Instant::now();
    let octets = enqueue_all(args.messages, outbox, ledger).await?;
    let enqueued_in = started.elapsed();
    let stats = outbox.dispatcher().until_empty().await?;
    Ok(Delivery { octets, enqueued_in, delivered_in: started.elapsed(), stats })
}

/// Enqueues messages from several tasks; returns their octets.
async fn enqueue_all(messages: u32, outbox: &Outbox, ledger: &Arc<Ledger>) -> Result<u64, Failure> {
    let next = Arc::new(AtomicU32::new(0));
    let mut enqueuers = JoinSet::new();
    for _ in 0..ENQUEUERS.min(messages) {
        let (outbox, ledger, next) = (outbox.clone(), Arc::clone(ledger), Arc::clone(&next));
        enqueuers.spawn(async move {
            let mut octets = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return Ok(octets);
                }
                let letter = letters::letter(number)?;
                ledger.sent(&letters::on_the_wire(&letter)?);
                outbox.enqueue(&letter, EnqueueOptions::new()).await?;
                octets += letter.size().unwrap_or_default();
            }
        });
    }
    let mut octets = 0;
    while let Some(joined) = enqueuers.join_next().await {
        let outcome: Result<u64, Failure> = joined.map_err(|error| Failure::system("an enqueuer broke", &error))?;
        octets += outcome?;
    }
    Ok(octets)
}
