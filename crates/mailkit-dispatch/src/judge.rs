//! From what came of an attempt to what becomes of the message: no state, no clock, no chance of its own.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use mailkit_address::Address;
use mailkit_queue::{AttemptOutcome, Leased, Next, OnAmbiguous, RecipientOutcome, RecipientStatus, Timestamp};

use crate::class::Class;
use crate::classify::Disposition;
use crate::deliver::{Outcome, RecipientResult, Trouble};
use crate::event::DeadReason;
use crate::retry::RetrySettings;
use crate::round::{Other, is_for_good, is_route_failure, may_move};

/// After so many defects on one message, it is taken for the cause.
const MOST_DEFECTS: u32 = 3;

/// What the judge goes by, beside message and outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'a> {
    pub(crate) retry: &'a RetrySettings,
    /// The name of the route that was tried.
    pub(crate) route: &'a str,
    /// The other routes that may carry the message.
    pub(crate) others: &'a [Other<'a>],
    /// How many rounds over the routes ended without an attempt that counts.
    pub(crate) fruitless: u32,
    /// Whether the routes that could convert the message were asked to.
    pub(crate) is_last_resort: bool,
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
    pub(crate) outcome: AttemptOutcome,
    pub(crate) next: Next,
    /// Whose fault it was, if anything failed: the one with the longest wait, where recipients differ.
    pub(crate) fault: Option<Disposition>,
    /// Whether it is an attempt of the message. A failure of the route is none.
    pub(crate) counts: bool,
    /// Whether anything was tried at all: a route that lacks a capability is only passed over.
    pub(crate) is_tried: bool,
    pub(crate) onward: Onward,
    /// Whether the route could carry the message if it were converted.
    pub(crate) can_convert: bool,
    /// Why it is dead, if it is.
    pub(crate) dead: DeadReason,
}

/// Where a message goes that its route did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Nowhere: it has ended, or its attempt counts.
    Over,
    /// To the next available route at once; this one has passed it on for these recipients, empty for all.
    Next { recipients: HashSet<Address> },
    /// To the routes that can convert it, at once.
    Convert,
    /// No other route is available: it waits for one.
    Wait,
}

/// What failed, with what is to be decided on it.
struct Case<'a> {
    message: &'a Leased,
    results: Vec<RecipientResult>,
    fault: Option<Disposition>,
    words: String,
    retry_after: Duration,
    can_convert: bool,
    grounds: Grounds<'a>,
}

pub(crate) fn judge(message: &Leased, outcome: Outcome, grounds: Grounds<'_>) -> Verdict {
    let is_accepted = |result: &RecipientResult| result.outcome.status == RecipientStatus::Accepted;
    let is_complete = outcome.recipients.len() == message.recipients().len();
    if outcome.trouble.is_none() && is_complete && outcome.recipients.iter().all(is_accepted) {
        return accepted(outcome.recipients);
    }
    let Outcome { recipients: mut results, trouble } = outcome;
    let trouble = trouble.or_else(|| {
        let silent = results.is_empty();
        silent.then(|| Trouble::new(Class::Defect, "whoever delivered said nothing of any recipient"))
    });
    name_the_rest(message, &mut results, trouble.as_ref(), grounds.may_have_left);
    let fault = trouble.as_ref().map(|trouble| trouble.fault).or_else(|| worst(&results));
    let retry_after = trouble.as_ref().and_then(|trouble| trouble.retry_after).unwrap_or_default();
    let can_convert = trouble.as_ref().is_some_and(|trouble| trouble.can_convert);
    let words = trouble.map_or_else(|| words_of(&results), |trouble| trouble.words);
    let mut case = Case { message, results, fault, words, retry_after, can_convert, grounds };
    let converts = case.converts();
    if !converts {
        case.end_hopeless();
    }
    let (next, onward, dead) = case.next(converts);
    let is_carried = fault.is_none_or(|fault| fault.class != Class::Capability) || case.results.iter().any(is_accepted);
    let counts = onward == Onward::Over && is_carried;
    let is_passed_over = |result: &RecipientResult| {
        result.outcome.status.is_open() && fault_of(result).is_some_and(|fault| fault.class == Class::Capability)
    };
    let is_tried = !case.results.iter().all(is_passed_over);
    let outcome = summarise(&case.results, fault);
    let recipients = outcomes(case.results);
    Verdict { words: case.words, recipients, outcome, next, fault, counts, is_tried, onward, can_convert, dead }
}

/// Every recipient was accepted, as nearly always.
fn accepted(results: Vec<RecipientResult>) -> Verdict {
    Verdict {
        words: results.first().map(|result| said(&result.outcome)).unwrap_or_default(),
        recipients: outcomes(results),
        outcome: AttemptOutcome::Accepted,
        next: Next::Dead,
        fault: None,
        counts: true,
        is_tried: true,
        onward: Onward::Over,
        can_convert: false,
        dead: DeadReason::Refused,
    }
}

/// What became of each recipient, without whose fault it was. In a list of its own: one that is collected in the place of
/// the other is moved once more to be made smaller.
fn outcomes(results: Vec<RecipientResult>) -> Vec<RecipientOutcome> {
    let mut outcomes = Vec::with_capacity(results.len());
    outcomes.extend(results.into_iter().map(|result| result.outcome));
    outcomes
}

impl Case<'_> {
    /// The recipients that another route may take the message for.
    fn moving(&self) -> impl Iterator<Item = &RecipientResult> {
        let may = |result: &&RecipientResult| result.outcome.status.is_open() && fault_of(result).is_some_and(may_move);
        self.results.iter().filter(may)
    }

    /// Whether no route takes the message for this recipient, neither this one nor any other, as it is.
    fn is_hopeless(&self, result: &RecipientResult) -> bool {
        let is_passed = |other: &Other<'_>| other.passed.is_some_and(|it| it.is_for_good(&result.outcome.address));
        fault_of(result).is_some_and(is_for_good) && self.grounds.others.iter().all(is_passed)
    }

    /// Whether no route carries the message as it is, and one of them could convert it.
    fn converts(&self) -> bool {
        let mut others = self.grounds.others.iter();
        let can = self.can_convert || others.any(|other| other.passed.is_some_and(|passed| passed.can_convert));
        can && !self.grounds.is_last_resort && self.moving().any(|result| self.is_hopeless(result))
    }

    /// Ends the recipients that no route takes the message for.
    fn end_hopeless(&mut self) {
        let hopeless: Vec<bool> = self.results.iter().map(|result| self.is_hopeless(result)).collect();
        if !hopeless.contains(&true) {
            return;
        }
        let words = self.no_route();
        for (result, _) in self.results.iter_mut().zip(hopeless).filter(|(_, is_hopeless)| *is_hopeless) {
            result.outcome.status = RecipientStatus::Permanent;
            if result.outcome.code.is_none() {
                result.outcome.text.clone_from(&words);
            }
        }
    }

    /// Why no route takes it, in the words of each.
    fn no_route(&self) -> String {
        let mut all = format!("no route can carry the message: {}: {}", self.grounds.route, self.words);
        for other in self.grounds.others {
            if let Some(passed) = other.passed {
                all.push_str(&format!("; {}: {}", other.name, passed.words));
            }
        }
        all
    }

    fn next(&self, converts: bool) -> (Next, Onward, DeadReason) {
        let Self { message, grounds, .. } = self;
        let has = |wanted| self.results.iter().any(|result| result.outcome.status == wanted);
        if !self.results.iter().any(|result| result.outcome.status.is_open()) {
            let is_forbidden = self.fault.is_some_and(|fault| fault.class == Class::NotAllowed);
            let reason = if is_forbidden { DeadReason::NotAllowed } else { DeadReason::Refused };
            return (Next::Dead, Onward::Over, reason);
        }
        let is_ambiguous = has(RecipientStatus::Ambiguous);
        if is_ambiguous && message.on_ambiguous == OnAmbiguous::Hold {
            return (Next::Held, Onward::Over, DeadReason::Refused);
        }
        let class = self.fault.map(|fault| fault.class);
        if class == Some(Class::Defect) && grounds.defects >= MOST_DEFECTS {
            return (Next::Dead, Onward::Over, DeadReason::Defect);
        }
        let is_next = grounds.others.iter().any(|other| other.is_available && other.passed.is_none());
        if self.moving().next().is_some() && !is_ambiguous {
            if is_next {
                return (Next::Ready, Onward::Next { recipients: self.whom() }, DeadReason::Refused);
            }
            if converts {
                return (Next::Ready, Onward::Convert, DeadReason::Refused);
            }
        }
        let (attempt, onward) = self.attempt();
        if onward == Onward::Over && attempt >= grounds.retry.attempts.get() {
            return (Next::Dead, Onward::Over, DeadReason::Attempts);
        }
        let least = class.map_or(Duration::ZERO, Class::least_wait);
        let at = grounds.now + grounds.retry.wait(attempt, least, grounds.random).max(self.retry_after);
        match at - message.open_since > grounds.retry.give_up_after {
            true => (Next::Dead, onward, DeadReason::Age),
            false => (Next::At(at), onward, DeadReason::Refused),
        }
    }

    /// Whom the route passes on: empty where that is everybody who is left.
    fn whom(&self) -> HashSet<Address> {
        let open = self.results.iter().filter(|result| result.outcome.status.is_open()).count();
        let moving: HashSet<Address> = self.moving().map(|result| result.outcome.address.clone()).collect();
        if moving.len() == open { HashSet::new() } else { moving }
    }

    /// The number that the wait grows with, and whether the message waits for a route. It does where all that is open
    /// failed for a reason of the route, or another route was not asked yet; then it is no attempt.
    fn attempt(&self) -> (u32, Onward) {
        let attempt = self.message.attempts.saturating_add(1);
        let mut open = self.results.iter().filter(|result| result.outcome.status.is_open());
        let all_move = open.all(|result| fault_of(result).is_some_and(may_move));
        let others = self.grounds.others;
        let is_unasked = others.iter().any(|other| other.passed.is_none());
        let has_failed = |other: &Other<'_>| other.passed.is_some_and(|passed| is_route_failure(passed.fault));
        let fails = self.moving().filter_map(fault_of).any(is_route_failure) || others.iter().any(has_failed);
        match all_move && (is_unasked || fails) {
            false => (attempt, Onward::Over),
            // It may be there any moment.
            true if is_unasked => (1, Onward::Wait),
            true => (attempt.saturating_add(self.grounds.fruitless), Onward::Wait),
        }
    }
}

/// Says of each recipient that the outcome does not name what follows from the trouble.
fn name_the_rest(
    message: &Leased,
    recipients: &mut Vec<RecipientResult>,
    trouble: Option<&Trouble>,
    may_have_left: bool,
) {
    for result in recipients.iter_mut().filter(|result| result.fault.is_some_and(may_move)) {
        // Whether it is lost is decided when every route was asked.
        if result.outcome.status == RecipientStatus::Permanent {
            result.outcome.status = RecipientStatus::Temporary;
        }
    }
    let fault = trouble.map(|trouble| trouble.fault);
    let status = match fault {
        Some(fault) if may_move(fault) => RecipientStatus::Temporary,
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
            let outcome = RecipientOutcome::new(address.clone(), status).with_text(text);
            RecipientResult { outcome, fault }
        })
        .collect();
    recipients.extend(rest);
}

/// The fault that has the longest wait: that of the account, which suspends the route; a refusal for good only where there
/// is nothing else.
fn worst(recipients: &[RecipientResult]) -> Option<Disposition> {
    recipients
        .iter()
        .filter_map(fault_of)
        .max_by_key(|fault| (fault.class == Class::AccountLimit, !fault.is_permanent, fault.class.least_wait()))
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

/// What the server said of the recipient that it refused, where nothing was said of the whole: the gravest refusal.
fn words_of(results: &[RecipientResult]) -> String {
    let refused = results.iter().filter_map(|result| Some((fault_of(result)?, &result.outcome)));
    let gravest = refused.max_by_key(|(fault, _)| (!fault.is_permanent, fault.class.least_wait()));
    let Some((_, outcome)) = gravest else {
        return results.first().map(|result| said(&result.outcome)).unwrap_or_default();
    };
    said(outcome)
}

/// A reply in one line.
pub(crate) fn said(outcome: &RecipientOutcome) -> String {
    let most = "999 ".len() + outcome.enhanced.as_ref().map_or(0, String::len) + 1 + outcome.text.len();
    let mut said = String::with_capacity(most);
    if let Some(code) = outcome.code {
        // It never fails.
        let _ = write!(said, "{code}");
    }
    for part in outcome.enhanced.as_deref().into_iter().chain([outcome.text.as_str()]).filter(|part| !part.is_empty()) {
        if !said.is_empty() {
            said.push(' ');
        }
        let from = said.len();
        said.push_str(part);
        if part.contains('\n') {
            let line = said.split_off(from).replace('\n', " ");
            said.push_str(&line);
        }
    }
    said
}

/// What came of the attempt as a whole.
fn summarise(results: &[RecipientResult], fault: Option<Disposition>) -> AttemptOutcome {
    let count = |wanted| results.iter().filter(|result| result.outcome.status == wanted).count();
    let accepted = count(RecipientStatus::Accepted);
    let is_answered = results.iter().any(|result| result.outcome.code.is_some());
    match fault.map(|fault| fault.class) {
        _ if accepted == results.len() => AttemptOutcome::Accepted,
        _ if accepted > 0 => AttemptOutcome::Partial,
        _ if count(RecipientStatus::Ambiguous) > 0 => AttemptOutcome::Ambiguous,
        _ if count(RecipientStatus::Permanent) == results.len() => AttemptOutcome::Permanent,
        Some(Class::Connection) if !is_answered => AttemptOutcome::Network,
        _ => AttemptOutcome::Temporary,
    }
}
