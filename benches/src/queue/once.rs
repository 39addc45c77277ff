//! One key, one message: enqueued by many at once, with the worker running.

use std::path::Path;
use std::time::Duration;

use mailkit::{EnqueueOptions, Message, Outbox, Route, SqliteQueue};
use mailkit_server::Sink;
use serde::Serialize;
use tokio::task::JoinSet;

use super::runtime;
use crate::report::Table;
use crate::target::{Target, at_most};
use crate::work::Failure;

/// How many enqueue it at once.
const ENQUEUERS: usize = 200;

/// What they were told, and what arrived.
#[derive(Debug, Serialize)]
pub(crate) struct Once {
    enqueues: usize,
    ids: usize,
    arrived: usize,
}

pub(super) fn measure(folder: &Path) -> Result<Once, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    runtime()?.block_on(async {
        let sink = Sink::builder().start().await?;
        let queue = SqliteQueue::open(folder.path().join("once.db")).await?;
        let route = Route::new("sink", &format!("smtp://{}?tls=none", sink.addr()))?;
        let outbox = Outbox::builder().queue(queue.clone()).route(route).start().await?;
        let mut enqueuers = JoinSet::new();
        for _ in 0..ENQUEUERS {
            let outbox = outbox.clone();
            enqueuers.spawn(async move {
                let message =
                    Message::builder().from("ann@example.com").to("bob@example.org").text("Your order.").build();
                let message = message.map_err(|error| error.to_string())?;
                let options = EnqueueOptions::new().idempotency_key("order-42");
                outbox.enqueue(&message, options).await.map_err(|error| error.to_string())
            });
        }
        let mut ids = Vec::new();
        while let Some(id) = enqueuers.join_next().await {
            ids.push(id??.id);
        }
        let enqueues = ids.len();
        ids.sort_unstable();
        ids.dedup();
        outbox.dispatcher().until_empty().await?;
        outbox.shutdown(Duration::from_secs(1)).await;
        queue.close().await?;
        Ok(Once { enqueues, ids: ids.len(), arrived: sink.captured().len() })
    })
}

impl Once {
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new("One idempotency key", ["enqueues at once", "ids", "arrived"]);
        table.row("mailkit", [self.enqueues, self.ids, self.arrived].map(|count| count.to_string()));
        table
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let messages = self.ids.max(self.arrived);
        vec![at_most(format!("messages of {} enqueues with one key", self.enqueues), messages as f64, 1.0)]
    }
}
