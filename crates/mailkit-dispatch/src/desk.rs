//! Where all tasks meet: the queue, the state behind its lock, and what wakes whom.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mailkit_queue::{LeaseToken, Leased, Permit, Queue, Settlement, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::class::Class;
use crate::deliver::{Outcome, Trouble};
use crate::feedback::Aftermath;
use crate::flight::Flight;
use crate::jobs::Jobs;
use crate::lease_term::{BootClock, ClockReading};
use crate::state::{Phase, State};

pub(crate) struct Desk {
    pub(crate) queue: Arc<dyn Queue>,
    state: Mutex<State>,
    /// The leaser shall look again.
    pub(crate) changed: Notify,
    /// The settler has something to write down.
    pub(crate) outcomes: Notify,
    /// Somebody waits for an end: look again.
    pub(crate) progress: Notify,
    runtime: Handle,
    boot: BootClock,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(queue: Arc<dyn Queue>, state: State, runtime: Handle, boot: BootClock) -> Self {
        let (changed, outcomes, progress) = (Notify::new(), Notify::new(), Notify::new());
        Self { queue, state: Mutex::new(state), changed, outcomes, progress, runtime, boot }
    }

    /// The state. A panic elsewhere leaves it whole: nothing that may panic runs while it is changed.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.heard = state.listeners.as_ref().is_some_and(|listeners| listeners.receiver_count() > 0);
        state
    }

    pub(crate) fn clock(&self) -> Timestamp {
        self.queue.clock().now()
    }

    /// Both clocks by which a lease ends.
    pub(crate) fn read_clocks(&self) -> ClockReading {
        ClockReading { wall: self.clock(), boot: self.boot.now() }
    }

    /// Whether a lease of this dispatcher still runs.
    pub(crate) fn is_leased(&self, token: LeaseToken) -> bool {
        let now = self.read_clocks();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leases.get(&token.id).is_some_and(|term| term.token == token && !term.is_over(now))
    }

    /// Opens the lock; tells and wakes whoever is concerned by what was done under it.
    pub(crate) fn close(&self, mut state: MutexGuard<'_, State>) {
        let events = std::mem::take(&mut state.events);
        let listeners = state.listeners.as_ref().filter(|_| !events.is_empty()).cloned();
        let outcomes = !state.outbox.is_empty() && state.settling == 0;
        drop(state);
        for event in events {
            // It fails where nobody listens.
            let _ = listeners.as_ref().map(|listeners| listeners.send(event));
        }
        if outcomes {
            self.outcomes.notify_one();
        }
    }

    /// Takes in what came of a job.
    pub(crate) fn finish(self: &Arc<Self>, mut flight: Flight, outcome: Outcome) {
        let refused = outcome.trouble.as_ref().is_some_and(|trouble| trouble.fault.class.is_before_mail());
        let receipt = flight.receipt.take().filter(|_| refused);
        let (now, clock, place) = (Instant::now(), self.clock(), flight.route);
        let mut state = self.state();
        let aftermath = state.finish(flight, outcome, now, clock);
        self.look_after(&mut state, place, &aftermath, now, clock);
        self.close(state);
        self.refund(receipt);
    }

    /// A way could not be opened, or broke without a job on it.
    pub(crate) fn broken(self: &Arc<Self>, place: usize, way: u64, trouble: Trouble) {
        let (now, clock) = (Instant::now(), self.clock());
        let mut state = self.state();
        if state.routes[place].ways.get(&way).is_none_or(|way| way.left) {
            return;
        }
        tracing::warn!(
            route = &*state.routes[place].name,
            class = trouble.fault.class.name(),
            text = trouble.words,
            "connection failed"
        );
        let aftermath = state.broken(place, way, &trouble, now);
        let is_charged = state.is_last_hope(place, way);
        if aftermath.closed && !is_charged {
            self.look_after(&mut state, place, &aftermath, now, clock);
        } else if let Some(message) = is_charged.then(|| state.routes[place].rows.pop()).flatten() {
            // A message whose only route cannot be reached has been tried.
            let flight = Flight { message, route: place, way, taken: now, receipt: None, departed: None, check: None };
            state.charge(flight, trouble, now, clock);
            self.look_after(&mut state, place, &aftermath, now, clock);
        }
        self.close(state);
    }

    /// A call of `deliver` unwinds. The jobs that it had failed by that; where it had none, the way did.
    pub(crate) fn panicked(self: &Arc<Self>, place: usize, way: u64) {
        let is_idle = self.state().routes[place].ways.get(&way).is_some_and(|way| !way.carried);
        if is_idle {
            self.broken(
                place,
                way,
                Trouble::new(Class::Defect, "the sending program panicked before it took a message"),
            );
        }
    }

    pub(crate) fn look_after(
        self: &Arc<Self>,
        state: &mut State,
        place: usize,
        aftermath: &Aftermath,
        now: Instant,
        clock: Timestamp,
    ) {
        if aftermath.closed {
            for place in state.redistribute(place, now, clock) {
                self.staff(state, place, now);
            }
            self.changed.notify_one();
        }
        if aftermath.grown {
            self.staff(state, place, now);
            self.changed.notify_one();
        }
    }

    /// Wakes as many ways of a route as there are messages for, and opens new ones where those are too few.
    pub(crate) fn staff(self: &Arc<Self>, state: &mut State, place: usize, now: Instant) {
        if state.phase != Phase::Running || state.is_clogged() {
            return;
        }
        let Some(route) = state.routes.get_mut(place) else { return };
        let waiting = route.rows.len();
        if waiting == 0 || route.is_held() {
            return;
        }
        if !route.breaker.is_closed() {
            // The one message that assign() let in is the probe.
            if route.ways.values().all(|way| !way.probe || way.left) {
                self.open_way(state, place, true);
            }
            return;
        }
        if route.is_busy() {
            route.silence.awaits_turn(now);
        }
        let woken = waiting.min(route.parked.len());
        for (_, waker) in route.parked.drain(..woken) {
            waker.wake();
        }
        if route.reopen_at.is_some_and(|at| at > now) {
            return;
        }
        let allowed = (route.window.size() as usize).saturating_sub(route.working());
        if allowed == 0 {
            return;
        }
        for _ in 0..waiting.saturating_sub(woken + route.opening).min(allowed) {
            self.open_way(state, place, false);
        }
    }

    /// Looks after the ways of all routes.
    pub(crate) fn staff_all(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        for place in 0..state.routes.len() {
            self.staff(state, place, now);
        }
    }

    fn open_way(self: &Arc<Self>, state: &mut State, place: usize, probe: bool) {
        let id = state.count_up();
        let route = &mut state.routes[place];
        let deliver = Arc::clone(&route.deliver);
        route.ways.insert(id, crate::route::Way { probe, ..Default::default() });
        route.opening += 1;
        route.silence.awaits(Instant::now());
        let desk = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            // Made in here: a runtime that has ended drops the future at once, and `Jobs` would ask for the lock again.
            let mut jobs = Jobs::new(desk, place, id);
            deliver.deliver(&mut jobs).await;
        });
        if let Some(way) = route.ways.get_mut(&id) {
            way.abort = Some(task.abort_handle());
        }
    }

    /// A call of `deliver` has returned.
    pub(crate) fn way_ended(self: &Arc<Self>, place: usize, id: u64) {
        let (now, clock) = (Instant::now(), self.clock());
        let mut state = self.state();
        let Some(route) = state.routes.get_mut(place) else { return };
        route.parked.retain(|(parked, _)| *parked != id);
        let way = route.ways.remove(&id);
        let Some(way) = way else { return };
        let is_new = !way.left && route.reopen_at.is_none_or(|at| at <= now);
        if !way.carried && !way.probe && !route.rows.is_empty() && is_new {
            // It carried nothing though there was something: no reason to try again at once.
            route.put_off_opening(now);
        }
        let is_probe = |way: &crate::route::Way| way.probe && !way.left;
        if is_probe(&way) && !route.breaker.is_closed() && !route.ways.values().any(is_probe) {
            route.breaker.probe_ended();
        }
        route.opening -= usize::from(!way.open);
        route.left -= usize::from(way.left);
        state.ended_unheard(place, now);
        let route = &state.routes[place];
        let mut touched = vec![place];
        if !route.is_open() {
            touched = state.redistribute(place, now, clock);
        }
        for place in touched {
            self.staff(&mut state, place, now);
        }
        self.changed.notify_one();
        self.progress.notify_waiters();
        self.close(state);
    }

    /// Gives back what a message paid that did not go out.
    pub(crate) fn refund(&self, receipt: Option<Permit>) {
        let Some(receipt) = receipt else { return };
        let queue = Arc::clone(&self.queue);
        // Where that fails, the quota has room a window later: never too much.
        self.runtime.spawn(async move { queue.release(receipt).await });
    }

    /// Takes back a message that a way had and did not carry.
    pub(crate) fn return_message(self: &Arc<Self>, place: usize, message: Box<Leased>) {
        let now = Instant::now();
        let mut state = self.state();
        match state.phase {
            Phase::Running if state.goes_on(place, now) => {
                state.routes[place].rows.push_front(message);
                self.staff(&mut state, place, now);
            }
            _ => state.put_back(*message, Settlement::untouched()),
        }
        self.close(state);
    }
}
