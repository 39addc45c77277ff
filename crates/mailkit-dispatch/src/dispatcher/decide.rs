//! Decides what happens to a message after an attempt: a pure function without state, clock or randomness of its own.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{AttemptOutcome, Leased, Next, OnAmbiguous, RecipientOutcome, RecipientStatus, Timestamp};

use super::deliver::{DeliveryFailure, Outcome, RecipientResult};
use super::event::DeadReason;
use super::retry::RetrySettings;
use super::route_cycle::{AlternativeRoute, is_final, is_route_failure, may_use_other_route};
use crate::classify::{Disposition, FailureClass};

/// After this many defects, the message is assumed to cause them.
const MAX_DEFECTS: u32 = 3;

/// The input of a decision, besides the message and the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptContext<'a> {
    pub(crate) retry: &'a RetrySettings,
    /// The name of the route that was tried.
    pub(crate) route: &'a str,
    /// The other routes that may carry the message.
    pub(crate) alternatives: &'a [AlternativeRoute<'a>],
    /// How many route cycles ended without an attempt that counts.
    pub(crate) failed_cycles: u32,
    /// Whether the routes that could convert the message have been offered it to convert.
    pub(crate) is_conversion_pass: bool,
    /// Whether the last octet may have been sent, if the delivery did not say.
    pub(crate) may_be_delivered: bool,
    /// How often the delivery panicked on this message or dropped it, this time included.
    pub(crate) defects: u32,
    pub(crate) now: Timestamp,
    /// A random number in 0..1.
    pub(crate) random: f64,
}

/// What happens to a message after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) text: String,
    pub(crate) recipients: Vec<RecipientOutcome>,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) next: Next,
    /// What failed, if anything did: the fault with the longest wait if recipients differ.
    pub(crate) fault: Option<Disposition>,
    /// Whether it counts as an attempt of the message. A failure of the route does not.
    pub(crate) counts: bool,
    /// Whether anything was tried at all: a route that lacks a capability is only skipped.
    pub(crate) is_tried: bool,
    pub(crate) routing: Routing,
    /// Whether the route could send the message if it were converted.
    pub(crate) can_convert: bool,
    /// Why it is dead, if it is.
    pub(crate) dead: DeadReason,
}

/// Where a message goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// Nowhere: it has ended, or its attempt counts.
    Done,
    /// To the next available route at once; this one has declined these recipients, empty for all.
    NextRoute { recipients: HashSet<Address> },
    /// To the routes that can convert it, at once.
    Convert,
    /// No other route is available: it waits for one.
    WaitForRoute,
}

/// A failed attempt that is being decided.
struct FailedAttempt<'a> {
    message: &'a Leased,
    results: Vec<RecipientResult>,
    fault: Option<Disposition>,
    text: String,
    retry_after: Duration,
    can_convert: bool,
    context: AttemptContext<'a>,
}

pub(crate) fn decide(message: &Leased, outcome: Outcome, context: AttemptContext<'_>) -> Decision {
    let is_accepted = |result: &RecipientResult| result.outcome.status == RecipientStatus::Accepted;
    let is_complete = outcome.recipients.len() == message.recipients().len();
    if outcome.failure.is_none() && is_complete && outcome.recipients.iter().all(is_accepted) {
        return accepted(outcome.recipients);
    }
    let Outcome { recipients: mut results, failure } = outcome;
    let failure = failure.or_else(|| {
        results
            .is_empty()
            .then(|| DeliveryFailure::new(FailureClass::Defect, "the delivery reported no outcome for any recipient"))
    });
    fill_in_unnamed(message, &mut results, failure.as_ref(), context.may_be_delivered);
    let fault = failure.as_ref().map(|failure| failure.fault).or_else(|| worst(&results));
    let retry_after = failure.as_ref().and_then(|failure| failure.retry_after).unwrap_or_default();
    let can_convert = failure.as_ref().is_some_and(|failure| failure.can_convert);
    let text = failure.map_or_else(|| reply_of(&results), |failure| failure.message);
    let mut case = FailedAttempt { message, results, fault, text, retry_after, can_convert, context };
    let converts = case.converts();
    if !converts {
        case.end_undeliverable();
    }
    let (next, routing, dead) = case.next(converts);
    let is_carried =
        fault.is_none_or(|fault| fault.class != FailureClass::Capability) || case.results.iter().any(is_accepted);
    let counts = routing == Routing::Done && is_carried;
    let is_skipped = |result: &RecipientResult| {
        result.outcome.status.is_open() && fault_of(result).is_some_and(|fault| fault.class == FailureClass::Capability)
    };
    let is_tried = !case.results.iter().all(is_skipped);
    let outcome = summarise(&case.results, fault);
    let recipients = outcomes(case.results);
    Decision { text: case.text, recipients, outcome, next, fault, counts, is_tried, routing, can_convert, dead }
}

/// Every recipient was accepted: the usual case.
fn accepted(results: Vec<RecipientResult>) -> Decision {
    Decision {
        text: results.first().map(|result| reply_line(&result.outcome)).unwrap_or_default(),
        recipients: outcomes(results),
        outcome: AttemptOutcome::Accepted,
        next: Next::Dead,
        fault: None,
        counts: true,
        is_tried: true,
        routing: Routing::Done,
        can_convert: false,
        dead: DeadReason::Refused,
    }
}

/// The outcome of each recipient, without its fault. The list has an allocation of its own: a list that is collected in
/// place is moved once more to be shrunk.
fn outcomes(results: Vec<RecipientResult>) -> Vec<RecipientOutcome> {
    let mut outcomes = Vec::with_capacity(results.len());
    outcomes.extend(results.into_iter().map(|result| result.outcome));
    outcomes
}

impl FailedAttempt<'_> {
    /// The recipients that another route may accept.
    fn moving(&self) -> impl Iterator<Item = &RecipientResult> {
        let may = |result: &&RecipientResult| {
            result.outcome.status.is_open() && fault_of(result).is_some_and(may_use_other_route)
        };
        self.results.iter().filter(may)
    }

    /// Whether no route, neither this one nor any other, accepts the message for this recipient as it is.
    fn is_undeliverable(&self, result: &RecipientResult) -> bool {
        let has_declined =
            |other: &AlternativeRoute<'_>| other.declined.is_some_and(|it| it.is_final(&result.outcome.address));
        fault_of(result).is_some_and(is_final) && self.context.alternatives.iter().all(has_declined)
    }

    /// Whether no route sends the message as it is, and one of them could convert it.
    fn converts(&self) -> bool {
        let mut others = self.context.alternatives.iter();
        let can = self.can_convert || others.any(|other| other.declined.is_some_and(|declined| declined.can_convert));
        can && !self.context.is_conversion_pass && self.moving().any(|result| self.is_undeliverable(result))
    }

    /// Refuses the recipients that no route accepts.
    fn end_undeliverable(&mut self) {
        let undeliverable: Vec<bool> = self.results.iter().map(|result| self.is_undeliverable(result)).collect();
        if !undeliverable.contains(&true) {
            return;
        }
        let text = self.no_route();
        for (result, _) in self.results.iter_mut().zip(undeliverable).filter(|(_, is_undeliverable)| *is_undeliverable)
        {
            result.outcome.status = RecipientStatus::Permanent;
            if result.outcome.code.is_none() {
                result.outcome.text.clone_from(&text);
            }
        }
    }

    /// The reasons of all routes, as one text.
    fn no_route(&self) -> String {
        let mut all = format!("no route can carry the message: {}: {}", self.context.route, self.text);
        for other in self.context.alternatives {
            if let Some(declined) = other.declined {
                all.push_str(&format!("; {}: {}", other.name, declined.text));
            }
        }
        all
    }

    fn next(&self, converts: bool) -> (Next, Routing, DeadReason) {
        let Self { message, context, .. } = self;
        let has = |wanted| self.results.iter().any(|result| result.outcome.status == wanted);
        if !self.results.iter().any(|result| result.outcome.status.is_open()) {
            let is_forbidden = self.fault.is_some_and(|fault| fault.class == FailureClass::NotAllowed);
            let reason = if is_forbidden { DeadReason::NotAllowed } else { DeadReason::Refused };
            return (Next::Dead, Routing::Done, reason);
        }
        let is_ambiguous = has(RecipientStatus::Ambiguous);
        if is_ambiguous && message.on_ambiguous == OnAmbiguous::Hold {
            return (Next::Held, Routing::Done, DeadReason::Refused);
        }
        let class = self.fault.map(|fault| fault.class);
        if class == Some(FailureClass::Defect) && context.defects >= MAX_DEFECTS {
            return (Next::Dead, Routing::Done, DeadReason::Defect);
        }
        let is_next = context.alternatives.iter().any(|other| other.is_available && other.declined.is_none());
        if self.moving().next().is_some() && !is_ambiguous {
            if is_next {
                return (Next::Ready, Routing::NextRoute { recipients: self.moving_recipients() }, DeadReason::Refused);
            }
            if converts {
                return (Next::Ready, Routing::Convert, DeadReason::Refused);
            }
        }
        let (attempt, routing) = self.attempt();
        if routing == Routing::Done && attempt >= context.retry.attempts.get() {
            return (Next::Dead, Routing::Done, DeadReason::Attempts);
        }
        let least = class.map_or(Duration::ZERO, FailureClass::min_wait);
        let at = context.now + context.retry.wait(attempt, least, context.random).max(self.retry_after);
        match at - message.open_since > context.retry.give_up_after {
            true => (Next::Dead, routing, DeadReason::Age),
            false => (Next::At(at), routing, DeadReason::Refused),
        }
    }

    /// The recipients that move to another route: empty if these are all that are left.
    fn moving_recipients(&self) -> HashSet<Address> {
        let open = self.results.iter().filter(|result| result.outcome.status.is_open()).count();
        let moving: HashSet<Address> = self.moving().map(|result| result.outcome.address.clone()).collect();
        if moving.len() == open { HashSet::new() } else { moving }
    }

    /// The number that the backoff grows with, and whether the message waits for a route. It waits for a route if all
    /// open recipients failed because of the route, or if another route has not been tried yet; then this counts as no
    /// attempt.
    fn attempt(&self) -> (u32, Routing) {
        let attempt = self.message.attempts.saturating_add(1);
        let mut open = self.results.iter().filter(|result| result.outcome.status.is_open());
        let all_move = open.all(|result| fault_of(result).is_some_and(may_use_other_route));
        let others = self.context.alternatives;
        let is_unasked = others.iter().any(|other| other.declined.is_none());
        let has_failed =
            |other: &AlternativeRoute<'_>| other.declined.is_some_and(|declined| is_route_failure(declined.fault));
        let fails = self.moving().filter_map(fault_of).any(is_route_failure) || others.iter().any(has_failed);
        match all_move && (is_unasked || fails) {
            false => (attempt, Routing::Done),
            // The other route may become available at any time.
            true if is_unasked => (1, Routing::WaitForRoute),
            true => (attempt.saturating_add(self.context.failed_cycles), Routing::WaitForRoute),
        }
    }
}

/// Adds a result for each recipient that the outcome does not name, according to the failure.
fn fill_in_unnamed(
    message: &Leased,
    recipients: &mut Vec<RecipientResult>,
    failure: Option<&DeliveryFailure>,
    may_be_delivered: bool,
) {
    for result in recipients.iter_mut().filter(|result| result.fault.is_some_and(may_use_other_route)) {
        // The recipient is refused only when every route has been tried.
        if result.outcome.status == RecipientStatus::Permanent {
            result.outcome.status = RecipientStatus::Temporary;
        }
    }
    let fault = failure.map(|failure| failure.fault);
    let status = match fault {
        Some(fault) if may_use_other_route(fault) => RecipientStatus::Temporary,
        Some(Disposition { is_permanent: true, .. }) => RecipientStatus::Permanent,
        Some(Disposition { class: FailureClass::Ambiguous, .. }) => RecipientStatus::Ambiguous,
        Some(Disposition { class: FailureClass::Defect, .. }) if may_be_delivered => RecipientStatus::Ambiguous,
        _ => RecipientStatus::Temporary,
    };
    let named: HashSet<&Address> = recipients.iter().map(|recipient| &recipient.outcome.address).collect();
    let rest = message.recipients().iter().filter(|address| !named.contains(address));
    let rest: Vec<RecipientResult> = rest
        .map(|address| {
            let text = failure.map_or("not reached", |failure| &failure.message).to_owned();
            let outcome = RecipientOutcome::new(address.clone(), status).with_text(text);
            RecipientResult { outcome, fault }
        })
        .collect();
    recipients.extend(rest);
}

/// The fault with the longest wait. An account limit comes first, since it suspends the route; permanent refusals come
/// last.
fn worst(recipients: &[RecipientResult]) -> Option<Disposition> {
    recipients
        .iter()
        .filter_map(fault_of)
        .max_by_key(|fault| (fault.class == FailureClass::AccountLimit, !fault.is_permanent, fault.class.min_wait()))
}

fn fault_of(recipient: &RecipientResult) -> Option<Disposition> {
    let by_status = match recipient.outcome.status {
        RecipientStatus::Accepted => return None,
        RecipientStatus::Permanent => FailureClass::Permanent,
        RecipientStatus::Ambiguous => FailureClass::Ambiguous,
        RecipientStatus::Pending | RecipientStatus::Temporary => FailureClass::Temporary,
    };
    Some(recipient.fault.unwrap_or_else(|| by_status.into()))
}

/// The reply to the recipient with the gravest refusal, if there is no failure of the whole.
fn reply_of(results: &[RecipientResult]) -> String {
    let refused = results.iter().filter_map(|result| Some((fault_of(result)?, &result.outcome)));
    let gravest = refused.max_by_key(|(fault, _)| (!fault.is_permanent, fault.class.min_wait()));
    let Some((_, outcome)) = gravest else {
        return results.first().map(|result| reply_line(&result.outcome)).unwrap_or_default();
    };
    reply_line(outcome)
}

/// A reply as one line.
pub(crate) fn reply_line(outcome: &RecipientOutcome) -> String {
    let most = "999 ".len() + outcome.enhanced.as_ref().map_or(0, String::len) + 1 + outcome.text.len();
    let mut line = String::with_capacity(most);
    if let Some(code) = outcome.code {
        // Writing to a string never fails.
        let _ = write!(line, "{code}");
    }
    for part in outcome.enhanced.as_deref().into_iter().chain([outcome.text.as_str()]).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        let from = line.len();
        line.push_str(part);
        if part.contains('\n') {
            let rest = line.split_off(from).replace('\n', " ");
            line.push_str(&rest);
        }
    }
    line
}

/// The outcome of the attempt as a whole.
fn summarise(results: &[RecipientResult], fault: Option<Disposition>) -> AttemptOutcome {
    let count = |wanted| results.iter().filter(|result| result.outcome.status == wanted).count();
    let accepted = count(RecipientStatus::Accepted);
    let is_answered = results.iter().any(|result| result.outcome.code.is_some());
    match fault.map(|fault| fault.class) {
        _ if accepted == results.len() => AttemptOutcome::Accepted,
        _ if accepted > 0 => AttemptOutcome::Partial,
        _ if count(RecipientStatus::Ambiguous) > 0 => AttemptOutcome::Ambiguous,
        _ if count(RecipientStatus::Permanent) == results.len() => AttemptOutcome::Permanent,
        Some(FailureClass::Connection) if !is_answered => AttemptOutcome::Network,
        _ => AttemptOutcome::Temporary,
    }
}
