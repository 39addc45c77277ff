//! Hard quotas, on stable storage.

use std::num::NonZeroU64;
use std::time::Duration;

use mailkit_queue::{QueueError, QuotaReceipt, QuotaSpend, SlidingWindow, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::SqliteQueue;

/// How many windows are remembered between two transactions.
const MOST_WINDOWS: usize = 256;

impl SqliteQueue {
    pub(crate) async fn spend_all(&self, quotas: &[QuotaSpend]) -> Result<Result<QuotaReceipt, Timestamp>, QueueError> {
        let quotas = quotas.to_vec();
        self.writer().call(move |batch| spend(batch, &quotas).map(Ok)).await
    }

    pub(crate) async fn give_back(&self, receipt: QuotaReceipt) -> Result<(), QueueError> {
        self.writer()
            .call(move |batch| {
                for (key, bucket, amount) in &receipt.spent {
                    refund(batch, key, *bucket, *amount)?;
                }
                Ok(Ok(()))
            })
            .await
    }
}

/// Spends from all, or from none: then says when all have room.
fn spend(batch: &mut Batch<'_>, quotas: &[QuotaSpend]) -> Result<Result<QuotaReceipt, Timestamp>, StoreError> {
    let now = batch.now();
    if batch.memory.windows.len() > MOST_WINDOWS {
        batch.memory.windows.clear();
    }
    let (mut receipt, mut room_at) = (QuotaReceipt::default(), None);
    for quota in quotas {
        let limit: NonZeroU64 = quota.limit;
        match window(batch, &quota.key, quota.window)?.spend(now, limit, quota.amount) {
            Ok(bucket) => receipt.spent.push((quota.key.clone(), bucket, quota.amount)),
            Err(at) => room_at = room_at.max(Some(at)),
        }
    }
    if let Some(at) = room_at {
        for (key, bucket, amount) in receipt.spent {
            if let Some(window) = batch.memory.windows.get_mut(&key) {
                window.refund(bucket, amount);
            }
        }
        return Ok(Err(at));
    }
    for (key, bucket, amount) in &receipt.spent {
        let add = "INSERT INTO quota (queue, key, bucket, spent) VALUES (?, ?, ?, ?) \
                   ON CONFLICT DO UPDATE SET spent = spent + excluded.spent";
        let params = params![batch.context.queue, key, bucket.as_millis(), amount];
        batch.conn.prepare_cached(add)?.execute(params)?;
        forget(batch, key)?;
    }
    Ok(Ok(receipt))
}

/// What was spent of a quota, from memory where that is up to date.
fn window<'b>(batch: &'b mut Batch<'_>, key: &str, length: Duration) -> Result<&'b mut SlidingWindow, StoreError> {
    let known = batch.memory.windows.get(key).is_some_and(|window| window.length() == length);
    if !known {
        let select = "SELECT bucket, spent FROM quota WHERE queue = ? AND key = ? ORDER BY bucket";
        let mut statement = batch.conn.prepare_cached(select)?;
        let buckets = statement.query_map(params![batch.context.queue, key], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), row.get::<_, u64>(1)?))
        })?;
        let window = SlidingWindow::with_buckets(length, buckets.collect::<Result<Vec<_>, _>>()?);
        batch.memory.windows.insert(key.to_owned(), window);
    }
    batch.memory.windows.get_mut(key).ok_or_else(|| StoreError::Broken("a window was just put there".into()))
}

/// Removes what counts no more.
fn forget(batch: &Batch<'_>, key: &str) -> Result<(), StoreError> {
    let first = batch.memory.windows.get(key).and_then(|window| window.buckets().next());
    let Some((first, _)) = first else { return Ok(()) };
    let delete = "DELETE FROM quota WHERE queue = ? AND key = ? AND bucket < ?";
    batch.conn.prepare_cached(delete)?.execute(params![batch.context.queue, key, first.as_millis()])?;
    Ok(())
}

fn refund(batch: &mut Batch<'_>, key: &str, bucket: Timestamp, amount: u64) -> Result<(), StoreError> {
    let less = "UPDATE quota SET spent = max(0, spent - ?) WHERE queue = ? AND key = ? AND bucket = ?";
    let params = params![amount, batch.context.queue, key, bucket.as_millis()];
    batch.conn.prepare_cached(less)?.execute(params)?;
    if let Some(window) = batch.memory.windows.get_mut(key) {
        window.refund(bucket, amount);
    }
    Ok(())
}
