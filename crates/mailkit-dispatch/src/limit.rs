//! Limits at work: one scope (a route, a domain of recipients, a tenant) and what may leave in it now.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota as Gcra, RateLimiter};
use mailkit_queue::QuotaSpend;
use tokio::time::Instant;

use crate::rate::{Rate, Unit};
use crate::settings::Limits;

/// What a message weighs in a scope.
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

/// governor's clock: tokio's, so that a paused one holds the limits too.
#[derive(Clone, Debug)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

/// governor's state, which can also be asked without being changed: a message that has to pass several limits is
/// counted by all of them or by none. The lock around all state makes both steps one.
#[derive(Debug, Default)]
struct State {
    arrival: Cell<Option<Nanos>>,
    only_look: Cell<bool>,
}

impl StateStore for State {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (value, next) = f(self.arrival.get())?;
        if !self.only_look.get() {
            self.arrival.set(Some(next));
        }
        Ok(value)
    }
}

/// A smooth rate.
#[derive(Debug)]
struct Smooth {
    rate: Rate,
    state: RateLimiter<NotKeyed, State, TokioClock>,
    /// A message of more recipients than the burst goes when the burst is whole, and nothing follows before it would
    /// be whole again.
    free_at: Option<Instant>,
}

impl Smooth {
    fn new(rate: Rate) -> Option<Self> {
        let quota = Gcra::with_period(rate.interval())?.allow_burst(rate.burst());
        Some(Self { rate, state: RateLimiter::new(quota, State::default(), TokioClock), free_at: None })
    }

    fn cells(&self, weight: Weight) -> NonZeroU32 {
        let cells = weight.of(self.rate.unit()).min(self.rate.burst().get());
        NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN)
    }

    /// When so much may leave, if not now.
    fn look(&self, weight: Weight, now: Instant) -> Option<Instant> {
        if let Some(free_at) = self.free_at.filter(|free_at| *free_at > now) {
            return Some(free_at);
        }
        self.state_store(true);
        let refused = self.check(weight);
        self.state_store(false);
        refused
    }

    fn take(&mut self, weight: Weight, now: Instant) {
        self.check(weight);
        let wanted = weight.of(self.rate.unit());
        if wanted > self.rate.burst().get() {
            self.free_at = now.checked_add(self.rate.interval().saturating_mul(wanted));
        }
    }

    fn check(&self, weight: Weight) -> Option<Instant> {
        match self.state.check_n(self.cells(weight)) {
            Ok(Ok(())) | Err(_) => None,
            Ok(Err(until)) => Some(Instant::from_std(until.earliest_possible())),
        }
    }

    fn state_store(&self, _only_look: bool) {}
}
