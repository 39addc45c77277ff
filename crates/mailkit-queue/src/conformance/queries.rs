//! Rules about lists, pages and counts.

use super::world::{MINUTE, Maker, message, message_to, seconds};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::NewMessage;
use crate::query::{Command, Filter};
use crate::state::State;

pub(super) async fn a_list_has_the_matching_messages_newest_first(make: Maker) {
    let world = make.world().await;
    let start = world.now();
    let mut ids = Vec::new();
    for (to, tag) in [("Bob@example.org", "a"), ("eve@example.org", "b"), ("bob@example.org", "b"), ("eve@x", "a")] {
        let tags = vec![tag.parse().unwrap(), "all".parse().unwrap()];
        let tenant = (ids.len() % 2 == 1).then(|| "shop".parse().unwrap());
        let route = (ids.len() > 1).then(|| "backup".to_owned());
        ids.push(world.put(NewMessage { tags, tenant, route, ..message_to(&[to, "also@x"]) }).await);
        world.advance(seconds(1));
    }
    world.apply(ids[2], Command::Cancel).await.unwrap();
    let list = async |filter: Filter| -> Vec<usize> {
        let page = world.list(&filter).await.unwrap();
        assert_eq!(page.next, None);
        page.records.iter().map(|record| ids.iter().position(|id| *id == record.id).unwrap()).collect()
    };
    let filter = Filter::default;
    let to = |recipient: &str| Some(recipient.to_owned());
    assert_eq!(list(filter()).await, [3, 2, 1, 0]);
    assert_eq!(list(Filter { state: Some(State::Ready), ..filter() }).await, [3, 1, 0]);
    assert_eq!(list(Filter { state: Some(State::Sent), ..filter() }).await, []);
    assert_eq!(list(Filter { recipient: to("BOB@example.org"), ..filter() }).await, [2, 0]);
    assert_eq!(list(Filter { recipient: to("bob"), ..filter() }).await, [], "an address, not a part of one");
    assert_eq!(list(Filter { recipient: to("also@x"), ..filter() }).await, [3, 2, 1, 0], "each once");
    assert_eq!(list(Filter { tag: to("a"), ..filter() }).await, [3, 0]);
    let all = Filter { state: Some(State::Ready), recipient: to("eve@example.org"), tag: to("b"), ..filter() };
    assert_eq!(list(all).await, [1]);
    assert_eq!(list(Filter { since: Some(start + seconds(1)), ..filter() }).await, [3, 2, 1]);
    assert_eq!(list(Filter { until: Some(start + seconds(1)), ..filter() }).await, [0]);
    assert_eq!(list(Filter { tenant: to("shop"), ..filter() }).await, [3, 1]);
    assert_eq!(list(Filter { route: to("backup"), ..filter() }).await, [3, 2]);
    assert_eq!(list(Filter { tenant: to("shop"), route: to("backup"), ..filter() }).await, [3]);
    assert_eq!(list(Filter { tenant: to("Shop"), ..filter() }).await, []);
    let older = Filter { cursor: Some(ids[2]), ..filter() };
    assert_eq!(list(older).await, [1, 0]);
}

pub(super) async fn pages_neither_repeat_nor_skip_messages_while_mail_is_enqueued(make: Maker) {
    let world = make.world().await;
    let mut ids = Vec::new();
    for at in 0..25 {
        let tags = vec![["even", "odd"][at % 2].parse().unwrap()];
        ids.push(world.put(NewMessage { tags, ..message() }).await);
        world.advance(seconds(1));
    }
    for (tag, limit) in [(None, 1), (None, 5), (None, 7), (None, 25), (Some("odd"), 4), (Some("even"), 13)] {
        let mut filter = Filter { tag: tag.map(str::to_owned), limit, ..Filter::default() };
        let mut seen = Vec::new();
        loop {
            let page = world.list(&filter).await.unwrap();
            assert!(page.records.len() == limit || page.next.is_none(), "only the last page is short");
            seen.extend(page.records.iter().map(|record| record.id).filter(|id| ids.contains(id)));
            world.put(NewMessage { tags: vec!["odd".parse().unwrap(), "even".parse().unwrap()], ..message() }).await;
            if page.next.is_none() {
                break;
            }
            filter.cursor = page.next;
        }
        let wanted: Vec<QueueId> = match tag {
            None => ids.iter().rev().copied().collect(),
            Some(tag) => ids.iter().skip(usize::from(tag == "odd")).step_by(2).rev().copied().collect(),
        };
        // A message that was enqueued after the first page was read is on no later page.
        assert!(seen.len() <= wanted.len() && wanted.ends_with(&seen), "{tag:?} by {limit}");
        world.advance(seconds(1));
    }
}

pub(super) async fn messages_are_counted_by_state(make: Maker) {
    let world = make.world().await;
    assert_eq!(world.stats().await.unwrap(), crate::query::Stats::default());
    let states = [State::Sent, State::Dead, State::Held, State::Cancelled, State::Leased, State::Scheduled];
    for (at, state) in states.into_iter().enumerate() {
        for _ in 0..=at {
            world.put_into(state).await;
        }
    }
    for _ in 0..7 {
        world.put(message()).await;
    }
    world.advance(seconds(30));
    world.put(message()).await;
    let stats = world.stats().await.unwrap();
    assert_eq!((stats.sent, stats.dead, stats.held, stats.cancelled), (1, 2, 3, 4));
    assert_eq!((stats.leased, stats.scheduled, stats.ready), (5, 6, 8));
    assert_eq!((stats.unfinished(), stats.oldest_ready), (19, Some(seconds(30))));
    assert_eq!(stats.ambiguous_total, 3);
    world.advance(MINUTE);
}

pub(super) async fn an_unknown_message_is_none(make: Maker) {
    let world = make.world().await;
    let nobody = QueueId::new(Timestamp::from_millis(1), 1);
    assert!(world.get(nobody).await.unwrap().is_none());
    assert!(world.content(nobody).await.unwrap().is_none());
    assert_eq!(world.list(&Filter::default()).await.unwrap(), crate::query::Page::default());
}
