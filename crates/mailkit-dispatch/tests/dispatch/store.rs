//! A store that becomes unavailable and available again, leases that are renewed, and an orderly shutdown.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use mailkit_dispatch::{Dispatcher, Event, RouteSettings, Settings};
use mailkit_queue::{Clock, Filter, LeaseRequest, MemoryQueue, Queue, QueueError, QueueSettings, State};
use tokio::time::{sleep, timeout};

use crate::faulty_queue::{Call, Fault, Wrapped};
use crate::server::{Server, enqueue, plan, queue, received, seeded, start};

const SECOND: Duration = Duration::from_secs(1);

/// A queue whose store can be made unavailable.
struct Shaky {
    inner: Arc<MemoryQueue>,
    failure: Arc<AtomicU8>,
}

const AVAILABLE: u8 = 0;
const UNAVAILABLE: u8 = 1;
const FAILED: u8 = 2;
/// Leases cannot be renewed.
const NOT_RENEWING: u8 = 3;
/// Failed, except for statistics.
const FAILED_BUT_SEEN: u8 = 4;

fn fault(failure: u8, call: Call) -> Option<Fault> {
    let unavailable = |message: &str| Some(Fault::Before(QueueError::Unavailable(message.into())));
    match failure {
        UNAVAILABLE => unavailable("unavailable"),
        NOT_RENEWING if call == Call::Renew => unavailable("not now"),
        FAILED_BUT_SEEN if call == Call::Stats => None,
        FAILED | FAILED_BUT_SEEN => Some(Fault::Before(QueueError::Failed("broken".into()))),
        _ => None,
    }
}

fn shaky(server: &Arc<Server>, settings: Settings) -> (Shaky, Dispatcher) {
    let shaky = Shaky { inner: queue(), failure: Arc::new(AtomicU8::new(AVAILABLE)) };
    let failure = Arc::clone(&shaky.failure);
    let queue = Wrapped::new(&shaky.inner, move |call| fault(failure.load(Ordering::SeqCst), call));
    let plan = plan(settings, &[(RouteSettings::new("main"), server)]);
    let dispatcher = Dispatcher::builder(queue).plan(plan).start().unwrap();
    (shaky, dispatcher)
}

#[tokio::test(start_paused = true)]
async fn outcomes_survive_a_store_that_is_unavailable_for_less_than_a_lease() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    let mut events = dispatcher.events();
    enqueue(&shaky.inner, 500).await;
    sleep(SECOND / 4).await;
    shaky.failure.store(UNAVAILABLE, Ordering::SeqCst);
    sleep(20 * SECOND).await;
    let sent = server.count();
    assert!(sent > 0 && sent < 500, "nothing is sent that could not be written down: {sent}");
    assert!(dispatcher.stats().store_unavailable && dispatcher.stats().unsettled > 0);
    shaky.failure.store(AVAILABLE, Ordering::SeqCst);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (500, 0));
    assert_eq!(server.count(), 500, "none was sent twice");
    let seen: Vec<Event> = received(&mut events);
    let unavailable = seen.iter().filter(|event| matches!(event, Event::StoreUnavailable { .. })).count();
    let available = seen.iter().filter(|event| matches!(event, Event::StoreAvailable)).count();
    assert_eq!((unavailable, available), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_starts_without_its_store_waits_for_it() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    shaky.failure.store(UNAVAILABLE, Ordering::SeqCst);
    enqueue(&shaky.inner, 5).await;
    sleep(60 * SECOND).await;
    assert_eq!(server.count(), 0);
    shaky.failure.store(AVAILABLE, Ordering::SeqCst);
    sleep(6 * SECOND).await;
    assert_eq!(server.count(), 5);
    drop(dispatcher);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_failed_stops_all_and_nothing_hangs() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    enqueue(&shaky.inner, 500).await;
    sleep(SECOND / 4).await;
    shaky.failure.store(FAILED, Ordering::SeqCst);
    assert!(dispatcher.until_empty().await.is_err());
    sleep(5 * SECOND).await;
    let sent = server.count();
    sleep(60 * SECOND).await;
    assert_eq!(server.count(), sent);
    assert!(dispatcher.shutdown(SECOND).await > 0);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_for_as_long_as_a_message_takes() {
    let server = Server::new();
    server.takes(300 * SECOND);
    let (shaky, dispatcher) = shaky(&server, seeded().with_lease(10 * SECOND));
    enqueue(&shaky.inner, 12).await;
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (12, 0));
    assert_eq!(server.count(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_does_not_end_the_leases_of_the_dispatcher_itself() {
    let (jumped, tokio, server) = (Arc::new(AtomicU64::new(0)), Clock::tokio(), Server::new());
    let hours = Arc::clone(&jumped);
    let clock = Clock::new(move || tokio.now() + 3_600 * SECOND * hours.load(Ordering::SeqCst) as u32);
    let queue = Arc::new(MemoryQueue::with(QueueSettings::default(), clock));
    server.takes(2 * SECOND);
    enqueue(&queue, 4).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(server.count(), 4, "all are in flight");
    jumped.store(1, Ordering::SeqCst);
    enqueue(&queue, 4).await;
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total, server.count()), (8, 0, 8), "none was sent twice");
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_messages_in_flight_and_leaves_the_rest_untouched() {
    let (queue, server) = (queue(), Server::new());
    server.takes(2 * SECOND);
    enqueue(&queue, 100).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(3 * SECOND).await;
    assert_eq!(dispatcher.shutdown(10 * SECOND).await, 0);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.sent as usize, stats.leased, stats.scheduled), (server.count(), 0, 0));
    assert_eq!(stats.ready as usize, 100 - server.count());
    let records = queue.list(&Filter::new().with_state(State::Ready)).await.unwrap().records;
    assert!(records.iter().all(|record| record.attempts == 0));
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_lease_request_in_flight_and_abandons_its_messages() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 5).await;
    let slow = Wrapped::new(&queue, |call| (call == Call::Lease).then_some(Fault::Late(SECOND)));
    let plan = plan(seeded(), &[(RouteSettings::new("main"), &server)]);
    let dispatcher = Dispatcher::builder(slow).plan(plan).start().unwrap();
    sleep(SECOND / 2).await;
    assert_eq!(queue.stats().await.unwrap().leased, 5);
    assert_eq!(dispatcher.shutdown(10 * SECOND).await, 0);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased, server.count()), (5, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_done_at_the_deadline_is_given_up_and_counted() {
    let (queue, server) = (queue(), Server::new());
    server.takes(60 * SECOND);
    enqueue(&queue, 3).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(dispatcher.shutdown(5 * SECOND).await, 3);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.scheduled, stats.leased, stats.ambiguous_total), (3, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_end_fails_when_the_dispatcher_has_stopped() {
    let server = Server::new();
    let (broken, dispatcher) = shaky(&server, seeded());
    enqueue(&broken.inner, 500).await;
    sleep(SECOND / 4).await;
    broken.failure.store(FAILED_BUT_SEEN, Ordering::SeqCst);
    let ended = timeout(60 * SECOND, dispatcher.until_empty()).await;
    assert!(matches!(ended, Ok(Err(QueueError::Failed(_)))), "{ended:?}");

    let (shaky, dispatcher) = shaky(&server, seeded());
    enqueue(&shaky.inner, 1).await;
    dispatcher.shutdown(Duration::ZERO).await;
    let ended = timeout(60 * SECOND, dispatcher.until_empty()).await;
    assert!(matches!(ended, Ok(Err(QueueError::Failed(_)))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_late_outcome_under_a_lost_lease_does_not_change_the_next_lease() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded().with_lease(5 * SECOND));
    server.takes(10 * SECOND);
    enqueue(&shaky.inner, 1).await;
    sleep(SECOND / 2).await;
    shaky.failure.store(NOT_RENEWING, Ordering::SeqCst);
    sleep(5 * SECOND).await;
    let other = shaky.inner.lease(&LeaseRequest::new(NonZeroU32::MIN, 10 * SECOND)).await.unwrap();
    assert_eq!(other.len(), 1, "the lease ran out, and another worker has the message");
    sleep(7 * SECOND).await;
    let stats = shaky.inner.stats().await.unwrap();
    assert_eq!((server.count(), stats.leased, stats.sent), (1, 1, 0), "the outcome is late, under the first lease");
    shaky.failure.store(AVAILABLE, Ordering::SeqCst);
    // The other worker is killed: two leases have expired without an outcome.
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((server.count(), stats.sent, stats.ambiguous_total), (2, 1, 2));
}

/// Else it would end its own leases, and send again what is in flight.
#[tokio::test(start_paused = true)]
async fn after_a_step_of_the_clock_a_worker_leases_nothing_until_it_can_renew() {
    let server = Server::new();
    let (jumped, tokio) = (Arc::new(AtomicU64::new(0)), Clock::tokio());
    let hours = Arc::clone(&jumped);
    let clock = Clock::new(move || tokio.now() + 3_600 * SECOND * hours.load(Ordering::SeqCst) as u32);
    let inner = Arc::new(MemoryQueue::with(QueueSettings::default(), clock));
    let failures = Arc::new(AtomicU64::new(0));
    let failing = Arc::clone(&failures);
    let queue = Wrapped::new(&inner, move |call| {
        let fails = call == Call::Renew
            && failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        fails.then(|| Fault::Before(QueueError::Unavailable("not now".into())))
    });
    let plan = plan(seeded(), &[(RouteSettings::new("main"), &server)]);
    let dispatcher = Dispatcher::builder(queue).plan(plan).start().unwrap();
    server.takes(10 * SECOND);
    enqueue(&inner, 4).await;
    sleep(SECOND).await;
    assert_eq!(server.count(), 4);
    failures.store(3, Ordering::SeqCst);
    jumped.store(1, Ordering::SeqCst);
    enqueue(&inner, 4).await;
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((failures.load(Ordering::SeqCst), server.count(), stats.sent, stats.ambiguous_total), (0, 8, 8, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_the_range_of_the_clock_is_accepted() {
    let (queue, server) = (queue(), Server::new());
    server.takes(60 * SECOND);
    enqueue(&queue, 3).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(dispatcher.shutdown(Duration::MAX).await, 0);
    assert_eq!(queue.stats().await.unwrap().sent, 3);
}
