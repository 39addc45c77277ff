//! Measures a store alone: messages of 4 KiB from 64 tasks at once, leased and settled beside that.
//!
//! `rate [MESSAGES] [PATH]`
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mailkit_address::Envelope;
use mailkit_queue::{LeaseRequest, NewMessage, Next, Queue, RecipientOutcome, RecipientStatus, Settlement};
use mailkit_queue_sqlite::SqliteQueue;

const ENQUEUERS: u64 = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let path = arguments.next().map_or_else(|| folder.path().join("mailkit.db"), PathBuf::from);
    let queue = SqliteQueue::open(&path).await?;
    let content: Vec<u8> =
        b"Subject: a message\r\n\r\n".iter().copied().chain((0..4_074).map(|at| b'a' + at as u8 % 26)).collect();
    let content = bytes::Bytes::from(content);

    let alone = Instant::now();
    enqueue(&queue, &content, count).await?;
    report("enqueue alone", count, alone);
    let alone = Instant::now();
    deliver(&queue, count).await?;
    report("lease and settle alone", count, alone);
    let both = Instant::now();
    let (one, other) = tokio::join!(enqueue(&queue, &content, count), deliver(&queue, count));
    one?;
    other?;
    report("enqueue, lease and settle", count, both);
    println!("{:?}", queue.stats().await?);
    queue.close().await?;
    Ok(())
}

fn report(what: &str, count: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {count} in {seconds:.2} s, {:.0}/s", count as f64 / seconds);
}

async fn enqueue(queue: &SqliteQueue, content: &bytes::Bytes, count: u64) -> Result<(), Box<dyn Error>> {
    let left = Arc::new(AtomicU64::new(count));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..ENQUEUERS {
        let (queue, content, left) = (queue.clone(), content.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let envelope = Envelope::new(
                    "ann@example.com".parse::<mailkit_address::Address>().map_err(|error| error.to_string())?,
                    vec!["bob@example.org".parse().map_err(|_| "address")?],
                )
                .map_err(|error| error.to_string())?;
                queue.enqueue(NewMessage::new(envelope, content.clone())).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn deliver(queue: &SqliteQueue, count: u64) -> Result<(), Box<dyn Error>> {
    let request = LeaseRequest::new(NonZeroU32::new(32).ok_or("none")?, Duration::from_secs(60));
    let mut tasks = tokio::task::JoinSet::new();
    let mut taken = 0;
    while taken < count {
        let leased = queue.lease(&request).await?;
        if leased.is_empty() {
            queue.wait().await;
        }
        taken += leased.len() as u64;
        for leased in leased {
            let queue = queue.clone();
            while tasks.len() >= 64 {
                tasks.join_next().await;
            }
            tasks.spawn(async move {
                let recipients = leased.recipients().iter().map(|address| RecipientOutcome {
                    address: address.clone(),
                    status: RecipientStatus::Accepted,
                    code: Some(250),
                    enhanced: Some("2.0.0".to_owned()),
                    text: "2.0.0 Ok: queued as 4XyZ".to_owned(),
                });
                let settlement = Settlement {
                    route: Some("main".to_owned()),
                    outcome: "delivered".to_owned(),
                    recipients: recipients.collect(),
                    next: Next::Ready,
                };
                queue.settle(leased.lease, settlement).await.map_err(|error| error.to_string())
            });
        }
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}
