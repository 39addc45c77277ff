//! What lists are filtered by, beyond the fields that `queries` has rules for.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::world::{Maker, TEMPORARY, message, outcome, seconds, tried};
use crate::message::NewMessage;
use crate::query::Filter;
use crate::settlement::{Next, Settlement};

pub(super) async fn a_list_is_filtered_by_message_id_and_failure_class(make: Maker) {
    let world = make.world().await;
    let mut ids = Vec::new();
    for name in ["<a@x>", "<b@x>", "<A@x>"] {
        ids.push(world.put(NewMessage { message_id: Some(name.to_owned()), ..message() }).await);
        world.advance(seconds(1));
    }
    let list = async |filter: Filter| -> Vec<usize> {
        let page = world.list(&filter).await.unwrap();
        page.records.iter().map(|record| ids.iter().position(|id| *id == record.id).unwrap()).collect()
    };
    assert_eq!(list(Filter::new().with_message_id("<a@x>")).await, [0], "its case counts");
    assert_eq!(list(Filter::new().with_message_id("a@x")).await, []);
    assert_eq!(list(Filter::new().with_class("greylisted")).await, [], "nothing was tried");
    let classes = [Some("greylisted"), None, Some("rate")];
    for (leased, class) in world.take(3).await.into_iter().zip(classes) {
        let failed = tried(vec![outcome("bob@example.org", TEMPORARY)], Next::Ready);
        world.settle(leased, Settlement { class: class.map(str::to_owned), ..failed }).await;
    }
    assert_eq!(list(Filter::new().with_class("greylisted")).await, [0]);
    assert_eq!(list(Filter::new().with_class("rate")).await, [2]);
    assert_eq!(list(Filter::new().with_class("rate").with_message_id("<a@x>")).await, []);
    // The last attempt counts, and not one before.
    for leased in world.take(3).await {
        let failed = tried(vec![outcome("bob@example.org", TEMPORARY)], Next::Ready);
        world.settle(leased, Settlement { class: Some("rate".to_owned()), ..failed }).await;
    }
    assert_eq!(list(Filter::new().with_class("greylisted")).await, []);
    assert_eq!(list(Filter::new().with_class("rate")).await, [2, 1, 0]);
}

pub(super) async fn a_page_has_at_most_a_thousand_messages(make: Maker) {
    let world = make.world().await;
    let mut enqueues = JoinSet::new();
    for _ in 0..=Filter::MAX_LIMIT {
        let queue = Arc::clone(&world.queue);
        enqueues.spawn(async move { queue.enqueue(message()).await.unwrap() });
    }
    enqueues.join_all().await;
    let mut filter = Filter::new().with_limit(usize::MAX);
    let first = world.list(&filter).await.unwrap();
    filter.cursor = first.next;
    let second = world.list(&filter).await.unwrap();
    assert_eq!((first.records.len(), second.records.len(), second.next), (Filter::MAX_LIMIT, 1, None));
}
