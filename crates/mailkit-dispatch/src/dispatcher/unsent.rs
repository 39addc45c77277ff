//! Messages that a shutdown interrupts before any of their content was sent: they return to the queue unchanged.

use std::sync::Arc;

use mailkit_queue::Settlement;

use super::in_flight::InFlight;
use super::job::LeaseCheck;
use super::route::Slot;
use super::runtime::Shared;
use super::state::{Phase, State};

impl State {
    /// Tracks whether the content of a job begins to leave.
    pub(crate) fn track_content(&mut self, index: usize, slot: u64, check: &Arc<LeaseCheck>) {
        let slot = self.routes.get_mut(index).and_then(|route| route.slots.get_mut(&slot));
        if let Some(slot) = slot.filter(|slot| !slot.checks.iter().any(|other| Arc::ptr_eq(other, check))) {
            slot.checks.push(Arc::clone(check));
        }
    }

    /// Removes a job from the counts of jobs in flight.
    pub(crate) fn job_ended(&mut self, in_flight: &InFlight) {
        let route = &mut self.routes[in_flight.route];
        route.in_flight = route.in_flight.saturating_sub(1);
        if let Some(slot) = route.slots.get_mut(&in_flight.slot) {
            slot.jobs = slot.jobs.saturating_sub(1);
            if let Some(check) = &in_flight.check {
                slot.checks.retain(|other| !Arc::ptr_eq(other, check));
            }
        }
    }
}

impl Slot {
    /// Whether it has jobs, and no content of any has begun to leave.
    pub(crate) fn has_only_unsent(&self) -> bool {
        self.jobs > 0
            && self.checks.len() == self.jobs as usize
            && self.checks.iter().all(|check| !check.content_may_have_started())
    }
}

impl Shared {
    /// Returns a message to the queue that a shutdown interrupted before its content began to leave; this is no
    /// attempt. Gives the message back to the caller otherwise.
    pub(crate) fn return_unsent(self: &Arc<Self>, mut in_flight: InFlight) -> Option<InFlight> {
        let mut state = self.state();
        if state.phase == Phase::Running || in_flight.content_may_have_started() || std::thread::panicking() {
            return Some(in_flight);
        }
        let permit = in_flight.permit.take();
        tracing::info!(
            queue_id = %in_flight.message.id(),
            route = &*state.routes[in_flight.route].name,
            "message returned to the queue: none of its content was sent before this worker stopped"
        );
        state.job_ended(&in_flight);
        state.abandon(*in_flight.message, Settlement::untouched());
        self.close(state);
        self.progress.notify_waiters();
        self.release_permit(permit);
        None
    }
}
