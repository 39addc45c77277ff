//! Rules about settling.

use super::world::{
    ACCEPTED, AMBIGUOUS, MINUTE, Maker, PENDING, PERMANENT, TEMPORARY, message, message_to, outcome, tried,
};
use crate::settlement::{AttemptOutcome, Next, Settlement};
use crate::state::State;

const BOB: &str = "bob@example.org";
const EVE: &str = "eve@example.org";

pub(super) async fn a_message_accepted_for_all_recipients_is_sent_whatever_next_says(make: Maker) {
    let world = make.world().await;
    for next in [Next::Ready, Next::At(world.now() + MINUTE), Next::Dead, Next::Held] {
        let id = world.put(message_to(&[BOB, EVE])).await;
        let leased = world.take_one().await;
        assert_eq!(world.settle(leased, tried(vec![outcome(BOB, ACCEPTED)], Next::Ready)).await, State::Ready);
        let leased = world.take_one().await;
        assert_eq!(world.settle(leased, tried(vec![outcome(EVE, ACCEPTED)], next)).await, State::Sent);
        let record = world.record(id).await;
        assert_eq!((record.state, record.finished_at), (State::Sent, Some(world.now())));
        assert_eq!(record.next_attempt_at, None);
    }
    world.advance(2 * MINUTE);
    world.expect_none().await;
}

pub(super) async fn only_open_recipients_are_leased_again(make: Maker) {
    let world = make.world().await;
    let id = world.put(message_to(&[BOB, EVE, "c@x", "d@x", "e@x"])).await;
    let outcomes =
        vec![outcome("d@x", AMBIGUOUS), outcome(BOB, ACCEPTED), outcome(EVE, PERMANENT), outcome("c@x", TEMPORARY)];
    let leased = world.take_one().await;
    assert_eq!(world.settle(leased, tried(outcomes, Next::Ready)).await, State::Ready);
    assert_eq!(world.statuses(id).await, [ACCEPTED, PERMANENT, TEMPORARY, AMBIGUOUS, PENDING]);
    let leased = world.take_one().await;
    let open: Vec<String> = leased.recipients().iter().map(ToString::to_string).collect();
    assert_eq!((open, leased.attempts), (vec!["c@x".to_owned(), "d@x".to_owned(), "e@x".to_owned()], 1));

    let record = world.record(id).await;
    assert_eq!((record.recipients[0].code, record.recipients[0].enhanced.as_deref()), (Some(250), Some("2.1.5")));
    assert_eq!((record.recipients[0].text.as_str(), record.recipients[4].text.as_str()), ("so it is", ""));
}

pub(super) async fn a_message_without_open_recipients_is_dead_whatever_next_says(make: Maker) {
    let world = make.world().await;
    for next in [Next::Ready, Next::At(world.now() + MINUTE), Next::Dead, Next::Held] {
        let id = world.put(message_to(&[BOB, EVE])).await;
        let leased = world.take_one().await;
        let outcomes = vec![outcome(BOB, ACCEPTED), outcome(EVE, PERMANENT)];
        assert_eq!(world.settle(leased, tried(outcomes, next)).await, State::Dead);
        assert_eq!(world.record(id).await.finished_at, Some(world.now()));
    }
    world.advance(2 * MINUTE);
    world.expect_none().await;
}

pub(super) async fn the_settlement_decides_the_next_state(make: Maker) {
    let world = make.world().await;
    let later = world.now() + MINUTE;
    for (next, state) in [
        (Next::Dead, State::Dead),
        (Next::Held, State::Held),
        (Next::At(later), State::Scheduled),
        (Next::At(world.now()), State::Ready),
        (Next::Ready, State::Ready),
    ] {
        let id = world.put(message()).await;
        let leased = loop {
            let leased = world.take_one().await;
            if leased.id() == id {
                break leased;
            }
        };
        assert_eq!(world.settle(leased, tried(vec![outcome(BOB, TEMPORARY)], next)).await, state);
        let record = world.record(id).await;
        assert_eq!((record.state, record.finished_at.is_some()), (state, state.is_terminal()));
        assert_eq!(record.next_attempt_at.is_some(), !state.is_terminal());
        if state == State::Scheduled {
            assert_eq!(record.next_attempt_at, Some(later));
        }
    }
}

pub(super) async fn an_attempt_is_counted_and_recorded_only_with_a_route(make: Maker) {
    let world = make.world().await;
    let id = world.put(message_to(&[BOB, EVE])).await;
    let leased = world.take_one().await;
    world.settle(leased, tried(vec![outcome(EVE, TEMPORARY)], Next::Ready)).await;
    let first = world.now();
    world.advance(MINUTE);
    let leased = world.take_one().await;
    let untried = Settlement { counts: true, text: "no route".to_owned(), ..Settlement::untouched() };
    world.settle(leased, untried).await;
    let leased = world.take_one().await;
    assert_eq!(leased.attempts, 1);
    let failed = Settlement {
        counts: false,
        outcome: AttemptOutcome::Network,
        class: Some("connection".to_owned()),
        ..tried(Vec::new(), Next::Ready)
    };
    world.settle(leased, failed).await;
    let leased = world.take_one().await;
    assert_eq!(leased.attempts, 1, "a failure of the route is no attempt");
    world.settle(leased, tried(Vec::new(), Next::Dead)).await;

    let record = world.record(id).await;
    assert_eq!((record.attempts, record.history.len()), (2, 3));
    assert_eq!((record.history[0].at, record.history[2].at), (first, world.now()));
    assert_eq!((record.history[0].route.as_str(), record.history[0].text.as_str()), ("main", "as said"));
    let kinds: Vec<_> = record.history.iter().map(|attempt| (attempt.outcome, attempt.class.as_deref())).collect();
    let (partial, network) = (AttemptOutcome::Partial, AttemptOutcome::Network);
    let temporary = (partial, Some("temporary"));
    assert_eq!(kinds, [temporary, (network, Some("connection")), temporary]);
    let [eve] = record.history[0].recipients.as_slice() else { panic!("only the recipient of the attempt") };
    assert_eq!((eve.address.to_string().as_str(), eve.status, eve.code), (EVE, TEMPORARY, Some(250)));
    assert_eq!((eve.enhanced.as_deref(), eve.text.as_str()), (Some("2.1.5"), "so it is"));
    assert!(world.all().await[0].history.is_empty(), "a list shows no history");
}

pub(super) async fn outcomes_of_other_recipients_are_ignored(make: Maker) {
    let world = make.world().await;
    let id = world.put(message_to(&[BOB, EVE])).await;
    let leased = world.take_one().await;
    world.settle(leased, tried(vec![outcome(BOB, ACCEPTED), outcome("nobody@x", PERMANENT)], Next::Ready)).await;
    let leased = world.take_one().await;
    let state = world.settle(leased, tried(vec![outcome(BOB, AMBIGUOUS)], Next::Ready)).await;
    assert_eq!((state, world.statuses(id).await), (State::Ready, vec![ACCEPTED, PENDING]));
    assert_eq!(world.ambiguous_total().await, 0);
}

pub(super) async fn an_ambiguous_moment_is_counted_once(make: Maker) {
    let world = make.world().await;
    world.put(message_to(&[BOB, EVE])).await;
    let both = || vec![outcome(BOB, AMBIGUOUS), outcome(EVE, AMBIGUOUS)];
    let leased = world.take_one().await;
    world.settle(leased, tried(both(), Next::Ready)).await;
    assert_eq!(world.ambiguous_total().await, 1, "one attempt, however many recipients");
    let leased = world.take_one().await;
    world.settle(leased, Settlement::untouched()).await;
    let leased = world.take_one().await;
    world.settle(leased, tried(vec![outcome(EVE, TEMPORARY)], Next::Ready)).await;
    assert_eq!(world.ambiguous_total().await, 1, "a recipient that was ambiguous before is not counted again");
    let leased = world.take_one().await;
    let id = leased.id();
    world.settle(leased, tried(both(), Next::Held)).await;
    assert_eq!(world.ambiguous_total().await, 2);
    world.apply(id, crate::query::Command::Release).await.unwrap();
    let leased = world.take_one().await;
    world.settle(leased, tried(vec![outcome(BOB, ACCEPTED), outcome(EVE, ACCEPTED)], Next::Ready)).await;
    assert_eq!(world.ambiguous_total().await, 2, "a command of an operator is not counted");
}
