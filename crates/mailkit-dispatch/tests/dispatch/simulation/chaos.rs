//! Delivery slots and a store that fail in every manner.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use mailkit_address::Address;
use mailkit_dispatch::{Deliver, DeliveryFailure, FailureClass, Job, Jobs, Outcome};
use mailkit_queue::{QueueError, QueueId, RecipientOutcome, RecipientStatus, State, Tenant};
use tokio::time::{Instant, sleep};

use super::MILLISECOND;
use crate::faulty_queue::Fault;

/// What the world saw.
pub(super) struct World {
    pub(super) rng: Rng,
    /// Which dispatcher runs: smooth rates are kept by each for itself.
    pub(super) epoch: usize,
    /// Routes that cannot be reached.
    pub(super) down: [bool; 2],
    /// How many calls of a hundred the store fails.
    pub(super) shaky: u8,
    /// Whether anything fails at all.
    pub(super) calm: bool,
    pub(super) taken: Vec<Taken>,
    pub(super) copies: BTreeMap<(QueueId, Address), u64>,
    /// Messages that were seen in a terminal state.
    pub(super) over: BTreeMap<QueueId, State>,
}

/// A job that was taken.
pub(super) struct Taken {
    pub(super) at: Instant,
    pub(super) epoch: usize,
    pub(super) route: usize,
    pub(super) tenant: Option<Tenant>,
    pub(super) recipients: Vec<Address>,
    /// Nothing was sent, and its permit was released.
    pub(super) released: bool,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn look(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap()
}

/// A delivery slot that fails in every manner.
pub(super) struct Chaos {
    pub(super) world: Shared,
    pub(super) route: usize,
}

enum Fate {
    Well,
    Later,
    Refused,
    Cut(FailureClass),
    /// Delivered, or not, and no answer.
    Silent(bool),
    /// The sender panics, after it delivered or before.
    Panic(bool),
    Drop(bool),
}

impl Chaos {
    fn fate(&self) -> (Fate, Duration) {
        let mut world = look(&self.world);
        let slow = match world.rng.u8(0..200) {
            0 => 60_000,
            1..=5 => 6_000,
            _ => 200,
        };
        let wait = MILLISECOND * world.rng.u32(0..slow);
        if world.calm {
            return (Fate::Well, wait);
        }
        let coin = world.rng.bool();
        let fate = match world.rng.u8(0..24) {
            0 | 1 => Fate::Later,
            2 => Fate::Refused,
            3 | 4 => Fate::Cut(FailureClass::Connection),
            5 => Fate::Cut(FailureClass::Closing),
            6 => Fate::Cut(FailureClass::TooManyConnections),
            7 => Fate::Silent(coin),
            8 => Fate::Panic(coin),
            9 => Fate::Drop(coin),
            _ => Fate::Well,
        };
        (fate, wait)
    }

    /// Returns its place among those taken.
    fn note_taken(&self, job: &Job) -> usize {
        let mut world = look(&self.world);
        assert!(!world.over.contains_key(&job.id()), "{} was taken when it was over", job.id());
        let (tenant, recipients) = (job.message().tenant.clone(), job.message().recipients().to_vec());
        let (at, epoch, route) = (Instant::now(), world.epoch, self.route);
        world.taken.push(Taken { at, epoch, route, tenant, recipients, released: false });
        world.taken.len() - 1
    }

    fn deliver_to(&self, job: &Job) {
        let mut world = look(&self.world);
        for recipient in job.message().recipients() {
            *world.copies.entry((job.id(), recipient.clone())).or_default() += 1;
        }
    }

    /// Returns whether the slot can go on.
    async fn carry(&self, mut job: Job) -> bool {
        let place = self.note_taken(&job);
        let (fate, wait) = self.fate();
        sleep(wait).await;
        let commit_point = job.commit_point();
        let leaves = matches!(fate, Fate::Well | Fate::Silent(_) | Fate::Panic(true) | Fate::Drop(true));
        let shut = match commit_point.filter(|_| leaves) {
            Some(commit_point) => commit_point.record().await.is_err(),
            None => false,
        };
        if shut {
            look(&self.world).taken[place].released = true;
            job.finish(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "the commit_point is shut")));
            return false;
        }
        let all = |job: &Job, status, code| {
            let said = |address: &Address| {
                let (address, text) = (address.clone(), "said".to_owned());
                RecipientOutcome::new(address, status).with_code(code).with_text(text).into()
            };
            Outcome::new(job.message().recipients().iter().map(said).collect())
        };
        if matches!(fate, Fate::Well | Fate::Silent(true) | Fate::Panic(true) | Fate::Drop(true)) {
            self.deliver_to(&job);
            let wait = MILLISECOND * look(&self.world).rng.u32(0..100);
            sleep(wait).await;
        }
        let outcome = match &fate {
            Fate::Well => all(&job, RecipientStatus::Accepted, 250),
            Fate::Later => all(&job, RecipientStatus::Temporary, 450),
            Fate::Refused => all(&job, RecipientStatus::Permanent, 550),
            Fate::Cut(class) => Outcome::failed(DeliveryFailure::new(*class, "cut")),
            Fate::Silent(_) => Outcome::failed(DeliveryFailure::new(FailureClass::Ambiguous, "no response")),
            // Unwinds like a panic, without a report on standard error.
            Fate::Panic(_) => resume_unwind(Box::new("a fault made on purpose")),
            Fate::Drop(_) => return true,
        };
        let goes_on = outcome.failure.is_none();
        if matches!(fate, Fate::Cut(FailureClass::Connection | FailureClass::TooManyConnections)) {
            look(&self.world).taken[place].released = true;
        }
        job.finish(outcome);
        goes_on
    }
}

#[async_trait]
impl Deliver for Chaos {
    async fn deliver(&self, jobs: &mut Jobs) {
        let wait = {
            let mut world = look(&self.world);
            let slow = if world.rng.u8(0..50) == 0 { 30_000 } else { 100 };
            MILLISECOND * world.rng.u32(0..slow)
        };
        sleep(wait).await;
        if look(&self.world).down[self.route] {
            return jobs.connection_failed(DeliveryFailure::new(FailureClass::Connection, "down"));
        }
        while let Some(job) = jobs.next().await {
            if !self.carry(job).await {
                return;
            }
        }
    }
}

pub(super) fn world(rng: &mut Rng) -> Shared {
    let (copies, over) = (BTreeMap::new(), BTreeMap::new());
    let inner = Rng::with_seed(rng.u64(..));
    let (down, calm, shaky) = ([false; 2], rng.u8(0..8) == 0, [0, 0, 3, 15][rng.usize(0..4)]);
    Arc::new(Mutex::new(World { rng: inner, epoch: 0, down, shaky, calm, taken: Vec::new(), copies, over }))
}

/// What goes wrong with a call of the store.
pub(super) fn fault(world: &mut World) -> Option<Fault> {
    if world.rng.u8(0..100) >= world.shaky {
        return None;
    }
    let error = QueueError::Unavailable("unavailable".into());
    Some(match world.rng.u8(0..3) {
        0 => Fault::Before(error),
        1 => Fault::After(error),
        _ => Fault::Late(MILLISECOND * world.rng.u32(0..500)),
    })
}
