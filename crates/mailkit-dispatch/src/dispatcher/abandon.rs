//! A job whose message was not delivered, through nobody's fault: the message goes back as it was.

use std::sync::Arc;

use mailkit_queue::Settlement;
use tokio::time::Instant;

use super::in_flight::InFlight;
use super::runtime::Shared;
use crate::classify::FailureClass;

impl Shared {
    /// Takes back a message that was handed out, as if it had not been: it is no attempt, its quotas are released, and its
    /// route learns nothing.
    pub(crate) fn abandon(self: &Arc<Self>, mut in_flight: InFlight) {
        let permit = in_flight.permit.take();
        let (now, clock, index) = (Instant::now(), self.clock(), in_flight.route);
        let mut state = self.state();
        tracing::warn!(
            queue_id = %in_flight.message.lease.id(),
            route = &*state.routes[index].name,
            "message given back unsent: its lease was over before its content had left, as after a pause of this process"
        );
        state.job_ended(&in_flight);
        // A fault of ours: neither breaker nor window counts it, and a probe goes to the next message.
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
