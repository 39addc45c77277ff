//! A transaction that reached a part of the recipients: the rest goes in a further one at once.

use std::sync::Arc;

use mailkit_queue::{AttemptOutcome, Next, Permit, RecipientOutcome, RecipientStatus, Settlement};
use tokio::time::Instant;

use crate::class::Class;
use crate::deliver::RecipientResult;
use crate::desk::Desk;
use crate::event::Event;
use crate::flight::Flight;
use crate::state::Done;

impl Desk {
    /// Writes down what became of recipients in a round and makes the message ready again at once. It is no attempt, so
    /// that however many rounds a message needs, it has had one attempt when the last recipient is accepted.
    pub(crate) fn finish_round(self: &Arc<Self>, mut flight: Flight, recipients: Vec<RecipientResult>) {
        let recipients: Vec<RecipientOutcome> = recipients.into_iter().map(|result| result.outcome).collect();
        let unspent = flight.receipt.take().map(|receipt| unspent(receipt, &flight, &recipients));
        let (now, clock, place) = (Instant::now(), self.clock(), flight.route);
        let took = now - flight.taken;
        let mut state = self.state();
        state.job_ended(&flight);
        let is_back = state.hear(place, now);
        let mut aftermath = state.feed_back(place, flight.way, None, took, now);
        aftermath.grown |= is_back && !aftermath.closed;
        state.ended_unheard(place, now);
        let route = &mut state.routes[place];
        route.outcomes.count_ended(&recipients);
        route.accepted();
        route.took_sender();
        let name = Arc::clone(&route.name);
        let (id, accepted) = (flight.message.lease.id(), count_accepted(&recipients));
        tracing::info!(
            queue_id = %id,
            route = &*name,
            attempt = flight.message.attempts.saturating_add(1),
            accepted,
            left = flight.message.recipients().len().saturating_sub(accepted),
            "the server takes no more recipients in one transaction: the rest goes in another one now"
        );
        let attempt = flight.message.attempts.saturating_add(1);
        let told = recipients.clone();
        state.tell(|| {
            let class = Some(Class::TooManyRecipients);
            Event::Attempted { id, route: Arc::clone(&name), attempt, class, recipients: told, took }
        });
        let settlement = Settlement::attempt(&*name, AttemptOutcome::Partial, Next::Ready)
            .with_counts(false)
            .with_class(Class::TooManyRecipients.name())
            .with_text("the server takes no more recipients in one transaction: the rest went in another one")
            .with_recipients(recipients);
        state.outbox.push(Done { lease: flight.message.lease, settlement, told: None });
        self.look_after(&mut state, place, &aftermath, now, clock);
        self.close(state);
        self.refund(unspent);
    }
}

/// What of a receipt the next round acquires again: a quota of messages counts the message once, and one of recipients
/// those that are left.
fn unspent(mut receipt: Permit, flight: &Flight, recipients: &[RecipientOutcome]) -> Permit {
    let all = flight.message.recipients().len() as u64;
    let accepted = count_accepted(recipients) as u64;
    for (_, _, amount) in &mut receipt.acquired {
        if *amount == all {
            *amount -= accepted.min(all);
        }
    }
    receipt
}

fn count_accepted(recipients: &[RecipientOutcome]) -> usize {
    recipients.iter().filter(|recipient| recipient.status == RecipientStatus::Accepted).count()
}
