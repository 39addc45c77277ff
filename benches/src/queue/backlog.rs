//! What a long queue costs: the same work on a store with 1,000 messages and on a long one, in turns, by a process of its
//! own whose memory is looked at.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailkit::queue::{
    AttemptOutcome, LeaseRequest, NewMessage, Next, QueueSettings, RecipientOutcome, RecipientStatus, Settlement,
};
use mailkit::{Address, Outbox, Queue as _, Route, SqliteQueue};
use mailkit_server::Sink;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Options, runtime};
use crate::measures::{median, shown};
use crate::report::Table;
use crate::target::{Target, at_most};
use crate::work::{Failure, envelope, message};

/// Messages of the short queue.
const SHORT: u64 = 1000;
/// Octets of a message.
const SIZE: usize = 600;
/// How many messages one round enqueues, leases and settles at once.
const ROUND: u32 = 64;
/// How many of these rounds stand for one of a slower question.
const ROUNDS_EACH: usize = 20;
/// How many are enqueued at once to fill a store.
const FILL: u64 = 256;
/// How long the worker delivers from the long queue.
const WORK: Duration = Duration::from_secs(3);

/// How the process that looks at both stores is started.
#[derive(Debug, clap::Args)]
pub(crate) struct LookOptions {
    short: PathBuf,
    long: PathBuf,
    /// The server to deliver to.
    server: String,
    rounds: usize,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Backlog {
    messages: u64,
    rounds: usize,
    opened_ms: f64,
    memory_mib: f64,
    /// Microseconds for each message: with few, and with many.
    enqueue_us: [f64; 2],
    lease_us: [f64; 2],
    settle_us: [f64; 2],
}

/// Fills both stores, and has a process of its own look at them.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Backlog, Failure> {
    let (messages, rounds) = (options.backlog, options.rounds * ROUNDS_EACH);
    let (short, long) = (folder.join("short.db"), folder.join("long.db"));
    let runtime = runtime()?;
    let sink = runtime.block_on(async {
        let start = Instant::now();
        fill(&short, SHORT.min(messages)).await?;
        fill(&long, messages).await?;
        eprintln!("backlog: filled in {:.1} s", start.elapsed().as_secs_f64());
        Ok::<_, Failure>(Sink::builder().keep(0).start().await?)
    })?;
    let looked = Command::new(std::env::current_exe()?)
        .arg("look")
        .args([&short, &long])
        .args([sink.addr().to_string(), rounds.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !looked.status.success() {
        return Err(format!("the process that looks at the stores ended with {}", looked.status).into());
    }
    Ok(Backlog { messages, ..serde_json::from_slice(&looked.stdout)? })
}

/// The life of the process that looks.
pub(crate) fn look(options: &LookOptions) -> Result<(), Failure> {
    let backlog = runtime()?.block_on(async {
        let start = Instant::now();
        let long = open(&options.long).await?;
        let opened_ms = start.elapsed().as_secs_f64() * 1e3;
        let short = open(&options.short).await?;
        let [enqueue_us, lease_us, settle_us] = compare([&short, &long], options.rounds).await?;
        work(&long, &options.server).await?;
        let memory_mib = peak()?;
        short.close().await?;
        long.close().await?;
        Ok::<_, Failure>(Backlog {
            messages: 0,
            rounds: options.rounds,
            opened_ms,
            memory_mib,
            enqueue_us,
            lease_us,
            settle_us,
        })
    })?;
    println!("{}", serde_json::to_string(&backlog)?);
    Ok(())
}

async fn open(path: &Path) -> Result<SqliteQueue, Failure> {
    let settings = QueueSettings::new().with_max_messages(u64::MAX);
    Ok(SqliteQueue::builder(path).settings(settings).open().await?)
}

async fn fill(path: &Path, messages: u64) -> Result<(), Failure> {
    let queue = open(path).await?;
    let mut left = messages;
    while left > 0 {
        enqueue(&queue, left.min(FILL)).await?;
        left = left.saturating_sub(FILL);
    }
    Ok(queue.close().await?)
}

async fn enqueue(queue: &SqliteQueue, messages: u64) -> Result<(), Failure> {
    let content = message(SIZE);
    let mut enqueuers = JoinSet::new();
    for _ in 0..messages {
        let (queue, new) = (queue.clone(), NewMessage::new(envelope()?, content.clone()));
        enqueuers.spawn(async move { queue.enqueue(new).await });
    }
    while let Some(enqueued) = enqueuers.join_next().await {
        enqueued??;
    }
    Ok(())
}

/// Microseconds for each message with few and with many: to enqueue, to lease and to settle it.
async fn compare(queues: [&SqliteQueue; 2], rounds: usize) -> Result<[[f64; 2]; 3], Failure> {
    let mut times = [(); 3].map(|()| [Vec::new(), Vec::new()]);
    for number in 0..rounds {
        // Neither is always the first.
        for at in [number % 2, (number + 1) % 2] {
            for (times, took) in times.iter_mut().zip(round(queues[at]).await?) {
                times[at].push(took.as_secs_f64() * 1e6 / f64::from(ROUND));
            }
        }
    }
    Ok(times.map(|times| times.map(median)))
}

async fn round(queue: &SqliteQueue) -> Result<[Duration; 3], Failure> {
    let start = Instant::now();
    enqueue(queue, ROUND.into()).await?;
    let enqueued = start.elapsed();
    let request = LeaseRequest::new(NonZeroU32::new(ROUND).ok_or("none")?, Duration::from_secs(60));
    let start = Instant::now();
    let leased = queue.lease(&request).await?;
    let taken = start.elapsed();
    let start = Instant::now();
    let mut settlers = JoinSet::new();
    for leased in leased {
        let queue = queue.clone();
        let recipients = leased.recipients().iter().map(accepted).collect();
        let settlement = Settlement::attempt("main", AttemptOutcome::Accepted, Next::Ready).with_recipients(recipients);
        settlers.spawn(async move { queue.settle(leased.token, &settlement).await });
    }
    while let Some(settled) = settlers.join_next().await {
        settled?.map_err(|error| error.to_string())?;
    }
    Ok([enqueued, taken, start.elapsed()])
}

fn accepted(address: &Address) -> RecipientOutcome {
    RecipientOutcome::new(address.clone(), RecipientStatus::Accepted)
        .with_code(250)
        .with_enhanced("2.0.0".to_owned())
        .with_text("2.0.0 Ok: queued as 4XyZ")
}

/// Delivers from the queue for a while.
async fn work(queue: &SqliteQueue, server: &str) -> Result<(), Failure> {
    let before = queue.stats().await?.sent;
    let route = Route::new("sink", &format!("smtp://{server}?tls=none"))?;
    let outbox = Outbox::builder().queue(queue.clone()).route(route).start().await?;
    // A short queue may be empty before.
    if let Ok(ended) = tokio::time::timeout(WORK, outbox.dispatcher().until_empty()).await {
        ended?;
    }
    outbox.shutdown(Duration::from_secs(5)).await;
    match queue.stats().await?.sent - before {
        0 => Err("the worker delivered nothing".into()),
        sent => {
            eprintln!("backlog: the worker delivered {sent}");
            Ok(())
        }
    }
}

/// The most memory that this process had, in MiB.
fn peak() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

impl Backlog {
    const fn costs(&self) -> [(&'static str, [f64; 2]); 3] {
        [("enqueue", self.enqueue_us), ("lease", self.lease_us), ("settle", self.settle_us)]
    }

    pub(super) fn table(&self) -> Table {
        let messages = shown(self.messages as f64, 0);
        let mut table = Table::new(
            format!("Backlog, µs for each message, {ROUND} at once; medians of {} rounds in turns", self.rounds),
            ["1,000 queued", &format!("{messages} queued"), "ratio"],
        );
        for (name, [few, many]) in self.costs() {
            table.row(name, [shown(few, 1), shown(many, 1), shown(many / few, 2)]);
        }
        table.row("opening, ms", ["–".to_owned(), shown(self.opened_ms, 1), String::new()]);
        table.row("memory of the worker, MiB", ["–".to_owned(), shown(self.memory_mib, 1), String::new()]);
        table
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let costs =
            self.costs().map(|(name, [few, many])| at_most(format!("{name}, long to short queue"), many / few, 1.25));
        let mut targets = Vec::from(costs);
        targets.push(at_most("memory of the worker before a long queue, MiB", self.memory_mib, 64.0));
        targets.push(at_most("opening a long queue, s", self.opened_ms / 1e3, 1.0));
        targets
    }
}
