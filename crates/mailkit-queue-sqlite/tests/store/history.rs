//! The history of a message that is tried again and again.

use mailkit_queue::{Queue, State};

use crate::{lease, message, open};

#[tokio::test]
async fn a_message_that_is_tried_for_ever_remembers_the_last_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("mailkit.db")).await;
    let id = queue.enqueue(message("x")).await.unwrap().id;
    for attempt in 0..130 {
        let leased = lease(&queue).await.pop().unwrap();
        let settlement = mailkit_queue::Settlement {
            route: Some("main".to_owned()),
            counts: true,
            text: attempt.to_string(),
            ..mailkit_queue::Settlement::untouched()
        };
        assert_eq!(queue.settle(leased.lease, settlement).await.unwrap(), State::Ready);
    }
    let record = queue.get(id).await.unwrap().unwrap();
    let outcomes: Vec<_> = record.history.iter().map(|attempt| attempt.text.clone()).collect();
    assert_eq!(outcomes, (30..130).map(|attempt| attempt.to_string()).collect::<Vec<_>>());
    assert_eq!(record.attempts, 130);
}
