//! The bounds of a queue.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The bounds of a queue, the same for every store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct QueueSettings {
    /// How many unfinished messages it holds before it is full. One million: a store of 4 KiB messages has 4 GiB then.
    /// Zero takes no more at all, while what is there is worked off.
    pub max_messages: u64,
    /// How many octets of content its unfinished messages have before it is full. No bound: the disk is one.
    pub max_bytes: u64,
    /// How long finished messages stay to be looked at. A week: long enough for somebody to ask.
    pub retention: Duration,
    /// How long an idempotency key stands for its message from when that was enqueued. A week, as for finished messages.
    pub key_window: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { max_messages: 1_000_000, max_bytes: u64::MAX, retention: 7 * DAY, key_window: 7 * DAY }
    }
}
