//! Which route a leased message is assigned to.

use std::time::Duration;

use mailkit_queue::{Leased, QueueId, Settlement, Timestamp};
use tokio::time::Instant;

use super::event::DeadReason;
use super::lease_term::{ClockReading, LeaseTerm};
use super::route::Route;
use super::route_cycle::AlternativeRoute;
use super::state::{Phase, State};

/// The wait of a message whose route does not exist.
const UNKNOWN_ROUTE_WAIT: Duration = Duration::from_secs(60);
/// The wait of a message whose route has a full ready queue; jitter makes it up to twice as long.
const OVERFLOW_WAIT: Duration = Duration::from_secs(1);

/// How many messages the leaser should lease, and when to compute that again.
#[derive(Debug, Default)]
pub(crate) struct Capacity {
    /// How many messages to lease.
    pub(crate) messages: usize,
    /// Routes without room: their pinned messages stay in the queue.
    pub(crate) skip: Vec<String>,
    /// When the capacity may change without any other event.
    pub(crate) recheck_at: Option<Instant>,
    /// Only routes that take pinned messages alone have room: lease a small sample from time to time to find some.
    pub(crate) is_sample: bool,
}

/// The result of a lease request.
pub(crate) struct Batch {
    pub(crate) messages: Vec<Leased>,
    /// The time before the request was sent.
    pub(crate) requested_at: ClockReading,
    /// The duration of the leases.
    pub(crate) duration: Duration,
}

impl State {
    /// How many more messages the routes can take now.
    pub(crate) fn capacity(&self, now: Instant) -> Capacity {
        let mut room = Capacity::default();
        if self.is_backed_up() {
            return room;
        }
        let (mut level, mut elsewhere) = (None, 0);
        for index in self.by_preference() {
            let route = &self.routes[index];
            let free = match (route.is_open(), route.wants_probe(now)) {
                (true, _) => route.room(self.settings.max_local_wait, now),
                (false, true) => 1,
                (false, false) => 0,
            };
            if free == 0 {
                room.skip.push(route.settings.name.clone());
            }
            room.recheck_at = earliest(room.recheck_at, recheck_at(route, now));
            let (preference, is_avoided) = (self.preference(index), self.is_avoided(index, now));
            match level {
                Some(level) if level != preference => elsewhere += free,
                _ if is_avoided => elsewhere += free,
                _ => room.messages += free,
            }
            if route.is_open() && !route.recovering && !is_avoided {
                level.get_or_insert(preference);
            }
        }
        room.recheck_at = earliest(room.recheck_at, self.liveness_check_at(now));
        if room.messages == 0 && elsewhere > 0 {
            room.messages = elsewhere;
            room.is_sample = true;
        }
        room
    }

    /// Whether a route has enough room to make another lease request worthwhile.
    pub(crate) fn has_room(&self, index: usize, now: Instant) -> bool {
        let Some(route) = self.routes.get(index) else { return false };
        let target = route.target(self.settings.max_local_wait, now);
        route.ready.len() <= target - target / 4 && route.ready.len() < target
    }

    /// Assigns leased messages to routes. Returns the routes that got some.
    pub(crate) fn accept(&mut self, batch: Batch, now: Instant, clock: Timestamp) -> Vec<usize> {
        let Batch { messages, requested_at, duration } = batch;
        let mut touched = Vec::new();
        for message in messages {
            let token = message.token;
            let term = LeaseTerm::new(token, requested_at, duration);
            if self.leases.insert(token.id, term).is_some() {
                // It is still in a ready queue, under an expired lease.
                self.forget_waiting(token.id);
            }
            let index = self.assign(Box::new(message), now, clock);
            touched.extend(index.filter(|index| !touched.contains(index)));
        }
        touched
    }

    /// Puts a message into the ready queue of a route, or abandons or reschedules it. Returns the route.
    pub(crate) fn assign(&mut self, message: Box<Leased>, now: Instant, clock: Timestamp) -> Option<usize> {
        if self.phase != Phase::Running {
            // The dispatcher began to drain while the lease request was in flight: the message would not be sent.
            self.abandon(*message, Settlement::untouched());
            return None;
        }
        let index = match &message.route {
            Some(name) => {
                let index = self.routes.iter().position(|route| *route.settings.name == **name && !route.removed);
                if index.is_none() {
                    self.reschedule_unknown_route(*message, clock);
                    return None;
                }
                index
            }
            None => self.choose_route(message.id(), now),
        };
        let Some(index) = index else {
            self.return_unroutable(*message, clock);
            return None;
        };
        let (probe, wait) = {
            let route = &self.routes[index];
            (route.wants_probe(now), defer_for(route, self.settings.max_local_wait, now))
        };
        if probe {
            self.routes[index].breaker.probe(now);
        } else if let Some(wait) = wait {
            let wait = wait + OVERFLOW_WAIT.mul_f64(self.random.f64());
            self.reschedule(*message, wait, clock);
            return None;
        }
        self.routes[index].ready.push(message);
        Some(index)
    }

    /// Returns a message that no route takes now to the queue. If available routes have declined it, it is rescheduled:
    /// otherwise it would be leased for them again at once.
    fn return_unroutable(&mut self, message: Leased, clock: Timestamp) {
        let id = message.id();
        if self.route_cycles.get(id).is_none_or(|cycle| cycle.declined.is_empty()) {
            return self.abandon(message, Settlement::untouched());
        }
        self.route_cycles.end(id);
        let wait = self.settings.retry.wait(1, Duration::ZERO, self.random.f64());
        self.reschedule(message, wait, clock);
    }

    fn reschedule_unknown_route(&mut self, message: Leased, clock: Timestamp) {
        let name = message.route.clone().unwrap_or_default();
        tracing::warn!(queue_id = %message.id(), route = name, "the route that the message is pinned to does not exist");
        if clock - message.open_since > self.settings.retry.give_up_after {
            let text = format!("no route is named `{}`", name.escape_debug());
            self.dead_letter(message, &name.into(), DeadReason::Age, &text);
        } else {
            self.reschedule(message, UNKNOWN_ROUTE_WAIT, clock);
        }
    }

    /// The route for a message that is not pinned: one that needs a probe, else one of the available routes with the
    /// lowest preference, drawn by weight among those with room. Routes that declined the message in this cycle are
    /// left out.
    fn choose_route(&mut self, id: QueueId, now: Instant) -> Option<usize> {
        let mut indexes = self.by_preference();
        if let Some(cycle) = self.route_cycles.get(id) {
            indexes.retain(|index| !cycle.has_declined(&self.routes[*index].name));
        }
        let mut start = 0;
        while start < indexes.len() {
            let preference = self.preference(indexes[start]);
            let end =
                start + indexes[start..].iter().take_while(|index| self.preference(**index) == preference).count();
            let level = &indexes[start..end];
            if let Some(index) = level.iter().find(|index| self.routes[**index].wants_probe(now)) {
                return Some(*index);
            }
            let is_open = |index: &usize| self.routes[*index].is_open() && !self.is_avoided(*index, now);
            let mut open: Vec<usize> = level.iter().copied().filter(is_open).collect();
            let max_local_wait = self.settings.max_local_wait;
            let has_room = |index: &usize| self.routes[*index].room(max_local_wait, now) > 0;
            if open.iter().any(has_room) {
                open.retain(has_room);
                return self.draw_by_weight(&open);
            }
            if !open.iter().all(|index| self.routes[*index].recovering) {
                return self.draw_by_weight(&open);
            }
            start = end;
        }
        None
    }

    fn draw_by_weight(&mut self, indexes: &[usize]) -> Option<usize> {
        if let [only] = indexes {
            return Some(*only);
        }
        let weight = |index: &usize| u64::from(self.routes[*index].settings.weight.get());
        let total: u64 = indexes.iter().map(weight).sum();
        let mut drawn = self.random.u64(0..total.max(1));
        indexes.iter().copied().find(|index| {
            let weight = u64::from(self.routes[*index].settings.weight.get());
            let hit = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            hit
        })
    }

    /// The other routes that a message may use.
    pub(crate) fn alternatives(&self, message: &Leased, index: usize, now: Instant) -> Vec<AlternativeRoute<'_>> {
        if message.route.is_some() {
            return Vec::new();
        }
        let cycle = self.route_cycles.get(message.id());
        let others = self.routes.iter().enumerate().filter(|(other, route)| *other != index && !route.removed);
        let other = |(index, route)| {
            let route: &Route = route;
            let declined = cycle.and_then(|cycle| cycle.declined.iter().find(|declined| declined.route == route.name));
            let is_available = route.is_open() && !self.is_avoided(index, now) || route.wants_probe(now);
            AlternativeRoute { name: &route.name, is_available, declined }
        };
        others.map(other).collect()
    }

    /// Empties the ready queue of an unavailable route: its messages go to other routes or back into the queue.
    pub(crate) fn redistribute(&mut self, index: usize, now: Instant, clock: Timestamp) -> Vec<usize> {
        let mut touched = Vec::new();
        let mut messages = Vec::new();
        while let Some(message) = self.routes[index].ready.pop() {
            messages.push(message);
        }
        for message in messages {
            let index = self.assign(message, now, clock);
            touched.extend(index.filter(|index| !touched.contains(index)));
        }
        touched
    }
}

/// How long a message for this route has to be rescheduled; `None` if it may wait in the ready queue.
fn defer_for(route: &Route, max_local_wait: Duration, now: Instant) -> Option<Duration> {
    if !route.is_open() {
        let until = route.suspended_until.or(route.breaker.probe_at()).filter(|at| *at > now);
        return Some(until.map_or(OVERFLOW_WAIT, |at| at - now));
    }
    match route.target(max_local_wait, now) {
        0 => Some(recheck_at(route, now).map_or(OVERFLOW_WAIT, |at| at - now)),
        _ => (route.ready.len() >= 2 * route.max_waiting(max_local_wait)).then_some(OVERFLOW_WAIT),
    }
}

/// When the state of a route changes without any other event.
fn recheck_at(route: &Route, now: Instant) -> Option<Instant> {
    if route.paused || route.removed {
        return None;
    }
    if let Some(until) = route.suspended_until {
        return Some(until);
    }
    let throttled = route.scope.ready_at(super::limit::Weight { recipients: 1 }, now);
    let probe = route.breaker.probe_at().filter(|at| *at > now);
    let reopen = route.reopen_at.filter(|at| *at > now && !route.ready.is_empty());
    earliest(earliest(throttled, probe), reopen)
}

pub(crate) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
