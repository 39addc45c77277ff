//! The conformance suite.

use std::sync::Arc;

use mailkit_queue::{Clock, Queue, QueueSettings};
use mailkit_queue_sqlite::SqliteQueue;
use tempfile::TempDir;

async fn make(settings: QueueSettings, clock: Clock) -> (Arc<dyn Queue>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = SqliteQueue::builder(path).settings(settings).clock(clock).open().await.unwrap();
    (Arc::new(queue), folder)
}

mailkit_queue::conformance_tests!(make);
