//! How long nothing was heard of a route, and whether that is too long.
//!
//! A server that is dead may not say so, and one that lives may take minutes for an answer (RFC 5321 §4.5.3.2). So nobody
//! is cut off here: a route that is silent only gets nothing new that could go elsewhere, until it is heard again. When it
//! was not heard for as long as an attempt may take, its breaker opens, and a probe brings it back. What is too long is learnt
//! from the route itself: twice what it took twice in the last minutes. Once is an accident: a server that was dead, and is
//! back, answers quickly as before.

use std::time::Duration;

use tokio::time::Instant;

use super::assign::earliest;
use super::breaker_settings::BreakerSettings;
use super::state::State;

/// For how long a wait is remembered, at the least.
const MEMORY: Duration = Duration::from_secs(600);
/// So many times a usual long wait is too long.
const USUAL_WAIT_FACTOR: u32 = 2;
/// For how many waits, at the least: a route that seldom has mail has few within the time.
const MIN_REMEMBERED_WAITS: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Since when something is awaited and nothing was heard.
    since: Option<Instant>,
    /// Whether it is no more than that a message waits for a slot that is busy.
    is_slot_wait: bool,
    /// Whether it was found too long, and another route takes what would come here.
    suspected: bool,
    /// The two longest waits that ended well: of the span of memory that began last, and of the one before.
    longest: [[Duration; 2]; 2],
    began: Option<Instant>,
    /// How many there were since.
    waits: u32,
}

impl Liveness {
    /// A slot is being opened, or a job was handed out.
    pub(crate) fn expect_response(&mut self, now: Instant) {
        self.is_slot_wait = false;
        if self.since.is_none() {
            self.since = Some(now);
            self.rotate_memory(now);
        }
    }

    /// A message waits for a slot that is busy.
    pub(crate) fn expect_slot(&mut self, now: Instant) {
        if self.since.is_none() {
            self.expect_response(now);
            self.is_slot_wait = true;
        }
    }

    /// A slot is free.
    pub(crate) const fn slot_freed(&mut self) {
        if self.is_slot_wait && !self.suspected {
            self.is_slot_wait = false;
            self.since = None;
        }
    }

    /// The route was heard. Returns whether it had been found silent.
    ///
    /// What is still in flight is not awaited from now on: it may never end, while all that comes later does.
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

    /// Nothing is awaited any more, though nothing was heard. Returns whether it had been found silent.
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

    /// For how long it may be silent: never longer than an attempt may take at all.
    pub(crate) fn threshold(&self, settings: &BreakerSettings) -> Duration {
        let mut longest = self.longest.concat();
        longest.sort_unstable();
        let usual = longest.iter().rev().nth(1).copied().unwrap_or_default();
        (usual * USUAL_WAIT_FACTOR).clamp(settings.suspect_after.min(settings.slow), settings.slow)
    }

    /// Lets waits be forgotten that are long over.
    fn rotate_memory(&mut self, now: Instant) {
        let age = now - *self.began.get_or_insert(now);
        if age >= MEMORY && self.waits >= MIN_REMEMBERED_WAITS {
            self.longest = [Default::default(), self.longest[0]];
            (self.began, self.waits) = (Some(now), 0);
        }
    }
}

impl State {
    /// Finds routes that have been silent for too long, while another is heard. Returns those whose row is to be shared
    /// out; what is in flight there goes on.
    pub(crate) fn check_liveness(&mut self, now: Instant) -> Vec<usize> {
        let mut suspected = Vec::new();
        for index in 0..self.routes.len() {
            let route = &self.routes[index];
            if route.breaker.probe_deadline().is_some_and(|at| at <= now) {
                // It may be swallowed for minutes, and the server be back long before.
                self.close_route(index, now);
                suspected.push(index);
                continue;
            }
            let (suspect_at, broken_at) = route.liveness_deadlines(now);
            if suspect_at > now || !self.has_responsive_alternative(index, now) {
                continue;
            }
            let is_new = if route.is_open() {
                self.suspect_route(index, broken_at <= now, now)
            } else {
                // A probe whose way does not open need not wait for it.
                route.ready.first().is_some_and(|message| message.route.is_none())
            };
            suspected.extend(is_new.then_some(index));
        }
        suspected
    }

    /// A route was heard. Returns whether it had been silent for too long.
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

    /// Something that was awaited of a route has ended without a word.
    pub(crate) fn on_unanswered_end(&mut self, index: usize, now: Instant) {
        let route = &mut self.routes[index];
        let is_awaited = route.liveness.since().is_none() || route.opening > 0 || route.has_jobs();
        if !is_awaited && route.liveness.stop_waiting() {
            self.emit_route_changed(index, now);
        }
    }

    /// Turns from a route that is silent. Returns whether that is news.
    fn suspect_route(&mut self, index: usize, is_broken: bool, now: Instant) -> bool {
        let route = &mut self.routes[index];
        if is_broken {
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

    /// When there may be something to find: silence tells nobody.
    pub(crate) fn liveness_check_at(&self, now: Instant) -> Option<Instant> {
        let awaited = self.routes.iter().filter(|route| self.routes.len() > 1 && !route.slots.is_empty());
        let deadlines = awaited.flat_map(|route| <[Instant; 2]>::from(route.liveness_deadlines(now)));
        let times = deadlines.chain(self.routes.iter().filter_map(|route| route.breaker.probe_deadline()));
        times.filter(|at| *at > now).fold(None, |first, at| earliest(first, Some(at)))
    }

    /// Whether a route is silent, and another takes what would come to it.
    pub(crate) fn is_avoided(&self, index: usize, now: Instant) -> bool {
        self.routes[index].liveness.is_suspected() && self.has_responsive_alternative(index, now)
    }

    /// Whether a message that was taken from a route's row may go back into it.
    pub(crate) fn may_requeue(&self, index: usize, now: Instant) -> bool {
        let route = &self.routes[index];
        route.is_open() && !self.is_avoided(index, now) || route.breaker.wants_probe(now)
    }

    /// Whether another route takes mail: one that is past its own patience may not, and one whose limit is used up would
    /// only put it off.
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
    async fn patience_is_learnt_and_forgotten() {
        let settings = BreakerSettings::default();
        let mut liveness = Liveness::default();
        let patience = |liveness: &Liveness| liveness.threshold(&settings);
        let learnt = [
            (SECOND / 2, settings.suspect_after),
            (60 * SECOND, settings.suspect_after),
            (3 * SECOND, 6 * SECOND),
            (SECOND, 6 * SECOND),
            (8 * SECOND, settings.slow),
        ];
        for (took, patient) in learnt {
            liveness.expect_response(Instant::now());
            tokio::time::advance(took).await;
            assert!(!liveness.on_response(Instant::now()));
            assert_eq!(patience(&liveness), patient);
        }
        for (waits, patient) in
            [(MIN_REMEMBERED_WAITS, settings.slow), (1, settings.slow), (MIN_REMEMBERED_WAITS, settings.suspect_after)]
        {
            for _ in 0..waits {
                liveness.expect_response(Instant::now());
                liveness.on_response(Instant::now());
            }
            tokio::time::advance(MEMORY).await;
            liveness.expect_response(Instant::now());
            liveness.stop_waiting();
            assert_eq!(patience(&liveness), patient, "{waits} waits later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_first_that_is_awaited_to_the_first_that_is_heard() {
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
