//! Messages are delivered, and end in the right state.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mailkit_dispatch::{Deliver, Dispatcher, Jobs, Outcome, RouteSettings};
use mailkit_queue::Queue;
use tokio::time::{Instant, sleep, timeout};

use crate::faulty_queue::{Call, Fault, Wrapped};
use crate::server::{Server, enqueue, queue, seeded, start, tally};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn every_message_goes_out_once_and_is_sent() {
    let (queue, server) = (queue(), Server::new());
    let ids = enqueue(&queue, 200).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.dead, stats.held), (200, 0, 0));
    assert_eq!(tally(&server.ids()), tally(&ids));
    assert_eq!(dispatcher.stats().routes[0].outcomes.accepted, 200);
    assert_eq!(dispatcher.shutdown(Duration::from_secs(1)).await, 0);
    assert_eq!(queue.stats().await.unwrap().ambiguous_total, 0);
}

/// Takes many jobs before it answers all of them at once.
struct Batches;

#[async_trait]
impl Deliver for Batches {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(first) = jobs.next().await {
            let mut batch = vec![first];
            while let Ok(Some(job)) = timeout(SECOND / 10, jobs.next()).await {
                batch.push(job);
            }
            sleep(SECOND / 10).await;
            for job in batch {
                let outcome = Outcome::accepted(job.message().recipients(), "ok");
                job.finish(outcome);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_leased_while_there_was_room_stays_though_the_route_is_less_busy_by_then() {
    let (queue, settled) = (queue(), Arc::new(AtomicUsize::new(0)));
    enqueue(&queue, 1_000).await;
    let slow = Wrapped::new(&queue, {
        let settled = Arc::clone(&settled);
        move |call| {
            if let Call::Settle(count) = call {
                settled.fetch_add(count, Ordering::SeqCst);
            }
            (call == Call::Lease).then_some(Fault::Late(SECOND * 3 / 10))
        }
    });
    let route = RouteSettings::new("main").with_max_concurrency(NonZeroU32::MIN);
    let builder = Dispatcher::builder(slow).settings(seeded()).route(route, Arc::new(Batches));
    let (start, dispatcher) = (Instant::now(), builder.start().unwrap());
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1_000);
    assert_eq!(settled.load(Ordering::SeqCst), 1_000, "none was rescheduled, in {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_wait_for_a_slow_store_are_settled_in_one_batch() {
    let (queue, batches) = (queue(), Arc::new(Mutex::new(Vec::new())));
    enqueue(&queue, 1_000).await;
    let slow = Wrapped::new(&queue, {
        let batches = Arc::clone(&batches);
        move |call| {
            let Call::Settle(count) = call else { return None };
            batches.lock().unwrap().push(count);
            Some(Fault::Late(SECOND))
        }
    });
    let route = RouteSettings::new("main");
    let builder = Dispatcher::builder(slow).settings(seeded()).route(route, Server::new());
    assert_eq!(builder.start().unwrap().until_empty().await.unwrap().sent, 1_000);
    let batches = batches.lock().unwrap();
    assert_eq!(batches.iter().sum::<usize>(), 1_000);
    assert!(batches.len() <= 20, "{} calls for 1,000 messages", batches.len());
    assert!(batches.iter().all(|count| *count <= 256), "{batches:?}");
}
