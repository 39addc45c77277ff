//! The windows of limits, by key.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::limit::{Acquired, LimitRequest, Permit, SlidingWindow};

/// The windows of all limits that permits were acquired from recently.
#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: BTreeMap<String, SlidingWindow>,
    /// The number of windows after the last removal of empty ones.
    kept: usize,
}

impl Limits {
    /// Acquires permits from all limits, or from none.
    pub(super) fn acquire(&mut self, requests: &[LimitRequest], now: Timestamp) -> Acquired {
        self.forget(now);
        let (mut permit, mut room_at) = (Permit::default(), None);
        for LimitRequest { key, limit, window, amount } in requests {
            let kept = self.windows.entry(key.clone()).or_insert_with(|| SlidingWindow::new(*window));
            if kept.length() != *window {
                *kept = SlidingWindow::with_buckets(*window, kept.buckets().collect::<Vec<_>>());
            }
            match kept.acquire(now, *limit, *amount) {
                Ok(bucket) => permit.acquired.push((key.clone(), bucket, *amount)),
                Err(at) => room_at = room_at.max(Some(at)),
            }
        }
        let Some(room_at) = room_at else { return Acquired::Permit(permit) };
        self.release(permit);
        Acquired::full_until(room_at, now)
    }

    pub(super) fn release(&mut self, permit: Permit) {
        for (key, bucket, amount) in permit.acquired {
            if let Some(window) = self.windows.get_mut(&key) {
                window.release(bucket, amount);
            }
        }
    }

    /// Removes empty windows when there are twice as many as after the last removal. The number of keys has no limit, since
    /// they can be made from the domains of recipients.
    fn forget(&mut self, now: Timestamp) {
        if self.windows.len() >= 64.max(2 * self.kept) {
            self.windows.retain(|_, window| !window.is_clear(now));
            self.kept = self.windows.len();
        }
    }
}
