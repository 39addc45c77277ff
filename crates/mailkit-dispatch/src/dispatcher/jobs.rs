//! The jobs of one delivery slot: a stream that yields a message whenever one may be sent.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use mailkit_queue::Leased;
use tokio::time::{Instant, Sleep};

use super::acquire::{Acquire, Permitted};
use super::deliver::DeliveryFailure;
use super::in_flight::InFlight;
use super::job::Job;
use super::runtime::Shared;
use super::select::Selection;
use super::state::{Phase, State};

/// The stream of jobs of one delivery slot (one connection). It yields each job when the limits allow it to be sent.
///
/// The stream ends when the slot was idle for [`Settings::idle_timeout`](crate::Settings::idle_timeout), when the
/// concurrency limit of the route shrinks, when the route becomes unavailable, and when the dispatcher shuts down.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Jobs {
    shared: Arc<Shared>,
    index: usize,
    slot: u64,
    acquiring: Option<Acquire>,
    acquired: Option<Permitted>,
    sleep: Pin<Box<Sleep>>,
    /// Since when the slot has had no work.
    idle_since: Option<Instant>,
}

/// What a slot does next.
enum NextAction {
    Job(InFlight),
    Acquire(Box<Leased>),
    Wait(Option<Instant>),
    End,
}

impl Jobs {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, slot: u64) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(Instant::now()));
        Self { shared, index, slot, acquiring: None, acquired: None, sleep, idle_since: None }
    }

    /// The next job, or `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Job> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reports that the connection could not be opened, or failed while no job was in flight.
    ///
    /// If no other route and no other connection can send the waiting messages, each call counts as a failure of one of
    /// them.
    pub fn connection_failed(&mut self, failure: DeliveryFailure) {
        self.shared.connection_failed(self.index, self.slot, failure);
    }

    fn next_action(&mut self, context: &mut Context<'_>) -> NextAction {
        let shared = Arc::clone(&self.shared);
        let now = Instant::now();
        let mut state = shared.state();
        let action = self.next_action_in(&mut state, now, context);
        if state.leaser_waits && !matches!(action, NextAction::End) && state.has_room(self.index, now) {
            state.leaser_waits = false;
            shared.changed.notify_one();
        }
        shared.close(state);
        action
    }

    fn next_action_in(&self, state: &mut State, now: Instant, context: &mut Context<'_>) -> NextAction {
        let backed_up = state.is_backed_up();
        let idle_timeout = state.settings.idle_timeout;
        self.opened(state, now);
        let Some(route) = state.routes.get_mut(self.index) else { return NextAction::End };
        route.parked.retain(|(slot, _)| *slot != self.slot);
        if !self.may_continue(state) {
            return NextAction::End;
        }
        let selection = match backed_up {
            true => Selection::Wait(None),
            false => state.select(self.index, now, self.shared.clock()),
        };
        match selection {
            Selection::Send(message) => NextAction::Job(self.hand_out(state, message, now)),
            Selection::Acquire(message) => NextAction::Acquire(message),
            Selection::Wait(until) => {
                let route = &mut state.routes[self.index];
                // A slot is free: a message that still waits is throttled.
                route.liveness.slot_freed();
                route.note_throttled(until.is_some(), now);
                let idle_too_long = self.idle_since.is_some_and(|since| now - since >= idle_timeout);
                let is_probe = route.slots.get(&self.slot).is_some_and(|slot| slot.probe) && !route.breaker.is_closed();
                if until.is_none() && (idle_too_long || is_probe) {
                    return NextAction::End;
                }
                route.parked.push((self.slot, context.waker().clone()));
                NextAction::Wait(until)
            }
        }
    }

    /// Whether the slot may send another message.
    fn may_continue(&self, state: &State) -> bool {
        let Some(route) = state.routes.get(self.index) else { return false };
        let Some(slot) = route.slots.get(&self.slot) else { return false };
        let is_wanted = match route.breaker.is_closed() {
            true => route.active_slots() <= route.concurrency.current() as usize,
            false => slot.probe && !slot.had_job,
        };
        is_wanted && state.phase == Phase::Running && !slot.detached && !route.is_disabled()
    }

    /// The slot has connected: it asks for its first job. While jobs are in flight, only an answer to one of them
    /// counts as a response: a server that greets may never answer.
    fn opened(&self, state: &mut State, now: Instant) {
        let Some(route) = state.routes.get_mut(self.index) else { return };
        let Some(slot) = route.slots.get_mut(&self.slot).filter(|slot| !slot.open) else { return };
        slot.open = true;
        route.opening -= 1;
        if !route.has_jobs() && state.on_response(self.index, now) {
            self.shared.changed.notify_one();
        }
    }

    fn hand_out(&self, state: &mut State, message: Box<Leased>, now: Instant) -> InFlight {
        let route = &mut state.routes[self.index];
        route.in_flight += 1;
        route.note_throttled(false, now);
        if let Some(slot) = route.slots.get_mut(&self.slot) {
            slot.jobs += 1;
            slot.had_job = true;
        }
        if !route.breaker.is_closed() {
            route.breaker.probe(now);
        }
        route.liveness.slot_freed();
        route.liveness.expect_response(now);
        InFlight {
            message,
            route: self.index,
            slot: self.slot,
            started_at: now,
            permit: None,
            committed: None,
            check: None,
        }
    }

    /// Sleeps until a limit allows the next message, or until the idle timeout. Ready when the slot selects again.
    fn poll_sleep(&mut self, until: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let wake_at = match until {
            Some(until) => {
                self.idle_since = None;
                until
            }
            None => *self.idle_since.get_or_insert(now) + self.shared.state().settings.idle_timeout,
        };
        let set = self.sleep.deadline();
        // Resetting a timer costs more than one spurious wake-up.
        if wake_at < set || set <= now || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(wake_at);
        }
        self.sleep.as_mut().poll(context)
    }

    /// Hands out a message that has acquired its quotas, as soon as the smooth rates allow it. If that takes too long,
    /// its permit is released.
    fn poll_acquired(&mut self, context: &mut Context<'_>) -> Poll<Option<Job>> {
        let shared = Arc::clone(&self.shared);
        let Some(acquired) = self.acquired.take() else { return Poll::Ready(None) };
        let now = Instant::now();
        let mut state = shared.state();
        let may_continue = self.may_continue(&state);
        let at = state.rates_ready_at(self.index, &acquired.message, now);
        match at {
            _ if !may_continue || now > acquired.until || at.is_some_and(|at| at > acquired.until) => {
                drop(state);
                shared.release_permit(Some(acquired.permit));
                shared.return_message(self.index, acquired.message);
                Poll::Ready(None)
            }
            Some(at) => {
                drop(state);
                self.acquired = Some(acquired);
                match self.poll_sleep(Some(at), context) {
                    Poll::Ready(()) => self.poll_acquired(context),
                    Poll::Pending => Poll::Pending,
                }
            }
            None => {
                state.consume_rates(self.index, &acquired.message, now);
                let mut in_flight = self.hand_out(&mut state, acquired.message, now);
                shared.close(state);
                in_flight.permit = Some(acquired.permit);
                Poll::Ready(Some(Job::new(shared, in_flight)))
            }
        }
    }
}

impl Stream for Jobs {
    type Item = Job;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Job>> {
        let this = &mut *self;
        loop {
            if let Some(acquiring) = &mut this.acquiring {
                let Poll::Ready(acquired) = acquiring.poll(context) else { return Poll::Pending };
                this.acquiring = None;
                this.acquired = acquired;
            }
            if this.acquired.is_some() {
                match this.poll_acquired(context) {
                    Poll::Ready(Some(job)) => return Poll::Ready(Some(job)),
                    Poll::Ready(None) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            match this.next_action(context) {
                NextAction::Job(in_flight) => {
                    this.idle_since = None;
                    return Poll::Ready(Some(Job::new(Arc::clone(&this.shared), in_flight)));
                }
                NextAction::Acquire(message) => {
                    this.acquiring = Some(Acquire::new(Arc::clone(&this.shared), this.index, message))
                }
                NextAction::End => return Poll::Ready(None),
                NextAction::Wait(until) => {
                    if this.poll_sleep(until, context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some(acquired) = self.acquired.take() {
            self.shared.release_permit(Some(acquired.permit));
            self.shared.return_message(self.index, acquired.message);
        }
        drop(self.acquiring.take());
        if std::thread::panicking() {
            self.shared.panicked(self.index, self.slot);
        }
        self.shared.slot_ended(self.index, self.slot);
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("slot", &self.slot).finish_non_exhaustive()
    }
}
