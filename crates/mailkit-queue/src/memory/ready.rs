//! Ready messages in the order in which workers lease them.
//!
//! There is one bucket for each priority. In a bucket, every tenant has a queue for each route that its messages are pinned
//! to, and a turn: the number of the last lease from this tenant. Every route lists its tenants by turn. So the time to find
//! the next message does not depend on the number of messages that wait for skipped routes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::Entry;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::Priority;
use crate::text::Tenant;

type TenantKey = Option<Tenant>;
type Route = Option<Arc<str>>;

/// All ready messages.
#[derive(Debug, Default)]
pub(super) struct Ready {
    buckets: BTreeMap<Priority, ReadyBucket>,
}

/// The ready messages of one priority.
#[derive(Debug, Default)]
struct ReadyBucket {
    turns: u64,
    tenants: BTreeMap<TenantKey, TenantQueues>,
    /// The tenants with mail for each route, by turn.
    routes: BTreeMap<Route, BTreeSet<(u64, TenantKey)>>,
}

/// The ready messages of one tenant.
#[derive(Debug)]
struct TenantQueues {
    turn: u64,
    queues: BTreeMap<Route, BTreeSet<(Timestamp, QueueId)>>,
}

impl Ready {
    pub(super) fn insert(&mut self, entry: &Entry) {
        self.buckets.entry(entry.priority).or_default().insert(entry);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        if let Some(bucket) = self.buckets.get_mut(&entry.priority) {
            bucket.remove(entry);
        }
    }

    /// The next message, except those pinned to the skipped routes. Its tenant has the last turn from now on.
    pub(super) fn serve(&mut self, skip: &[String]) -> Option<QueueId> {
        self.buckets.values_mut().find_map(|bucket| bucket.serve(skip))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.values().all(|bucket| bucket.tenants.is_empty())
    }

    /// Since when the oldest message has been ready.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let tenants = self.buckets.values().flat_map(|bucket| bucket.tenants.values());
        tenants.flat_map(|waiting| waiting.queues.values()).filter_map(|queue| Some(queue.first()?.0)).min()
    }
}

impl ReadyBucket {
    fn insert(&mut self, entry: &Entry) {
        let turns = &mut self.turns;
        // A new tenant gets the last turn. Otherwise a tenant that sends one message at a time would always be first.
        let waiting = self.tenants.entry(entry.tenant.clone()).or_insert_with(|| {
            *turns += 1;
            TenantQueues { turn: *turns, queues: BTreeMap::new() }
        });
        let queue = waiting.queues.entry(entry.route.clone()).or_default();
        if queue.is_empty() {
            let position = (waiting.turn, entry.tenant.clone());
            self.routes.entry(entry.route.clone()).or_default().insert(position);
        }
        queue.insert((entry.lifecycle.due, entry.id));
    }

    fn remove(&mut self, entry: &Entry) {
        let Some(waiting) = self.tenants.get_mut(&entry.tenant) else { return };
        let Some(queue) = waiting.queues.get_mut(&entry.route) else { return };
        queue.remove(&(entry.lifecycle.due, entry.id));
        if !queue.is_empty() {
            return;
        }
        waiting.queues.remove(&entry.route);
        let position = (waiting.turn, entry.tenant.clone());
        if waiting.queues.is_empty() {
            self.tenants.remove(&entry.tenant);
        }
        if let Some(tenants) = self.routes.get_mut(&entry.route) {
            tenants.remove(&position);
            if tenants.is_empty() {
                self.routes.remove(&entry.route);
            }
        }
    }

    fn serve(&mut self, skip: &[String]) -> Option<QueueId> {
        let skipped = |route: &Route| route.as_deref().is_some_and(|route| skip.iter().any(|name| name == route));
        let next =
            self.routes.iter().filter(|(route, _)| !skipped(route)).filter_map(|(_, tenants)| tenants.first()).min();
        let position = next?.clone();
        let waiting = self.tenants.get_mut(&position.1)?;
        self.turns += 1;
        waiting.turn = self.turns;
        for route in waiting.queues.keys() {
            if let Some(tenants) = self.routes.get_mut(route) {
                tenants.remove(&position);
                tenants.insert((self.turns, position.1.clone()));
            }
        }
        let queues = waiting.queues.iter().filter(|(route, _)| !skipped(route));
        queues.filter_map(|(_, queue)| queue.first()).min().map(|(_, id)| *id)
    }
}
