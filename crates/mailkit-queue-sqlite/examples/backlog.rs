//! Measures what a long queue costs: the same work on a store with 1,000 messages and on one with a million, in turns;
//! the time that it takes to open the long one, and how much memory the process had.
//!
//! `backlog [MESSAGES] [FOLDER]`: a folder that has the stores already is used as it is.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mailkit_address::{Address, Envelope};
use mailkit_queue::{
    Filter, LeaseRequest, NewMessage, Next, Queue, QueueSettings, RecipientOutcome, RecipientStatus, Settlement, State,
};
use mailkit_queue_sqlite::SqliteQueue;

/// How many messages one round enqueues, leases and settles at once.
const ROUND: u32 = 64;
const ROUNDS: usize = 60;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let many: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let temporary = tempfile::tempdir_in(".")?;
    let folder = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let (short, long) = (folder.join("short.db"), folder.join("long.db"));
    for (path, count) in [(&short, 1_000), (&long, many)] {
        let queue = open(path).await?;
        let have = queue.stats().await?.ready;
        let start = Instant::now();
        for _ in (have..count).step_by(256) {
            enqueue(&queue, 256).await?;
        }
        println!("filled to {count} in {:.1} s", start.elapsed().as_secs_f64());
        queue.close().await?;
    }
    println!("memory at most {} so far", peak()?);
    let start = Instant::now();
    let long = open(&long).await?;
    println!("opened the long one in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    println!("{:?} in {:.1} ms", long.stats().await?, start.elapsed().as_secs_f64() * 1e3);
    for filter in [
        Filter::default(),
        Filter { state: Some(State::Held), ..Filter::default() },
        Filter { recipient: Some("nobody@example.org".to_owned()), ..Filter::default() },
        Filter { tag: Some("none".to_owned()), ..Filter::default() },
    ] {
        let start = Instant::now();
        let found = long.list(&filter).await?.records.len();
        println!("listed {found} in {:.1} ms: {filter:?}", start.elapsed().as_secs_f64() * 1e3);
    }
    let short = open(&short).await?;

    let mut times = [(); 6].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        for (at, queue) in [&short, &long].into_iter().enumerate() {
            let [enqueued, leased, settled] = round(queue).await?;
            times[at].push(enqueued);
            times[2 + at].push(leased);
            times[4 + at].push(settled);
        }
    }
    let [short_in, long_in, short_lease, long_lease, short_out, long_out] = times.map(median);
    for (what, short, long) in
        [("enqueue", short_in, long_in), ("lease", short_lease, long_lease), ("settle", short_out, long_out)]
    {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(ROUND);
        println!(
            "{what}: {:.1} us each with 1,000, {:.1} us with {many}: {:.2} times",
            each(short),
            each(long),
            each(long) / each(short)
        );
    }
    println!("memory at most {}", peak()?);
    short.close().await?;
    long.close().await?;
    Ok(())
}

async fn open(path: &Path) -> Fallible<SqliteQueue> {
    let settings = QueueSettings { max_messages: u64::MAX, ..QueueSettings::default() };
    Ok(SqliteQueue::builder(path).settings(settings).open().await?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The most memory that the process had.
fn peak() -> Fallible<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned())
}

async fn enqueue(queue: &SqliteQueue, count: u32) -> Fallible<()> {
    let content = Bytes::from(format!("Subject: a message\r\n\r\n{}\r\n", "x".repeat(500)));
    let (ann, bob): (Address, Address) = ("ann@example.com".parse()?, "bob@example.org".parse()?);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (queue, content, envelope) =
            (queue.clone(), content.clone(), Envelope::new(ann.clone(), vec![bob.clone()])?);
        tasks.spawn(async move { queue.enqueue(NewMessage::new(envelope, content)).await });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn round(queue: &SqliteQueue) -> Fallible<[Duration; 3]> {
    let start = Instant::now();
    enqueue(queue, ROUND).await?;
    let enqueued = start.elapsed();
    let request = LeaseRequest::new(NonZeroU32::new(ROUND).ok_or("none")?, Duration::from_secs(60));
    let start = Instant::now();
    let leased = queue.lease(&request).await?;
    let taken = start.elapsed();
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for leased in leased {
        let queue = queue.clone();
        tasks.spawn(async move {
            let outcome = |address: &Address| RecipientOutcome {
                address: address.clone(),
                status: RecipientStatus::Accepted,
                code: Some(250),
                enhanced: Some("2.0.0".to_owned()),
                text: "2.0.0 Ok: queued as 4XyZ".to_owned(),
            };
            let recipients = leased.recipients().iter().map(outcome).collect();
            let (route, outcome) = (Some("main".to_owned()), "delivered".to_owned());
            queue.settle(leased.lease, Settlement { route, outcome, recipients, next: Next::Ready }).await
        });
    }
    while let Some(task) = tasks.join_next().await {
        task?.map_err(|error| error.to_string())?;
    }
    Ok([enqueued, taken, start.elapsed()])
}
