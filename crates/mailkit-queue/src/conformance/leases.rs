//! Rules about leases and their tokens.

use super::world::{
    ACCEPTED, AMBIGUOUS, MINUTE, Maker, PENDING, TEMPORARY, World, is_lost, message, message_to, names, outcome,
    seconds, tried,
};
use crate::id::QueueId;
use crate::message::{NewMessage, OnAmbiguous};
use crate::settlement::{Next, Settlement};
use crate::state::State;

async fn put_to_hold(world: &World) -> QueueId {
    world
        .put(NewMessage { on_ambiguous: OnAmbiguous::Hold, ..message_to(&["bob@example.org", "eve@example.org"]) })
        .await
}

pub(super) async fn a_leased_message_is_leased_by_nobody_else(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let leased = world.take_one().await;
    assert_eq!((leased.expires_at, world.state(id).await), (world.now() + MINUTE, State::Leased));
    world.advance(seconds(59));
    world.expect_none().await;
}

pub(super) async fn an_expired_lease_is_counted_and_the_message_is_leased_again(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let first = world.take_one().await;
    world.advance(MINUTE);
    let second = world.take_one().await;
    assert_eq!((second.id(), second.attempts), (id, 0));
    assert!(second.token.fence > first.token.fence);
    assert_eq!(world.ambiguous_total().await, 1);
    world.settle(second, tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead)).await;
    world.advance(MINUTE);
    world.expect_none().await;
    assert_eq!(world.ambiguous_total().await, 1);
}

pub(super) async fn a_lease_that_expires_after_its_commit_point_is_held_if_the_policy_is_hold(make: Maker) {
    let world = make.world().await;
    let id = put_to_hold(&world).await;
    let leased = world.take_one().await;
    world.settle(leased, tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Ready)).await;
    let leased = world.take_one().await;
    world.record_commit_point(leased.token).await.unwrap();
    world.advance(MINUTE);
    world.expect_none().await;

    let record = world.record(id).await;
    assert_eq!((record.state, record.finished_at, record.attempts), (State::Held, Some(world.now()), 1));
    assert_eq!(world.statuses(id).await, [ACCEPTED, AMBIGUOUS]);
    assert_eq!(world.ambiguous_total().await, 1);
}

pub(super) async fn a_lease_that_expires_before_its_commit_point_is_sent_again_uncounted_if_the_policy_is_hold(
    make: Maker,
) {
    let world = make.world().await;
    let id = put_to_hold(&world).await;
    drop(world.take_one().await);
    world.advance(MINUTE);
    world.expect(&[id]).await;
    assert_eq!(world.statuses(id).await, [PENDING, PENDING]);
    assert_eq!(world.ambiguous_total().await, 0);
}

pub(super) async fn a_commit_point_belongs_to_one_lease(make: Maker) {
    let world = make.world().await;
    let id = put_to_hold(&world).await;
    let leased = world.take_one().await;
    world.record_commit_point(leased.token).await.unwrap();
    world.record_commit_point(leased.token).await.unwrap();
    world.settle(leased, tried(vec![outcome("bob@example.org", TEMPORARY)], Next::Ready)).await;
    drop(world.take_one().await);
    world.advance(MINUTE);
    world.expect(&[id]).await;
    assert_eq!(world.ambiguous_total().await, 0);
}

pub(super) async fn a_renewed_lease_does_not_expire(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let leased = world.take_one().await;
    for _ in 0..5 {
        world.advance(seconds(50));
        assert_eq!(world.renew(&[leased.token], MINUTE).await.unwrap(), []);
        world.expect_none().await;
    }
    world.advance(seconds(60));
    world.expect(&[id]).await;
}

pub(super) async fn renew_reports_lost_leases(make: Maker) {
    let world = make.world().await;
    let lost = world.put(message()).await;
    let old = world.take_one().await;
    world.advance(MINUTE);
    let new = world.expect(&[lost]).await.remove(0);
    let kept = world.put(message()).await;
    let other = world.expect(&[kept]).await.remove(0);
    let tokens = [old.token, other.token];
    assert_eq!(world.renew(&tokens, 2 * MINUTE).await.unwrap(), [old.token]);
    assert_eq!(world.renew(&[], MINUTE).await.unwrap(), []);

    world.advance(MINUTE);
    assert_eq!(names(&world.take(9).await), [new.id()], "the stale token renewed nothing");
    let done = other.token;
    world.settle(other, Settlement::untouched()).await;
    assert_eq!(world.renew(&[done], MINUTE).await.unwrap(), [done]);
}

pub(super) async fn a_stale_token_changes_nothing(make: Maker) {
    let world = make.world().await;
    let id = put_to_hold(&world).await;
    let old = world.take_one().await;
    world.advance(MINUTE);
    let new = world.take_one().await;
    let before = world.record(id).await;

    assert!(is_lost(&world.record_commit_point(old.token).await.unwrap_err(), id));
    let settlement = tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
    assert!(is_lost(&world.queue.settle(old.token, &settlement).await.unwrap_err(), id));
    assert_eq!(world.record(id).await, before);

    world.settle(new, Settlement::untouched()).await;
    let before = world.record(id).await;
    assert!(is_lost(&world.queue.settle(old.token, &settlement).await.unwrap_err(), id));
    assert_eq!(world.record(id).await, before);
    world.expect(&[id]).await;
    world.advance(MINUTE);
    world.expect(&[id]).await;
    assert_eq!(world.ambiguous_total().await, 0, "no commit point was recorded with the stale token");
}

pub(super) async fn a_late_settlement_is_accepted_until_the_lease_is_ended(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let leased = world.take_one().await;
    world.advance(2 * MINUTE);
    let state = world.settle(leased, tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead)).await;
    assert_eq!((state, world.state(id).await), (State::Sent, State::Sent));
    world.expect_none().await;
    assert_eq!(world.ambiguous_total().await, 0);
}

pub(super) async fn no_commit_point_is_recorded_after_the_lease_has_expired(make: Maker) {
    let world = make.world().await;
    let id = put_to_hold(&world).await;
    let leased = world.take_one().await;
    world.advance(MINUTE);
    assert!(is_lost(&world.record_commit_point(leased.token).await.unwrap_err(), id));
    world.expect(&[id]).await;
    assert_eq!(world.ambiguous_total().await, 0);
}
