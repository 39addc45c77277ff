//! The limits of a queue.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of a queue, the same for every store.
///
/// ```
/// use std::time::Duration;
/// use mailkit_queue::QueueSettings;
///
/// let settings = QueueSettings::new().with_max_messages(10_000).with_retention(Duration::from_secs(3_600));
/// assert_eq!(settings.max_messages, 10_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueSettings {
    /// The maximum number of unfinished messages. One million by default: with messages of 4 KiB the store has 4 GiB then.
    /// At zero the queue accepts no message, and those that it has are delivered.
    pub max_messages: u64,
    /// The maximum number of octets of content of unfinished messages. No maximum by default: the disk is the limit.
    pub max_bytes: u64,
    /// How long finished messages stay in the queue. A week by default: long enough to look into a complaint.
    pub retention: Duration,
    /// How long an idempotency key stands for its message, counted from the time at which the message was enqueued. A week
    /// by default, as for finished messages.
    pub key_window: Duration,
}

impl QueueSettings {
    /// The default limits.
    #[must_use]
    pub const fn new() -> Self {
        let week = DAY.saturating_mul(7);
        Self { max_messages: 1_000_000, max_bytes: u64::MAX, retention: week, key_window: week }
    }

    /// Sets the maximum number of unfinished messages.
    #[must_use]
    pub const fn with_max_messages(mut self, max_messages: u64) -> Self {
        self.max_messages = max_messages;
        self
    }

    /// Sets the maximum number of octets of unfinished messages.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets how long finished messages stay in the queue.
    #[must_use]
    pub const fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets how long an idempotency key stands for its message.
    #[must_use]
    pub const fn with_key_window(mut self, key_window: Duration) -> Self {
        self.key_window = key_window;
        self
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self::new()
    }
}
