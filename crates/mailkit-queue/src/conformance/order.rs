//! Rules about the order of leases.

use std::collections::BTreeMap;

use super::world::{MINUTE, Maker, message, names, of_tenant, request, seconds};
use crate::id::QueueId;
use crate::lease::Leased;
use crate::message::{NewMessage, Priority};
use crate::settlement::Settlement;
use crate::state::State;
use crate::text::Tenant;

pub(super) async fn higher_priority_is_leased_first(make: Maker) {
    let world = make.world().await;
    let mut ids = BTreeMap::new();
    for priority in [Priority::Low, Priority::High, Priority::Normal] {
        ids.insert(priority, world.put(NewMessage { priority, ..message() }).await);
        world.advance(seconds(1));
    }
    let wanted: Vec<QueueId> = ids.into_values().collect();
    world.expect(&wanted).await;
}

fn shares(leased: &[Leased]) -> BTreeMap<Option<Tenant>, usize> {
    let mut shares = BTreeMap::new();
    for leased in leased {
        *shares.entry(leased.tenant.clone()).or_default() += 1;
    }
    shares
}

pub(super) async fn tenants_take_turns_in_one_lease(make: Maker) {
    let world = make.world().await;
    for _ in 0..30 {
        world.put(of_tenant("bulk")).await;
    }
    world.advance(seconds(1));
    for _ in 0..3 {
        world.put(of_tenant("small")).await;
        world.put(message()).await;
    }
    let shares = shares(&world.take(12).await);
    let wanted = [(None, 3), (Some("bulk".parse().unwrap()), 6), (Some("small".parse().unwrap()), 3)];
    assert_eq!(
        shares,
        BTreeMap::from(wanted),
        "a tenant with few messages gets all of its own, and the rest goes to the one with many"
    );
}

pub(super) async fn tenants_take_turns_from_lease_to_lease(make: Maker) {
    let world = make.world().await;
    for _ in 0..30 {
        world.put(of_tenant("bulk")).await;
    }
    for _ in 0..5 {
        world.put(of_tenant("small")).await;
    }
    let mut taken = Vec::new();
    for _ in 0..10 {
        taken.push(world.take_one().await);
    }
    assert_eq!(shares(&taken).into_values().collect::<Vec<_>>(), [5, 5]);

    // A tenant that sends one message at a time is not always first.
    let mut taken = Vec::new();
    for _ in 0..10 {
        world.put(of_tenant("trickle")).await;
        taken.push(world.take_one().await);
    }
    assert!(shares(&taken)[&Some("bulk".parse().unwrap())] >= 4, "{:?}", shares(&taken));
}

pub(super) async fn within_a_tenant_the_oldest_due_is_leased_first(make: Maker) {
    let world = make.world().await;
    let late = world.put(NewMessage { send_at: Some(world.now() + seconds(30)), ..message() }).await;
    let early = world.put(NewMessage { send_at: Some(world.now() + seconds(10)), ..message() }).await;
    world.advance(seconds(20));
    let between = world.put(message()).await;
    world.advance(seconds(20));
    let leased = world.expect(&[early, between, late]).await;
    let ages: Vec<_> = leased.iter().map(|leased| world.now() - leased.open_since).collect();
    assert_eq!(ages, [seconds(30), seconds(20), seconds(10)], "what waits for its time does not age");
}

pub(super) async fn mail_pinned_to_a_skipped_route_stays(make: Maker) {
    let world = make.world().await;
    let mut free = Vec::new();
    let mut pinned = Vec::new();
    for at in 0..12 {
        let route = ["away", "main"].get(at % 3).map(|route| (*route).to_owned());
        let id = world.put(NewMessage { route: route.clone(), priority: Priority::High, ..message() }).await;
        if route.as_deref() == Some("away") {
            pinned.push(id)
        } else {
            free.push(id)
        }
        world.advance(seconds(1));
    }
    let mut skipping = request(100);
    skipping.skip_routes = vec!["nowhere".to_owned(), "away".to_owned()];
    assert_eq!(names(&world.lease(&skipping).await.unwrap()), free);
    assert_eq!(names(&world.lease(&skipping).await.unwrap()), []);
    world.expect(&pinned).await;
}

pub(super) async fn scheduled_mail_is_leased_when_it_is_due_and_not_before(make: Maker) {
    let world = make.world().await;
    let due = world.now() + MINUTE;
    let id = world.put(NewMessage { send_at: Some(due), ..message() }).await;
    let record = world.record(id).await;
    assert_eq!((record.state, record.next_attempt_at), (State::Scheduled, Some(due)));
    world.advance(MINUTE - std::time::Duration::from_millis(1));
    world.expect_none().await;
    world.advance(std::time::Duration::from_millis(1));
    world.expect(&[id]).await;

    let past = world.put(NewMessage { send_at: Some(world.now() - MINUTE), ..message() }).await;
    assert_eq!(world.state(past).await, State::Ready);
}

pub(super) async fn an_abandoned_message_keeps_its_position(make: Maker) {
    let world = make.world().await;
    let first = world.put(message()).await;
    world.advance(seconds(1));
    let second = world.put(message()).await;
    let leased = world.take_one().await;
    world.advance(seconds(1));
    assert_eq!(world.settle(leased, Settlement::untouched()).await, State::Ready);
    assert_eq!(world.record(first).await.attempts, 0);
    world.expect(&[first, second]).await;
}
