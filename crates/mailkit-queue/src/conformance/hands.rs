//! What a person does.

use super::world::{
    ACCEPTED, AMBIGUOUS, MINUTE, Maker, PENDING, PERMANENT, TEMPORARY, message, message_to, outcome, seconds, tried,
};
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::NewMessage;
use crate::query::Action;
use crate::settlement::Next;
use crate::state::State;

pub(super) async fn an_action_is_done_where_the_state_allows_it_and_nothing_changes_elsewhere(make: Maker) {
    for state in State::ALL {
        for wanted in [Action::Retry, Action::Release, Action::Cancel] {
            let world = make.world().await;
            let id = world.put_into(state).await;
            let before = world.record(id).await;
            let done = world.act(id, wanted).await;
            if wanted.is_allowed_in(state) {
                let goal = if wanted == Action::Cancel { State::Cancelled } else { State::Ready };
                assert_eq!((done.unwrap(), world.state(id).await), (goal, goal));
                continue;
            }
            match done.unwrap_err() {
                QueueError::NotAllowed { id: of, action, state: is } => {
                    assert_eq!((of, action, is), (id, wanted, state))
                }
                other => panic!("{other:?} for {} of a message that is {state}", wanted.name()),
            }
            assert_eq!(world.record(id).await, before);
        }
    }
    let world = make.world().await;
    let nobody = QueueId::new(Timestamp::from_millis(1), 1);
    assert!(matches!(world.act(nobody, Action::Retry).await, Err(QueueError::Unknown(id)) if id == nobody));
}

pub(super) async fn a_dead_message_that_is_retried_starts_afresh_for_those_who_have_it_not(make: Maker) {
    let world = make.world().await;
    let id = world.put(message_to(&["a@x", "b@x", "c@x", "d@x"])).await;
    let leased = world.take_one().await;
    let outcomes =
        vec![outcome("a@x", ACCEPTED), outcome("b@x", PERMANENT), outcome("c@x", TEMPORARY), outcome("d@x", AMBIGUOUS)];
    assert_eq!(world.settle(leased, tried(outcomes, Next::Dead)).await, State::Dead);
    assert_eq!(world.statuses(id).await, [ACCEPTED, PERMANENT, TEMPORARY, AMBIGUOUS]);
    world.advance(MINUTE);

    assert_eq!(world.act(id, Action::Retry).await.unwrap(), State::Ready);
    assert_eq!(world.statuses(id).await, [ACCEPTED, PENDING, PENDING, PENDING]);
    let record = world.record(id).await;
    assert_eq!((record.attempts, record.history.len(), record.finished_at), (0, 1, None));
    assert_eq!(record.next_attempt_at, Some(world.now()));
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!((leased.recipients().len(), leased.attempts), (3, 0));
    assert_eq!(leased.open_since, world.now(), "its age counts anew");
}

pub(super) async fn a_scheduled_message_that_is_retried_is_ready_at_once(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let leased = world.take_one().await;
    let later = world.now() + MINUTE;
    world.settle(leased, tried(vec![outcome("bob@example.org", TEMPORARY)], Next::At(later))).await;
    assert_eq!(world.act(id, Action::Retry).await.unwrap(), State::Ready);
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.attempts, 1, "it goes on where it was");
}

pub(super) async fn a_released_message_is_ready_at_once(make: Maker) {
    let world = make.world().await;
    let id = world.put_into(State::Held).await;
    world.advance(MINUTE);
    assert_eq!(world.act(id, Action::Release).await.unwrap(), State::Ready);
    let record = world.record(id).await;
    assert_eq!((record.finished_at, record.next_attempt_at), (None, Some(world.now())));
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.recipients().len(), 1);
}

pub(super) async fn a_message_retried_after_its_last_moment_has_none(make: Maker) {
    let world = make.world().await;
    let id = world.put(NewMessage { expires_at: Some(world.now() + seconds(30)), ..message() }).await;
    world.advance(MINUTE);
    world.expect_none().await;
    assert_eq!(world.state(id).await, State::Dead);
    assert_eq!(world.act(id, Action::Retry).await.unwrap(), State::Ready);
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.message_expires_at, None);
}
