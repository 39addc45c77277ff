//! Messages that are given up at a shutdown before any of their content has left: they go back as they were.

use std::sync::Arc;

use mailkit_queue::Settlement;

use crate::desk::Desk;
use crate::flight::Flight;
use crate::job::LeaseCheck;
use crate::route::Way;
use crate::state::{Phase, State};

impl State {
    /// Watches whether the content of a job begins to leave.
    pub(crate) fn watch(&mut self, place: usize, way: u64, check: &Arc<LeaseCheck>) {
        let way = self.routes.get_mut(place).and_then(|route| route.ways.get_mut(&way));
        if let Some(way) = way.filter(|way| !way.checks.iter().any(|other| Arc::ptr_eq(other, check))) {
            way.checks.push(Arc::clone(check));
        }
    }

    /// Counts a job as no longer on its way.
    pub(crate) fn job_ended(&mut self, flight: &Flight) {
        let route = &mut self.routes[flight.route];
        route.in_flight = route.in_flight.saturating_sub(1);
        if let Some(way) = route.ways.get_mut(&flight.way) {
            way.jobs = way.jobs.saturating_sub(1);
            if let Some(check) = &flight.check {
                way.checks.retain(|other| !Arc::ptr_eq(other, check));
            }
        }
    }
}

impl Way {
    /// Whether it has jobs, and no content of any has begun to leave.
    pub(crate) fn has_only_unsent(&self) -> bool {
        self.jobs > 0 && self.checks.len() == self.jobs as usize && self.checks.iter().all(|check| !check.has_begun())
    }
}

impl Desk {
    /// Puts a message back that was given up at a shutdown before its content began to leave: it is as ready as before,
    /// and it was no attempt. Returns the message otherwise.
    pub(crate) fn release(self: &Arc<Self>, mut flight: Flight) -> Option<Flight> {
        let mut state = self.state();
        if state.phase == Phase::Running || flight.has_begun() || std::thread::panicking() {
            return Some(flight);
        }
        let receipt = flight.receipt.take();
        tracing::info!(
            queue_id = %flight.message.lease.id(),
            route = &*state.routes[flight.route].name,
            "message put back: none of its content had left when this worker stopped"
        );
        state.job_ended(&flight);
        state.put_back(*flight.message, Settlement::untouched());
        self.close(state);
        self.progress.notify_waiters();
        self.refund(receipt);
        None
    }
}
