//! Rules about waking workers. They take real time: milliseconds, and at most a few seconds if a rule is broken.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::world::{MINUTE, Maker, World, message};
use crate::message::NewMessage;
use crate::settlement::Settlement;

/// The second of the contract, and some more for a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

/// A worker that waits and leases in a loop gets a message in time after `done`.
async fn woken_by(world: &World, done: impl Future<Output = ()>) {
    let worker = tokio::spawn({
        let queue = Arc::clone(&world.queue);
        async move {
            loop {
                queue.wait().await;
                if !queue.lease(&super::world::request(1)).await.unwrap().is_empty() {
                    break;
                }
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!worker.is_finished());
    done.await;
    tokio::time::timeout(LIMIT, worker).await.expect("woken in time").unwrap();
}

pub(super) async fn a_waiting_worker_is_woken_by_an_enqueue(make: Maker) {
    let world = make.world().await;
    woken_by(&world, async {
        world.put(message()).await;
    })
    .await;
}

pub(super) async fn a_waiting_worker_is_woken_when_mail_becomes_due(make: Maker) {
    let world = make.world().await;
    world.put(NewMessage { send_at: Some(world.now() + MINUTE), ..message() }).await;
    woken_by(&world, async { world.advance(MINUTE) }).await;
}

pub(super) async fn a_waiting_worker_is_woken_by_an_abandoned_message(make: Maker) {
    let world = make.world().await;
    world.put(message()).await;
    let leased = world.take_one().await;
    woken_by(&world, async {
        world.settle(leased, Settlement::untouched()).await;
    })
    .await;
}
