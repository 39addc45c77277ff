//! Waking the waiting workers of this process.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Wakes the waiting workers of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Wakes all waiting workers and the next one that waits.
    pub(crate) fn notify(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    /// Returns a future that completes at the next wake-up after this call.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.0.notified()
    }
}
