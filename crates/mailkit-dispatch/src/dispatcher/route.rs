//! The state of a route and of its delivery slots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use mailkit_address::ReversePath;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState};
use super::concurrency::ConcurrencyLimit;
use super::deliver::Deliver;
use super::job::LeaseCheck;
use super::limit::{Scope, Scopes, Weight};
use super::liveness::Liveness;
use super::ready_queue::ReadyQueue;
use super::route_settings::{RouteSettings, spelled};
use super::stats::Outcomes;

/// The minimum and maximum target for the ready queue of an available route.
const ROOM: std::ops::RangeInclusive<usize> = 4..=1_024;
/// The wait before the next connection after one failed to open; doubled by each consecutive failure.
const REOPEN_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const MAX_REOPEN_WAIT: Duration = Duration::from_secs(10);

/// This many different senders refused in a row, with none accepted between, make the route unavailable: fewer may be
/// typos.
pub(crate) const MAX_REFUSED_SENDERS: usize = 5;
/// How long a route is suspended when its account reaches a sending limit; doubled each time in a row. Providers count
/// per hour or per day, in sliding windows.
const SUSPENSION: Duration = Duration::from_secs(600);
/// The longest suspension.
const MAX_SUSPENSION: Duration = Duration::from_secs(4 * 3_600);

pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) settings: RouteSettings,
    pub(crate) deliver: Arc<dyn Deliver>,
    pub(crate) ready: ReadyQueue,
    pub(crate) concurrency: ConcurrencyLimit,
    pub(crate) breaker: Breaker,
    pub(crate) liveness: Liveness,
    pub(crate) scope: Scope,
    pub(crate) domains: Scopes,
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// The number of slots that are connecting, and of slots that are detached.
    pub(crate) opening: usize,
    pub(crate) detached: usize,
    /// Idle slots that wait for a job, with their wakers.
    pub(crate) parked: Vec<(u64, Waker)>,
    /// Jobs handed out and not finished.
    pub(crate) in_flight: u32,
    pub(crate) paused: bool,
    /// The end of the suspension, if its account has reached a sending limit.
    pub(crate) suspended_until: Option<Instant>,
    /// The number of consecutive suspensions.
    suspensions: u32,
    /// The different senders that it refused in a row, up to [`MAX_REFUSED_SENDERS`].
    refused_senders: Vec<ReversePath>,
    /// Removed from the settings; it may return under the same name.
    pub(crate) removed: bool,
    /// Its breaker closed recently: it takes no more messages than it has slots for.
    pub(crate) recovering: bool,
    /// No slot is opened before this time.
    pub(crate) reopen_at: Option<Instant>,
    pub(crate) failed_opens: u32,
    pub(crate) outcomes: Outcomes,
    /// Since when a limit delays mail, and for how long in total.
    pub(crate) throttled_since: Option<Instant>,
    pub(crate) throttled: Duration,
}

/// A delivery slot: one call of `deliver`.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Jobs handed out and not finished.
    pub(crate) jobs: u32,
    /// Whether it has asked for a job, and so has connected.
    pub(crate) open: bool,
    /// Whether a job has succeeded on it.
    pub(crate) proven: bool,
    /// Whether it sends one message as a probe.
    pub(crate) probe: bool,
    /// Whether the route no longer waits for it: its jobs continue, but it no longer counts.
    pub(crate) detached: bool,
    /// Whether it was given a job.
    pub(crate) had_job: bool,
    /// The lease checks of its jobs, which tell whether their content may have begun to leave.
    pub(crate) checks: Vec<Arc<LeaseCheck>>,
    pub(crate) abort: Option<AbortHandle>,
}

impl Route {
    pub(crate) fn new(settings: RouteSettings, deliver: Arc<dyn Deliver>) -> Self {
        let key = format!("route/{}", settings.name);
        Self {
            name: settings.name.as_str().into(),
            ready: ReadyQueue::default(),
            concurrency: ConcurrencyLimit::new(settings.initial_slots(), settings.max_concurrency.get()),
            breaker: Breaker::new(settings.breaker),
            liveness: Liveness::default(),
            domains: Scopes::new(format!("{key}/domain"), spelled(&settings.per_domain)),
            scope: Scope::new(key, settings.limits.clone()),
            settings,
            deliver,
            slots: BTreeMap::new(),
            opening: 0,
            detached: 0,
            parked: Vec::new(),
            in_flight: 0,
            paused: false,
            suspended_until: None,
            suspensions: 0,
            refused_senders: Vec::new(),
            removed: false,
            recovering: false,
            reopen_at: None,
            failed_opens: 0,
            outcomes: Outcomes::default(),
            throttled_since: None,
            throttled: Duration::ZERO,
        }
    }

    /// Replaces the settings; the state of limits, concurrency and breaker stays.
    pub(crate) fn update(&mut self, settings: RouteSettings, deliver: Arc<dyn Deliver>, now: Instant) {
        self.scope.update(&settings.limits, now);
        self.domains.update(&spelled(&settings.per_domain), now);
        self.concurrency.set_max(settings.max_concurrency.get());
        self.breaker.update(settings.breaker);
        self.settings = settings;
        self.deliver = deliver;
        self.removed = false;
    }

    /// Whether it may not be used, whatever the state of its breaker.
    pub(crate) const fn is_disabled(&self) -> bool {
        self.paused || self.removed || self.suspended_until.is_some()
    }

    /// Whether it is available.
    pub(crate) const fn is_open(&self) -> bool {
        !self.is_disabled() && self.breaker.is_closed()
    }

    /// Whether it needs one message as a probe.
    pub(crate) fn wants_probe(&self, now: Instant) -> bool {
        !self.is_disabled() && self.breaker.wants_probe(now) && self.ready.is_empty()
    }

    /// Suspends it, since its account has reached a sending limit. Returns for how long; `None` if it was suspended
    /// already.
    pub(crate) fn suspend(&mut self, now: Instant) -> Option<Duration> {
        if self.suspended_until.is_some() {
            return None;
        }
        let pause = SUSPENSION.saturating_mul(1 << self.suspensions.min(8)).min(MAX_SUSPENSION);
        self.suspensions = self.suspensions.saturating_add(1);
        self.suspended_until = Some(now + pause);
        Some(pause)
    }

    /// Whether its suspension has just ended. True once for each suspension.
    pub(crate) fn resumes(&mut self, now: Instant) -> bool {
        self.suspended_until.take_if(|until| *until <= now).is_some()
    }

    /// It accepted a sender, or refused a message for a reason that concerns neither sender nor route.
    pub(crate) fn accepted_sender(&mut self) {
        self.refused_senders.clear();
    }

    /// A recipient was accepted: the next suspension starts with the shortest time.
    pub(crate) const fn accepted(&mut self) {
        self.suspensions = 0;
    }

    /// It refused a sender. Returns whether it refused several different ones in a row, and no other.
    pub(crate) fn refused_sender(&mut self, sender: &ReversePath) -> bool {
        if self.refused_senders.len() < MAX_REFUSED_SENDERS && !self.refused_senders.contains(sender) {
            self.refused_senders.push(sender.clone());
        }
        self.refused_senders.len() >= MAX_REFUSED_SENDERS
    }

    /// The target length of the ready queue: twice the messages in flight, so that no slot is idle during a lease
    /// request, and at most what the rate lets through within `max_local_wait`.
    pub(crate) fn target(&self, max_local_wait: Duration, now: Instant) -> usize {
        if self.scope.ready_at(Weight { recipients: 1 }, now).is_some_and(|at| at - now > max_local_wait) {
            return 0;
        }
        let busy = self.in_flight.max(self.concurrency.current()) as usize;
        (2 * busy).clamp(*ROOM.start(), *ROOM.end()).min(self.max_waiting(max_local_wait))
    }

    /// The maximum of the target. A message that was leased when there was room is kept, even if the target has become
    /// smaller since.
    pub(crate) fn max_waiting(&self, max_local_wait: Duration) -> usize {
        (self.scope.within(max_local_wait) as usize).clamp(1, *ROOM.end())
    }

    /// How many more messages the ready queue should hold.
    pub(crate) fn room(&self, max_local_wait: Duration, now: Instant) -> usize {
        self.target(max_local_wait, now).saturating_sub(self.ready.len())
    }

    /// A slot could not connect: the next one waits.
    pub(crate) fn delay_opening(&mut self, now: Instant) {
        self.failed_opens = self.failed_opens.saturating_add(1);
        let wait = REOPEN_WAIT.saturating_mul(1 << (self.failed_opens - 1).min(16)).min(MAX_REOPEN_WAIT);
        self.reopen_at = Some(now + wait);
    }

    /// Whether the wait before the next connection has just ended, and messages wait. True once for each wait.
    pub(crate) fn reopens(&mut self, now: Instant) -> bool {
        let over = !self.ready.is_empty() && self.reopen_at.is_some_and(|at| at <= now);
        if over {
            self.reopen_at = None;
        }
        over
    }

    pub(crate) const fn opened(&mut self) {
        self.failed_opens = 0;
        self.reopen_at = None;
    }

    /// When it is suspected, and when its breaker opens, unless it responds. If no response is expected yet, the times
    /// count from now.
    pub(crate) fn liveness_deadlines(&self, now: Instant) -> (Instant, Instant) {
        let settings = self.breaker.settings();
        let since = self.liveness.since().unwrap_or(now);
        (since + self.liveness.threshold(settings), since + settings.slow)
    }

    /// The number of slots, without those that are detached.
    pub(crate) fn active_slots(&self) -> usize {
        self.slots.len() - self.detached
    }

    /// Whether a slot has jobs in flight, detached slots aside.
    pub(crate) fn has_jobs(&self) -> bool {
        self.slots.values().any(|slot| slot.jobs > 0 && !slot.detached)
    }

    /// Whether a message waits for a slot while all slots are busy, and so may be stuck.
    pub(crate) fn is_busy(&self) -> bool {
        !self.ready.is_empty() && self.parked.is_empty() && (self.has_jobs() || self.opening > 0)
    }

    /// Detaches all slots: their jobs continue, and the route no longer waits for them.
    pub(crate) fn detach_slots(&mut self) {
        for slot in self.slots.values_mut() {
            slot.detached = true;
            slot.open = true;
        }
        self.detached = self.slots.len();
        self.opening = 0;
        self.liveness.stop_waiting();
    }

    pub(crate) fn wake_all(&mut self) {
        for (_, waker) in self.parked.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn breaker_state(&self, now: Instant) -> BreakerState {
        match self.breaker.state(now) {
            BreakerState::Closed if self.liveness.is_suspected() => BreakerState::HalfOpen,
            state => state,
        }
    }

    /// Tracks the time during which a limit delays mail.
    pub(crate) fn note_throttled(&mut self, throttled: bool, now: Instant) {
        match (throttled, self.throttled_since) {
            (true, None) => self.throttled_since = Some(now),
            (false, Some(since)) => {
                self.throttled += now - since;
                self.throttled_since = None;
            }
            _ => {}
        }
    }
}
