//! The history of a message with many attempts.

use mailkit_queue::{AttemptOutcome, Next, Queue, Settlement, State};

use crate::{lease, message, open};

#[tokio::test]
async fn a_message_keeps_its_last_100_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("mailkit.db")).await;
    let id = queue.enqueue(message("x")).await.unwrap().id;
    for attempt in 0..130 {
        let leased = lease(&queue).await.pop().unwrap();
        let settlement =
            Settlement::attempt("main", AttemptOutcome::Temporary, Next::Ready).with_text(attempt.to_string());
        assert_eq!(queue.settle(leased.token, &settlement).await.unwrap(), State::Ready);
    }
    let record = queue.get(id).await.unwrap().unwrap();
    let outcomes: Vec<_> = record.history.iter().map(|attempt| attempt.text.clone()).collect();
    assert_eq!(outcomes, (30..130).map(|attempt| attempt.to_string()).collect::<Vec<_>>());
    assert_eq!(record.attempts, 130);
}
