//! Limits over sliding windows, on stable storage.

use std::num::NonZeroU64;
use std::time::Duration;

use mailkit_queue::{Acquired, LimitRequest, Permit, QueueError, SlidingWindow, Timestamp};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::SqliteQueue;

/// The maximum number of windows in the cache.
const MAX_CACHED_WINDOWS: usize = 256;

impl SqliteQueue {
    pub(crate) async fn acquire_permit(&self, requests: &[LimitRequest]) -> Result<Acquired, QueueError> {
        let requests = requests.to_vec();
        self.writer().call(move |batch| acquire(batch, &requests).map(Ok)).await
    }

    pub(crate) async fn release_permit(&self, permit: Permit) -> Result<(), QueueError> {
        self.writer()
            .call(move |batch| {
                for (key, bucket, amount) in &permit.acquired {
                    release(batch, key, *bucket, *amount)?;
                }
                Ok(Ok(()))
            })
            .await
    }
}

/// Acquires permits from all limits, or from none.
fn acquire(batch: &mut Batch<'_>, requests: &[LimitRequest]) -> Result<Acquired, StoreError> {
    let now = batch.now();
    if batch.cache.windows.len() > MAX_CACHED_WINDOWS {
        batch.cache.windows.clear();
    }
    let (mut permit, mut room_at) = (Permit::default(), None);
    for request in requests {
        let limit: NonZeroU64 = request.limit;
        match window(batch, &request.key, request.window)?.acquire(now, limit, request.amount) {
            Ok(bucket) => permit.acquired.push((request.key.clone(), bucket, request.amount)),
            Err(at) => room_at = room_at.max(Some(at)),
        }
    }
    if let Some(room_at) = room_at {
        for (key, bucket, amount) in permit.acquired {
            if let Some(window) = batch.cache.windows.get_mut(&key) {
                window.release(bucket, amount);
            }
        }
        return Ok(Acquired::full_until(room_at, now));
    }
    for (key, bucket, amount) in &permit.acquired {
        let add = "INSERT INTO limit_usage (queue, key, bucket, amount) VALUES (?, ?, ?, ?) \
                   ON CONFLICT DO UPDATE SET amount = amount + excluded.amount";
        let params = params![batch.context.queue, key, bucket.as_millis(), amount];
        batch.conn.prepare_cached(add)?.execute(params)?;
        remove_old(batch, key)?;
    }
    Ok(Acquired::Permit(permit))
}

/// The window of a limit, from the cache if it is there.
fn window<'b>(batch: &'b mut Batch<'_>, key: &str, length: Duration) -> Result<&'b mut SlidingWindow, StoreError> {
    let known = batch.cache.windows.get(key).is_some_and(|window| window.length() == length);
    if !known {
        let select = "SELECT bucket, amount FROM limit_usage WHERE queue = ? AND key = ? ORDER BY bucket";
        let mut statement = batch.conn.prepare_cached(select)?;
        let buckets = statement.query_map(params![batch.context.queue, key], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), row.get::<_, u64>(1)?))
        })?;
        let window = SlidingWindow::with_buckets(length, buckets.collect::<Result<Vec<_>, _>>()?);
        batch.cache.windows.insert(key.to_owned(), window);
    }
    batch.cache.windows.get_mut(key).ok_or_else(|| StoreError::Corrupt("a window is not in the cache".into()))
}

/// Removes the buckets that no longer count.
fn remove_old(batch: &Batch<'_>, key: &str) -> Result<(), StoreError> {
    let first = batch.cache.windows.get(key).and_then(|window| window.buckets().next());
    let Some((first, _)) = first else { return Ok(()) };
    let delete = "DELETE FROM limit_usage WHERE queue = ? AND key = ? AND bucket < ?";
    batch.conn.prepare_cached(delete)?.execute(params![batch.context.queue, key, first.as_millis()])?;
    Ok(())
}

fn release(batch: &mut Batch<'_>, key: &str, bucket: Timestamp, amount: u64) -> Result<(), StoreError> {
    let less = "UPDATE limit_usage SET amount = max(0, amount - ?) WHERE queue = ? AND key = ? AND bucket = ?";
    let params = params![amount, batch.context.queue, key, bucket.as_millis()];
    batch.conn.prepare_cached(less)?.execute(params)?;
    if let Some(window) = batch.cache.windows.get_mut(key) {
        window.release(bucket, amount);
    }
    Ok(())
}
