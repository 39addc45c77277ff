//! A route at work.

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

/// The least that waits here for a route that works, and the most.
const ROOM: std::ops::RangeInclusive<usize> = 4..=1_024;
/// After a slot could not be opened, the next one waits so long; twice as long each time in a row.
const REOPEN_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const MAX_REOPEN_WAIT: Duration = Duration::from_secs(10);

/// So many different senders refused in a row, with none taken between, speak against the route: fewer may be typos.
const MAX_REFUSED_SENDERS: usize = 5;
/// How long a route is suspended whose account has sent as much as it may; twice as long each time in a row. Providers
/// count by the hour or by the day, in windows that slide.
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
    /// Slots that are being opened, and slots that were left behind.
    pub(crate) opening: usize,
    pub(crate) detached: usize,
    /// Slots that wait for a job, and how to wake them.
    pub(crate) parked: Vec<(u64, Waker)>,
    /// Jobs handed out and not finished.
    pub(crate) in_flight: u32,
    pub(crate) paused: bool,
    /// Its account has sent as much as it may: nothing goes over it before that time.
    pub(crate) suspended_until: Option<Instant>,
    /// How often in a row it was suspended.
    suspensions: u32,
    /// The different senders that it refused in a row, up to [`SEVERAL_SENDERS`].
    refused_senders: Vec<ReversePath>,
    /// Taken out of the settings; it comes back under the same name.
    pub(crate) removed: bool,
    /// Its breaker closed a short while ago: it takes no more than it has slots for.
    pub(crate) recovering: bool,
    /// No slot is opened before.
    pub(crate) reopen_at: Option<Instant>,
    pub(crate) failed_opens: u32,
    pub(crate) outcomes: Outcomes,
    /// Since when a limit holds it up, and for how long all in all.
    pub(crate) throttled_since: Option<Instant>,
    pub(crate) throttled: Duration,
}

/// One call of `deliver`.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Jobs handed out and not finished.
    pub(crate) jobs: u32,
    /// Whether it has asked for a job: it is open.
    pub(crate) open: bool,
    /// Whether a job went well on it.
    pub(crate) proven: bool,
    /// It carries one message, to see whether the route works again.
    pub(crate) probe: bool,
    /// It is waited for no longer: it ends what it has, and counts no more.
    pub(crate) detached: bool,
    /// Whether it was given a job.
    pub(crate) had_job: bool,
    /// What tells whether the content of each of its jobs has begun to leave, where whoever delivers asks for the lease.
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

    /// Takes other settings; windows, breaker and what limits remember stay.
    pub(crate) fn update(&mut self, settings: RouteSettings, deliver: Arc<dyn Deliver>, now: Instant) {
        self.scope.update(&settings.limits, now);
        self.domains.update(&spelled(&settings.per_domain), now);
        self.concurrency.set_max(settings.max_concurrency.get());
        self.breaker.update(settings.breaker);
        self.settings = settings;
        self.deliver = deliver;
        self.removed = false;
    }

    /// Whether nothing may go over it, whatever its breaker says.
    pub(crate) const fn is_disabled(&self) -> bool {
        self.paused || self.removed || self.suspended_until.is_some()
    }

    /// Whether messages go over it.
    pub(crate) const fn is_open(&self) -> bool {
        !self.is_disabled() && self.breaker.is_closed()
    }

    /// Whether one message may try it.
    pub(crate) fn wants_probe(&self, now: Instant) -> bool {
        !self.is_disabled() && self.breaker.wants_probe(now) && self.ready.is_empty()
    }

    /// Its account has sent as much as it may. Returns until when it is suspended, where that is news.
    pub(crate) fn suspend(&mut self, now: Instant) -> Option<Duration> {
        if self.suspended_until.is_some() {
            return None;
        }
        let pause = SUSPENSION.saturating_mul(1 << self.suspensions.min(8)).min(MAX_SUSPENSION);
        self.suspensions = self.suspensions.saturating_add(1);
        self.suspended_until = Some(now + pause);
        Some(pause)
    }

    /// Whether its suspension is over. True once for each.
    pub(crate) fn resumes(&mut self, now: Instant) -> bool {
        self.suspended_until.take_if(|until| *until <= now).is_some()
    }

    /// It took a message of a sender, or refused one for another reason than its sender and itself.
    pub(crate) fn accepted_sender(&mut self) {
        self.refused_senders.clear();
    }

    /// The account may send again.
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

    /// How many messages shall wait here: twice what is in flight, so that none of the slots runs dry while more are
    /// leased, and no more than the rate lets go in the time that a message may wait here.
    pub(crate) fn target(&self, max_local_wait: Duration, now: Instant) -> usize {
        if self.scope.ready_at(Weight { recipients: 1 }, now).is_some_and(|at| at - now > max_local_wait) {
            return 0;
        }
        let busy = self.in_flight.max(self.concurrency.current()) as usize;
        (2 * busy).clamp(*ROOM.start(), *ROOM.end()).min(self.max_waiting(max_local_wait))
    }

    /// What the target comes to at the most. A message that was leased while there was room finds it, though the route has
    /// become less busy since.
    pub(crate) fn max_waiting(&self, max_local_wait: Duration) -> usize {
        (self.scope.within(max_local_wait) as usize).clamp(1, *ROOM.end())
    }

    /// How many more messages shall wait here.
    pub(crate) fn room(&self, max_local_wait: Duration, now: Instant) -> usize {
        self.target(max_local_wait, now).saturating_sub(self.ready.len())
    }

    /// A slot could not be opened: the next one waits.
    pub(crate) fn delay_opening(&mut self, now: Instant) {
        self.failed_opens = self.failed_opens.saturating_add(1);
        let wait = REOPEN_WAIT.saturating_mul(1 << (self.failed_opens - 1).min(16)).min(MAX_REOPEN_WAIT);
        self.reopen_at = Some(now + wait);
    }

    /// Whether the wait before another slot is over, and messages wait for one. True once for each such wait.
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

    /// When it has been silent for too long: then it gets nothing more that may go elsewhere, and at the second time it
    /// is taken for broken. Where nothing is awaited yet, that may begin at any time.
    pub(crate) fn liveness_deadlines(&self, now: Instant) -> (Instant, Instant) {
        let settings = self.breaker.settings();
        let since = self.liveness.since().unwrap_or(now);
        (since + self.liveness.threshold(settings), since + settings.slow)
    }

    /// How many slots it has, but for those that were left behind.
    pub(crate) fn active_slots(&self) -> usize {
        self.slots.len() - self.detached
    }

    /// Whether a slot carries something, other than those that were left behind.
    pub(crate) fn has_jobs(&self) -> bool {
        self.slots.values().any(|slot| slot.jobs > 0 && !slot.detached)
    }

    /// Whether a message that waits here waits for a slot that is busy, and may be stuck.
    pub(crate) fn is_busy(&self) -> bool {
        !self.ready.is_empty() && self.parked.is_empty() && (self.has_jobs() || self.opening > 0)
    }

    /// Leaves all slots behind: what they carry ends as it does, and nobody else waits for that.
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

    /// Keeps count of the time in which a limit holds it up.
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
