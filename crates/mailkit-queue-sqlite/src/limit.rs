//! Hard requests, on stable storage.

use std::num::NonZeroU64;
use std::time::Duration;

use mailkit_queue::{LimitRequest, Permit, QueueError, SlidingWindow, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::SqliteQueue;

/// How many windows are remembered between two transactions.
const MOST_WINDOWS: usize = 256;

impl SqliteQueue {
    pub(crate) async fn acquire_permit(
        &self,
        requests: &[LimitRequest],
    ) -> Result<Result<Permit, Timestamp>, QueueError> {
        let requests = requests.to_vec();
        self.writer().call(move |batch| acquire(batch, &requests).map(Ok)).await
    }

    pub(crate) async fn release_permit(&self, permit: Permit) -> Result<(), QueueError> {
        self.writer()
            .call(move |batch| {
                for (key, bucket, amount) in &permit.spent {
                    release(batch, key, *bucket, *amount)?;
                }
                Ok(Ok(()))
            })
            .await
    }
}

/// Spends from all, or from none: then says when all have room.
fn acquire(batch: &mut Batch<'_>, requests: &[LimitRequest]) -> Result<Result<Permit, Timestamp>, StoreError> {
    let now = batch.now();
    if batch.cache.windows.len() > MOST_WINDOWS {
        batch.cache.windows.clear();
    }
    let (mut permit, mut room_at) = (Permit::default(), None);
    for request in requests {
        let limit: NonZeroU64 = request.limit;
        match window(batch, &request.key, request.window)?.acquire(now, limit, request.amount) {
            Ok(bucket) => permit.spent.push((request.key.clone(), bucket, request.amount)),
            Err(at) => room_at = room_at.max(Some(at)),
        }
    }
    if let Some(at) = room_at {
        for (key, bucket, amount) in permit.spent {
            if let Some(window) = batch.cache.windows.get_mut(&key) {
                window.release(bucket, amount);
            }
        }
        return Ok(Err(at));
    }
    for (key, bucket, amount) in &permit.spent {
        let add = "INSERT INTO limit_usage (queue, key, bucket, spent) VALUES (?, ?, ?, ?) \
                   ON CONFLICT DO UPDATE SET spent = spent + excluded.spent";
        let params = params![batch.context.queue, key, bucket.as_millis(), amount];
        batch.conn.prepare_cached(add)?.execute(params)?;
        forget(batch, key)?;
    }
    Ok(Ok(permit))
}

/// What was spent of a quota, from memory where that is up to date.
fn window<'b>(batch: &'b mut Batch<'_>, key: &str, length: Duration) -> Result<&'b mut SlidingWindow, StoreError> {
    let known = batch.cache.windows.get(key).is_some_and(|window| window.length() == length);
    if !known {
        let select = "SELECT bucket, spent FROM limit_usage WHERE queue = ? AND key = ? ORDER BY bucket";
        let mut statement = batch.conn.prepare_cached(select)?;
        let buckets = statement.query_map(params![batch.context.queue, key], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), row.get::<_, u64>(1)?))
        })?;
        let window = SlidingWindow::with_buckets(length, buckets.collect::<Result<Vec<_>, _>>()?);
        batch.cache.windows.insert(key.to_owned(), window);
    }
    batch.cache.windows.get_mut(key).ok_or_else(|| StoreError::Corrupt("a window was just put there".into()))
}

/// Removes what counts no more.
fn forget(batch: &Batch<'_>, key: &str) -> Result<(), StoreError> {
    let first = batch.cache.windows.get(key).and_then(|window| window.buckets().next());
    let Some((first, _)) = first else { return Ok(()) };
    let delete = "DELETE FROM limit_usage WHERE queue = ? AND key = ? AND bucket < ?";
    batch.conn.prepare_cached(delete)?.execute(params![batch.context.queue, key, first.as_millis()])?;
    Ok(())
}

fn release(batch: &mut Batch<'_>, key: &str, bucket: Timestamp, amount: u64) -> Result<(), StoreError> {
    let less = "UPDATE limit_usage SET spent = max(0, spent - ?) WHERE queue = ? AND key = ? AND bucket = ?";
    let params = params![amount, batch.context.queue, key, bucket.as_millis()];
    batch.conn.prepare_cached(less)?.execute(params)?;
    if let Some(window) = batch.cache.windows.get_mut(key) {
        window.release(bucket, amount);
    }
    Ok(())
}
