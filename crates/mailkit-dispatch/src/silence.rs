//! How long nothing was heard of a route, and whether that is too long.
//!
//! A server that is dead may not say so, and one that lives may take minutes for an answer (RFC 5321 §4.5.3.2). So nobody
//! is cut off here: a route that is silent only gets nothing new that could go elsewhere, until it is heard again. When it
//! was not heard for as long as an attempt may take, its breaker opens, and a probe brings it back. What is too long is learnt
//! from the route itself: twice what it took twice in the last minutes. Once is an accident: a server that was dead, and is
//! back, answers quickly as before.

use std::time::Duration;

use tokio::time::Instant;

use crate::assign::earliest;
use crate::settings::BreakerSettings;
use crate::state::State;

/// For how long a wait is remembered, at the least.
const MEMORY: Duration = Duration::from_secs(600);
/// So many times a usual long wait is too long.
const PATIENCE: u32 = 2;
/// For how many waits, at the least: a route that seldom has mail has few within the time.
const MEMORY_WAITS: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// Since when something is awaited and nothing was heard.
    since: Option<Instant>,
    /// Whether it is no more than that a message waits for a way that is busy.
    is_turn: bool,
    /// Whether it was found too long, and another route takes what would come here.
    found: bool,
    /// The two longest waits that ended well: of the span of memory that began last, and of the one before.
    longest: [[Duration; 2]; 2],
    began: Option<Instant>,
    /// How many there were since.
    waits: u32,
}

impl Silence {
    /// A way is being opened, or a job was handed out.
    pub(crate) fn awaits(&mut self, now: Instant) {
        self.is_turn = false;
        if self.since.is_none() {
            self.since = Some(now);
            self.turn(now);
        }
    }

    /// A message waits for a way that is busy.
    pub(crate) fn awaits_turn(&mut self, now: Instant) {
        if self.since.is_none() {
            self.awaits(now);
            self.is_turn = true;
        }
    }

    /// A way is free.
    pub(crate) const fn turn_came(&mut self) {
        if self.is_turn && !self.found {
            self.is_turn = false;
            self.since = None;
        }
    }

    /// The route was heard. Returns whether it had been found silent.
    ///
    /// What is still on its way is not awaited from now on: it may never end, while all that comes later does.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        if let Some(since) = self.since.take() {
            let [first, second] = &mut self.longest[0];
            let wait = now - since;
            *second = wait.min(*first).max(*second);
            *first = wait.max(*first);
            self.waits = self.waits.saturating_add(1);
        }
        self.is_turn = false;
        std::mem::take(&mut self.found)
    }

    /// Nothing is awaited any more, though nothing was heard. Returns whether it had been found silent.
    pub(crate) const fn over(&mut self) -> bool {
        self.since = None;
        self.is_turn = false;
        std::mem::replace(&mut self.found, false)
    }

    pub(crate) const fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(crate) const fn find(&mut self) {
        self.found = true;
    }

    pub(crate) const fn is_found(&self) -> bool {
        self.found
    }

    /// For how long it may be silent: never longer than an attempt may take at all.
    pub(crate) fn patience(&self, settings: &BreakerSettings) -> Duration {
        let mut longest = self.longest.concat();
        longest.sort_unstable();
        let usual = longest.iter().rev().nth(1).copied().unwrap_or_default();
        (usual * PATIENCE).clamp(settings.silence.min(settings.slow), settings.slow)
    }

    /// Lets waits be forgotten that are long over.
    fn turn(&mut self, now: Instant) {
        let age = now - *self.began.get_or_insert(now);
        if age >= MEMORY && self.waits >= MEMORY_WAITS {
            self.longest = [Default::default(), self.longest[0]];
            (self.began, self.waits) = (Some(now), 0);
        }
    }
}

impl State {
    /// Finds routes that have been silent for too long, while another is heard. Returns those whose row is to be shared
    /// out; what is on its way there goes on.
    pub(crate) fn listen(&mut self, now: Instant) -> Vec<usize> {
        let mut silent = Vec::new();
        for place in 0..self.routes.len() {
            let route = &self.routes[place];
            if route.breaker.gives_up_at().is_some_and(|at| at <= now) {
                // It may be swallowed for minutes, and the server be back long before.
                self.close_route(place, now);
                silent.push(place);
                continue;
            }
            let (shunned_at, broken_at) = route.too_silent_at(now);
            if shunned_at > now || !self.is_heard_elsewhere(place, now) {
                continue;
            }
            let is_new = if route.is_open() {
                self.shun(place, broken_at <= now, now)
            } else {
                // A probe whose way does not open need not wait for it.
                route.rows.first().is_some_and(|message| message.route.is_none())
            };
            silent.extend(is_new.then_some(place));
        }
        silent
    }

    /// A route was heard. Returns whether it had been silent for too long.
    pub(crate) fn hear(&mut self, place: usize, now: Instant) -> bool {
        let route = &mut self.routes[place];
        let was_found = route.silence.heard(now);
        if route.is_busy() {
            route.silence.awaits_turn(now);
        }
        if was_found && route.breaker.is_closed() {
            self.tell_route(place, now);
        }
        was_found
    }

    /// Something that was awaited of a route has ended without a word.
    pub(crate) fn ended_unheard(&mut self, place: usize, now: Instant) {
        let route = &mut self.routes[place];
        let is_awaited = route.silence.since().is_none() || route.opening > 0 || route.carries();
        if !is_awaited && route.silence.over() {
            self.tell_route(place, now);
        }
    }

    /// Turns from a route that is silent. Returns whether that is news.
    fn shun(&mut self, place: usize, is_broken: bool, now: Instant) -> bool {
        let route = &mut self.routes[place];
        if is_broken {
            self.close_route(place, now);
            return true;
        }
        let is_new = !route.silence.is_found();
        route.silence.find();
        if is_new {
            self.tell_route(place, now);
        }
        is_new
    }

    /// When there may be something to find: silence tells nobody.
    pub(crate) fn listens_at(&self, now: Instant) -> Option<Instant> {
        let awaited = self.routes.iter().filter(|route| self.routes.len() > 1 && !route.ways.is_empty());
        let silences = awaited.flat_map(|route| <[Instant; 2]>::from(route.too_silent_at(now)));
        let times = silences.chain(self.routes.iter().filter_map(|route| route.breaker.gives_up_at()));
        times.filter(|at| *at > now).fold(None, |first, at| earliest(first, Some(at)))
    }

    /// Whether a route is silent, and another takes what would come to it.
    pub(crate) fn is_shunned(&self, place: usize, now: Instant) -> bool {
        self.routes[place].silence.is_found() && self.is_heard_elsewhere(place, now)
    }

    /// Whether a message that was taken from a route's row may go back into it.
    pub(crate) fn goes_on(&self, place: usize, now: Instant) -> bool {
        let route = &self.routes[place];
        route.is_open() && !self.is_shunned(place, now) || route.breaker.wants_probe(now)
    }

    /// Whether another route takes mail: one that is past its own patience may not, and one whose limit is used up would
    /// only put it off.
    fn is_heard_elsewhere(&self, place: usize, now: Instant) -> bool {
        let mut others = self.routes.iter().enumerate().filter(|(other, _)| *other != place);
        let local_wait = self.settings.local_wait;
        others.any(|(_, route)| {
            let is_heard = !route.silence.is_found() && route.too_silent_at(now).0 > now;
            is_heard && route.is_open() && route.target(local_wait, now) > 0
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
        let mut silence = Silence::default();
        let patience = |silence: &Silence| silence.patience(&settings);
        let learnt = [
            (SECOND / 2, settings.silence),
            (60 * SECOND, settings.silence),
            (3 * SECOND, 6 * SECOND),
            (SECOND, 6 * SECOND),
            (8 * SECOND, settings.slow),
        ];
        for (took, patient) in learnt {
            silence.awaits(Instant::now());
            tokio::time::advance(took).await;
            assert!(!silence.heard(Instant::now()));
            assert_eq!(patience(&silence), patient);
        }
        for (waits, patient) in [(MEMORY_WAITS, settings.slow), (1, settings.slow), (MEMORY_WAITS, settings.silence)] {
            for _ in 0..waits {
                silence.awaits(Instant::now());
                silence.heard(Instant::now());
            }
            tokio::time::advance(MEMORY).await;
            silence.awaits(Instant::now());
            silence.over();
            assert_eq!(patience(&silence), patient, "{waits} waits later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_first_that_is_awaited_to_the_first_that_is_heard() {
        let mut silence = Silence::default();
        let start = Instant::now();
        silence.awaits(start);
        tokio::time::advance(SECOND).await;
        silence.awaits(Instant::now());
        assert_eq!(silence.since(), Some(start));
        silence.find();
        assert!(silence.heard(Instant::now()));
        assert!(!silence.is_found() && silence.since().is_none());
    }
}
