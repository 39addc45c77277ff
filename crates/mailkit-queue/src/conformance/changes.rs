//! The log of changes, and those who read it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::world::{
    ACCEPTED, MINUTE, Maker, TEMPORARY, World, message, of_tenant, outcome, request, seconds, tried, with_key,
};
use crate::change::{CONSUMER_SILENCE, Changes, Cursor, MAX_CONSUMERS, StateChange};
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::NewMessage;
use crate::query::Command;
use crate::settlement::{AttemptOutcome, Next, Settlement};
use crate::state::State;
use crate::text::ConsumerName;

fn name(text: &str) -> ConsumerName {
    text.parse().unwrap()
}

async fn register(world: &World, consumer: &str) -> Cursor {
    world.register_consumer(&name(consumer)).await.unwrap()
}

async fn read(world: &World, after: Cursor) -> Changes {
    world.changes(after, Changes::MAX).await.unwrap()
}

fn steps(changes: &Changes) -> Vec<(Option<State>, State)> {
    changes.changes.iter().map(|change| (change.previous, change.state)).collect()
}

fn is_unknown(outcome: Result<(), QueueError>, consumer: &str) -> bool {
    matches!(outcome, Err(QueueError::UnknownConsumer(unknown)) if unknown.as_str() == consumer)
}

/// Schedules a message and delivers it at the second attempt, with a lease without an attempt in between.
async fn deliver_at_second_attempt(world: &World) -> QueueId {
    let id = world.put(NewMessage { send_at: Some(world.now() + MINUTE), ..of_tenant("shop") }).await;
    world.advance(MINUTE);
    let leased = world.take_one().await;
    // Neither changes the state.
    world.renew(&[leased.token], MINUTE).await.unwrap();
    world.record_commit_point(leased.token).await.unwrap();
    let failed = tried(vec![outcome("bob@example.org", TEMPORARY)], Next::At(world.now() + MINUTE));
    world.settle(leased, Settlement { outcome: AttemptOutcome::Temporary, ..failed }).await;
    world.advance(MINUTE);
    let leased = world.take_one().await;
    world.settle(leased, Settlement::untouched()).await;
    let leased = world.take_one().await;
    let accepted = tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
    world.settle(leased, Settlement { outcome: AttemptOutcome::Accepted, class: None, ..accepted }).await;
    id
}

pub(super) async fn every_change_of_a_state_is_logged_in_its_order(make: Maker) {
    use State::{Cancelled, Dead, Leased, Ready, Scheduled, Sent};
    let world = make.world().await;
    let start = register(&world, "test").await;
    let id = deliver_at_second_attempt(&world).await;
    let expiring = world.put(NewMessage { expires_at: Some(world.now() + MINUTE), ..message() }).await;
    world.advance(MINUTE);
    world.expect_none().await;
    world.apply(expiring, Command::Retry).await.unwrap();
    world.apply(expiring, Command::Cancel).await.unwrap();
    world.purge(&[Sent, Cancelled], seconds(0)).await.unwrap();

    let log = read(&world, start).await;
    let delivered = [
        (None, Scheduled),
        (Some(Scheduled), Ready),
        (Some(Ready), Leased),
        (Some(Leased), Scheduled),
        (Some(Scheduled), Ready),
        (Some(Ready), Leased),
        (Some(Leased), Ready),
        (Some(Ready), Leased),
        (Some(Leased), Sent),
    ];
    let expired = [(None, Ready), (Some(Ready), Dead), (Some(Dead), Ready), (Some(Ready), Cancelled)];
    assert_eq!(steps(&log), [&delivered[..], &expired].concat());
    let (first, second) = log.changes.split_at(delivered.len());
    assert!(first.iter().all(|change| change.id == id) && second.iter().all(|change| change.id == expiring));
    assert!(log.changes.is_sorted_by(|one, next| one.cursor < next.cursor));
    assert_eq!((log.next, log.missed), (log.changes[12].cursor, false));
}

pub(super) async fn a_change_has_the_time_the_tenant_and_the_attempt(make: Maker) {
    let world = make.world().await;
    let (start, at) = (register(&world, "test").await, world.now());
    deliver_at_second_attempt(&world).await;
    let log = read(&world, start).await.changes;
    assert!(log.iter().all(|change| change.tenant.as_deref() == Some("shop")));
    assert_eq!((log[0].at, log[2].at, log[8].at), (at, at + MINUTE, at + 2 * MINUTE));
    assert_eq!(log.iter().map(|change| change.attempts).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 1, 1, 2]);
    let attempts = log.iter().enumerate().filter_map(|(place, change)| Some((place, change.attempt.as_ref()?)));
    let attempts: Vec<_> = attempts.collect();
    let [(3, failed), (8, accepted)] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!((&*failed.route, failed.outcome), ("main", AttemptOutcome::Temporary));
    assert_eq!((accepted.outcome, accepted.class.as_deref()), (AttemptOutcome::Accepted, None));
    assert_eq!(failed.class.as_deref(), Some("temporary"));
}

pub(super) async fn changes_are_read_in_pages(make: Maker) {
    let world = make.world().await;
    let mut cursor = register(&world, "test").await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(world.put(message()).await);
    }
    let mut seen = Vec::new();
    for expected in [3, 3, 1, 0, 0] {
        let page = world.changes(cursor, 3).await.unwrap();
        assert_eq!((page.changes.len(), page.missed), (expected, false));
        seen.extend(page.changes.iter().map(|change| change.id));
        assert!(page.next >= cursor);
        cursor = page.next;
    }
    assert_eq!(seen, ids);
    assert_eq!(read(&world, Cursor::at(u64::MAX)).await.next, cursor, "a cursor of another queue is the last one");
}

pub(super) async fn no_change_is_logged_while_no_consumer_is_registered(make: Maker) {
    let world = make.world().await;
    world.put(message()).await;
    let before = read(&world, Cursor::default()).await;
    assert_eq!((before.changes.len(), before.missed), (0, true));
    let first = register(&world, "test").await;
    assert_eq!(read(&world, first).await, Changes::new(Vec::new(), first, false));
    assert!(read(&world, before.next).await.missed);
    world.put(message()).await;
    let logged = read(&world, first).await;
    assert_eq!((logged.changes.len(), logged.missed), (1, false));
    world.drop_consumer(&name("test")).await.unwrap();
    world.drop_consumer(&name("test")).await.unwrap();
    assert!(is_unknown(world.store_cursor(&name("test"), first).await, "test"));
    world.put(message()).await;
    let second = register(&world, "test").await;
    assert_eq!(read(&world, second).await.changes, []);
    let after_gap = read(&world, logged.next).await;
    assert_eq!((after_gap.changes, after_gap.next, after_gap.missed), (Vec::new(), second, true));
}

pub(super) async fn a_consumer_goes_on_from_its_stored_cursor(make: Maker) {
    let world = make.world().await;
    let start = register(&world, "test").await;
    for _ in 0..3 {
        world.put(message()).await;
    }
    assert_eq!(register(&world, "test").await, start, "nothing was stored yet");
    let page = world.changes(start, 2).await.unwrap();
    world.store_cursor(&name("test"), page.next).await.unwrap();
    // A consumer that was cut off asks where it stands.
    let again = register(&world, "test").await;
    assert_eq!(again, page.next);
    let rest = read(&world, again).await;
    assert_eq!((rest.changes.len(), rest.missed), (1, false));
    world.store_cursor(&name("test"), start).await.unwrap();
    assert_eq!(register(&world, "test").await, again, "it never goes back");
    assert!(is_unknown(world.store_cursor(&name("other"), start).await, "other"));
}

pub(super) async fn changes_are_kept_until_every_consumer_has_passed_them(make: Maker) {
    let world = make.world().await;
    let start = register(&world, "slow").await;
    assert_eq!(register(&world, "quick").await, start);
    for _ in 0..4 {
        world.put(message()).await;
    }
    let all = read(&world, start).await;
    world.store_cursor(&name("quick"), all.next).await.unwrap();
    assert_eq!(read(&world, start).await, all, "the slow one needs them");
    world.store_cursor(&name("slow"), all.changes[1].cursor).await.unwrap();
    let left = read(&world, start).await;
    assert_eq!((left.changes.as_slice(), left.missed), (&all.changes[2..], true));
    world.drop_consumer(&name("slow")).await.unwrap();
    let left = read(&world, start).await;
    assert_eq!((left.changes, left.next, left.missed), (Vec::new(), all.next, true));
    assert!(!read(&world, all.next).await.missed);
}

pub(super) async fn a_consumer_that_is_silent_for_a_week_is_dropped(make: Maker) {
    let world = make.world().await;
    let start = register(&world, "silent").await;
    register(&world, "alive").await;
    world.put(message()).await;
    world.advance(CONSUMER_SILENCE - seconds(100));
    world.expect(&[world.all().await[0].id]).await;
    world.store_cursor(&name("alive"), start).await.unwrap();
    assert!(!read(&world, start).await.missed);
    world.advance(seconds(100));
    world.take(1).await;
    assert!(is_unknown(world.store_cursor(&name("silent"), start).await, "silent"));
    world.store_cursor(&name("alive"), start).await.unwrap();
    world.advance(CONSUMER_SILENCE);
    world.take(1).await;
    assert!(is_unknown(world.store_cursor(&name("alive"), start).await, "alive"));
    assert!(read(&world, start).await.missed);
}

pub(super) async fn a_queue_has_a_bounded_number_of_consumers(make: Maker) {
    let world = make.world().await;
    for number in 0..MAX_CONSUMERS {
        register(&world, &number.to_string()).await;
    }
    let refused = world.register_consumer(&name("more")).await;
    assert!(matches!(refused, Err(QueueError::Full { .. })), "{refused:?}");
    register(&world, "0").await;
    world.drop_consumer(&name("0")).await.unwrap();
    register(&world, "more").await;
}

pub(super) async fn the_changes_of_a_batch_are_logged_in_its_order(make: Maker) {
    use State::{Cancelled, Leased, Ready, Scheduled, Sent};
    let world = make.world().await;
    let start = register(&world, "test").await;
    let later = world.now() + MINUTE;
    let scheduled = NewMessage { send_at: Some(later), ..message() };
    let expired = NewMessage { expires_at: Some(world.now()), ..message() };
    // Neither a refused message nor a duplicate is a change.
    let many = world.enqueue_many(vec![with_key("a", 1), expired, scheduled, with_key("a", 1)]).await.unwrap();
    let [Ok(first), Err(_), Ok(second), Ok(_)] = many.as_slice() else { panic!("{many:?}") };
    let all = world.enqueue_all(vec![message(), with_key("a", 1), message()]).await.unwrap();
    let [a, b, c, d] = [first.id, second.id, all[0].id, all[2].id];
    let leased = world.expect(&[a, c, d]).await;
    let accepted = tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
    let failed = tried(vec![outcome("bob@example.org", TEMPORARY)], Next::At(later));
    let (untouched, token) = (Settlement::untouched(), |place: usize| leased[place].token);
    let settlements = [(token(2), &accepted), (token(0), &failed), (token(2), &failed), (token(1), &untouched)];
    let settled = world.settle_many(&settlements).await.unwrap();
    assert!(matches!(settled.as_slice(), [Ok(Sent), Ok(Scheduled), Err(_), Ok(Ready)]), "{settled:?}");
    world.apply_many(&[c, d, a, b], Command::Cancel).await.unwrap();

    let log = read(&world, start).await.changes;
    let met: Vec<_> = log.iter().map(|change| (change.id, change.previous, change.state)).collect();
    let enqueued = [(a, None, Ready), (b, None, Scheduled), (c, None, Ready), (d, None, Ready)];
    let taken = [a, c, d].map(|id| (id, Some(Ready), Leased));
    let settled = [(d, Some(Leased), Sent), (a, Some(Leased), Scheduled), (c, Some(Leased), Ready)];
    let cancelled = [(c, Some(Ready), Cancelled), (a, Some(Scheduled), Cancelled), (b, Some(Scheduled), Cancelled)];
    assert_eq!(met, [&enqueued[..], &taken, &settled, &cancelled].concat());
    let with_attempt: Vec<_> = log.iter().filter(|change| change.attempt.is_some()).map(|change| change.id).collect();
    assert_eq!(with_attempt, [d, a]);
    assert!(log.is_sorted_by(|one, next| one.cursor < next.cursor));
}

pub(super) async fn a_refused_batch_logs_nothing(make: Maker) {
    let world = make.world().await;
    let start = register(&world, "test").await;
    let kept = world.put(message()).await;
    let logged = read(&world, start).await;
    let refused = || vec![of_tenant("shop"), with_key("a", 1), with_key("a", 2)];
    assert_eq!(world.enqueue_all(refused()).await.unwrap_err().index, Some(2));
    assert_eq!(read(&world, start).await, logged);
    // What is written at the same time is logged.
    let (one, failed, other) =
        tokio::join!(world.enqueue(message()), world.enqueue_all(refused()), world.enqueue(of_tenant("shop")));
    assert_eq!(failed.unwrap_err().index, Some(2));
    let last = world.enqueue_all(vec![of_tenant("shop"), with_key("a", 2)]).await.unwrap();
    let mut expected = vec![kept, one.unwrap().id, other.unwrap().id, last[0].id, last[1].id];
    let log = read(&world, start).await;
    let mut met: Vec<_> = log.changes.iter().map(|change| change.id).collect();
    met.sort_unstable();
    expected.sort_unstable();
    assert_eq!((met, log.missed), (expected, false));
    assert!(log.changes.iter().all(|change| change.previous.is_none()));
    assert!(world.verify(false).await.unwrap().is_ok());
}

/// Follows the log from a cursor until `done` is set and nothing is left; gives all that it met.
async fn follow(world: &World, mut cursor: Cursor, done: Arc<AtomicBool>) -> Vec<StateChange> {
    let mut met = Vec::new();
    loop {
        let is_done = done.load(Ordering::SeqCst);
        let page = world.changes(cursor, 7).await.unwrap();
        assert!(!page.missed);
        if is_done && page.changes.is_empty() {
            return met;
        }
        met.extend(page.changes);
        cursor = page.next;
        tokio::task::yield_now().await;
    }
}

pub(super) async fn no_change_appears_behind_a_cursor_that_was_handed_out(make: Maker) {
    const MESSAGES: usize = 60;
    let world = make.world().await;
    let start = register(&world, "test").await;
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let queue = Arc::clone(&world.queue);
        writers.spawn(async move {
            for _ in 0..MESSAGES / 4 {
                queue.enqueue(message()).await.unwrap();
                for leased in queue.lease(&request(2)).await.unwrap() {
                    let accepted = tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
                    queue.settle(leased.token, &accepted).await.unwrap();
                }
            }
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let ended = async {
        writers.join_all().await;
        done.store(true, Ordering::SeqCst);
    };
    let (met, ()) = tokio::join!(follow(&world, start, Arc::clone(&done)), ended);
    let mut states: HashMap<QueueId, State> = HashMap::new();
    for change in &met {
        assert_eq!(
            states.insert(change.id, change.state),
            change.previous,
            "each change goes on where the last one ended"
        );
    }
    let stored: HashMap<QueueId, State> = world.all().await.iter().map(|record| (record.id, record.state)).collect();
    assert_eq!((stored.len(), &states), (MESSAGES, &stored));
    // Read again at once, the log is the same.
    let (mut again, mut cursor) = (Vec::new(), start);
    while again.len() < met.len() {
        let page = read(&world, cursor).await;
        cursor = page.next;
        again.extend(page.changes);
    }
    assert_eq!(again, met);
}
