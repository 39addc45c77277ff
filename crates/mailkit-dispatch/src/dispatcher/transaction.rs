//! One of several transactions of a message: the remaining recipients follow in another one at once.

use std::sync::Arc;

use mailkit_queue::{AttemptOutcome, Next, Permit, RecipientOutcome, RecipientStatus, Settlement};
use tokio::time::Instant;

use super::deliver::RecipientResult;
use super::event::Event;
use super::in_flight::InFlight;
use super::runtime::Shared;
use super::state::PendingSettlement;
use crate::classify::FailureClass;

impl Shared {
    /// Stores the results of one transaction and makes the message ready again at once. This is no attempt: however
    /// many transactions a message needs, it has had one attempt when the last recipient is accepted.
    pub(crate) fn finish_transaction(self: &Arc<Self>, mut in_flight: InFlight, recipients: Vec<RecipientResult>) {
        let recipients: Vec<RecipientOutcome> = recipients.into_iter().map(|result| result.outcome).collect();
        let unused = in_flight.permit.take().map(|permit| unused(permit, &in_flight, &recipients));
        let (now, clock, index) = (Instant::now(), self.clock(), in_flight.route);
        let took = now - in_flight.started_at;
        let mut state = self.state();
        state.job_ended(&in_flight);
        let is_back = state.on_response(index, now);
        let mut effect = state.apply_feedback(index, in_flight.slot, None, took, now);
        effect.grown |= is_back && !effect.closed;
        state.on_unanswered_end(index, now);
        let route = &mut state.routes[index];
        route.outcomes.count_ended(&recipients);
        route.accepted();
        route.accepted_sender();
        let name = Arc::clone(&route.name);
        let (id, accepted) = (in_flight.message.id(), count_accepted(&recipients));
        tracing::info!(
            queue_id = %id,
            route = &*name,
            attempt = in_flight.message.attempts.saturating_add(1),
            accepted,
            left = in_flight.message.recipients().len().saturating_sub(accepted),
            "the server takes no more recipients in one transaction: the rest goes in another one now"
        );
        let attempt = in_flight.message.attempts.saturating_add(1);
        let reported = recipients.clone();
        state.emit(|| {
            let class = Some(FailureClass::TooManyRecipients);
            Event::Attempted { id, route: Arc::clone(&name), attempt, class, recipients: reported, took }
        });
        let settlement = Settlement::attempt(&*name, AttemptOutcome::Partial, Next::Ready)
            .with_counts(false)
            .with_class(FailureClass::TooManyRecipients.as_str())
            .with_text("the server takes no more recipients in one transaction: the rest went in another one")
            .with_recipients(recipients);
        state.unsettled.push(PendingSettlement { token: in_flight.message.token, settlement, event: None });
        self.apply_effect(&mut state, index, &effect, now, clock);
        self.close(state);
        self.release_permit(unused);
    }
}

/// The part of a permit that the next transaction acquires again: a quota of messages counts the message once, and a
/// quota of recipients counts the remaining ones.
fn unused(mut permit: Permit, in_flight: &InFlight, recipients: &[RecipientOutcome]) -> Permit {
    let all = in_flight.message.recipients().len() as u64;
    let accepted = count_accepted(recipients) as u64;
    for (_, _, amount) in &mut permit.acquired {
        if *amount == all {
            *amount -= accepted.min(all);
        }
    }
    permit
}

fn count_accepted(recipients: &[RecipientOutcome]) -> usize {
    recipients.iter().filter(|recipient| recipient.status == RecipientStatus::Accepted).count()
}
