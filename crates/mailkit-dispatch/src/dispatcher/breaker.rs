//! The circuit breaker of a route.
//!
//! ```text
//!            too many failures, or a cohort        probe_after
//!   closed ───────────────────────────────► open ─────────────► half open: one message at a time
//!     ▲                                       ▲                     │ │
//!     └─── the probe succeeded ───────────────┼─────────────────────┘ │
//!                                             └── the probe failed ───┘
//!                                                 or took longer than slow
//! ```
//!
//! A probe that takes longer than `slow` is not cancelled. If it succeeds late, it closes the breaker too.
//!
//! A suspected route is reported as half open, too: the messages in flight show whether it works.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::breaker_settings::BreakerSettings;
use crate::enum_text::string_enum;

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the three states of a breaker")]
pub enum BreakerState {
    /// The route takes mail.
    Closed,
    /// One message at a time probes whether the route works again; or the route is suspected, and the messages in
    /// flight show whether it works.
    HalfOpen,
    /// The route gets no messages.
    Open,
}

impl BreakerState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The name of the state, as logs and metrics use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

string_enum!(BreakerState);

#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    /// Whether each of the last attempts failed.
    last: VecDeque<bool>,
    failed: usize,
    /// When a probe may start; `None` while the breaker is closed.
    probe_at: Option<Instant>,
    /// The start of the probe in flight.
    probing: Option<Instant>,
}

impl Breaker {
    pub(crate) const fn new(settings: BreakerSettings) -> Self {
        Self { settings, last: VecDeque::new(), failed: 0, probe_at: None, probing: None }
    }

    pub(crate) const fn update(&mut self, settings: BreakerSettings) {
        self.settings = settings;
    }

    pub(crate) const fn settings(&self) -> &BreakerSettings {
        &self.settings
    }

    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.probe_at {
            None => BreakerState::Closed,
            Some(at) if self.probing.is_some() || at <= now => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.probe_at.is_none()
    }

    /// When a probe may start; `None` while the breaker is closed.
    pub(crate) const fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    /// Whether a probe may start now.
    pub(crate) fn wants_probe(&self, now: Instant) -> bool {
        self.probing.is_none() && self.probe_at.is_some_and(|at| at <= now)
    }

    /// A probe starts, or has reached its server.
    pub(crate) const fn probe(&mut self, now: Instant) {
        self.probing = Some(now);
    }

    /// When the probe in flight is no longer waited for.
    pub(crate) fn probe_deadline(&self) -> Option<Instant> {
        self.probing.map(|since| since + self.settings.slow)
    }

    /// The probe ended without a result: the next may start.
    pub(crate) const fn probe_ended(&mut self) {
        self.probing = None;
    }

    /// Counts an attempt. Returns whether the share of failed attempts has reached `open_at`.
    pub(crate) fn count(&mut self, failed: bool) -> bool {
        let over = self.settings.over.get() as usize;
        self.last.push_back(failed);
        self.failed += usize::from(failed);
        while self.last.len() > over {
            self.failed -= usize::from(self.last.pop_front() == Some(true));
        }
        failed && self.last.len() == over && self.failed * 100 >= over * usize::from(self.settings.open_at.percent())
    }

    pub(crate) fn open(&mut self, now: Instant) {
        self.probe_at = Some(now + self.settings.probe_after);
        self.probing = None;
        self.last.clear();
        self.failed = 0;
    }

    pub(crate) const fn close(&mut self) {
        self.probe_at = None;
        self.probing = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_its_share_and_not_before_enough_attempts() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        assert!((0..19).all(|_| !breaker.count(true)), "19 of 20");
        assert!(breaker.count(true));
        breaker.open(Instant::now());
        breaker.close();
        let opens = (0..40).filter(|n| breaker.count(n % 3 == 0)).count();
        assert_eq!(opens, 0, "a third is less than half");
        let until_open = (0..).position(|_| breaker.count(true)).unwrap();
        assert!(until_open < 10, "{until_open}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        breaker.open(Instant::now());
        assert_eq!(breaker.state(Instant::now()), BreakerState::Open);
        tokio::time::advance(breaker.settings().probe_after).await;
        let now = Instant::now();
        assert!(breaker.wants_probe(now));
        breaker.probe(now);
        assert!(!breaker.wants_probe(now) && breaker.state(now) == BreakerState::HalfOpen);
        breaker.open(now);
        assert!(!breaker.wants_probe(now));
    }
}
