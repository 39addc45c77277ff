//! Ready messages, in the order in which workers get them.
//!
//! Each priority is a lane. In a lane, every tenant has a queue for each route that its messages are pinned to, and a
//! turn: the number of the last time that it was served. Every route lists its tenants by turn. So the next message is
//! found without a look at those that wait for a route that is skipped, however many they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::Entry;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::Priority;

type Tenant = Option<Arc<str>>;
type Route = Option<Arc<str>>;

/// All ready messages.
#[derive(Debug, Default)]
pub(super) struct Ready {
    lanes: BTreeMap<Priority, Lane>,
}

/// Those of one priority.
#[derive(Debug, Default)]
struct Lane {
    turns: u64,
    tenants: BTreeMap<Tenant, Waiting>,
    /// The tenants with mail for each route, by turn.
    routes: BTreeMap<Route, BTreeSet<(u64, Tenant)>>,
}

/// Those of one tenant.
#[derive(Debug)]
struct Waiting {
    turn: u64,
    queues: BTreeMap<Route, BTreeSet<(Timestamp, QueueId)>>,
}

impl Ready {
    pub(super) fn insert(&mut self, entry: &Entry) {
        self.lanes.entry(entry.priority).or_default().insert(entry);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        if let Some(lane) = self.lanes.get_mut(&entry.priority) {
            lane.remove(entry);
        }
    }

    /// The message whose turn it is, leaving out those pinned to these routes. Its tenant is served now, and goes to the
    /// end of the row.
    pub(super) fn serve(&mut self, skip: &[String]) -> Option<QueueId> {
        self.lanes.values_mut().find_map(|lane| lane.serve(skip))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.tenants.is_empty())
    }

    /// Since when the oldest is ready.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let tenants = self.lanes.values().flat_map(|lane| lane.tenants.values());
        tenants.flat_map(|waiting| waiting.queues.values()).filter_map(|queue| Some(queue.first()?.0)).min()
    }
}

impl Lane {
    fn insert(&mut self, entry: &Entry) {
        let turns = &mut self.turns;
        // Who comes new joins at the end: or who sends one message at a time would always be first.
        let waiting = self.tenants.entry(entry.tenant.clone()).or_insert_with(|| {
            *turns += 1;
            Waiting { turn: *turns, queues: BTreeMap::new() }
        });
        let queue = waiting.queues.entry(entry.route.clone()).or_default();
        if queue.is_empty() {
            let place = (waiting.turn, entry.tenant.clone());
            self.routes.entry(entry.route.clone()).or_default().insert(place);
        }
        queue.insert((entry.due, entry.id));
    }

    fn remove(&mut self, entry: &Entry) {
        let Some(waiting) = self.tenants.get_mut(&entry.tenant) else { return };
        let Some(queue) = waiting.queues.get_mut(&entry.route) else { return };
        queue.remove(&(entry.due, entry.id));
        if !queue.is_empty() {
            return;
        }
        waiting.queues.remove(&entry.route);
        let place = (waiting.turn, entry.tenant.clone());
        if waiting.queues.is_empty() {
            self.tenants.remove(&entry.tenant);
        }
        if let Some(tenants) = self.routes.get_mut(&entry.route) {
            tenants.remove(&place);
            if tenants.is_empty() {
                self.routes.remove(&entry.route);
            }
        }
    }

    fn serve(&mut self, skip: &[String]) -> Option<QueueId> {
        let skipped = |route: &Route| route.as_deref().is_some_and(|route| skip.iter().any(|name| name == route));
        let next =
            self.routes.iter().filter(|(route, _)| !skipped(route)).filter_map(|(_, tenants)| tenants.first()).min();
        let place = next?.clone();
        let waiting = self.tenants.get_mut(&place.1)?;
        self.turns += 1;
        waiting.turn = self.turns;
        for route in waiting.queues.keys() {
            if let Some(tenants) = self.routes.get_mut(route) {
                tenants.remove(&place);
                tenants.insert((self.turns, place.1.clone()));
            }
        }
        let queues = waiting.queues.iter().filter(|(route, _)| !skipped(route));
        queues.filter_map(|(_, queue)| queue.first()).min().map(|(_, id)| *id)
    }
}
