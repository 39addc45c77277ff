//! Batches: each does what single calls one after the other would do, in one step.

use super::world::{
    ACCEPTED, MINUTE, Maker, TEMPORARY, World, is_lost, message, message_to, outcome, seconds, tried, with_key,
};
use crate::content::Content;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::{Enqueued, NewMessage, OnAmbiguous};
use crate::query::{Command, Stats};
use crate::settings::QueueSettings;
use crate::settlement::{Next, Settlement};
use crate::state::State;

const BOB: &str = "bob@example.org";

fn accepted() -> Settlement {
    tried(vec![outcome(BOB, ACCEPTED)], Next::Dead)
}

async fn enqueue(world: &World, messages: Vec<NewMessage>) -> Vec<Result<Enqueued, QueueError>> {
    world.queue.enqueue_many(messages).await.unwrap()
}

pub(super) async fn a_batch_is_enqueued_in_its_order_with_a_result_each(make: Maker) {
    let world = make.world().await;
    let expired = NewMessage { expires_at: Some(world.now()), ..message() };
    let scheduled = NewMessage { send_at: Some(world.now() + MINUTE), ..message() };
    let results = enqueue(&world, vec![message(), expired, scheduled, message()]).await;
    let [Ok(first), Err(refused), Ok(later), Ok(last)] = results.as_slice() else { panic!("{results:?}") };
    assert!(matches!(refused, QueueError::Expired { .. }), "{refused:?}");
    assert_eq!((first.state, later.state, last.state), (State::Ready, State::Scheduled, State::Ready));
    assert!(first.id < later.id && later.id < last.id, "ids have the order of the batch");
    assert_eq!(world.all().await.len(), 3, "the refused message left nothing behind");
    world.expect(&[first.id, last.id]).await;
    assert_eq!(enqueue(&world, Vec::new()).await.len(), 0);
    assert_eq!(world.queue.enqueue_all(Vec::new()).await.unwrap(), []);
}

pub(super) async fn a_duplicate_inside_a_batch_is_stored_once(make: Maker) {
    let world = make.world().await;
    let with_id = |id: u128| NewMessage { id: Some(QueueId::from_bits(id)), ..message() };
    for all in [false, true] {
        let name = if all { "all" } else { "many" };
        let id = 7 + u128::from(all);
        let batch = vec![with_key(name, 1), with_id(id), message(), with_key(name, 1), with_id(id)];
        let enqueued = match all {
            true => world.queue.enqueue_all(batch).await.unwrap(),
            false => enqueue(&world, batch).await.into_iter().map(Result::unwrap).collect(),
        };
        let duplicates: Vec<bool> = enqueued.iter().map(|one| one.duplicate).collect();
        assert_eq!(duplicates, [false, false, false, true, true]);
        assert_eq!((enqueued[3].id, enqueued[4].id), (enqueued[0].id, enqueued[1].id));
        assert_eq!(enqueued[3].state, State::Ready);
    }
    assert_eq!(world.all().await.len(), 6);
    let results = enqueue(&world, vec![with_key("other", 1), with_key("other", 2)]).await;
    let first = results[0].as_ref().unwrap().id;
    assert!(matches!(&results[1], Err(QueueError::Conflict { id, .. }) if *id == first), "{results:?}");
}

pub(super) async fn a_batch_fills_a_queue_up_to_its_limit(make: Maker) {
    let settings = QueueSettings { max_messages: 2, ..QueueSettings::default() };
    let world = make.world_with(settings).await;
    let results = enqueue(&world, vec![message(), message(), message()]).await;
    let [Ok(_), Ok(_), Err(QueueError::Full { .. })] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(world.stats().await.unwrap().ready, 2);
}

pub(super) async fn enqueue_all_stores_nothing_if_one_message_is_refused(make: Maker) {
    let settings = QueueSettings { max_messages: 4, ..QueueSettings::default() };
    let world = make.world_with(settings).await;
    let kept = world.put(with_key("kept", 1)).await;
    let before = (world.stats().await.unwrap(), world.all().await);
    let of_tenant = || super::world::of_tenant("new");
    let large = NewMessage { content: Content::from(vec![b'x'; 200_000]), ..message() };
    for (refused, batch) in [
        (2, vec![with_key("mine", 1), of_tenant(), with_key("mine", 2)]),
        (1, vec![with_key("mine", 1), with_key("kept", 2)]),
        (3, vec![with_key("mine", 1), of_tenant(), large, message()]),
    ] {
        let failed = world.queue.enqueue_all(batch).await.unwrap_err();
        assert_eq!(failed.index, Some(refused), "{failed:?}");
        assert_eq!((world.stats().await.unwrap(), world.all().await), before, "{failed:?}");
    }
    // Neither its keys nor its room are used.
    let enqueued = world.queue.enqueue_all(vec![with_key("mine", 3), with_key("kept", 1), of_tenant()]).await.unwrap();
    let duplicates: Vec<bool> = enqueued.iter().map(|one| one.duplicate).collect();
    assert_eq!((duplicates, enqueued[1].id), (vec![false, true, false], kept));
    world.expect(&[kept, enqueued[2].id, enqueued[0].id]).await;
}

pub(super) async fn a_dropped_batch_is_done_completely_or_not_at_all(make: Maker) {
    let world = make.world().await;
    let mut batches = 0;
    for round in 0..40 {
        let keys = [format!("a-{round}"), format!("b-{round}"), format!("c-{round}")];
        let batch: Vec<_> = keys.iter().map(|key| with_key(key, 1)).collect();
        let limit = std::time::Duration::from_micros(round * 10);
        let done = tokio::time::timeout(limit, world.enqueue_many(batch.clone())).await;
        let again = enqueue(&world, batch).await;
        let duplicates = again.iter().flatten().filter(|one| one.duplicate).count();
        assert!(duplicates == 0 || duplicates == 3, "{duplicates} of 3 were stored");
        assert!(done.is_err() || duplicates == 3, "what was acknowledged is stored");
        batches += 1;
    }
    assert_eq!(world.all().await.len(), 3 * batches);
}

pub(super) async fn a_stale_token_in_a_batch_changes_nothing_and_the_others_are_settled(make: Maker) {
    let world = make.world().await;
    let stale = world.put(message()).await;
    let old = world.take_one().await;
    world.advance(MINUTE);
    let new = world.expect(&[stale]).await.remove(0);
    let (first, last) = (world.put(message()).await, world.put(message()).await);
    let leased = world.expect(&[first, last]).await;
    let before = world.record(stale).await;

    let settlement = accepted();
    let tokens = [leased[0].token, old.token, leased[1].token, leased[0].token];
    let results = world.queue.settle_many(&tokens.map(|token| (token, &settlement))).await.unwrap();
    let [Ok(State::Sent), Err(lost), Ok(State::Sent), Err(again)] = results.as_slice() else { panic!("{results:?}") };
    assert!(is_lost(lost, stale) && is_lost(again, first), "a lease is settled once");
    assert_eq!(world.record(stale).await, before);
    assert_eq!((world.state(first).await, world.record(last).await.history.len()), (State::Sent, 1));
    assert_eq!(world.settle(new, settlement).await, State::Sent);
}

pub(super) async fn a_batch_of_settlements_settles_each_message_as_its_settlement_says(make: Maker) {
    let world = make.world().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(world.put(message_to(&[BOB, "eve@example.org"])).await);
    }
    let leased = world.expect(&ids).await;
    let later = world.now() + MINUTE;
    let settlements = [
        tried(vec![outcome(BOB, ACCEPTED), outcome("eve@example.org", ACCEPTED)], Next::Dead),
        tried(vec![outcome(BOB, TEMPORARY)], Next::At(later)),
        Settlement::untouched(),
        tried(Vec::new(), Next::Dead),
    ];
    let batch: Vec<_> = leased.iter().map(|leased| leased.token).zip(&settlements).collect();
    let states: Vec<_> = world.queue.settle_many(&batch).await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(states, [State::Sent, State::Scheduled, State::Ready, State::Dead]);
    for (id, state) in ids.iter().zip(&states) {
        assert_eq!(world.state(*id).await, *state);
    }
    assert_eq!(world.record(ids[1]).await.next_attempt_at, Some(later));
    world.expect(&[ids[2]]).await;
}

pub(super) async fn a_batch_is_counted_as_its_messages_are(make: Maker) {
    let world = make.world().await;
    enqueue(&world, vec![message(), message(), message(), message()]).await;
    let leased = world.take(3).await;
    let ambiguous = tried(vec![outcome(BOB, super::world::AMBIGUOUS)], Next::Held);
    let (sent, lost) = (accepted(), leased[0].token);
    let batch = [(leased[0].token, &ambiguous), (leased[1].token, &sent), (lost, &ambiguous)];
    world.queue.settle_many(&batch).await.unwrap();
    let failed = world.queue.enqueue_all(vec![message(), with_key("k", 1), with_key("k", 2)]).await;
    assert_eq!(failed.unwrap_err().index, Some(2));
    let expected = Stats {
        ready: 1,
        leased: 1,
        sent: 1,
        held: 1,
        ambiguous_total: 1,
        oldest_ready: Some(seconds(0)),
        ..Stats::default()
    };
    assert_eq!(world.stats().await.unwrap(), expected);
}

pub(super) async fn a_batch_of_commit_points_records_those_of_current_leases(make: Maker) {
    let world = make.world().await;
    let hold = || NewMessage { on_ambiguous: OnAmbiguous::Hold, ..message() };
    let results = enqueue(&world, vec![hold(), hold(), hold()]).await;
    let ids: Vec<QueueId> = results.into_iter().map(|result| result.unwrap().id).collect();
    let leased = world.expect(&ids).await;
    world.queue.settle(leased[1].token, &Settlement::untouched()).await.unwrap();
    let tokens: Vec<_> = leased.iter().map(|leased| leased.token).collect();
    let recorded = world.queue.record_commit_points(&tokens).await.unwrap();
    let [Ok(()), Err(lost), Ok(())] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert!(is_lost(lost, ids[1]));
    world.advance(MINUTE);
    world.expect(&[ids[1]]).await;
    assert_eq!((world.state(ids[0]).await, world.state(ids[2]).await), (State::Held, State::Held));
}

pub(super) async fn a_command_is_applied_to_the_messages_of_a_batch_that_allow_it(make: Maker) {
    let world = make.world().await;
    let held = world.put_into(State::Held).await;
    let leased = world.put_into(State::Leased).await;
    let ready = world.put(message()).await;
    let unknown = QueueId::from_bits(1);
    let results = world.queue.apply_many(&[held, leased, unknown, ready, ready], Command::Cancel).await.unwrap();
    let [Ok(State::Cancelled), Err(refused), Err(QueueError::Unknown(id)), Ok(State::Cancelled), Err(again)] =
        results.as_slice()
    else {
        panic!("{results:?}")
    };
    assert!(matches!(refused, QueueError::NotAllowed { state: State::Leased, .. }), "{refused:?}");
    assert!(matches!(again, QueueError::NotAllowed { state: State::Cancelled, .. }), "{again:?}");
    assert_eq!((*id, world.state(leased).await, world.state(held).await), (unknown, State::Leased, State::Cancelled));
}
