//! The store: the suite that every queue passes, and what is asked of a file beyond that.
#![expect(clippy::unwrap_used, reason = "these are tests")]

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

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use mailkit_address::Envelope;
use mailkit_queue::{
    AttemptOutcome, LeaseRequest, Leased, NewMessage, Queue, QueueError, RecipientOutcome, RecipientStatus, Settlement,
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
    let outcome = |address: &mailkit_address::Address| RecipientOutcome {
        address: address.clone(),
        status: RecipientStatus::Accepted,
        code: Some(250),
        enhanced: Some("2.0.0".to_owned()),
        text: "queued".to_owned(),
    };
    Settlement {
        route: Some("main".to_owned()),
        counts: true,
        outcome: AttemptOutcome::Accepted,
        recipients: leased.recipients().iter().map(outcome).collect(),
        ..Settlement::untouched()
    }
}
