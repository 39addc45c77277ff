//! Rules about the commands of operators.

use super::world::{
    ACCEPTED, AMBIGUOUS, MINUTE, Maker, PENDING, PERMANENT, TEMPORARY, message, message_to, outcome, seconds, tried,
};
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::id::QueueId;
use crate::message::NewMessage;
use crate::query::Command;
use crate::settlement::Next;
use crate::state::State;

pub(super) async fn a_command_is_applied_only_in_the_states_that_allow_it(make: Maker) {
    for state in State::ALL {
        for wanted in [Command::Retry, Command::Release, Command::Cancel] {
            let world = make.world().await;
            let id = world.put_into(state).await;
            let before = world.record(id).await;
            let done = world.apply(id, wanted).await;
            if wanted.applies_to(state) {
                let goal = if wanted == Command::Cancel { State::Cancelled } else { State::Ready };
                assert_eq!((done.unwrap(), world.state(id).await), (goal, goal));
                continue;
            }
            match done.unwrap_err() {
                QueueError::NotAllowed { id: of, command, state: is } => {
                    assert_eq!((of, command, is), (id, wanted, state))
                }
                other => panic!("{other:?} for {} of a message that is {state}", wanted.as_str()),
            }
            assert_eq!(world.record(id).await, before);
        }
    }
    let world = make.world().await;
    let nobody = QueueId::new(Timestamp::from_millis(1), 1);
    assert!(matches!(world.apply(nobody, Command::Retry).await, Err(QueueError::Unknown(id)) if id == nobody));
}

pub(super) async fn retrying_a_dead_message_starts_anew_for_the_recipients_that_were_not_accepted(make: Maker) {
    let world = make.world().await;
    let id = world.put(message_to(&["a@x", "b@x", "c@x", "d@x"])).await;
    let leased = world.take_one().await;
    let outcomes =
        vec![outcome("a@x", ACCEPTED), outcome("b@x", PERMANENT), outcome("c@x", TEMPORARY), outcome("d@x", AMBIGUOUS)];
    assert_eq!(world.settle(leased, tried(outcomes, Next::Dead)).await, State::Dead);
    assert_eq!(world.statuses(id).await, [ACCEPTED, PERMANENT, TEMPORARY, AMBIGUOUS]);
    world.advance(MINUTE);

    assert_eq!(world.apply(id, Command::Retry).await.unwrap(), State::Ready);
    assert_eq!(world.statuses(id).await, [ACCEPTED, PENDING, PENDING, PENDING]);
    let record = world.record(id).await;
    assert_eq!((record.attempts, record.history.len(), record.finished_at), (0, 1, None));
    assert_eq!(record.next_attempt_at, Some(world.now()));
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!((leased.recipients().len(), leased.attempts), (3, 0));
    assert_eq!(leased.open_since, world.now(), "its age starts anew");
}

pub(super) async fn a_scheduled_message_that_is_retried_is_ready_at_once(make: Maker) {
    let world = make.world().await;
    let id = world.put(message()).await;
    let leased = world.take_one().await;
    let later = world.now() + MINUTE;
    world.settle(leased, tried(vec![outcome("bob@example.org", TEMPORARY)], Next::At(later))).await;
    assert_eq!(world.apply(id, Command::Retry).await.unwrap(), State::Ready);
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.attempts, 1, "it goes on where it was");
}

pub(super) async fn a_released_message_is_ready_at_once(make: Maker) {
    let world = make.world().await;
    let id = world.put_into(State::Held).await;
    world.advance(MINUTE);
    assert_eq!(world.apply(id, Command::Release).await.unwrap(), State::Ready);
    let record = world.record(id).await;
    assert_eq!((record.finished_at, record.next_attempt_at), (None, Some(world.now())));
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.recipients().len(), 1);
}

pub(super) async fn retrying_an_expired_message_clears_its_expiry(make: Maker) {
    let world = make.world().await;
    let id = world.put(NewMessage { expires_at: Some(world.now() + seconds(30)), ..message() }).await;
    world.advance(MINUTE);
    world.expect_none().await;
    assert_eq!(world.state(id).await, State::Dead);
    assert_eq!(world.apply(id, Command::Retry).await.unwrap(), State::Ready);
    let leased = world.expect(&[id]).await.remove(0);
    assert_eq!(leased.message_expires_at, None);
}
