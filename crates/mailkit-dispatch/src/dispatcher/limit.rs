//! The state of limits by scope (a route, a recipient domain, a tenant).

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota as Gcra, RateLimiter};
use mailkit_queue::LimitRequest;
use tokio::time::Instant;

use super::rate::{Rate, Unit};
use super::settings::Limits;

/// The weight of a message in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) recipients: u32,
}

impl Weight {
    const fn of(self, unit: Unit) -> u32 {
        match unit {
            Unit::Messages => 1,
            Unit::Recipients => self.recipients,
        }
    }
}

/// The clock for governor: tokio's, so that tests can pause it.
#[derive(Clone, Debug)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

/// The state for governor, which can also be read without being changed: a message with several limits is counted by
/// all of them or by none. The lock of the dispatcher makes both steps atomic.
#[derive(Debug, Default)]
struct State {
    /// Nanoseconds; zero before the first.
    arrival: AtomicU64,
    peek_only: AtomicBool,
}

/// The handle of the limiter on its state.
#[derive(Debug)]
struct StateHandle(Arc<State>);

impl StateStore for StateHandle {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let arrival = Some(self.0.arrival.load(Ordering::Relaxed)).filter(|nanoseconds| *nanoseconds > 0);
        let (value, next) = f(arrival.map(Nanos::new))?;
        if !self.0.peek_only.load(Ordering::Relaxed) {
            self.0.arrival.store(next.as_u64(), Ordering::Relaxed);
        }
        Ok(value)
    }
}

/// The state of a smooth rate.
#[derive(Debug)]
struct Smooth {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, StateHandle, TokioClock>,
    state: Arc<State>,
    /// A message with more recipients than the burst is sent when the full burst is available. Nothing follows until
    /// this time, when the rate has made up for it.
    free_at: Option<Instant>,
}

impl Smooth {
    fn new(rate: Rate) -> Option<Self> {
        let quota = Gcra::with_period(rate.interval())?.allow_burst(rate.burst());
        let state = Arc::new(State::default());
        let limiter = RateLimiter::new(quota, StateHandle(Arc::clone(&state)), TokioClock);
        Some(Self { rate, limiter, state, free_at: None })
    }

    /// When this weight is allowed; `None` if it is allowed now.
    fn ready_at(&self, weight: Weight, now: Instant) -> Option<Instant> {
        if let Some(free_at) = self.free_at.filter(|free_at| *free_at > now) {
            return Some(free_at);
        }
        self.state.peek_only.store(true, Ordering::Relaxed);
        let refused = self.check(weight.of(self.rate.unit()));
        self.state.peek_only.store(false, Ordering::Relaxed);
        refused
    }

    fn take(&mut self, wanted: u32, now: Instant) {
        self.check(wanted);
        if wanted > self.rate.burst().get() {
            self.free_at = now.checked_add(self.interval(wanted));
        }
    }

    fn check(&self, wanted: u32) -> Option<Instant> {
        let cells = NonZeroU32::new(wanted.min(self.rate.burst().get())).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_n(cells) {
            Ok(Ok(())) | Err(_) => None,
            Ok(Err(until)) => Some(Instant::from_std(until.earliest_possible())),
        }
    }

    fn interval(&self, amount: u32) -> Duration {
        self.rate.interval().saturating_mul(amount)
    }
}

/// The limits of one scope, and their state.
#[derive(Debug)]
pub(crate) struct Scope {
    /// The name under which the store keeps the quotas.
    key: String,
    limits: Limits,
    smooth: Option<Smooth>,
    /// When a quota has room again.
    blocked_until: Option<Instant>,
    /// The time given to the message that was rescheduled last: the next one follows it.
    booked: Option<Instant>,
    /// The last pass over the ready queue, and the weight that waited in it.
    waiting: (u64, u32),
}

impl Scope {
    pub(crate) fn new(key: String, limits: Limits) -> Self {
        let smooth = limits.rate.and_then(Smooth::new);
        Self { key, limits, smooth, blocked_until: None, booked: None, waiting: (0, 0) }
    }

    /// Replaces the limits. A new rate starts without a burst, since what was sent under the old one counts.
    pub(crate) fn update(&mut self, limits: &Limits, now: Instant) {
        if self.limits.rate != limits.rate {
            self.smooth = limits.rate.and_then(Smooth::new);
            if let Some(smooth) = &mut self.smooth {
                smooth.take(smooth.rate.burst().get(), now);
            }
        }
        if self.limits.quotas != limits.quotas {
            self.blocked_until = None;
        }
        self.limits = limits.clone();
        self.booked = None;
    }

    /// When a message is allowed; `None` if it is allowed now.
    pub(crate) fn ready_at(&self, weight: Weight, now: Instant) -> Option<Instant> {
        let smooth = self.smooth.as_ref().and_then(|smooth| smooth.ready_at(weight, now));
        self.blocked_until.filter(|until| *until > now).max(smooth)
    }

    /// Counts a message as sent, after [`ready_at`](Self::ready_at) allowed it.
    pub(crate) fn take(&mut self, weight: Weight, now: Instant) {
        if let Some(smooth) = &mut self.smooth {
            smooth.take(weight.of(smooth.rate.unit()), now);
        }
    }

    /// The limit requests of a message. Each window is longer by `margin`, which covers the time between acquiring and
    /// sending.
    pub(crate) fn limit_requests(&self, weight: Weight, requests: &mut Vec<LimitRequest>) {
        requests.extend(self.limits.quotas.iter().map(|quota| {
            let key = format!("{}/{}ms/{}", self.key, quota.window().as_millis(), quota.unit().as_str());
            let (window, amount) = (quota.window() + margin(quota.window()), u64::from(weight.of(quota.unit())));
            LimitRequest::new(key, quota.limit(), window, amount)
        }));
    }

    pub(crate) fn has_quotas(&self) -> bool {
        !self.limits.quotas.is_empty()
    }

    /// Whether the weight exceeds a quota even of an empty window.
    pub(crate) fn is_never(&self, weight: Weight) -> bool {
        self.limits.quotas.iter().any(|quota| u64::from(weight.of(quota.unit())) > quota.limit().get())
    }

    /// Blocks the scope until a quota has room.
    pub(crate) fn block_until(&mut self, until: Instant) {
        self.blocked_until = Some(until);
    }

    /// Counts one more waiting message in this pass. Returns its estimated time; `first` is the time of the first
    /// message.
    pub(crate) fn queue_up(&mut self, pass: u64, weight: Weight, first: Instant) -> Instant {
        let before = if self.waiting.0 == pass { self.waiting.1 } else { 0 };
        let amount = self.smooth.as_ref().map_or(1, |smooth| weight.of(smooth.rate.unit()));
        self.waiting = (pass, before.saturating_add(amount));
        first + self.interval(before).min(A_YEAR)
    }

    /// The time for a message to be rescheduled to: not before `at`, and after those rescheduled before.
    pub(crate) fn book(&mut self, weight: Weight, at: Instant, now: Instant) -> Instant {
        let at = self.booked.filter(|booked| *booked > now).map_or(at, |booked| booked.max(at));
        let amount = self.smooth.as_ref().map_or(1, |smooth| weight.of(smooth.rate.unit()));
        // A backlog of days is not planned in full: a message that returns too early is rescheduled again.
        self.booked = Some((at + self.interval(amount)).min(now + FARTHEST));
        at
    }

    /// The time that this amount takes.
    fn interval(&self, amount: u32) -> Duration {
        match &self.smooth {
            Some(smooth) => smooth.interval(amount),
            None => BETWEEN.saturating_mul(amount),
        }
    }

    /// How many the smooth rate allows within a time.
    pub(crate) fn within(&self, time: Duration) -> u32 {
        self.smooth.as_ref().map_or(u32::MAX, |smooth| {
            let number = time.as_nanos() / smooth.rate.interval().as_nanos().max(1);
            u32::try_from(number).unwrap_or(u32::MAX).max(smooth.rate.burst().get())
        })
    }

    /// Whether its state equals that of a new scope, so that it can be dropped.
    fn is_idle(&self, now: Instant) -> bool {
        let past = |time: Option<Instant>| time.is_none_or(|time| time <= now);
        let full = Weight { recipients: self.smooth.as_ref().map_or(1, |smooth| smooth.rate.burst().get()) };
        past(self.blocked_until)
            && past(self.booked)
            && self.ready_at(full, now).is_none()
            && !self.has_unit_of_messages()
    }

    /// If the unit is messages, `ready_at` cannot tell whether the whole burst is available.
    fn has_unit_of_messages(&self) -> bool {
        self.smooth.as_ref().is_some_and(|smooth| smooth.rate.unit() == Unit::Messages && smooth.rate.burst().get() > 1)
    }
}

/// The time between messages rescheduled by a quota.
const BETWEEN: Duration = Duration::from_millis(200);
/// How far ahead messages are rescheduled at most.
const FARTHEST: Duration = Duration::from_secs(3_600);
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How much longer than its window a quota counts: 1%, from 10 ms to 1 s.
pub(crate) fn margin(window: Duration) -> Duration {
    (window / 100).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// The scopes of one kind, created on demand: recipient domains, or tenants.
#[derive(Debug)]
pub(crate) struct Scopes {
    prefix: String,
    limits: BTreeMap<String, Limits>,
    scopes: HashMap<String, Scope>,
    /// The number of scopes at which idle ones are dropped.
    most: usize,
}

const FEW: usize = 1_024;

impl Scopes {
    pub(crate) fn new(prefix: String, limits: BTreeMap<String, Limits>) -> Self {
        Self { prefix, limits, scopes: HashMap::new(), most: FEW }
    }

    pub(crate) fn update(&mut self, limits: &BTreeMap<String, Limits>, now: Instant) {
        self.limits.clone_from(limits);
        let limits = &self.limits;
        self.scopes.retain(|name, scope| match limits.get(name).or_else(|| limits.get("*")) {
            Some(limits) => {
                scope.update(limits, now);
                true
            }
            None => false,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The scope of a name; `None` if it has no limits.
    pub(crate) fn of(&mut self, name: &str, now: Instant) -> Option<&mut Scope> {
        if self.limits.is_empty() {
            return None;
        }
        if !self.scopes.contains_key(name) {
            let limits = self.limits.get(name).or_else(|| self.limits.get("*"))?;
            let scope = Scope::new(format!("{}/{name}", self.prefix), limits.clone());
            self.forget_idle(now);
            self.scopes.insert(name.to_owned(), scope);
        }
        self.scopes.get_mut(name)
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.scopes.len() >= self.most {
            self.scopes.retain(|_, scope| !scope.is_idle(now));
            self.most = (2 * self.scopes.len()).max(FEW);
        }
    }
}
