//! Slots that are stuck while their route responds, and how they end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_dispatch::{
    BreakerState, Deliver, DeliveryFailure, Dispatcher, FailureClass, Job, Jobs, Outcome, RouteSettings,
};
use mailkit_queue::{MemoryQueue, Queue};
use tokio::time::{Instant, sleep, timeout};

use crate::primary_backup::{feed, longest_wait, two, two_with};
use crate::server::{Server, enqueue, queue, seeded, start};

const SECOND: Duration = Duration::from_secs(1);

fn accept(job: Job) {
    let outcome = Outcome::accepted(job.message().recipients(), "250 2.0.0 taken");
    job.finish(outcome);
}

async fn swallow(job: Job) {
    sleep(600 * SECOND).await;
    job.finish(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "timed out")));
}

fn see(server: &Server, job: &Job) {
    server.seen.lock().unwrap().push((Instant::now(), job.id(), 1));
}

/// Takes two at once where there are two, answers the first and swallows the second.
struct AnswersTheFirst(Arc<Server>);

#[async_trait]
impl Deliver for AnswersTheFirst {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(first) = jobs.next().await {
            see(&self.0, &first);
            let second = timeout(SECOND / 1_000, jobs.next()).await.ok().flatten();
            sleep(SECOND / 50).await;
            accept(first);
            if let Some(second) = second {
                see(&self.0, &second);
                return swallow(second).await;
            }
        }
    }
}

/// Of five messages, swallows four and turns the last away: no more connections. Takes all that come later.
struct ShedsOne(Arc<Server>);

#[async_trait]
impl Deliver for ShedsOne {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(job) = jobs.next().await {
            see(&self.0, &job);
            match self.0.count() {
                0..=4 => return swallow(job).await,
                5 => {
                    sleep(SECOND / 20).await;
                    let failure = DeliveryFailure::new(FailureClass::TooManyConnections, "421 too many connections");
                    return job.finish(Outcome::failed(failure));
                }
                _ => accept(job),
            }
        }
    }
}

/// A batch of messages at once, then one a second. Returns the longest wait of the later ones.
async fn longest_wait_beside(
    settings: RouteSettings,
    make: fn(Arc<Server>) -> Arc<dyn Deliver>,
    first: usize,
) -> Duration {
    let (queue, seen, backup) = (queue(), Server::new(), Server::new());
    let shared: Arc<dyn Queue> = Arc::<MemoryQueue>::clone(&queue);
    let deliver: Arc<dyn Deliver> = Arc::<Server>::clone(&backup);
    let builder = Dispatcher::builder(shared).settings(seeded()).route(settings, make(Arc::clone(&seen)));
    let _dispatcher = builder.route(RouteSettings::new("backup"), deliver).start().unwrap();
    enqueue(&queue, first).await;
    sleep(SECOND / 2).await;
    let fed = feed(&queue, 100, SECOND).await.unwrap();
    longest_wait(&fed, &[&seen, &backup])
}

#[tokio::test(start_paused = true)]
async fn no_message_waits_behind_one_that_is_stuck_though_another_was_answered() {
    let primary = RouteSettings::new("primary").with_max_concurrency(NonZeroU32::MIN);
    let longest = longest_wait_beside(primary, |seen| Arc::new(AnswersTheFirst(seen)), 2).await;
    assert!(longest < 2 * SECOND, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn no_message_waits_for_a_server_that_turns_one_away_and_swallows_the_others() {
    let longest = longest_wait_beside(RouteSettings::new("primary"), |seen| Arc::new(ShedsOne(seen)), 5).await;
    assert!(longest < 2 * SECOND, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_stuck_since_before_does_not_keep_the_primary_from_coming_back() {
    for number in [1, 2] {
        let two = two().await;
        two.primary.takes(600 * SECOND);
        enqueue(&two.queue, number).await;
        sleep(SECOND / 10).await;
        two.primary.takes(SECOND / 50);
        two.primary.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "reset"))));
        enqueue(&two.queue, 30).await;
        sleep(2 * SECOND).await;
        assert_eq!(two.breaker(), BreakerState::Open);
        two.primary.replies(|_| None);
        let fed = two.feed(60, 5 * SECOND).await.unwrap();
        assert!(two.longest_wait(&fed) < 2 * SECOND, "{:?}", two.longest_wait(&fed));
        assert_eq!(two.breaker(), BreakerState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_dies_after_it_came_back_is_probed_again() {
    let two = two().await;
    let feed = two.feed(3_000, SECOND / 10);
    for _ in 0..3 {
        two.primary.takes(600 * SECOND);
        sleep(20 * SECOND).await;
        assert_eq!(two.breaker(), BreakerState::Open);
        two.primary.takes(SECOND / 5);
        sleep(40 * SECOND).await;
        assert_eq!(two.breaker(), BreakerState::Closed);
    }
    let fed = feed.await.unwrap();
    sleep(SECOND).await;
    assert!(two.longest_wait(&fed) < 2 * SECOND, "{:?}", two.longest_wait(&fed));
}

#[tokio::test(start_paused = true)]
async fn a_backup_whose_limit_is_exhausted_is_no_alternative() {
    let backup = || RouteSettings::new("backup");
    for backup in [backup().with_rate("2/h".parse().unwrap()), backup().with_quota("1/1d messages".parse().unwrap())] {
        let two = two_with(RouteSettings::new("primary"), backup);
        two.enqueue_for("backup").await;
        two.enqueue_for("backup").await;
        enqueue(&two.queue, 20).await;
        sleep(5 * SECOND).await;
        two.primary.takes(3 * SECOND);
        let feed = two.feed(100, SECOND / 20);
        sleep(4 * SECOND).await;
        two.primary.takes(SECOND / 50);
        let fed = feed.await.unwrap();
        sleep(10 * SECOND).await;
        assert_eq!(two.primary.count(), 120);
        assert!(two.longest_wait(&fed) < 10 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_stuck_keeps_no_slot_for_others_whose_only_route_cannot_be_reached() {
    let (queue, server) = (queue(), Server::new());
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    server.takes(600 * SECOND);
    enqueue(&queue, 1).await;
    sleep(SECOND).await;
    server.set_up(false);
    let id = enqueue(&queue, 1).await[0];
    sleep(60 * SECOND).await;
    assert_eq!((dispatcher.stats().routes[0].in_flight, server.count()), (1, 1));
    let record = queue.get(id).await.unwrap().unwrap();
    assert!(!record.history.is_empty(), "each probe is remembered by the message it was for");
    assert_eq!(record.attempts, 0, "a route that cannot be reached is no attempt");
}

#[test]
fn a_runtime_may_end_before_the_dispatcher_that_ran_on_it() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let dispatcher = runtime.block_on(async {
            let (queue, server) = (queue(), Server::new());
            server.takes(10 * SECOND);
            let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
            enqueue(&queue, 100).await;
            sleep(SECOND).await;
            assert_eq!(dispatcher.stats().routes[0].in_flight, 5);
            dispatcher
        });
        drop(runtime);
        drop(dispatcher);
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(20 * SECOND).expect("it hangs");
}
