//! Servers whose behaviour changes at random, before one that always works: no message waits for long.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use mailkit_dispatch::{
    Deliver, DeliveryFailure, Dispatcher, FailureClass, Job, Jobs, Outcome, Plan, RetrySettings, RouteSettings,
    Settings,
};
use mailkit_queue::{MemoryQueue, Queue};
use tokio::time::{Instant, sleep, timeout};

use crate::primary_backup::{Fed, longest_wait};
use crate::server::{Server, enqueue, queue};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    /// Takes messages and never answers; or only some of them.
    Swallows,
    SwallowsSome,
    /// Connections take long to open, or are swallowed.
    SlowToOpen,
    NeverOpens,
    Refuses,
    Cuts,
    Closes,
    TooMany,
    Panics,
}

const MOODS: [Mood; 9] = [
    Mood::Swallows,
    Mood::SwallowsSome,
    Mood::SlowToOpen,
    Mood::NeverOpens,
    Mood::Refuses,
    Mood::Cuts,
    Mood::Closes,
    Mood::TooMany,
    Mood::Panics,
];

struct Moody {
    mood: Mutex<Mood>,
    rng: Mutex<Rng>,
    /// How many messages are in flight on a connection at once.
    depth: usize,
    seen: Arc<Server>,
}

impl Moody {
    fn new(rng: &mut Rng) -> Arc<Self> {
        let (depth, rng) = (rng.usize(1..4), Mutex::new(Rng::with_seed(rng.u64(..))));
        Arc::new(Self { mood: Mutex::new(Mood::Well), rng, depth, seen: Server::new() })
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn roll(&self, most: u32) -> u32 {
        self.rng.lock().unwrap().u32(0..most)
    }

    fn see(&self, job: &Job) {
        self.seen.seen.lock().unwrap().push((Instant::now(), job.id(), 1));
    }

    /// Answers one message, or not. Returns whether the connection is still there.
    async fn answer(&self, job: Job) -> bool {
        let mood = self.mood();
        let fail = |job: Job, class| job.finish(Outcome::failed(DeliveryFailure::new(class, "out of sorts")));
        if mood == Mood::Swallows || mood == Mood::SwallowsSome && self.roll(3) == 0 {
            sleep(600_000 * MS).await;
            fail(job, FailureClass::Connection);
            return false;
        }
        sleep(MS * (20 + self.roll(30))).await;
        match mood {
            Mood::Cuts => fail(job, FailureClass::Connection),
            Mood::Closes => fail(job, FailureClass::Closing),
            Mood::TooMany => fail(job, FailureClass::TooManyConnections),
            Mood::Panics => drop(job),
            _ => {
                let outcome = Outcome::accepted(job.message().recipients(), "250 2.0.0 taken");
                job.finish(outcome);
                return true;
            }
        }
        false
    }
}

#[async_trait]
impl Deliver for Moody {
    async fn deliver(&self, jobs: &mut Jobs) {
        let opens_in = match self.mood() {
            Mood::NeverOpens => 100_000,
            Mood::SlowToOpen => 1_000 + self.roll(3_000),
            _ => 5 + self.roll(10),
        };
        sleep(MS * opens_in).await;
        if matches!(self.mood(), Mood::Refuses | Mood::NeverOpens) {
            return jobs.connection_failed(DeliveryFailure::new(FailureClass::Connection, "refused"));
        }
        while let Some(job) = jobs.next().await {
            self.see(&job);
            let mut riding = vec![job];
            while riding.len() < self.depth {
                let Ok(Some(job)) = timeout(MS, jobs.next()).await else { break };
                self.see(&job);
                riding.push(job);
            }
            let mut is_open = true;
            for job in riding {
                if is_open {
                    is_open = self.answer(job).await;
                } else {
                    job.finish(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "cut")));
                }
            }
            if !is_open {
                return;
            }
        }
    }
}

fn plan(rng: &mut Rng, servers: &[Arc<Moody>]) -> Plan {
    let attempts = NonZeroU32::new(60).unwrap();
    let retry = RetrySettings::default().with_first(500 * MS).with_max(2_000 * MS).with_attempts(attempts);
    let plan = Plan::new().settings(Settings::default().with_seed(Some(rng.u64(..))).with_retry(retry));
    let (are_equal, last) = (rng.bool(), servers.len() - 1);
    (0..).zip(servers).fold(plan, |plan, (place, server)| {
        let is_last = place == last;
        let most = if is_last { 20 } else { rng.u32(1..7) };
        let mut route = RouteSettings::new(format!("r{place}")).with_max_concurrency(NonZeroU32::new(most).unwrap());
        let preference = if are_equal { 1 } else { u32::try_from(place).unwrap() };
        route.preference = Some(if is_last { 9 } else { preference });
        plan.route(route, Arc::<Moody>::clone(server) as Arc<dyn Deliver>)
    })
}

/// Little mail, while the behaviour changes. Returns the longest wait for a first hand-out.
async fn run(seed: u64) -> Duration {
    let mut rng = Rng::with_seed(seed);
    let queue = queue();
    let servers: Vec<Arc<Moody>> = (0..rng.usize(2..4)).map(|_| Moody::new(&mut rng)).collect();
    let shared: Arc<dyn Queue> = Arc::<MemoryQueue>::clone(&queue);
    let dispatcher = Dispatcher::builder(shared).plan(plan(&mut rng, &servers)).start().unwrap();
    let mut fed = Fed::new();
    let every = [200, 400, 1_000][rng.usize(0..3)];
    for _ in 0..rng.u32(5..15) {
        let place = rng.usize(0..servers.len() - 1);
        *servers[place].mood.lock().unwrap() = if rng.bool() { Mood::Well } else { MOODS[rng.usize(0..MOODS.len())] };
        let until = Instant::now() + MS * rng.u32(500..30_000);
        while Instant::now() < until {
            let ids = enqueue(&queue, 1).await;
            fed.push((ids[0], Instant::now()));
            sleep(MS * rng.u32(1..2 * every)).await;
        }
    }
    for server in &servers {
        *server.mood.lock().unwrap() = Mood::Well;
    }
    sleep(30_000 * MS).await;
    let seen: Vec<&Server> = servers.iter().map(|server| &*server.seen).collect();
    let longest = longest_wait(&fed, &seen);
    // Long enough for all that was swallowed to end.
    sleep(700_000 * MS).await;
    for route in dispatcher.stats().routes {
        assert_eq!((route.active_slots, route.in_flight, route.waiting), (0, 0, 0), "seed {seed}: {route:?}");
    }
    let stats = queue.stats().await.unwrap();
    assert_eq!(stats.ready + stats.leased, 0, "seed {seed}: {stats:?}");
    longest
}

#[test]
fn no_message_waits_longer_than_a_dead_server_may_take_at_the_most() {
    let longest = (0..10).map(|seed| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        (runtime.block_on(run(seed)), seed)
    });
    let (longest, seed) = longest.max().unwrap();
    assert!(longest < 12_000 * MS, "{longest:?} with seed {seed}");
}
