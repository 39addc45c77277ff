//! Idempotency keys.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::world::{MINUTE, Maker, message, seconds, with_key};
use crate::error::QueueError;
use crate::query::Action;
use crate::settings::QueueSettings;

pub(super) async fn a_key_makes_one_message(make: Maker) {
    let world = make.world().await;
    let id = world.put(with_key("order-42", 1)).await;
    let again = world.enqueue(with_key("order-42", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (id, true));
    world.put(with_key("Order-42", 1)).await;
    world.put(message()).await;
    world.put(message()).await;
    assert_eq!(world.stats().await.unwrap().ready, 4);
}

pub(super) async fn a_key_for_another_message_is_a_conflict(make: Maker) {
    let world = make.world().await;
    let first = world.put(with_key("order-42", 1)).await;
    match world.enqueue(with_key("order-42", 2)).await.unwrap_err() {
        QueueError::Conflict { key, id } => assert_eq!((key.as_str(), id), ("order-42", first)),
        other => panic!("{other:?} is not the conflict"),
    }
    world.expect(&[first]).await;
}

pub(super) async fn a_key_outlives_its_message_until_its_window_is_over(make: Maker) {
    let world = make.world_with(QueueSettings { key_window: 10 * MINUTE, ..QueueSettings::default() }).await;
    let first = world.put(with_key("order-42", 1)).await;
    world.act(first, Action::Cancel).await.unwrap();
    assert_eq!(world.purge(seconds(0)).await.unwrap(), 1);

    world.advance(9 * MINUTE);
    world.expect_none().await;
    let again = world.enqueue(with_key("order-42", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first, true));
    assert!(world.enqueue(with_key("order-42", 2)).await.is_err());

    world.advance(MINUTE);
    world.expect_none().await;
    let second = world.put(with_key("order-42", 2)).await;
    assert_ne!(first, second);
    let again = world.enqueue(with_key("order-42", 2)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (second, true));
}

pub(super) async fn a_known_key_is_answered_by_a_full_queue(make: Maker) {
    let world = make.world_with(QueueSettings { max_messages: 1, ..QueueSettings::default() }).await;
    let id = world.put(with_key("order-42", 1)).await;
    assert!(matches!(world.enqueue(message()).await.unwrap_err(), QueueError::Full { .. }));
    let again = world.enqueue(with_key("order-42", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (id, true));
    assert!(matches!(world.enqueue(with_key("order-42", 2)).await.unwrap_err(), QueueError::Conflict { .. }));
}

pub(super) async fn two_hundred_enqueues_with_one_key_make_one_message(make: Maker) {
    let world = make.world().await;
    let mut enqueues = JoinSet::new();
    for _ in 0..200 {
        let queue = Arc::clone(&world.queue);
        enqueues.spawn(async move { queue.enqueue(with_key("order-42", 1)).await.unwrap() });
    }
    let enqueued = enqueues.join_all().await;
    let ids: HashSet<_> = enqueued.iter().map(|enqueued| enqueued.id).collect();
    assert_eq!((ids.len(), world.all().await.len()), (1, 1));
    assert_eq!(enqueued.iter().filter(|enqueued| !enqueued.duplicate).count(), 1);
}
