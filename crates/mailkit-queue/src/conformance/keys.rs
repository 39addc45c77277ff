//! Rules about idempotency keys.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::world::{ACCEPTED, AMBIGUOUS, MINUTE, Maker, PERMANENT, World, message, outcome, seconds, tried, with_key};
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::NewMessage;
use crate::query::Command;
use crate::record::Record;
use crate::settings::QueueSettings;
use crate::settlement::Next;
use crate::state::State;

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

/// The terminal states that a message under a key can be purged in.
const TERMINAL: [State; 4] = [State::Sent, State::Dead, State::Held, State::Cancelled];

/// Brings the only message of a queue into a terminal state.
async fn end_in(world: &World, id: QueueId, state: State) {
    let all = |status, next| tried(vec![outcome("bob@example.org", status)], next);
    let settlement = match state {
        State::Sent => all(ACCEPTED, Next::Dead),
        State::Dead => all(PERMANENT, Next::Dead),
        State::Held => all(AMBIGUOUS, Next::Held),
        _ => {
            world.apply(id, Command::Cancel).await.unwrap();
            return;
        }
    };
    let leased = world.take_one().await;
    assert_eq!(world.settle(leased, settlement).await, state);
}

pub(super) async fn a_duplicate_is_answered_with_the_state_of_its_message(make: Maker) {
    let world = make.world().await;
    let scheduled = NewMessage { send_at: Some(world.now() + MINUTE), ..with_key("scheduled", 1) };
    let new = world.enqueue(scheduled.clone()).await.unwrap();
    assert_eq!((new.duplicate, new.state), (false, State::Scheduled));
    let again = world.enqueue(scheduled).await.unwrap();
    assert_eq!((again.id, again.duplicate, again.state), (new.id, true, State::Scheduled));

    let new = world.enqueue(with_key("k", 1)).await.unwrap();
    assert_eq!((new.duplicate, new.state), (false, State::Ready));
    let state = async || {
        let again = world.enqueue(with_key("k", 1)).await.unwrap();
        assert_eq!((again.id, again.duplicate), (new.id, true));
        again.state
    };
    assert_eq!(state().await, State::Ready);
    let leased = world.take_one().await;
    assert_eq!(state().await, State::Leased);
    world.settle(leased, tried(Vec::new(), Next::Held)).await;
    assert_eq!(state().await, State::Held);
    world.apply(new.id, Command::Release).await.unwrap();
    end_in(&world, new.id, State::Dead).await;
    assert_eq!(state().await, State::Dead);
    world.apply(new.id, Command::Retry).await.unwrap();
    end_in(&world, new.id, State::Sent).await;
    assert_eq!(state().await, State::Sent);
}

pub(super) async fn a_key_outlives_a_sent_message_until_its_window_ends(make: Maker) {
    let world = make.world_with(QueueSettings { key_window: 10 * MINUTE, ..QueueSettings::default() }).await;
    let first = world.put(with_key("order-42", 1)).await;
    end_in(&world, first, State::Sent).await;
    assert_eq!(world.purge(&[State::Sent], seconds(0)).await.unwrap(), 1);

    world.advance(9 * MINUTE);
    world.expect_none().await;
    let again = world.enqueue(with_key("order-42", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate, again.state), (first, true, State::Sent));
    assert!(world.enqueue(with_key("order-42", 2)).await.is_err());

    world.advance(MINUTE);
    world.expect_none().await;
    let second = world.put(with_key("order-42", 2)).await;
    assert_ne!(first, second);
    let again = world.enqueue(with_key("order-42", 2)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (second, true));
}

pub(super) async fn a_key_does_not_stand_for_a_message_purged_without_having_been_sent(make: Maker) {
    for state in TERMINAL.into_iter().filter(|state| *state != State::Sent) {
        let world = make.world().await;
        let first = world.put(with_key("order-42", 1)).await;
        end_in(&world, first, state).await;
        assert_eq!(world.purge(&[state], seconds(0)).await.unwrap(), 1);
        // Another message is no conflict either.
        let second = world.put(with_key("order-42", 2)).await;
        assert_ne!(first, second, "{state}");
        let again = world.enqueue(with_key("order-42", 2)).await.unwrap();
        assert_eq!((again.id, again.duplicate, again.state), (second, true, State::Ready));
    }
}

pub(super) async fn a_key_does_not_stand_for_a_dead_message_removed_after_its_retention(make: Maker) {
    let world = make.world_with(QueueSettings { retention: MINUTE, ..QueueSettings::default() }).await;
    let (sent, dead) = (world.put(with_key("sent", 1)).await, world.put(with_key("dead", 1)).await);
    for _ in 0..2 {
        let leased = world.take_one().await;
        let status = if leased.id() == sent { ACCEPTED } else { PERMANENT };
        world.settle(leased, tried(vec![outcome("bob@example.org", status)], Next::Dead)).await;
    }
    world.advance(2 * MINUTE);
    let forgotten = async {
        while world.get(sent).await.unwrap().is_some() || world.get(dead).await.unwrap().is_some() {
            world.expect_none().await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(seconds(5), forgotten).await.expect("forgotten by itself");
    assert_eq!(world.enqueue(with_key("sent", 1)).await.unwrap().id, sent);
    assert_ne!(world.put(with_key("dead", 1)).await, dead);
}

pub(super) async fn a_key_does_not_stand_for_a_cancelled_message(make: Maker) {
    let world = make.world_with(QueueSettings { key_window: 10 * MINUTE, ..QueueSettings::default() }).await;
    let first = world.put(with_key("order-42", 1)).await;
    world.apply(first, Command::Cancel).await.unwrap();
    world.advance(MINUTE);
    let second = world.put(with_key("order-42", 2)).await;
    assert_eq!(world.state(first).await, State::Cancelled);
    // Neither the end of the first message nor that of its window takes the key from the second one.
    assert_eq!(world.purge(&[State::Cancelled], seconds(0)).await.unwrap(), 1);
    world.advance(9 * MINUTE + seconds(30));
    world.apply(second, Command::Retry).await.unwrap_err();
    let again = world.enqueue(with_key("order-42", 2)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (second, true));
    assert!(matches!(world.enqueue(with_key("order-42", 1)).await, Err(QueueError::Conflict { .. })));
}

pub(super) async fn an_imported_message_whose_key_has_expired_conflicts_with_no_key(make: Maker) {
    let world = make.world_with(QueueSettings { key_window: 10 * MINUTE, ..QueueSettings::default() }).await;
    let live = world.put(with_key("k", 1)).await;
    let created_at = world.now() - 10 * MINUTE;
    let imported = |id| NewMessage { id: Some(id), created_at: Some(created_at), ..with_key("k", 2) };
    let old = QueueId::new(created_at, 7);
    assert_eq!(world.put(imported(old)).await, old);
    let again = world.enqueue(with_key("k", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (live, true));
    let again = world.enqueue(imported(old)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (old, true), "by its id");
}

pub(super) async fn the_fingerprint_of_a_key_is_shown_while_the_key_stands_for_its_message(make: Maker) {
    let world = make.world().await;
    let id = world.put(with_key("k", 7)).await;
    assert_eq!(world.record(id).await.fingerprint, Some([7; 32]));
    world.apply(id, Command::Cancel).await.unwrap();
    let record = world.record(id).await;
    assert_eq!((record.idempotency_key.as_deref(), record.fingerprint), (Some("k"), None));
    let other = world.put(with_key("k", 8)).await;
    assert_eq!(world.record(id).await.fingerprint, None);
    assert_eq!(world.record(other).await.fingerprint, Some([8; 32]));
}

pub(super) async fn a_full_queue_answers_a_known_key(make: Maker) {
    let world = make.world_with(QueueSettings { max_messages: 1, ..QueueSettings::default() }).await;
    let id = world.put(with_key("order-42", 1)).await;
    assert!(matches!(world.enqueue(message()).await.unwrap_err(), QueueError::Full { .. }));
    let again = world.enqueue(with_key("order-42", 1)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (id, true));
    assert!(matches!(world.enqueue(with_key("order-42", 2)).await.unwrap_err(), QueueError::Conflict { .. }));
}

/// Its original is about to end, and could not end if the copy had to wait for room.
pub(super) async fn a_full_queue_accepts_the_archive_copy_of_a_message(make: Maker) {
    let settings = QueueSettings { max_messages: 1, max_bytes: 1_000, ..QueueSettings::default() };
    let world = make.world_with(settings).await;
    let id = world.put(message()).await;
    let key = Record::archive_key(id);
    let copy = NewMessage { content: vec![b'x'; 2_000].into(), ..with_key(&key, 1) };
    assert!(matches!(world.enqueue(message()).await.unwrap_err(), QueueError::Full { .. }));
    let enqueued = world.enqueue(copy).await.unwrap();
    assert_eq!((enqueued.duplicate, world.record(enqueued.id).await.archive_of()), (false, Some(id)));
    assert!(matches!(world.enqueue(message()).await.unwrap_err(), QueueError::Full { .. }));
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
