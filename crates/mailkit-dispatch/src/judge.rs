//! From what came of an attempt to what becomes of the message: no state, no clock, no chance of its own.

use std::collections::HashSet;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{Leased, Next, OnAmbiguous, RecipientOutcome, RecipientStatus, Timestamp};

use crate::class::Class;
use crate::classify::Disposition;
use crate::deliver::{Outcome, RecipientResult, Trouble};
use crate::event::DeadReason;
use crate::retry::RetrySettings;

/// After so many defects on one message, it is taken for the cause.
const MOST_DEFECTS: u32 = 3;

/// What the judge goes by, beside message and outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'a> {
    pub(crate) retry: &'a RetrySettings,
    /// Whether the last octet may have left, where whoever delivered did not say.
    pub(crate) may_have_left: bool,
    /// How often the sending program failed on this message, this time included.
    pub(crate) defects: u32,
    pub(crate) now: Timestamp,
    /// In 0..1.
    pub(crate) random: f64,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) words: String,
    pub(crate) recipients: Vec<RecipientOutcome>,
    pub(crate) next: Next,
    /// Whose fault it was, if anything failed: the one with the longest wait, where recipients differ.
    pub(crate) fault: Option<Disposition>,
    /// Why it is dead, if it is.
    pub(crate) dead: DeadReason,
}

pub(crate) fn judge(message: &Leased, outcome: Outcome, grounds: Grounds<'_>) -> Verdict {
    let Outcome { mut recipients, trouble } = outcome;
    let trouble = trouble.or_else(|| {
        let silent = recipients.is_empty();
        silent.then(|| Trouble::new(Class::Defect, "whoever delivered said nothing of any recipient"))
    });
    name_the_rest(message, &mut recipients, trouble.as_ref(), grounds.may_have_left);
    let fault = trouble.as_ref().map(|trouble| trouble.fault).or_else(|| worst(&recipients));
    let recipients: Vec<RecipientOutcome> = recipients.into_iter().map(|result| result.outcome).collect();
    let retry_after = trouble.as_ref().and_then(|trouble| trouble.retry_after).unwrap_or_default();
    let words = trouble.map(|trouble| trouble.words).unwrap_or_default();
    let (next, dead) = next(message, &recipients, fault.map(|fault| fault.class), retry_after, grounds);
    Verdict { words, recipients, next, fault, dead }
}

/// Says of each recipient that the outcome does not name what follows from the trouble.
fn name_the_rest(
    message: &Leased,
    recipients: &mut Vec<RecipientResult>,
    trouble: Option<&Trouble>,
    may_have_left: bool,
) {
    let fault = trouble.map(|trouble| trouble.fault);
    let status = match fault {
        Some(Disposition { is_permanent: true, .. }) => RecipientStatus::Permanent,
        Some(Disposition { class: Class::Ambiguous, .. }) => RecipientStatus::Ambiguous,
        Some(Disposition { class: Class::Defect, .. }) if may_have_left => RecipientStatus::Ambiguous,
        _ => RecipientStatus::Temporary,
    };
    let named: HashSet<&Address> = recipients.iter().map(|recipient| &recipient.outcome.address).collect();
    let rest = message.recipients().iter().filter(|address| !named.contains(address));
    let rest: Vec<RecipientResult> = rest
        .map(|address| {
            let text = trouble.map_or("not reached", |trouble| &trouble.words).to_owned();
            let outcome = RecipientOutcome { address: address.clone(), status, code: None, enhanced: None, text };
            RecipientResult { outcome, fault }
        })
        .collect();
    recipients.extend(rest);
}

/// The fault that has the longest wait; a refusal for good only where there is nothing else.
fn worst(recipients: &[RecipientResult]) -> Option<Disposition> {
    recipients.iter().filter_map(fault_of).max_by_key(|fault| (!fault.is_permanent, fault.class.least_wait()))
}

fn fault_of(recipient: &RecipientResult) -> Option<Disposition> {
    let by_status = match recipient.outcome.status {
        RecipientStatus::Accepted => return None,
        RecipientStatus::Permanent => Class::Permanent,
        RecipientStatus::Ambiguous => Class::Ambiguous,
        RecipientStatus::Pending | RecipientStatus::Temporary => Class::Temporary,
    };
    Some(recipient.fault.unwrap_or_else(|| by_status.into()))
}

fn next(
    message: &Leased,
    recipients: &[RecipientOutcome],
    class: Option<Class>,
    retry_after: Duration,
    grounds: Grounds<'_>,
) -> (Next, DeadReason) {
    let has = |wanted| recipients.iter().any(|recipient| recipient.status == wanted);
    if !recipients.iter().any(|recipient| recipient.status.is_open()) {
        return (Next::Dead, DeadReason::Refused);
    }
    if has(RecipientStatus::Ambiguous) && message.on_ambiguous == OnAmbiguous::Hold {
        return (Next::Held, DeadReason::Refused);
    }
    let attempt = message.attempts.saturating_add(1);
    if class == Some(Class::Defect) && grounds.defects >= MOST_DEFECTS {
        return (Next::Dead, DeadReason::Defect);
    }
    if attempt >= grounds.retry.attempts.get() {
        return (Next::Dead, DeadReason::Attempts);
    }
    let least = class.map_or(Duration::ZERO, Class::least_wait);
    let wait = grounds.retry.wait(attempt, least, grounds.random).max(retry_after);
    let at = grounds.now + wait;
    match at - message.open_since > grounds.retry.give_up_after {
        true => (Next::Dead, DeadReason::Age),
        false => (Next::At(at), DeadReason::Refused),
    }
}
