//! The conformance suite, and the tests of the file.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod changes;
mod damage;
mod files;
mod foreign;
mod gone;
mod history;
mod large;
mod many;
mod places;
mod sharing;
mod suite;
mod torn;
mod verify;

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use mailkit_address::Envelope;
use mailkit_queue::{
    AttemptOutcome, LeaseRequest, Leased, NewMessage, Next, Queue, QueueError, RecipientOutcome, RecipientStatus,
    Settlement,
};
use mailkit_queue_sqlite::SqliteQueue;

async fn open(path: &Path) -> SqliteQueue {
    SqliteQueue::open(path).await.unwrap()
}

fn message(content: &str) -> NewMessage {
    let to = vec!["bob@example.org".parse().unwrap()];
    NewMessage::new(Envelope::null_sender(to).unwrap(), format!("Subject: x\r\n\r\n{content}\r\n"))
}

async fn try_lease(queue: &SqliteQueue) -> Result<Vec<Leased>, QueueError> {
    queue.lease(&LeaseRequest::new(NonZeroU32::new(100).unwrap(), Duration::from_secs(60))).await
}

async fn lease(queue: &SqliteQueue) -> Vec<Leased> {
    try_lease(queue).await.unwrap()
}

fn accepted(leased: &Leased) -> Settlement {
    let outcome = |address: &mailkit_address::Address| {
        RecipientOutcome::new(address.clone(), RecipientStatus::Accepted)
            .with_code(250)
            .with_enhanced("2.0.0".to_owned())
            .with_text("queued")
    };
    Settlement::attempt("main", AttemptOutcome::Accepted, Next::Ready)
        .with_recipients(leased.recipients().iter().map(outcome).collect())
}
