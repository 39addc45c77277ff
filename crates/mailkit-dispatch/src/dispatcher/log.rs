//! Log lines of attempts and of failed connections: one per attempt, and one per refused recipient if there are several
//! recipients. A field without a value is left out.

use std::time::Duration;

use mailkit_queue::{RecipientOutcome, RecipientStatus};
use tokio::time::Instant;

use super::decide::{Decision, reply_line};
use super::deliver::DeliveryFailure;
use super::in_flight::InFlight;
use super::state::State;

/// The number of refused recipients of one attempt that get a line of their own.
const MAX_RECIPIENTS: usize = 100;

impl State {
    /// Logs that a slot could not connect or lost its connection, and when the next one is tried.
    pub(crate) fn log_connection_failure(&self, index: usize, failure: &DeliveryFailure, now: Instant) {
        let route = &self.routes[index];
        let next = route.suspended_until.or(route.breaker.probe_at()).or(route.reopen_at);
        let retry_in = next.map_or(Duration::ZERO, |at| at - now);
        tracing::warn!(
            route = &*route.name,
            class = failure.fault.class.as_str(),
            error = failure.message,
            "connection failed: {} (route={}, retry in {:.1?})",
            failure.message,
            route.name,
            retry_in
        );
    }
}

pub(crate) fn log_attempt(in_flight: &InFlight, route: &str, decision: &Decision, took: Duration) {
    let message = &in_flight.message;
    let queue_id = message.id();
    let message_id = message.message_id.as_deref();
    let trace_id = message.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    let class = decision.fault.map(|fault| fault.class.as_str());
    let text = Some(&*decision.text).filter(|text| !text.is_empty());
    let attempt = message.attempts.saturating_add(1);
    if !decision.is_tried {
        return tracing::info!(%queue_id, message_id, trace_id, route, attempt, class, text, "route skipped: it lacks what the message needs");
    }
    let outcome = decision.outcome.as_str();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%queue_id, message_id, trace_id, route, attempt, outcome, class, text, took_ms, "attempt");
    let [_, _, ..] = decision.recipients.as_slice() else { return };
    let refused: Vec<_> = decision.recipients.iter().filter(|recipient| is_refused(recipient)).collect();
    for recipient in refused.iter().take(MAX_RECIPIENTS) {
        let (address, status, text) = (&recipient.address, recipient.status.as_str(), reply_line(recipient));
        tracing::info!(%queue_id, trace_id, route, attempt, recipient = %address, status, text, "recipient refused");
    }
    if refused.len() > MAX_RECIPIENTS {
        let more = refused.len() - MAX_RECIPIENTS;
        tracing::info!(%queue_id, trace_id, route, attempt, more, "more recipients refused");
    }
}

/// Whether the server refused this recipient.
fn is_refused(recipient: &RecipientOutcome) -> bool {
    let is_open_or_lost = matches!(recipient.status, RecipientStatus::Temporary | RecipientStatus::Permanent);
    is_open_or_lost && recipient.code.is_some()
}
