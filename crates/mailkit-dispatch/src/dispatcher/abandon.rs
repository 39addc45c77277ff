//! A job whose message was not sent, without a failure: the message returns to the queue unchanged.

use std::sync::Arc;

use mailkit_queue::Settlement;
use tokio::time::Instant;

use super::in_flight::InFlight;
use super::runtime::Shared;
use crate::classify::FailureClass;

impl Shared {
    /// Returns a message that was handed out, as if it had not been: this is no attempt, its permit is released, and
    /// the state of its route does not change.
    pub(crate) fn abandon(self: &Arc<Self>, mut in_flight: InFlight) {
        let permit = in_flight.permit.take();
        let (now, clock, index) = (Instant::now(), self.clock(), in_flight.route);
        let mut state = self.state();
        tracing::warn!(
            queue_id = %in_flight.message.id(),
            route = &*state.routes[index].name,
            "message returned to the queue unsent: its lease expired before its content was sent, as after a pause of this process"
        );
        state.job_ended(&in_flight);
        // A local reason: neither breaker nor concurrency limit counts it, and the next message becomes the probe.
        let effect = state.apply_feedback(
            index,
            in_flight.slot,
            Some(FailureClass::Content.into()),
            now - in_flight.started_at,
            now,
        );
        state.on_unanswered_end(index, now);
        state.abandon(*in_flight.message, Settlement::untouched());
        self.apply_effect(&mut state, index, &effect, now, clock);
        self.close(state);
        self.release_permit(permit);
    }
}
