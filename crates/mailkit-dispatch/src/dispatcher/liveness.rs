//! How long a route has gone without a response, and whether it is suspected to be dead.
//!
//! A dead server may keep its connections open, and a live one may take minutes to answer (RFC 5321 §4.5.3.2). So
//! messages in flight are never cut off. A route that has not responded for too long is *suspected*: it gets no new
//! messages that another route can take, until it responds. If it does not respond within `breaker.slow`, its breaker
//! opens, and a probe has to succeed before it gets mail again.
//!
//! The threshold adapts to the route: it is twice the second-longest response time of the last minutes. The longest
//! alone does not count, since one slow response may be an accident: a server that was down for a while answers quickly
//! once it is back.

use std::time::Duration;

use tokio::time::Instant;

use super::assign::earliest;
use super::breaker_settings::BreakerSettings;
use super::state::State;

/// The minimum time for which a response time is remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// A route is suspected after this many times its usual longest response time.
const USUAL_WAIT_FACTOR: u32 = 2;
/// The minimum number of response times remembered: a route with little mail has few of them within [`MEMORY`].
const MIN_REMEMBERED_WAITS: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// The start of the wait for a response; `None` while none is expected.
    since: Option<Instant>,
    /// Whether only a message that waits for a busy slot started the wait.
    is_slot_wait: bool,
    /// Whether the route is suspected to be dead.
    suspected: bool,
    /// The two longest response times of the current memory period and of the one before.
    longest: [[Duration; 2]; 2],
    /// The start of the current memory period.
    began: Option<Instant>,
    /// How many responses came in the current period.
    waits: u32,
}

impl Liveness {
    /// A slot is being opened, or a job was handed out: a response is expected.
    pub(crate) fn expect_response(&mut self, now: Instant) {
        self.is_slot_wait = false;
        if self.since.is_none() {
            self.since = Some(now);
            self.rotate_memory(now);
        }
    }

    /// A message waits for a slot, and all slots are busy.
    pub(crate) fn expect_slot(&mut self, now: Instant) {
        if self.since.is_none() {
            self.expect_response(now);
            self.is_slot_wait = true;
        }
    }

    /// A slot became free: a wait that only a busy slot started is over.
    pub(crate) const fn slot_freed(&mut self) {
        if self.is_slot_wait && !self.suspected {
            self.is_slot_wait = false;
            self.since = None;
        }
    }

    /// The route responded. Returns whether it had been suspected.
    ///
    /// Messages that are still in flight no longer count as waiting: they may never end, while later ones are answered.
    pub(crate) fn on_response(&mut self, now: Instant) -> bool {
        if let Some(since) = self.since.take() {
            let [first, second] = &mut self.longest[0];
            let wait = now - since;
            *second = wait.min(*first).max(*second);
            *first = wait.max(*first);
            self.waits = self.waits.saturating_add(1);
        }
        self.is_slot_wait = false;
        std::mem::take(&mut self.suspected)
    }

    /// No response is expected any more, although none came. Returns whether the route had been suspected.
    pub(crate) const fn stop_waiting(&mut self) -> bool {
        self.since = None;
        self.is_slot_wait = false;
        std::mem::replace(&mut self.suspected, false)
    }

    pub(crate) const fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(crate) const fn suspect(&mut self) {
        self.suspected = true;
    }

    pub(crate) const fn is_suspected(&self) -> bool {
        self.suspected
    }

    /// How long the route may go without a response before it is suspected: never longer than `breaker.slow`.
    pub(crate) fn threshold(&self, settings: &BreakerSettings) -> Duration {
        let mut longest = self.longest.concat();
        longest.sort_unstable();
        let usual = longest.iter().rev().nth(1).copied().unwrap_or_default();
        (usual * USUAL_WAIT_FACTOR).clamp(settings.suspect_after.min(settings.slow), settings.slow)
    }

    /// Starts a new memory period when the current one is old enough.
    fn rotate_memory(&mut self, now: Instant) {
        let age = now - *self.began.get_or_insert(now);
        if age >= MEMORY && self.waits >= MIN_REMEMBERED_WAITS {
            self.longest = [Default::default(), self.longest[0]];
            (self.began, self.waits) = (Some(now), 0);
        }
    }
}

impl State {
    /// Suspects routes that have not responded for too long while another route is responsive. Returns the routes whose
    /// ready queue has to be redistributed; messages in flight continue.
    pub(crate) fn check_liveness(&mut self, now: Instant) -> Vec<usize> {
        let mut suspected = Vec::new();
        for index in 0..self.routes.len() {
            let route = &self.routes[index];
            if route.breaker.probe_deadline().is_some_and(|at| at <= now) {
                // The probe may hang for minutes, and the server may be back long before.
                self.close_route(index, now);
                suspected.push(index);
                continue;
            }
            let (suspect_at, breaker_opens_at) = route.liveness_deadlines(now);
            if suspect_at > now || !self.has_responsive_alternative(index, now) {
                continue;
            }
            let is_new = if route.is_open() {
                self.suspect_route(index, breaker_opens_at <= now, now)
            } else {
                // A message waiting for a probe that cannot connect may use another route.
                route.ready.first().is_some_and(|message| message.route.is_none())
            };
            suspected.extend(is_new.then_some(index));
        }
        suspected
    }

    /// A route responded. Returns whether it had been suspected.
    pub(crate) fn on_response(&mut self, index: usize, now: Instant) -> bool {
        let route = &mut self.routes[index];
        let was_suspected = route.liveness.on_response(now);
        if route.is_busy() {
            route.liveness.expect_slot(now);
        }
        if was_suspected && route.breaker.is_closed() {
            self.emit_route_changed(index, now);
        }
        was_suspected
    }

    /// Something that a response was expected for has ended without one.
    pub(crate) fn on_unanswered_end(&mut self, index: usize, now: Instant) {
        let route = &mut self.routes[index];
        let is_awaited = route.liveness.since().is_none() || route.opening > 0 || route.has_jobs();
        if !is_awaited && route.liveness.stop_waiting() {
            self.emit_route_changed(index, now);
        }
    }

    /// Suspects a route, or opens its breaker. Returns whether its state changed.
    fn suspect_route(&mut self, index: usize, opens_breaker: bool, now: Instant) -> bool {
        let route = &mut self.routes[index];
        if opens_breaker {
            self.close_route(index, now);
            return true;
        }
        let is_new = !route.liveness.is_suspected();
        route.liveness.suspect();
        if is_new {
            self.emit_route_changed(index, now);
        }
        is_new
    }

    /// When [`check_liveness`](Self::check_liveness) has to run next: a missing response triggers nothing by itself.
    pub(crate) fn liveness_check_at(&self, now: Instant) -> Option<Instant> {
        let awaited = self.routes.iter().filter(|route| self.routes.len() > 1 && !route.slots.is_empty());
        let deadlines = awaited.flat_map(|route| <[Instant; 2]>::from(route.liveness_deadlines(now)));
        let times = deadlines.chain(self.routes.iter().filter_map(|route| route.breaker.probe_deadline()));
        times.filter(|at| *at > now).fold(None, |first, at| earliest(first, Some(at)))
    }

    /// Whether a route is suspected and another route can take its mail.
    pub(crate) fn is_avoided(&self, index: usize, now: Instant) -> bool {
        self.routes[index].liveness.is_suspected() && self.has_responsive_alternative(index, now)
    }

    /// Whether a message that was taken from a route's ready queue may go back into it.
    pub(crate) fn may_requeue(&self, index: usize, now: Instant) -> bool {
        let route = &self.routes[index];
        route.is_open() && !self.is_avoided(index, now) || route.breaker.wants_probe(now)
    }

    /// Whether another route can take mail: it must not be overdue itself, and it must have room within its limits, or
    /// mail would only be rescheduled there.
    fn has_responsive_alternative(&self, index: usize, now: Instant) -> bool {
        let mut others = self.routes.iter().enumerate().filter(|(other, _)| *other != index);
        let max_local_wait = self.settings.max_local_wait;
        others.any(|(_, route)| {
            let is_responsive = !route.liveness.is_suspected() && route.liveness_deadlines(now).0 > now;
            is_responsive && route.is_open() && route.target(max_local_wait, now) > 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_threshold_is_learned_and_forgotten() {
        let settings = BreakerSettings::default();
        let mut liveness = Liveness::default();
        let threshold = |liveness: &Liveness| liveness.threshold(&settings);
        let learned = [
            (SECOND / 2, settings.suspect_after),
            (60 * SECOND, settings.suspect_after),
            (3 * SECOND, 6 * SECOND),
            (SECOND, 6 * SECOND),
            (8 * SECOND, settings.slow),
        ];
        for (took, expected) in learned {
            liveness.expect_response(Instant::now());
            tokio::time::advance(took).await;
            assert!(!liveness.on_response(Instant::now()));
            assert_eq!(threshold(&liveness), expected);
        }
        for (waits, expected) in
            [(MIN_REMEMBERED_WAITS, settings.slow), (1, settings.slow), (MIN_REMEMBERED_WAITS, settings.suspect_after)]
        {
            for _ in 0..waits {
                liveness.expect_response(Instant::now());
                liveness.on_response(Instant::now());
            }
            tokio::time::advance(MEMORY).await;
            liveness.expect_response(Instant::now());
            liveness.stop_waiting();
            assert_eq!(threshold(&liveness), expected, "{waits} waits later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_lasts_from_the_first_expectation_to_the_first_response() {
        let mut liveness = Liveness::default();
        let start = Instant::now();
        liveness.expect_response(start);
        tokio::time::advance(SECOND).await;
        liveness.expect_response(Instant::now());
        assert_eq!(liveness.since(), Some(start));
        liveness.suspect();
        assert!(liveness.on_response(Instant::now()));
        assert!(!liveness.is_suspected() && liveness.since().is_none());
    }
}
