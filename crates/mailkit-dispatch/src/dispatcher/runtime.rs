//! What all tasks share: the queue, the state behind its lock, and the notifications between tasks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mailkit_queue::{LeaseToken, Leased, Permit, Queue, Settlement, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::deliver::{DeliveryFailure, Outcome};
use super::feedback::RouteEffect;
use super::in_flight::InFlight;
use super::jobs::Jobs;
use super::lease_term::{BootClock, ClockReading};
use super::state::{Phase, State};
use crate::classify::FailureClass;

pub(crate) struct Shared {
    pub(crate) queue: Arc<dyn Queue>,
    state: Mutex<State>,
    /// Wakes the leaser.
    pub(crate) changed: Notify,
    /// Wakes the settler.
    pub(crate) outcomes: Notify,
    /// Wakes tasks that wait for the queue or the dispatcher to become idle.
    pub(crate) progress: Notify,
    runtime: Handle,
    boot: BootClock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(queue: Arc<dyn Queue>, state: State, runtime: Handle, boot: BootClock) -> Self {
        let (changed, outcomes, progress) = (Notify::new(), Notify::new(), Notify::new());
        Self { queue, state: Mutex::new(state), changed, outcomes, progress, runtime, boot }
    }

    /// Locks the state. A poisoned lock is used: no code that may panic runs while the state is changed.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_subscribers =
            state.event_sender.as_ref().is_some_and(|event_sender| event_sender.receiver_count() > 0);
        state
    }

    pub(crate) fn clock(&self) -> Timestamp {
        self.queue.clock().now()
    }

    /// Both clocks by which a lease ends.
    pub(crate) fn read_clocks(&self) -> ClockReading {
        ClockReading { wall: self.clock(), boot: self.boot.now() }
    }

    /// Whether a lease of this dispatcher is still valid.
    pub(crate) fn is_leased(&self, token: LeaseToken) -> bool {
        let now = self.read_clocks();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leases.get(&token.id).is_some_and(|term| term.token == token && !term.is_over(now))
    }

    /// Unlocks the state, then sends the events and wakes the settler.
    pub(crate) fn close(&self, mut state: MutexGuard<'_, State>) {
        let events = std::mem::take(&mut state.events);
        let event_sender = state.event_sender.as_ref().filter(|_| !events.is_empty()).cloned();
        let outcomes = !state.unsettled.is_empty() && state.settling == 0;
        drop(state);
        for event in events {
            // This fails if nobody subscribes.
            let _ = event_sender.as_ref().map(|event_sender| event_sender.send(event));
        }
        if outcomes {
            self.outcomes.notify_one();
        }
    }

    /// Applies the outcome of a job.
    pub(crate) fn finish(self: &Arc<Self>, mut in_flight: InFlight, outcome: Outcome) {
        let refused = outcome.failure.as_ref().is_some_and(|failure| failure.fault.class.is_before_mail());
        let permit = in_flight.permit.take().filter(|_| refused);
        let (now, clock, index) = (Instant::now(), self.clock(), in_flight.route);
        let mut state = self.state();
        let effect = state.finish(in_flight, outcome, now, clock);
        self.apply_effect(&mut state, index, &effect, now, clock);
        self.close(state);
        self.release_permit(permit);
    }

    /// A slot could not connect, or lost its connection without a job in flight.
    pub(crate) fn connection_failed(self: &Arc<Self>, index: usize, slot: u64, failure: DeliveryFailure) {
        let (now, clock) = (Instant::now(), self.clock());
        let mut state = self.state();
        if state.routes[index].slots.get(&slot).is_none_or(|slot| slot.detached) {
            return;
        }
        let effect = state.connection_failed(index, slot, &failure, now);
        state.log_connection_failure(index, &failure, now);
        let is_counted = state.is_only_slot(index, slot);
        if effect.closed && !is_counted {
            self.apply_effect(&mut state, index, &effect, now, clock);
        } else if let Some(message) = is_counted.then(|| state.routes[index].ready.pop()).flatten() {
            // The attempt is recorded for a message whose only route cannot be reached.
            let in_flight =
                InFlight { message, route: index, slot, started_at: now, permit: None, committed: None, check: None };
            state.count_as_attempt(in_flight, failure, now, clock);
            self.apply_effect(&mut state, index, &effect, now, clock);
        }
        self.close(state);
    }

    /// A call of `deliver` panicked. Its jobs have failed; if it had none, the connection counts as failed.
    pub(crate) fn panicked(self: &Arc<Self>, index: usize, slot: u64) {
        let is_idle = self.state().routes[index].slots.get(&slot).is_some_and(|slot| !slot.had_job);
        if is_idle {
            self.connection_failed(
                index,
                slot,
                DeliveryFailure::new(FailureClass::Defect, "the delivery panicked before it took a message"),
            );
        }
    }

    pub(crate) fn apply_effect(
        self: &Arc<Self>,
        state: &mut State,
        index: usize,
        effect: &RouteEffect,
        now: Instant,
        clock: Timestamp,
    ) {
        if effect.closed {
            for index in state.redistribute(index, now, clock) {
                self.scale_slots(state, index, now);
            }
            self.changed.notify_one();
        }
        if effect.grown {
            self.scale_slots(state, index, now);
            self.changed.notify_one();
        }
    }

    /// Wakes idle slots of a route for the messages in its ready queue, and opens more slots if those are too few.
    pub(crate) fn scale_slots(self: &Arc<Self>, state: &mut State, index: usize, now: Instant) {
        if state.phase != Phase::Running || state.is_backed_up() {
            return;
        }
        let Some(route) = state.routes.get_mut(index) else { return };
        let waiting = route.ready.len();
        if waiting == 0 || route.is_disabled() {
            return;
        }
        if !route.breaker.is_closed() {
            // The one message that assign() put into the ready queue is the probe.
            if route.slots.values().all(|slot| !slot.probe || slot.detached) {
                self.open_slot(state, index, true);
            }
            return;
        }
        if route.is_busy() {
            route.liveness.expect_slot(now);
        }
        let woken = waiting.min(route.parked.len());
        for (_, waker) in route.parked.drain(..woken) {
            waker.wake();
        }
        if route.reopen_at.is_some_and(|at| at > now) {
            return;
        }
        let allowed = (route.concurrency.current() as usize).saturating_sub(route.active_slots());
        if allowed == 0 {
            return;
        }
        for _ in 0..waiting.saturating_sub(woken + route.opening).min(allowed) {
            self.open_slot(state, index, false);
        }
    }

    /// Does the same for all routes.
    pub(crate) fn scale_all_slots(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        for index in 0..state.routes.len() {
            self.scale_slots(state, index, now);
        }
    }

    fn open_slot(self: &Arc<Self>, state: &mut State, index: usize, probe: bool) {
        let id = state.next_number();
        let route = &mut state.routes[index];
        let deliver = Arc::clone(&route.deliver);
        route.slots.insert(id, super::route::Slot { probe, ..Default::default() });
        route.opening += 1;
        route.liveness.expect_response(Instant::now());
        let shared = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            // Created inside: a runtime that has ended drops the future at once, and dropping `Jobs` would lock the
            // state again.
            let mut jobs = Jobs::new(shared, index, id);
            deliver.deliver(&mut jobs).await;
        });
        if let Some(slot) = route.slots.get_mut(&id) {
            slot.abort = Some(task.abort_handle());
        }
    }

    /// A call of `deliver` has returned.
    pub(crate) fn slot_ended(self: &Arc<Self>, index: usize, id: u64) {
        let (now, clock) = (Instant::now(), self.clock());
        let mut state = self.state();
        let Some(route) = state.routes.get_mut(index) else { return };
        route.parked.retain(|(parked, _)| *parked != id);
        let slot = route.slots.remove(&id);
        let Some(slot) = slot else { return };
        let is_new = !slot.detached && route.reopen_at.is_none_or(|at| at <= now);
        if !slot.had_job && !slot.probe && !route.ready.is_empty() && is_new {
            // It took no message although one waited: do not open another slot at once.
            route.delay_opening(now);
        }
        let is_probe = |slot: &super::route::Slot| slot.probe && !slot.detached;
        if is_probe(&slot) && !route.breaker.is_closed() && !route.slots.values().any(is_probe) {
            route.breaker.probe_ended();
        }
        route.opening -= usize::from(!slot.open);
        route.detached -= usize::from(slot.detached);
        state.on_unanswered_end(index, now);
        let route = &state.routes[index];
        let mut touched = vec![index];
        if !route.is_open() {
            touched = state.redistribute(index, now, clock);
        }
        for index in touched {
            self.scale_slots(&mut state, index, now);
        }
        self.changed.notify_one();
        self.progress.notify_waiters();
        self.close(state);
    }

    /// Releases the permit of a message that was not sent.
    pub(crate) fn release_permit(&self, permit: Option<Permit>) {
        let Some(permit) = permit else { return };
        let queue = Arc::clone(&self.queue);
        // If that fails, the quota is freed one window later, and is never exceeded.
        self.runtime.spawn(async move { queue.release(permit).await });
    }

    /// Returns a message that a slot had selected and did not send to the ready queue.
    pub(crate) fn return_message(self: &Arc<Self>, index: usize, message: Box<Leased>) {
        let now = Instant::now();
        let mut state = self.state();
        match state.phase {
            Phase::Running if state.may_requeue(index, now) => {
                state.routes[index].ready.push_front(message);
                self.scale_slots(&mut state, index, now);
            }
            _ => state.abandon(*message, Settlement::untouched()),
        }
        self.close(state);
    }
}
