//! The handle of a running dispatcher.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailkit_queue::{Queue, QueueError, Settlement};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::events::Events;
use super::lease_term::BootClock;
use super::plan::{Builder, Plan};
use super::route::Route;
use super::runtime::Shared;
use super::settings::SettingsError;
use super::span::LONGEST_SPAN;
use super::state::{Phase, State};
use super::stats::{RouteStats, Stats};

/// At a shutdown, how long messages whose content has not begun to leave may continue, at most until the deadline. A
/// healthy server answers MAIL and RCPT within it.
const UNSENT_GRACE: Duration = Duration::from_secs(1);
/// How often the queue is polled while waiting for it to be empty.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// After the deadline of a shutdown, how long outcomes may take to be stored.
const FINAL_SETTLE_TIME: Duration = Duration::from_secs(1);

/// A running dispatcher.
///
/// Dropping it without [`shutdown`](Self::shutdown) stops it at once: messages in flight become ambiguous when their
/// leases expire.
#[derive(Debug)]
#[must_use = "a dispatcher that is dropped stops"]
pub struct Dispatcher {
    pub(super) shared: Arc<Shared>,
    /// The background tasks, until the shutdown.
    pub(super) tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Dispatcher {
    /// Starts building a dispatcher of this queue.
    #[must_use]
    pub fn builder(queue: Arc<dyn Queue>) -> Builder {
        Builder { queue, plan: Plan::new(), boot: BootClock::system() }
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.shared.queue
    }

    /// Subscribes to the events from now until the shutdown. A subscriber that falls behind loses events and gets one
    /// [`Lagged`](crate::Lagged) in their place.
    pub fn events(&self) -> Events {
        match &self.shared.state().event_sender {
            Some(event_sender) => Events::new(event_sender.subscribe()),
            // It has stopped: the stream ends at once.
            None => Events::new(broadcast::channel(1).1),
        }
    }

    /// Statistics since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let now = Instant::now();
        let state = self.shared.state();
        let of_route = |route: &Route| RouteStats {
            name: route.settings.name.clone(),
            concurrency_limit: route.concurrency.current(),
            learned_limit: route.concurrency.learned_limit(),
            active_slots: route.slots.len(),
            in_flight: route.in_flight,
            waiting: route.ready.len(),
            breaker: route.breaker_state(now),
            paused: route.paused,
            throttled: route.throttled + route.throttled_since.map_or(Duration::ZERO, |since| now - since),
            outcomes: route.outcomes.clone(),
        };
        Stats {
            routes: state.routes.iter().filter(|route| !route.removed).map(of_route).collect(),
            store_unavailable: state.store_unavailable,
            unsettled: state.unsettled.len() + state.settling,
            dead: state.dead.clone(),
        }
    }

    /// Pauses a route. Messages in flight continue; others go to other routes, or wait in the queue. Returns whether
    /// the route exists.
    pub fn pause(&self, route: &str) -> bool {
        self.set_paused(route, true)
    }

    /// Resumes a paused route. Returns whether the route exists.
    pub fn resume(&self, route: &str) -> bool {
        self.set_paused(route, false)
    }

    fn set_paused(&self, name: &str, paused: bool) -> bool {
        let (now, clock) = (Instant::now(), self.shared.clock());
        let mut state = self.shared.state();
        let found = state.routes.iter().position(|route| route.settings.name == name && !route.removed);
        let Some(index) = found else { return false };
        if state.routes[index].paused != paused {
            state.routes[index].paused = paused;
            state.emit_route_changed(index, now);
            if paused {
                state.routes[index].wake_all();
                let touched = state.redistribute(index, now, clock);
                for index in touched {
                    self.shared.scale_slots(&mut state, index, now);
                }
            }
        }
        self.shared.changed.notify_one();
        self.shared.close(state);
        true
    }

    /// Replaces the plan. Routes keep their identity by name, with the state of limits, concurrency and breaker. A
    /// route that is no longer named gets no new messages; its messages in flight continue.
    ///
    /// # Errors
    /// The settings are invalid or contradict each other; then nothing changes.
    pub fn update(&self, plan: Plan) -> Result<(), SettingsError> {
        plan.check()?;
        let (now, clock) = (Instant::now(), self.shared.clock());
        let mut state = self.shared.state();
        state.apply_plan(plan.settings, plan.routes, now);
        for index in 0..state.routes.len() {
            if !state.routes[index].is_open() {
                state.routes[index].wake_all();
                // Slots are opened below for all routes, those that got messages included.
                let _ = state.redistribute(index, now, clock);
            }
        }
        self.shared.scale_all_slots(&mut state);
        self.shared.changed.notify_one();
        self.shared.close(state);
        Ok(())
    }

    /// Waits until no message is scheduled, ready or leased.
    ///
    /// # Errors
    /// The store has failed, or the dispatcher was shut down. While the store is unavailable, this waits.
    pub async fn until_empty(&self) -> Result<mailkit_queue::Stats, QueueError> {
        self.until(|stats| stats.unfinished() == 0).await
    }

    /// Waits until no message is ready or leased; messages may still be scheduled for later.
    ///
    /// # Errors
    /// As for [`until_empty`](Self::until_empty).
    pub async fn until_idle(&self) -> Result<mailkit_queue::Stats, QueueError> {
        self.until(|stats| stats.ready + stats.leased == 0).await
    }

    async fn until(
        &self,
        is_reached: impl Fn(&mailkit_queue::Stats) -> bool,
    ) -> Result<mailkit_queue::Stats, QueueError> {
        loop {
            let progress = self.shared.progress.notified();
            match self.shared.queue.stats().await {
                Ok(stats) if is_reached(&stats) => return Ok(stats),
                Err(error) if !error.is_temporary() => return Err(error),
                Ok(_) | Err(_) => {}
            }
            if self.shared.state().phase == Phase::Stopped {
                return Err(QueueError::Failed("the dispatcher has stopped".into()));
            }
            // The condition is checked again after a timeout, too.
            let _ = tokio::time::timeout(POLL_INTERVAL, progress).await;
        }
    }

    /// Stops leasing, and lets messages in flight finish until the deadline. Messages that are in flight after the
    /// deadline are given up and become ambiguous. All other leased messages return to the queue unchanged; after one
    /// second this includes messages in flight whose content has not begun to leave, as
    /// [`Job::lease_check`](crate::Job::lease_check) tells. The streams of [`events`](Self::events) end.
    ///
    /// Returns how many messages were given up, or could not be returned because the store was unavailable.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        let now = Instant::now();
        let deadline = now + deadline.min(LONGEST_SPAN);
        self.drain();
        let is_done = |state: &State| state.routes.iter().all(|route| route.in_flight == 0);
        // A server that hangs before the content is not waited for: nothing was sent to it.
        let _ = timeout_at(deadline.min(now + UNSENT_GRACE), self.until_drained(is_done)).await;
        self.abort_unsent();
        // What is still in flight then is given up.
        let _ = timeout_at(deadline, self.until_drained(is_done)).await;
        let given_up = self.give_up_slots();
        let last = deadline.max(Instant::now() + FINAL_SETTLE_TIME);
        // What the store has not stored by then is counted below.
        let _ = timeout_at(last, self.until_drained(State::is_idle)).await;
        let unsettled = self.shared.state().leases.len();
        self.stop();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let end = Instant::now() + FINAL_SETTLE_TIME;
        for mut task in tasks {
            // A task that panicked has ended, too. A task that waits for an unresponsive store is aborted.
            if timeout_at(end, &mut task).await.is_err() {
                task.abort();
            }
        }
        given_up.max(unsettled)
    }

    fn drain(&self) {
        let mut state = self.shared.state();
        if state.phase == Phase::Running {
            state.phase = Phase::Draining;
        }
        for index in 0..state.routes.len() {
            state.routes[index].wake_all();
            while let Some(message) = state.routes[index].ready.pop() {
                state.abandon(*message, Settlement::untouched());
            }
        }
        self.shared.changed.notify_one();
        self.shared.close(state);
    }

    async fn until_drained(&self, is_drained: impl Fn(&State) -> bool) {
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            {
                let state = self.shared.state();
                if state.phase == Phase::Stopped || is_drained(&state) {
                    return;
                }
            }
            // The condition is checked again after a timeout, too.
            let _ = tokio::time::timeout(POLL_INTERVAL, progress).await;
        }
    }

    /// Ends slots on which no content has begun to leave: their messages return to the queue unchanged.
    fn abort_unsent(&self) {
        let state = self.shared.state();
        let slots = state.routes.iter().flat_map(|route| route.slots.values());
        for abort in slots.filter(|slot| slot.has_only_unsent()).filter_map(|slot| slot.abort.as_ref()) {
            abort.abort();
        }
    }

    /// Ends all slots, which drops their jobs. Returns how many jobs had begun to send content.
    fn give_up_slots(&self) -> usize {
        let state = self.shared.state();
        let mut jobs = 0;
        for slot in state.routes.iter().flat_map(|route| route.slots.values()) {
            if !slot.has_only_unsent() {
                jobs += slot.jobs as usize;
            }
            if let Some(abort) = &slot.abort {
                abort.abort();
            }
        }
        jobs
    }

    fn stop(&self) {
        let mut state = self.shared.state();
        state.phase = Phase::Stopped;
        for route in &mut state.routes {
            route.wake_all();
        }
        let events = std::mem::take(&mut state.events);
        if let Some(event_sender) = state.event_sender.take() {
            for event in events {
                // This fails if nobody subscribes.
                let _ = event_sender.send(event);
            }
        }
        drop(state);
        self.shared.changed.notify_one();
        self.shared.outcomes.notify_one();
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            task.abort();
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // The number of jobs is not needed here.
        let _ = self.give_up_slots();
        self.stop();
    }
}
