//! Which route a message waits for.

use std::time::Duration;

use mailkit_queue::{Leased, QueueId, Settlement, Timestamp};
use tokio::time::Instant;

use crate::event::DeadReason;
use crate::lease_term::{ClockReading, LeaseTerm};
use crate::round::Other;
use crate::route::Route;
use crate::state::{Phase, State};

/// A message that names a route that nobody knows is looked at so often.
const UNKNOWN_ROUTE: Duration = Duration::from_secs(60);
/// A message that found its route's row full comes back after this, or up to twice that.
const OVERFLOW: Duration = Duration::from_secs(1);

/// Where there is room, as the leaser needs to know.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// How many messages to lease.
    pub(crate) messages: usize,
    /// Routes whose own messages are to be left in the queue.
    pub(crate) skip: Vec<String>,
    /// When there may be room without anything else happening.
    pub(crate) look_again: Option<Instant>,
    /// A route with room can only be filled with messages that are meant for it alone: look for some now and then.
    pub(crate) seldom: bool,
}

/// What a request for messages brought.
pub(crate) struct Batch {
    pub(crate) messages: Vec<Leased>,
    /// Read before the store was asked.
    pub(crate) requested_at: ClockReading,
    /// For how long they are leased.
    pub(crate) duration: Duration,
}

impl State {
    /// Where there is room now.
    pub(crate) fn room(&self, now: Instant) -> Room {
        let mut room = Room::default();
        if self.is_clogged() {
            return room;
        }
        let (mut level, mut elsewhere) = (None, 0);
        for place in self.by_preference() {
            let route = &self.routes[place];
            let free = match (route.is_open(), route.wants_probe(now)) {
                (true, _) => route.room(self.settings.local_wait, now),
                (false, true) => 1,
                (false, false) => 0,
            };
            if free == 0 {
                room.skip.push(route.settings.name.clone());
            }
            room.look_again = earliest(room.look_again, wakes_at(route, now));
            let (preference, is_shunned) = (self.preference(place), self.is_shunned(place, now));
            match level {
                Some(level) if level != preference => elsewhere += free,
                _ if is_shunned => elsewhere += free,
                _ => room.messages += free,
            }
            if route.is_open() && !route.returning && !is_shunned {
                level.get_or_insert(preference);
            }
        }
        room.look_again = earliest(room.look_again, self.listens_at(now));
        if room.messages == 0 && elsewhere > 0 {
            room.messages = elsewhere;
            room.seldom = true;
        }
        room
    }

    /// Whether so much room is free at a route that it is worth leasing more.
    pub(crate) fn has_room(&self, place: usize, now: Instant) -> bool {
        let Some(route) = self.routes.get(place) else { return false };
        let target = route.target(self.settings.local_wait, now);
        route.rows.len() <= target - target / 4 && route.rows.len() < target
    }

    /// Takes in what was leased.
    pub(crate) fn accept(&mut self, batch: Batch, now: Instant, clock: Timestamp) -> Vec<usize> {
        let Batch { messages, requested_at, duration } = batch;
        let mut touched = Vec::new();
        for message in messages {
            let token = message.lease.token();
            let term = LeaseTerm::new(token, requested_at, duration);
            if self.leases.insert(token.id, term).is_some() {
                // It waits here under a lease that has run out.
                self.forget_waiting(token.id);
            }
            let place = self.assign(Box::new(message), now, clock);
            touched.extend(place.filter(|place| !touched.contains(place)));
        }
        touched
    }

    /// Puts a message into the row of its route, or back into the queue. Returns the route.
    pub(crate) fn assign(&mut self, message: Box<Leased>, now: Instant, clock: Timestamp) -> Option<usize> {
        if self.phase != Phase::Running {
            // It was leased while the dispatcher was told to drain: nobody would take it out of a row.
            self.put_back(*message, Settlement::untouched());
            return None;
        }
        let place = match &message.route {
            Some(name) => {
                let place = self.routes.iter().position(|route| *route.settings.name == **name && !route.removed);
                if place.is_none() {
                    self.put_off_unknown(*message, clock);
                    return None;
                }
                place
            }
            None => self.choose(message.lease.id(), now),
        };
        let Some(place) = place else {
            self.put_back_homeless(*message, clock);
            return None;
        };
        let (probe, wait) = {
            let route = &self.routes[place];
            (route.wants_probe(now), wait_for(route, self.settings.local_wait, now))
        };
        if probe {
            self.routes[place].breaker.probe(now);
        } else if let Some(wait) = wait {
            let wait = wait + OVERFLOW.mul_f64(self.random.f64());
            self.put_off(*message, wait, clock);
            return None;
        }
        self.routes[place].rows.push(message);
        Some(place)
    }

    /// Gives a message back that no route takes now. Where routes that are open have passed it on, it waits: it would be
    /// leased for them again at once.
    fn put_back_homeless(&mut self, message: Leased, clock: Timestamp) {
        let id = message.lease.id();
        if self.rounds.get(id).is_none_or(|round| round.passed.is_empty()) {
            return self.put_back(message, Settlement::untouched());
        }
        self.rounds.end(id);
        let wait = self.settings.retry.wait(1, Duration::ZERO, self.random.f64());
        self.put_off(message, wait, clock);
    }

    fn put_off_unknown(&mut self, message: Leased, clock: Timestamp) {
        let name = message.route.clone().unwrap_or_default();
        tracing::warn!(queue_id = %message.lease.id(), route = name, "a message names a route that is not there");
        if clock - message.open_since > self.settings.retry.give_up_after {
            let words = format!("no route is named `{}`", name.escape_debug());
            self.bury(message, &name.into(), DeadReason::Age, &words);
        } else {
            self.put_off(message, UNKNOWN_ROUTE, clock);
        }
    }

    /// The route for a message that may take any: one that wants a probe, else among those of the lowest preference that
    /// are open by weight, those with room first. Routes that passed it on in this round are left out.
    fn choose(&mut self, id: QueueId, now: Instant) -> Option<usize> {
        let mut places = self.by_preference();
        if let Some(round) = self.rounds.get(id) {
            places.retain(|place| !round.has_passed(&self.routes[*place].name));
        }
        let mut start = 0;
        while start < places.len() {
            let preference = self.preference(places[start]);
            let end = start + places[start..].iter().take_while(|place| self.preference(**place) == preference).count();
            let level = &places[start..end];
            if let Some(place) = level.iter().find(|place| self.routes[**place].wants_probe(now)) {
                return Some(*place);
            }
            let is_open = |place: &usize| self.routes[*place].is_open() && !self.is_shunned(*place, now);
            let mut open: Vec<usize> = level.iter().copied().filter(is_open).collect();
            let local_wait = self.settings.local_wait;
            let has_room = |place: &usize| self.routes[*place].room(local_wait, now) > 0;
            if open.iter().any(has_room) {
                open.retain(has_room);
                return self.by_weight(&open);
            }
            if !open.iter().all(|place| self.routes[*place].returning) {
                return self.by_weight(&open);
            }
            start = end;
        }
        None
    }

    fn by_weight(&mut self, places: &[usize]) -> Option<usize> {
        if let [only] = places {
            return Some(*only);
        }
        let weight = |place: &usize| u64::from(self.routes[*place].settings.weight.get());
        let total: u64 = places.iter().map(weight).sum();
        let mut drawn = self.random.u64(0..total.max(1));
        places.iter().copied().find(|place| {
            let weight = u64::from(self.routes[*place].settings.weight.get());
            let hit = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            hit
        })
    }

    /// The other routes that may carry a message.
    pub(crate) fn others(&self, message: &Leased, place: usize, now: Instant) -> Vec<Other<'_>> {
        if message.route.is_some() {
            return Vec::new();
        }
        let round = self.rounds.get(message.lease.id());
        let others = self.routes.iter().enumerate().filter(|(other, route)| *other != place && !route.removed);
        let other = |(place, route)| {
            let route: &Route = route;
            let passed = round.and_then(|round| round.passed.iter().find(|passed| passed.route == route.name));
            let is_available = route.is_open() && !self.is_shunned(place, now) || route.wants_probe(now);
            Other { name: &route.name, is_available, passed }
        };
        others.map(other).collect()
    }

    /// Empties the row of a route that is closed: its messages go elsewhere, or back into the queue.
    pub(crate) fn redistribute(&mut self, place: usize, now: Instant, clock: Timestamp) -> Vec<usize> {
        let mut touched = Vec::new();
        let mut messages = Vec::new();
        while let Some(message) = self.routes[place].rows.pop() {
            messages.push(message);
        }
        for message in messages {
            let place = self.assign(message, now, clock);
            touched.extend(place.filter(|place| !touched.contains(place)));
        }
        touched
    }
}

/// For how long a message that comes to a route has to be put off; nothing where it may wait here.
fn wait_for(route: &Route, local_wait: Duration, now: Instant) -> Option<Duration> {
    if !route.is_open() {
        let until = route.suspended_until.or(route.breaker.probe_at()).filter(|at| *at > now);
        return Some(until.map_or(OVERFLOW, |at| at - now));
    }
    match route.target(local_wait, now) {
        0 => Some(wakes_at(route, now).map_or(OVERFLOW, |at| at - now)),
        _ => (route.rows.len() >= 2 * route.most_waiting(local_wait)).then_some(OVERFLOW),
    }
}

/// When something about a route changes by itself.
fn wakes_at(route: &Route, now: Instant) -> Option<Instant> {
    if route.paused || route.removed {
        return None;
    }
    if let Some(until) = route.suspended_until {
        return Some(until);
    }
    let limited = route.scope.look(crate::limit::Weight { recipients: 1 }, now);
    let probe = route.breaker.probe_at().filter(|at| *at > now);
    let reopen = route.reopen_at.filter(|at| *at > now && !route.rows.is_empty());
    earliest(earliest(limited, probe), reopen)
}

pub(crate) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
