//! Rules about expiry, retention and purging.

use std::time::Duration;

use super::world::{ACCEPTED, MINUTE, Maker, message, outcome, seconds, tried};
use crate::message::NewMessage;
use crate::query::Command;
use crate::settings::QueueSettings;
use crate::settlement::{Next, Settlement};
use crate::state::State;

/// The terminal states that need no decision of an operator.
const FINISHED: [State; 3] = [State::Sent, State::Dead, State::Cancelled];

pub(super) async fn expired_mail_is_dead_with_that_reason(make: Maker) {
    let world = make.world().await;
    let expires_at = Some(world.now() + MINUTE);
    let ready = world.put(NewMessage { expires_at, route: Some("away".to_owned()), ..message() }).await;
    // Rescheduled by its worker to a time after its expiry.
    let scheduled = world.put(NewMessage { expires_at, ..message() }).await;
    let mut skipping = super::world::request(9);
    skipping.skip_routes = vec!["away".to_owned()];
    let leased = world.lease(&skipping).await.unwrap().remove(0);
    world.settle(leased, Settlement::not_before(world.now() + 2 * MINUTE)).await;
    world.advance(seconds(59));
    assert!(world.lease(&skipping).await.unwrap().is_empty());
    assert_eq!((world.state(ready).await, world.state(scheduled).await), (State::Ready, State::Scheduled));

    world.advance(seconds(1));
    world.expect_none().await;
    for id in [ready, scheduled] {
        let record = world.record(id).await;
        assert_eq!((record.state, record.finished_at, record.attempts), (State::Dead, Some(world.now()), 0));
        assert!(record.recipients[0].text.contains("expired"), "{:?}", record.recipients[0].text);
    }
    assert_eq!(world.ambiguous_total().await, 0);
}

pub(super) async fn a_leased_message_expires_only_after_its_settlement(make: Maker) {
    let world = make.world().await;
    let expires_at = Some(world.now() + seconds(30));
    let sent = world.put(NewMessage { expires_at, ..message() }).await;
    let given_back = world.put(NewMessage { expires_at, ..message() }).await;
    let mut leased = world.take(2).await;
    leased.sort_by_key(|leased| leased.id() != sent);
    world.advance(seconds(40));
    world.expect_none().await;
    assert_eq!(world.state(sent).await, State::Leased);
    let accepted = tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
    assert_eq!(world.settle(leased.remove(0), accepted).await, State::Sent);
    assert_eq!(world.settle(leased.remove(0), Settlement::untouched()).await, State::Dead);
    assert!(world.record(given_back).await.recipients[0].text.contains("expired"));
    world.expect_none().await;
}

pub(super) async fn purge_removes_messages_that_finished_long_enough_ago(make: Maker) {
    let world = make.world().await;
    let mut old = Vec::new();
    for state in [State::Sent, State::Dead, State::Cancelled, State::Held] {
        old.push(world.put_into(state).await);
    }
    world.advance(MINUTE);
    let new = world.put_into(State::Sent).await;
    let scheduled = world.put_into(State::Scheduled).await;
    world.advance(seconds(30));
    let held = old.pop().unwrap();

    assert_eq!(world.purge(&FINISHED, seconds(91)).await.unwrap(), 0);
    assert_eq!(world.purge(&[], seconds(0)).await.unwrap(), 0);
    assert_eq!(world.purge(&[State::Scheduled, State::Ready, State::Leased], seconds(0)).await.unwrap(), 0);
    assert_eq!(world.purge(&FINISHED, seconds(90)).await.unwrap(), 3);
    for id in old {
        assert!(world.get(id).await.unwrap().is_none() && world.content(id).await.unwrap().is_none());
    }
    assert_eq!((world.state(held).await, world.state(new).await), (State::Held, State::Sent));
    let stats = world.stats().await.unwrap();
    assert_eq!((stats.sent, stats.dead, stats.cancelled, stats.held, stats.scheduled), (1, 0, 0, 1, 1));
    assert_eq!(world.purge(&[State::Dead, State::Cancelled], Duration::ZERO).await.unwrap(), 0);
    assert_eq!(world.purge(&FINISHED, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.state(scheduled).await, State::Scheduled);
    assert_eq!(world.purge(&[State::Held], seconds(91)).await.unwrap(), 0);
    assert_eq!(world.purge(&[State::Held], seconds(90)).await.unwrap(), 1, "a person may name its state");
    assert!(world.get(held).await.unwrap().is_none());
    assert_eq!(world.stats().await.unwrap().held, 0);
}

pub(super) async fn purge_removes_only_the_named_states(make: Maker) {
    const STATES: [State; 4] = [State::Sent, State::Dead, State::Held, State::Cancelled];
    for named in STATES {
        let world = make.world().await;
        for state in STATES {
            world.put_into(state).await;
        }
        assert_eq!(world.purge(&[named], Duration::ZERO).await.unwrap(), 1);
        let left: Vec<State> = world.all().await.iter().map(|record| record.state).collect();
        assert!(left.len() == 3 && !left.contains(&named), "{left:?} after {named}");
    }
}

/// The real time within which a store must remove finished messages on its own.
const REMOVAL_TIME_LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn finished_mail_is_removed_after_its_retention(make: Maker) {
    let world = make.world_with(QueueSettings { retention: 10 * MINUTE, ..QueueSettings::default() }).await;
    let mut finished = Vec::new();
    for state in [State::Sent, State::Dead, State::Cancelled] {
        finished.push(world.put_into(state).await);
    }
    world.advance(9 * MINUTE);
    world.expect_none().await;
    for id in &finished {
        assert!(world.get(*id).await.unwrap().is_some());
    }
    world.advance(MINUTE);
    let forgotten = async {
        loop {
            world.expect_none().await;
            if world.all().await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(REMOVAL_TIME_LIMIT, forgotten).await.expect("forgotten by itself");
}

pub(super) async fn held_mail_stays_until_an_operator_decides(make: Maker) {
    let world = make.world_with(QueueSettings { retention: 10 * MINUTE, ..QueueSettings::default() }).await;
    let held = world.put(NewMessage { expires_at: Some(world.now() + seconds(30)), ..message() }).await;
    let leased = world.take_one().await;
    world.settle(leased, tried(Vec::new(), Next::Held)).await;
    world.advance(60 * MINUTE);
    world.expect_none().await;
    assert_eq!(world.purge(&FINISHED, Duration::ZERO).await.unwrap(), 0);
    assert_eq!(world.state(held).await, State::Held);
    assert_eq!(world.apply(held, Command::Release).await.unwrap(), State::Ready);
    let leased = world.expect(&[held]).await.remove(0);
    assert!(leased.content.to_bytes().unwrap().ends_with(b"Hello.\r\n"));
}
