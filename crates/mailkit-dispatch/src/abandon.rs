//! A job whose message was not delivered, through nobody's fault: the message goes back as it was.

use std::sync::Arc;

use mailkit_queue::Settlement;
use tokio::time::Instant;

use crate::class::Class;
use crate::desk::Desk;
use crate::flight::Flight;

impl Desk {
    /// Takes back a message that was handed out, as if it had not been: it is no attempt, its quotas are released, and its
    /// route learns nothing.
    pub(crate) fn abandon(self: &Arc<Self>, mut flight: Flight) {
        let receipt = flight.receipt.take();
        let (now, clock, place) = (Instant::now(), self.clock(), flight.route);
        let mut state = self.state();
        tracing::warn!(
            queue_id = %flight.message.lease.id(),
            route = &*state.routes[place].name,
            "message given back unsent: its lease was over before its content had left, as after a pause of this process"
        );
        state.job_ended(&flight);
        // A fault of ours: neither breaker nor window counts it, and a probe goes to the next message.
        let aftermath = state.feed_back(place, flight.way, Some(Class::Content.into()), now - flight.taken, now);
        state.ended_unheard(place, now);
        state.put_back(*flight.message, Settlement::untouched());
        self.look_after(&mut state, place, &aftermath, now, clock);
        self.close(state);
        self.refund(receipt);
    }
}
