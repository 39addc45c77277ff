//! From what came of an attempt to what becomes of the message: no state, no clock, no chance of its own.

use std::collections::HashSet;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{Leased, Next, OnAmbiguous, RecipientOutcome, RecipientStatus, Timestamp};

use crate::class::{Class, class_of};
use crate::deliver::{Outcome, Trouble};
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
    /// What kind of trouble there was: the worst, where recipients differ.
    pub(crate) class: Option<Class>,
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
    let class = trouble.as_ref().map(|trouble| trouble.class).or_else(|| worst(&recipients));
    let retry_after = trouble.as_ref().and_then(|trouble| trouble.retry_after).unwrap_or_default();
    let words = trouble.map(|trouble| trouble.words).unwrap_or_default();
    let (next, dead) = next(message, &recipients, class, retry_after, grounds);
    Verdict { words, recipients, next, class, dead }
}

/// Says of each recipient that the outcome does not name what follows from the trouble.
fn name_the_rest(
    message: &Leased,
    recipients: &mut Vec<RecipientOutcome>,
    trouble: Option<&Trouble>,
    may_have_left: bool,
) {
    let status = match trouble.map(|trouble| trouble.class) {
        Some(Class::Permanent) => RecipientStatus::Permanent,
        Some(Class::Ambiguous) => RecipientStatus::Ambiguous,
        Some(Class::Defect) if may_have_left => RecipientStatus::Ambiguous,
        _ => RecipientStatus::Temporary,
    };
    let named: HashSet<&Address> = recipients.iter().map(|recipient| &recipient.address).collect();
    let rest = message.recipients().iter().filter(|address| !named.contains(address));
    let rest: Vec<RecipientOutcome> = rest
        .map(|address| {
            let text = trouble.map_or("not reached", |trouble| &trouble.words).to_owned();
            RecipientOutcome { address: address.clone(), status, code: None, enhanced: None, text }
        })
        .collect();
    recipients.extend(rest);
}

/// The class of the recipient that has to wait longest; a refusal for good only where there is nothing else.
fn worst(recipients: &[RecipientOutcome]) -> Option<Class> {
    recipients.iter().filter_map(class_at).max_by_key(|class| (*class != Class::Permanent, class.least_wait()))
}

fn class_at(recipient: &RecipientOutcome) -> Option<Class> {
    match recipient.status {
        RecipientStatus::Accepted => None,
        RecipientStatus::Permanent => Some(Class::Permanent),
        RecipientStatus::Ambiguous => Some(Class::Ambiguous),
        RecipientStatus::Pending | RecipientStatus::Temporary => Some(
            recipient
                .code
                .map_or(Class::Temporary, |code| class_of(code, recipient.enhanced.as_deref(), &recipient.text, true)),
        ),
    }
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
