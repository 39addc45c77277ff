//! Hard quotas.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::world::{MINUTE, Maker};
use crate::limit::LimitRequest;

fn request(key: &str, limit: u64, amount: u64) -> LimitRequest {
    LimitRequest { key: key.to_owned(), limit: NonZeroU64::new(limit).unwrap(), window: MINUTE, amount }
}

pub(super) async fn a_full_limit_has_room_again_at_the_reported_time(make: Maker) {
    let world = make.world().await;
    let one = [request("main", 3, 1)];
    for _ in 0..3 {
        world.acquire(&one).await.unwrap().unwrap();
    }
    let room_at = world.acquire(&one).await.unwrap().unwrap_err();
    let wait = room_at - world.now();
    assert!(wait >= MINUTE && wait <= MINUTE + Duration::from_millis(60), "{wait:?}");
    world.advance(wait - Duration::from_millis(1));
    assert_eq!(world.acquire(&one).await.unwrap(), Err(room_at));
    world.advance(Duration::from_millis(1));
    world.acquire(&[request("main", 3, 3)]).await.unwrap().unwrap();
    let never = world.acquire(&[request("main", 3, 4)]).await.unwrap().unwrap_err();
    assert_eq!(never.as_millis(), i64::MAX);
}

pub(super) async fn permits_are_acquired_from_all_limits_or_from_none(make: Maker) {
    let world = make.world().await;
    let (wide, narrow) = (request("wide", 10, 2), request("narrow", 3, 2));
    world.acquire(&[wide.clone(), narrow.clone()]).await.unwrap().unwrap();
    for _ in 0..10 {
        assert!(world.acquire(&[wide.clone(), narrow.clone()]).await.unwrap().is_err());
        assert!(world.acquire(&[narrow.clone(), wide.clone()]).await.unwrap().is_err());
    }
    world.acquire(&[request("wide", 10, 8), request("narrow", 3, 1)]).await.unwrap().unwrap();
    assert!(world.acquire(&[request("wide", 10, 1)]).await.unwrap().is_err());
    assert!(world.acquire(&[]).await.unwrap().unwrap().spent.is_empty());
}

pub(super) async fn released_permits_can_be_acquired_again(make: Maker) {
    let world = make.world().await;
    let both = [request("one", 2, 2), request("other", 5, 5)];
    let permit = world.acquire(&both).await.unwrap().unwrap();
    world.advance(MINUTE / 2);
    assert!(world.acquire(&both).await.unwrap().is_err());
    world.release(permit).await.unwrap();
    world.acquire(&both).await.unwrap().unwrap();
    assert!(world.acquire(&both).await.unwrap().is_err());
}

pub(super) async fn no_window_exceeds_its_limit_with_concurrent_callers(make: Maker) {
    let world = make.world().await;
    let mut log = Vec::new();
    for _ in 0..12 {
        let mut spenders = JoinSet::new();
        for amount in [1, 2, 3, 1] {
            let queue = Arc::clone(&world.queue);
            spenders.spawn(async move {
                let spent = queue.acquire(&[request("main", 10, amount)]).await.unwrap();
                if spent.is_ok() { amount } else { 0 }
            });
        }
        log.push((world.now(), spenders.join_all().await.iter().sum::<u64>()));
        world.advance(Duration::from_millis(7_001));
    }
    for (from, _) in &log {
        let window = log.iter().filter(|(at, _)| at >= from && *at <= *from + MINUTE);
        let spent: u64 = window.map(|(_, amount)| amount).sum();
        assert!(spent <= 10, "{spent} in one window: {log:?}");
    }
    assert!(log.iter().map(|(_, amount)| amount).sum::<u64>() >= 18, "what has room goes: {log:?}");
}
