//! What a store says of itself, whether what it holds fits together, and its end.

use super::world::{Maker, message};
use crate::health::Verification;
use crate::state::State;

pub(super) async fn a_store_describes_itself(make: Maker) {
    let world = make.world().await;
    let health = world.check().await.unwrap();
    assert!(!health.kind.is_empty() && !health.version.is_empty(), "{health:?}");
    assert!(health.clock_offset_millis.abs() <= 60_000, "{health:?}");
}

pub(super) async fn a_sound_store_has_no_problems(make: Maker) {
    let world = make.world().await;
    assert_eq!(world.verify(false).await.unwrap(), Verification::default(), "an empty one");
    for state in [State::Sent, State::Dead, State::Held, State::Cancelled, State::Leased, State::Scheduled] {
        world.put_into(state).await;
    }
    world.put(message()).await;
    let stats = world.stats().await.unwrap();
    for repair in [false, true] {
        assert_eq!(world.verify(repair).await.unwrap(), Verification::default());
    }
    assert_eq!(world.stats().await.unwrap(), stats);
}

pub(super) async fn a_store_is_closed_when_its_work_is_done(make: Maker) {
    let world = make.world().await;
    world.put(message()).await;
    world.close().await.unwrap();
}
