//! The queue in memory keeps every rule of the contract.

use std::sync::Arc;

use mailkit_queue::{Clock, MemoryQueue, Queue, QueueSettings};

async fn make(settings: QueueSettings, clock: Clock) -> (Arc<dyn Queue>, ()) {
    (Arc::new(MemoryQueue::with(settings, clock)), ())
}

mailkit_queue::conformance_tests!(make);
