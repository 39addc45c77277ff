//! A lease ends by whichever clock ends it first, and a message whose lease is over is abandoned unchanged.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use mailkit_dispatch::{BootClock, Deliver, Dispatcher, Jobs, Outcome, RouteSettings};
use mailkit_queue::{
    Clock, LeaseRequest, MemoryQueue, Queue, QueueSettings, RecipientOutcome, RecipientStatus, Settlement, State,
    Timestamp,
};
use tokio::time::{Instant, sleep};

use crate::server::{enqueue, seeded};

const LEASE: Duration = Duration::from_secs(10);

/// Both clocks of a test: tokio's, and what each was set forward by.
#[derive(Clone)]
struct Clocks {
    start: Instant,
    wall: Arc<AtomicU64>,
    boot: Arc<AtomicU64>,
}

impl Clocks {
    fn new() -> Self {
        Self { start: Instant::now(), wall: Arc::default(), boot: Arc::default() }
    }

    fn wall(&self) -> Clock {
        let (clocks, epoch) = (self.clone(), Timestamp::from_millis(1_800_000_000_000));
        Clock::new(move || epoch + clocks.start.elapsed() + Duration::from_secs(clocks.wall.load(Ordering::SeqCst)))
    }

    fn boot(&self) -> BootClock {
        let clocks = self.clone();
        BootClock::new(move || clocks.start.elapsed() + Duration::from_secs(clocks.boot.load(Ordering::SeqCst)))
    }
}

/// Asks for the lease as the content is about to leave, a second after it took the message.
#[derive(Default)]
struct Careful {
    delivered: AtomicUsize,
    abandoned: AtomicUsize,
    attempts: Mutex<Vec<u32>>,
    /// Called once, before the lease is asked for.
    pause: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    paused: AtomicBool,
}

#[async_trait]
impl Deliver for Careful {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(mut job) = jobs.next().await {
            let lease = job.lease_check();
            self.attempts.lock().unwrap().push(job.attempt());
            sleep(Duration::from_secs(1)).await;
            assert!(self.paused.load(Ordering::SeqCst) || lease.is_valid());
            if let Some(pause) = self.pause.lock().unwrap().take() {
                pause();
                self.paused.store(true, Ordering::SeqCst);
            }
            if !lease.is_valid() {
                self.abandoned.fetch_add(1, Ordering::SeqCst);
                job.abandon();
                continue;
            }
            self.delivered.fetch_add(1, Ordering::SeqCst);
            let outcome = Outcome::accepted(job.message().recipients(), "250 2.0.0 taken");
            job.finish(outcome);
        }
    }
}

/// One message, and a pause of the worker in the middle of its transaction.
async fn pause_in_the_middle(pause: impl FnOnce(&Clocks, &Arc<MemoryQueue>) + Send + 'static) -> (Arc<Careful>, u64) {
    let clocks = Clocks::new();
    let queue = Arc::new(MemoryQueue::with(QueueSettings::default(), clocks.wall()));
    let ids = enqueue(&queue, 1).await;
    let server = Arc::new(Careful::default());
    let (with, at) = (Arc::clone(&queue), clocks.clone());
    *server.pause.lock().unwrap() = Some(Box::new(move || pause(&at, &with)));
    let deliver: Arc<dyn Deliver> = Arc::<Careful>::clone(&server);
    let shared: Arc<dyn Queue> = Arc::<MemoryQueue>::clone(&queue);
    let dispatcher = Dispatcher::builder(shared)
        .settings(seeded().with_lease(LEASE))
        .route(RouteSettings::new("main"), deliver)
        .boot_clock(clocks.boot())
        .start()
        .unwrap();
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!(stats.sent, 1);
    let record = queue.get(ids[0]).await.unwrap().unwrap();
    assert_eq!(record.state, State::Sent);
    (server, stats.ambiguous_total)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_stopped_for_longer_than_its_lease_sends_nothing_under_it() {
    for by_wall in [true, false] {
        let (server, ambiguous) = pause_in_the_middle(move |clocks, _| {
            let clock = if by_wall { &clocks.wall } else { &clocks.boot };
            clock.store(11, Ordering::SeqCst);
        })
        .await;
        let counts = (server.abandoned.load(Ordering::SeqCst), server.delivered.load(Ordering::SeqCst));
        assert_eq!((counts, ambiguous), ((1, 1), 0), "by the wall clock: {by_wall}");
        // An abandoned message had no attempt.
        assert_eq!(*server.attempts.lock().unwrap(), [1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_stopped_for_less_than_its_lease_goes_on() {
    let (server, ambiguous) = pause_in_the_middle(|clocks, _| {
        clocks.boot.store(8, Ordering::SeqCst);
        clocks.wall.store(8, Ordering::SeqCst);
    })
    .await;
    let counts = (server.abandoned.load(Ordering::SeqCst), server.delivered.load(Ordering::SeqCst));
    assert_eq!((counts, ambiguous), ((0, 1), 0));
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_has_taken_meanwhile_stays_with_it() {
    let (server, _) = pause_in_the_middle(|clocks, queue| {
        clocks.boot.store(11, Ordering::SeqCst);
        clocks.wall.store(11, Ordering::SeqCst);
        let request = LeaseRequest::new(NonZeroU32::MIN, LEASE);
        // The queue in memory answers at once.
        let leased = queue.lease(&request).now_or_never().unwrap().unwrap().remove(0);
        let address = leased.recipients()[0].clone();
        let accepted = RecipientOutcome::new(address, RecipientStatus::Accepted).with_code(250);
        let mut settlement = Settlement::untouched().with_recipients(vec![accepted]);
        settlement.route = Some("other".to_owned());
        queue.settle(leased.token, &settlement).now_or_never().unwrap().unwrap();
    })
    .await;
    let counts = (server.abandoned.load(Ordering::SeqCst), server.delivered.load(Ordering::SeqCst));
    assert_eq!(counts, (1, 0));
}
