//! Rules about concurrent callers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::world::{ACCEPTED, Maker, message, outcome, request, tried};
use crate::settlement::{Next, Settlement};

pub(super) async fn concurrent_workers_settle_each_message_once(make: Maker) {
    const MESSAGES: usize = 120;
    let world = make.world().await;
    for _ in 0..MESSAGES {
        world.put(message()).await;
    }
    // How often each message was leased: it is abandoned the first time and delivered the second.
    let taken = Arc::new(Mutex::new(HashMap::new()));
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let (queue, taken) = (Arc::clone(&world.queue), Arc::clone(&taken));
        workers.spawn(async move {
            while taken.lock().unwrap().values().filter(|times| **times == 2).count() < MESSAGES {
                for leased in queue.lease(&request(1 + worker % 4)).await.unwrap() {
                    let times = {
                        let mut taken = taken.lock().unwrap();
                        let times = taken.entry(leased.id()).or_insert(0);
                        *times += 1;
                        *times
                    };
                    let accepted = || tried(vec![outcome("bob@example.org", ACCEPTED)], Next::Dead);
                    let settlement = if times == 1 { Settlement::untouched() } else { accepted() };
                    queue.settle(leased.token, &settlement).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        });
    }
    workers.join_all().await;
    let stats = world.stats().await.unwrap();
    assert_eq!((stats.sent, stats.unfinished(), stats.ambiguous_total), (MESSAGES as u64, 0, 0));
    assert!(taken.lock().unwrap().values().all(|times| *times == 2), "no message was leased more than twice");
}

pub(super) async fn concurrent_enqueues_are_all_stored(make: Maker) {
    let world = make.world().await;
    let mut enqueues = JoinSet::new();
    for _ in 0..100 {
        let queue = Arc::clone(&world.queue);
        enqueues.spawn(async move { queue.enqueue(message()).await.unwrap().id });
    }
    let ids: HashSet<_> = enqueues.join_all().await.into_iter().collect();
    let leased: HashSet<_> = world.take(200).await.iter().map(|leased| leased.id()).collect();
    assert_eq!((ids.len(), &leased), (100, &ids));
}
