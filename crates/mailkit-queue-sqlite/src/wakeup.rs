//! Wakes workers that wait.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Wakes workers of this process that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Wakes those who wait, and the next one who comes to.
    pub(crate) fn notify(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    /// Is over when the wakeup rings after this.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.0.notified()
    }
}
