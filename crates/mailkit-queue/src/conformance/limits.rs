//! Rules about limits.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::world::{MINUTE, Maker, World};
use crate::limit::{Acquired, LimitRequest, Permit};

fn request(key: &str, limit: u64, amount: u64) -> LimitRequest {
    LimitRequest::new(key, NonZeroU64::new(limit).unwrap(), MINUTE, amount)
}

async fn acquire(world: &World, requests: &[LimitRequest]) -> Permit {
    world.acquire(requests).await.unwrap().permit().expect("all limits to have room")
}

async fn is_full(world: &World, requests: &[LimitRequest]) -> bool {
    world.acquire(requests).await.unwrap().permit().is_none()
}

pub(super) async fn a_full_limit_has_room_again_at_the_reported_time(make: Maker) {
    let world = make.world().await;
    let one = [request("main", 3, 1)];
    for _ in 0..3 {
        acquire(&world, &one).await;
    }
    let Acquired::Full { retry_after: Some(wait) } = world.acquire(&one).await.unwrap() else { panic!("no room") };
    assert!(wait >= MINUTE && wait <= MINUTE + Duration::from_millis(60), "{wait:?}");
    world.advance(wait - Duration::from_millis(1));
    assert_eq!(world.acquire(&one).await.unwrap(), Acquired::full(Some(Duration::from_millis(1))));
    world.advance(Duration::from_millis(1));
    acquire(&world, &[request("main", 3, 3)]).await;
    assert_eq!(
        world.acquire(&[request("main", 3, 4)]).await.unwrap(),
        Acquired::full(None),
        "there will never be room"
    );
}

pub(super) async fn permits_are_acquired_from_all_limits_or_from_none(make: Maker) {
    let world = make.world().await;
    let (wide, narrow) = (request("wide", 10, 2), request("narrow", 3, 2));
    acquire(&world, &[wide.clone(), narrow.clone()]).await;
    for _ in 0..10 {
        assert!(is_full(&world, &[wide.clone(), narrow.clone()]).await);
        assert!(is_full(&world, &[narrow.clone(), wide.clone()]).await);
    }
    acquire(&world, &[request("wide", 10, 8), request("narrow", 3, 1)]).await;
    assert!(is_full(&world, &[request("wide", 10, 1)]).await);
    assert!(acquire(&world, &[]).await.acquired.is_empty());
}

pub(super) async fn released_permits_can_be_acquired_again(make: Maker) {
    let world = make.world().await;
    let both = [request("one", 2, 2), request("other", 5, 5)];
    let permit = acquire(&world, &both).await;
    world.advance(MINUTE / 2);
    assert!(is_full(&world, &both).await);
    world.release(permit).await.unwrap();
    acquire(&world, &both).await;
    assert!(is_full(&world, &both).await);
}

pub(super) async fn no_window_exceeds_its_limit_with_concurrent_callers(make: Maker) {
    let world = make.world().await;
    let mut log = Vec::new();
    for _ in 0..12 {
        let mut callers = JoinSet::new();
        for amount in [1, 2, 3, 1] {
            let queue = Arc::clone(&world.queue);
            callers.spawn(async move {
                let acquired = queue.acquire(&[request("main", 10, amount)]).await.unwrap();
                acquired.permit().map_or(0, |_| amount)
            });
        }
        log.push((world.now(), callers.join_all().await.iter().sum::<u64>()));
        world.advance(Duration::from_millis(7_001));
    }
    for (from, _) in &log {
        let window = log.iter().filter(|(at, _)| at >= from && *at <= *from + MINUTE);
        let total: u64 = window.map(|(_, amount)| amount).sum();
        assert!(total <= 10, "{total} in one window: {log:?}");
    }
    assert!(
        log.iter().map(|(_, amount)| amount).sum::<u64>() >= 18,
        "permits are acquired while there is room: {log:?}"
    );
}
