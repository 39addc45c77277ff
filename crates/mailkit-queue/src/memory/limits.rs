//! Limits by their key.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::limit::{LimitRequest, Permit, SlidingWindow};

/// All requests from which something was spent lately.
#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: BTreeMap<String, SlidingWindow>,
    /// How many there were after those without a spending that counts were forgotten.
    kept: usize,
}

impl Limits {
    /// Spends from all, or from none: then says when all have room.
    pub(super) fn acquire(&mut self, requests: &[LimitRequest], now: Timestamp) -> Result<Permit, Timestamp> {
        self.forget(now);
        let (mut permit, mut room_at) = (Permit::default(), None);
        for LimitRequest { key, limit, window, amount } in requests {
            let kept = self.windows.entry(key.clone()).or_insert_with(|| SlidingWindow::new(*window));
            if kept.length() != *window {
                *kept = SlidingWindow::with_buckets(*window, kept.buckets().collect::<Vec<_>>());
            }
            match kept.acquire(now, *limit, *amount) {
                Ok(bucket) => permit.spent.push((key.clone(), bucket, *amount)),
                Err(at) => room_at = room_at.max(Some(at)),
            }
        }
        let Some(at) = room_at else { return Ok(permit) };
        self.release(permit);
        Err(at)
    }

    pub(super) fn release(&mut self, permit: Permit) {
        for (key, bucket, amount) in permit.spent {
            if let Some(window) = self.windows.get_mut(&key) {
                window.release(bucket, amount);
            }
        }
    }

    /// Forgets requests that nothing was spent from lately, when there are twice as many as at the last time: keys can be
    /// made from what recipients there are.
    fn forget(&mut self, now: Timestamp) {
        if self.windows.len() >= 64.max(2 * self.kept) {
            self.windows.retain(|_, window| !window.is_clear(now));
            self.kept = self.windows.len();
        }
    }
}
