//! Quotas by their key.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::quota::{QuotaReceipt, QuotaSpend, SlidingWindow};

/// All quotas from which something was spent lately.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    windows: BTreeMap<String, SlidingWindow>,
    /// How many there were after those without a spending that counts were forgotten.
    kept: usize,
}

impl Quotas {
    /// Spends from all, or from none: then says when all have room.
    pub(super) fn spend(&mut self, quotas: &[QuotaSpend], now: Timestamp) -> Result<QuotaReceipt, Timestamp> {
        self.forget(now);
        let (mut receipt, mut room_at) = (QuotaReceipt::default(), None);
        for QuotaSpend { key, limit, window, amount } in quotas {
            let kept = self.windows.entry(key.clone()).or_insert_with(|| SlidingWindow::new(*window));
            if kept.length() != *window {
                *kept = SlidingWindow::with_buckets(*window, kept.buckets().collect::<Vec<_>>());
            }
            match kept.spend(now, *limit, *amount) {
                Ok(bucket) => receipt.spent.push((key.clone(), bucket, *amount)),
                Err(at) => room_at = room_at.max(Some(at)),
            }
        }
        let Some(at) = room_at else { return Ok(receipt) };
        self.refund(receipt);
        Err(at)
    }

    pub(super) fn refund(&mut self, receipt: QuotaReceipt) {
        for (key, bucket, amount) in receipt.spent {
            if let Some(window) = self.windows.get_mut(&key) {
                window.refund(bucket, amount);
            }
        }
    }

    /// Forgets quotas that nothing was spent from lately, when there are twice as many as at the last time: keys can be
    /// made from what recipients there are.
    fn forget(&mut self, now: Timestamp) {
        if self.windows.len() >= 64.max(2 * self.kept) {
            self.windows.retain(|_, window| !window.is_clear(now));
            self.kept = self.windows.len();
        }
    }
}
