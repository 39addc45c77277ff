//! The mutable state of a dispatcher, behind one lock that is never held across an await.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{LeaseToken, Leased, Next, QueueId, Settlement, Timestamp};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::by_id::ById;
use super::deliver::Deliver;
use super::event::{DeadReason, Event};
use super::events::EVENT_BUFFER;
use super::lease_term::LeaseTerm;
use super::limit::Scopes;
use super::route::Route;
use super::route_cycle::RouteCycles;
use super::route_settings::RouteSettings;
use super::settings::Settings;
use crate::classify::FailureClass;

/// The number of outcomes that may wait to be stored before nothing more is sent.
const MAX_UNSETTLED: usize = 1_024;

/// The phase of the life of a dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// Nothing new is leased or handed out.
    Draining,
    /// Shut down, or stopped because the store has failed.
    Stopped,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) settings: Settings,
    pub(crate) routes: Vec<Route>,
    pub(crate) tenants: Scopes,
    /// All leases of this dispatcher.
    pub(crate) leases: ById<LeaseTerm>,
    /// Whether a lease request is in flight.
    pub(crate) leasing: bool,
    /// Settlements to be stored.
    pub(crate) unsettled: Vec<PendingSettlement>,
    /// The number of settlements being stored.
    pub(crate) settling: usize,
    /// How often the delivery panicked on a message or dropped it.
    pub(crate) defects: HashMap<QueueId, u32>,
    /// Which routes have declined messages in the current cycle.
    pub(crate) route_cycles: RouteCycles,
    /// Whether the store is unavailable.
    pub(crate) store_unavailable: bool,
    pub(crate) dead: BTreeMap<DeadReason, u64>,
    pub(crate) random: fastrand::Rng,
    /// The last number given to a slot or to a pass over a ready queue.
    pub(crate) counter: u64,
    /// Whether the leaser waits for room.
    pub(crate) leaser_waits: bool,
    /// Events to be sent after unlocking.
    pub(crate) events: Vec<Event>,
    /// Whether anybody subscribes to events.
    pub(crate) has_subscribers: bool,
    /// The sender of events; `None` once the dispatcher has stopped.
    pub(crate) event_sender: Option<broadcast::Sender<Event>>,
}

/// A settlement that the queue has not stored yet.
#[derive(Debug)]
pub(crate) struct PendingSettlement {
    pub(crate) token: LeaseToken,
    pub(crate) settlement: Settlement,
    /// The details of the event to emit once it is stored; `None` for a message that was not tried.
    pub(crate) event: Option<EventDetails>,
}

#[derive(Debug)]
pub(crate) struct EventDetails {
    pub(crate) route: Arc<str>,
    pub(crate) class: Option<FailureClass>,
    pub(crate) dead: DeadReason,
}

impl State {
    pub(crate) fn new(settings: Settings, routes: Vec<Route>) -> Self {
        let random = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            phase: Phase::Running,
            tenants: Scopes::new("tenant".to_owned(), settings.tenants.clone()),
            settings,
            routes,
            leases: ById::default(),
            leasing: false,
            unsettled: Vec::new(),
            settling: 0,
            defects: HashMap::new(),
            route_cycles: RouteCycles::default(),
            store_unavailable: false,
            dead: BTreeMap::new(),
            random,
            counter: 0,
            leaser_waits: false,
            events: Vec::new(),
            has_subscribers: false,
            event_sender: Some(broadcast::channel(EVENT_BUFFER).0),
        }
    }

    pub(crate) const fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Whether nothing may be handed out, because outcomes cannot be stored.
    pub(crate) const fn is_backed_up(&self) -> bool {
        self.store_unavailable || self.unsettled.len() + self.settling > MAX_UNSETTLED
    }

    /// Returns a message that was not tried to the queue.
    pub(crate) fn abandon(&mut self, message: Leased, settlement: Settlement) {
        self.unsettled.push(PendingSettlement { token: message.token, settlement, event: None });
    }

    /// Returns a message to the queue, to be leased again after a wait.
    pub(crate) fn reschedule(&mut self, message: Leased, wait: Duration, clock: Timestamp) {
        self.abandon(message, Settlement::not_before(clock + wait.max(Duration::from_millis(1))));
    }

    /// Makes a message that cannot be tried dead.
    pub(crate) fn dead_letter(&mut self, message: Leased, route: &Arc<str>, reason: DeadReason, text: &str) {
        let settlement = Settlement::untouched().with_text(text).with_next(Next::Dead);
        let event = EventDetails { route: Arc::clone(route), class: None, dead: reason };
        self.unsettled.push(PendingSettlement { token: message.token, settlement, event: Some(event) });
    }

    pub(crate) fn emit(&mut self, event: impl FnOnce() -> Event) {
        if self.has_subscribers {
            self.events.push(event());
        }
    }

    pub(crate) fn emit_route_changed(&mut self, index: usize, now: Instant) {
        let Some(route) = self.routes.get(index) else { return };
        let (name, breaker, paused) = (Arc::clone(&route.name), route.breaker_state(now), route.paused);
        tracing::info!(route = &*name, breaker = breaker.as_str(), paused, "route changed");
        self.emit(|| Event::RouteChanged { route: name, breaker, paused });
    }

    /// Replaces the settings. Routes that are no longer named keep their index, unavailable.
    pub(crate) fn apply_plan(
        &mut self,
        settings: Settings,
        routes: Vec<(RouteSettings, Arc<dyn Deliver>)>,
        now: Instant,
    ) {
        self.tenants.update(&settings.tenants, now);
        self.route_cycles.clear();
        self.settings = settings;
        for route in &mut self.routes {
            route.removed = true;
        }
        for (position, (mut settings, deliver)) in (0..).zip(routes) {
            settings.preference.get_or_insert(position);
            match self.routes.iter_mut().find(|route| route.settings.name == settings.name) {
                Some(route) => route.update(settings, deliver, now),
                None => self.routes.push(Route::new(settings, deliver)),
            }
        }
    }

    /// Whether every message that was leased is settled.
    pub(crate) fn is_idle(&self) -> bool {
        !self.leasing && self.leases.is_empty() && self.unsettled.is_empty() && self.settling == 0
    }

    /// Forgets leases that the store says are lost, with the messages that wait under them.
    pub(crate) fn forget_lost_leases(&mut self, tokens: &[LeaseToken]) {
        for token in tokens {
            if self.forget_lease(*token) {
                self.forget_waiting(token.id);
            }
        }
    }

    /// Forgets a lease. Returns whether it was known; a newer lease of the same message stays.
    pub(crate) fn forget_lease(&mut self, token: LeaseToken) -> bool {
        match self.leases.entry(token.id) {
            Entry::Occupied(held) if held.get().token == token => {
                held.remove();
                true
            }
            _ => false,
        }
    }

    /// Removes a message from the ready queues.
    pub(crate) fn forget_waiting(&mut self, id: QueueId) {
        for route in &mut self.routes {
            route.ready.forget(id);
        }
    }

    /// The indexes of the routes, those of the lowest preference first.
    pub(crate) fn by_preference(&self) -> Vec<usize> {
        let mut indexes: Vec<usize> = (0..self.routes.len()).collect();
        indexes.sort_by_key(|index| (self.preference(*index), *index));
        indexes
    }

    pub(crate) fn preference(&self, index: usize) -> u32 {
        let position = u32::try_from(index).unwrap_or(u32::MAX);
        self.routes.get(index).and_then(|route| route.settings.preference).unwrap_or(position)
    }
}
