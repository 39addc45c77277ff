//! Messages through an outbox on a file: acknowledged when they are on stable storage, delivered, settled as sent.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mailkit::{EnqueueOptions, Message, Outbox, Route, SqliteQueue};
use tokio::task::JoinSet;

use super::{Options, runtime};
use crate::work::Failure;

/// Octets of the text.
pub(super) const SIZE: usize = 4096;

/// Messages a second from the first enqueue to the last settlement.
pub(super) fn run(options: &Options, server: SocketAddr, folder: &Path) -> Result<f64, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    runtime()?.block_on(async {
        let queue = SqliteQueue::open(folder.path().join("mailkit.db")).await?;
        let route = Route::new("relay", &format!("smtp://{server}?tls=none"))?.pool(options.pool());
        let outbox = Outbox::builder().queue(queue.clone()).route(route).start().await?;
        let start = Instant::now();
        enqueue(&outbox, options).await?;
        let stats = outbox.dispatcher().until_empty().await?;
        let time = start.elapsed();
        if stats.sent != options.messages {
            return Err(format!("not all were sent: {stats:?}").into());
        }
        outbox.shutdown(Duration::from_secs(1)).await;
        queue.close().await?;
        Ok(options.messages as f64 / time.as_secs_f64())
    })
}

/// Each enqueuer builds a message, waits until it is acknowledged, and goes on with the next.
async fn enqueue(outbox: &Outbox, options: &Options) -> Result<(), Failure> {
    let left = Arc::new(AtomicU64::new(options.messages));
    let mut enqueuers = JoinSet::new();
    for _ in 0..options.senders {
        let (outbox, left, text) = (outbox.clone(), Arc::clone(&left), text());
        enqueuers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let message = Message::builder()
                    .from("ann@example.com")
                    .to("bob@example.net")
                    .subject("A message")
                    .text(text.clone())
                    .build()
                    .map_err(|error| error.to_string())?;
                outbox.enqueue(&message, EnqueueOptions::new()).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(enqueuer) = enqueuers.join_next().await {
        enqueuer??;
    }
    Ok(())
}

fn text() -> String {
    let mut text = String::new();
    while text.len() < SIZE {
        text.push_str(&"x".repeat(76));
        text.push('\n');
    }
    text.truncate(SIZE);
    text
}
