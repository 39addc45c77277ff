//! `mailkit demo`: thousands of real messages through a sink of its own, each accounted for.

mod ledger;
mod letters;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mailkit::connection::{ConnectorConfig, Endpoint, Host, Protocol, TlsMode, TlsSettings};
use mailkit::smtp::sasl::Credentials;
use mailkit::{Error, Mailer, Message, PoolSettings};
use mailkit_server::{Sink, SinkTls};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Tone};
use ledger::{Account, Ledger};

const USER: &str = "demo";

/// It guards a sink that lives as long as the demo, on this machine alone.
const PASSWORD: &str = "nothing to hide";

pub(crate) async fn run(args: &DemoArgs, output: &mut Output) -> Result<Exit, Failure> {
    let ledger = Arc::new(Ledger::default());
    let arrived = Arc::clone(&ledger);
    let sink = Sink::builder()
        .tls(SinkTls::StartTls)
        .user(USER, PASSWORD)
        .keep(0)
        .on_message(move |captured| arrived.arrived(&captured.content))
        .start()
        .await
        .map_err(|error| Failure::system("the demo's sink does not start", &error))?;
    let connections = NonZeroU32::new(args.connections.into()).unwrap_or(NonZeroU32::MIN);
    let mailer =
        Mailer::with_pool(settings(&sink)?, PoolSettings { max_size: connections, ..PoolSettings::default() })?;
    let tls = tls_version(&mailer).await?;
    let bar = progress(args, output);
    let started = Instant::now();
    let outcome = send_all(args, &mailer, &ledger, &bar).await;
    let elapsed = started.elapsed();
    bar.finish_and_clear();
    mailer.close().await;
    let connections = sink.counters().most_open;
    sink.shutdown().await;
    let tally = outcome?;
    let summary = Summary::new(args, &tally, ledger.account(), elapsed, tls, connections);
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

async fn tls_version(mailer: &Mailer) -> Result<&'static str, Error> {
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

/// What the senders have seen.
#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    octets: u64,
    round_trips: u64,
    refused: usize,
}

async fn send_all(args: &DemoArgs, mailer: &Mailer, ledger: &Arc<Ledger>, bar: &ProgressBar) -> Result<Tally, Failure> {
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..args.connections {
        let (mailer, ledger, bar, next) = (mailer.clone(), Arc::clone(ledger), bar.clone(), Arc::clone(&next));
        let messages = args.messages;
        senders.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return Ok(tally);
                }
                let letter = letters::letter(number)?;
                ledger.sent(&letters::on_the_wire(&letter)?);
                tally.send(&mailer, &letter).await?;
                bar.inc(1);
            }
        });
    }
    let mut whole = Tally::default();
    while let Some(joined) = senders.join_next().await {
        let outcome: Result<Tally, Failure> = joined.map_err(|error| Failure::system("a sender broke", &error))?;
        whole.merge(outcome?);
    }
    whole.latencies.sort_unstable();
    Ok(whole)
}

impl Tally {
    async fn send(&mut self, mailer: &Mailer, letter: &Message) -> Result<(), Failure> {
        let begun = Instant::now();
        let report = mailer.send(letter).await?;
        self.latencies.push(begun.elapsed());
        self.octets += letter.size().unwrap_or_default();
        self.round_trips += u64::from(report.round_trips);
        self.refused += report.recipients.len() - report.accepted().count();
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.octets += other.octets;
        self.round_trips += other.round_trips;
        self.refused += other.refused;
    }

    /// The latency in milliseconds that this share of the messages kept to.
    fn latency(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place among at most a million"
        )]
        let place = (share * self.latencies.len() as f64) as usize;
        let latency = self.latencies.get(place.min(self.latencies.len().saturating_sub(1)));
        rounded(latency.copied().unwrap_or_default().as_secs_f64() * 1000.0)
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    messages: u32,
    #[serde(flatten)]
    account: Account,
    refused: usize,
    octets: u64,
    connections: usize,
    tls: &'static str,
    seconds: f64,
    messages_per_second: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
    round_trips_per_message: f64,
}

impl Summary {
    fn new(
        args: &DemoArgs,
        tally: &Tally,
        account: Account,
        elapsed: Duration,
        tls: &'static str,
        connections: usize,
    ) -> Self {
        let messages = f64::from(args.messages);
        #[expect(clippy::cast_precision_loss, reason = "a few round trips for each of at most a million messages")]
        let round_trips = tally.round_trips as f64;
        Self {
            messages: args.messages,
            account,
            refused: tally.refused,
            octets: tally.octets,
            connections,
            tls,
            seconds: rounded(elapsed.as_secs_f64()),
            messages_per_second: rounded(messages / elapsed.as_secs_f64()),
            latency_p50_ms: tally.latency(0.5),
            latency_p99_ms: tally.latency(0.99),
            round_trips_per_message: rounded(round_trips / messages),
        }
    }

    const fn is_whole(&self) -> bool {
        self.refused == 0 && self.account.is_whole()
    }

    fn verdict(&self) -> String {
        let Account { arrived, missing, doubled, altered, strange } = self.account;
        if self.is_whole() {
            format!("all {arrived} messages arrived, each once and intact")
        } else {
            format!(
                "of {} messages {missing} are missing, {doubled} came twice, {altered} were altered, {strange} are \
                 strange, {} were refused",
                self.messages, self.refused
            )
        }
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if self.is_whole() {
            if output.quiet {
                return Ok(());
            }
            output.line(output.paint(Tone::Good, self.verdict()))?;
        }
        let rows = [
            ("rate", format!("{:.0} messages/s in {:.2} s", self.messages_per_second, self.seconds)),
            ("latency", format!("p50 {:.2} ms, p99 {:.2} ms", self.latency_p50_ms, self.latency_p99_ms)),
            ("round trips", format!("{:.2} per message", self.round_trips_per_message)),
            ("volume", format!("{:.1} MiB", mebibytes(self.octets))),
            ("connections", format!("{} at once, {} with login", self.connections, self.tls)),
        ];
        for (name, value) in rows {
            output.line(format_args!("  {name:<12} {value}"))?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn mebibytes(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

/// To three digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
