//! A route at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use mailkit_address::ReversePath;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::breaker::{Breaker, BreakerState};
use crate::deliver::Deliver;
use crate::job::LeaseCheck;
use crate::limit::{Scope, Scopes, Weight};
use crate::rows::Rows;
use crate::settings::{RouteSettings, spelled};
use crate::silence::Silence;
use crate::stats::Outcomes;
use crate::window::Window;

/// The least that waits here for a route that works, and the most.
const ROOM: std::ops::RangeInclusive<usize> = 4..=1_024;
/// After a way could not be opened, the next one waits so long; twice as long each time in a row.
const REOPEN: Duration = Duration::from_millis(100);
/// The longest such wait.
const REOPEN_MOST: Duration = Duration::from_secs(10);

/// So many different senders refused in a row, with none taken between, speak against the route: fewer may be typos.
const SEVERAL_SENDERS: usize = 5;
/// How long a route is suspended whose account has sent as much as it may; twice as long each time in a row. Providers
/// count by the hour or by the day, in windows that slide.
const SUSPENSION: Duration = Duration::from_secs(600);
/// The longest suspension.
const SUSPENSION_MOST: Duration = Duration::from_secs(4 * 3_600);

pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) settings: RouteSettings,
    pub(crate) deliver: Arc<dyn Deliver>,
    pub(crate) rows: Rows,
    pub(crate) window: Window,
    pub(crate) breaker: Breaker,
    pub(crate) silence: Silence,
    pub(crate) scope: Scope,
    pub(crate) domains: Scopes,
    pub(crate) ways: BTreeMap<u64, Way>,
    /// Ways that are being opened, and ways that were left behind.
    pub(crate) opening: usize,
    pub(crate) left: usize,
    /// Ways that wait for a job, and how to wake them.
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
    /// Its breaker closed a short while ago: it takes no more than it has ways for.
    pub(crate) returning: bool,
    /// No way is opened before.
    pub(crate) reopen_at: Option<Instant>,
    pub(crate) unopened: u32,
    pub(crate) outcomes: Outcomes,
    /// Since when a limit holds it up, and for how long all in all.
    pub(crate) limited_since: Option<Instant>,
    pub(crate) limited: Duration,
}

/// One call of `deliver`.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Jobs handed out and not finished.
    pub(crate) jobs: u32,
    /// Whether it has asked for a job: it is open.
    pub(crate) open: bool,
    /// Whether a job went well on it.
    pub(crate) proved: bool,
    /// It carries one message, to see whether the route works again.
    pub(crate) probe: bool,
    /// It is waited for no longer: it ends what it has, and counts no more.
    pub(crate) left: bool,
    /// Whether it was given a job.
    pub(crate) carried: bool,
    /// What tells whether the content of each of its jobs has begun to leave, where whoever delivers asks for the lease.
    pub(crate) checks: Vec<Arc<LeaseCheck>>,
    pub(crate) abort: Option<AbortHandle>,
}

impl Route {
    pub(crate) fn new(settings: RouteSettings, deliver: Arc<dyn Deliver>) -> Self {
        let key = format!("route/{}", settings.name);
        Self {
            name: settings.name.as_str().into(),
            rows: Rows::default(),
            window: Window::new(settings.initial_slots(), settings.most_ways.get()),
            breaker: Breaker::new(settings.breaker),
            silence: Silence::default(),
            domains: Scopes::new(format!("{key}/domain"), spelled(&settings.per_domain)),
            scope: Scope::new(key, settings.limits.clone()),
            settings,
            deliver,
            ways: BTreeMap::new(),
            opening: 0,
            left: 0,
            parked: Vec::new(),
            in_flight: 0,
            paused: false,
            suspended_until: None,
            suspensions: 0,
            refused_senders: Vec::new(),
            removed: false,
            returning: false,
            reopen_at: None,
            unopened: 0,
            outcomes: Outcomes::default(),
            limited_since: None,
            limited: Duration::ZERO,
        }
    }

    /// Takes other settings; windows, breaker and what limits remember stay.
    pub(crate) fn update(&mut self, settings: RouteSettings, deliver: Arc<dyn Deliver>, now: Instant) {
        self.scope.update(&settings.limits, now);
        self.domains.update(&spelled(&settings.per_domain), now);
        self.window.limit(settings.most_ways.get());
        self.breaker.update(settings.breaker);
        self.settings = settings;
        self.deliver = deliver;
        self.removed = false;
    }

    /// Whether nothing may go over it, whatever its breaker says.
    pub(crate) const fn is_held(&self) -> bool {
        self.paused || self.removed || self.suspended_until.is_some()
    }

    /// Whether messages go over it.
    pub(crate) const fn is_open(&self) -> bool {
        !self.is_held() && self.breaker.is_closed()
    }

    /// Whether one message may try it.
    pub(crate) fn wants_probe(&self, now: Instant) -> bool {
        !self.is_held() && self.breaker.wants_probe(now) && self.rows.is_empty()
    }

    /// Its account has sent as much as it may. Returns until when it is suspended, where that is news.
    pub(crate) fn suspend(&mut self, now: Instant) -> Option<Duration> {
        if self.suspended_until.is_some() {
            return None;
        }
        let pause = SUSPENSION.saturating_mul(1 << self.suspensions.min(8)).min(SUSPENSION_MOST);
        self.suspensions = self.suspensions.saturating_add(1);
        self.suspended_until = Some(now + pause);
        Some(pause)
    }

    /// Whether its suspension is over. True once for each.
    pub(crate) fn resumes(&mut self, now: Instant) -> bool {
        self.suspended_until.take_if(|until| *until <= now).is_some()
    }

    /// It took a message of a sender, or refused one for another reason than its sender and itself.
    pub(crate) fn took_sender(&mut self) {
        self.refused_senders.clear();
    }

    /// The account may send again.
    pub(crate) const fn accepted(&mut self) {
        self.suspensions = 0;
    }

    /// It refused a sender. Returns whether it refused several different ones in a row, and no other.
    pub(crate) fn refused_sender(&mut self, sender: &ReversePath) -> bool {
        if self.refused_senders.len() < SEVERAL_SENDERS && !self.refused_senders.contains(sender) {
            self.refused_senders.push(sender.clone());
        }
        self.refused_senders.len() >= SEVERAL_SENDERS
    }

    /// How many messages shall wait here: twice what is on its way, so that none of the ways runs dry while more are
    /// leased, and no more than the rate lets go in the time that a message may wait here.
    pub(crate) fn target(&self, local_wait: Duration, now: Instant) -> usize {
        if self.scope.look(Weight { recipients: 1 }, now).is_some_and(|at| at - now > local_wait) {
            return 0;
        }
        let busy = self.in_flight.max(self.window.size()) as usize;
        (2 * busy).clamp(*ROOM.start(), *ROOM.end()).min(self.most_waiting(local_wait))
    }

    /// What the target comes to at the most. A message that was leased while there was room finds it, though the route has
    /// become less busy since.
    pub(crate) fn most_waiting(&self, local_wait: Duration) -> usize {
        (self.scope.within(local_wait) as usize).clamp(1, *ROOM.end())
    }

    /// How many more messages shall wait here.
    pub(crate) fn room(&self, local_wait: Duration, now: Instant) -> usize {
        self.target(local_wait, now).saturating_sub(self.rows.len())
    }

    /// A way could not be opened: the next one waits.
    pub(crate) fn put_off_opening(&mut self, now: Instant) {
        self.unopened = self.unopened.saturating_add(1);
        let wait = REOPEN.saturating_mul(1 << (self.unopened - 1).min(16)).min(REOPEN_MOST);
        self.reopen_at = Some(now + wait);
    }

    /// Whether the wait before another way is over, and messages wait for one. True once for each such wait.
    pub(crate) fn reopens(&mut self, now: Instant) -> bool {
        let over = !self.rows.is_empty() && self.reopen_at.is_some_and(|at| at <= now);
        if over {
            self.reopen_at = None;
        }
        over
    }

    pub(crate) const fn opened(&mut self) {
        self.unopened = 0;
        self.reopen_at = None;
    }

    /// When it has been silent for too long: then it gets nothing more that may go elsewhere, and at the second time it
    /// is taken for broken. Where nothing is awaited yet, that may begin at any time.
    pub(crate) fn too_silent_at(&self, now: Instant) -> (Instant, Instant) {
        let settings = self.breaker.settings();
        let since = self.silence.since().unwrap_or(now);
        (since + self.silence.patience(settings), since + settings.slow)
    }

    /// How many ways it has, but for those that were left behind.
    pub(crate) fn working(&self) -> usize {
        self.ways.len() - self.left
    }

    /// Whether a way carries something, other than those that were left behind.
    pub(crate) fn carries(&self) -> bool {
        self.ways.values().any(|way| way.jobs > 0 && !way.left)
    }

    /// Whether a message that waits here waits for a way that is busy, and may be stuck.
    pub(crate) fn is_busy(&self) -> bool {
        !self.rows.is_empty() && self.parked.is_empty() && (self.carries() || self.opening > 0)
    }

    /// Leaves all ways behind: what they carry ends as it does, and nobody else waits for that.
    pub(crate) fn leave_ways(&mut self) {
        for way in self.ways.values_mut() {
            way.left = true;
            way.open = true;
        }
        self.left = self.ways.len();
        self.opening = 0;
        self.silence.over();
    }

    pub(crate) fn wake_all(&mut self) {
        for (_, waker) in self.parked.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn breaker_state(&self, now: Instant) -> BreakerState {
        match self.breaker.state(now) {
            BreakerState::Closed if self.silence.is_found() => BreakerState::HalfOpen,
            state => state,
        }
    }

    /// Keeps count of the time in which a limit holds it up.
    pub(crate) fn note_limited(&mut self, limited: bool, now: Instant) {
        match (limited, self.limited_since) {
            (true, None) => self.limited_since = Some(now),
            (false, Some(since)) => {
                self.limited += now - since;
                self.limited_since = None;
            }
            _ => {}
        }
    }
}
