//! Matching the outcomes of a settlement with the recipients of the message.

use std::collections::HashMap;
use std::fmt;

use mailkit_address::Address;

use crate::record::RecipientRecord;
use crate::settlement::{RecipientOutcome, RecipientStatus};

/// The recipients of a message, by their position.
pub trait RecipientList: fmt::Debug {
    /// The number of recipients.
    fn count(&self) -> usize;

    /// The address and the status of one recipient. `None` if there is none at this position.
    fn recipient(&self, position: usize) -> Option<(&Address, RecipientStatus)>;
}

impl RecipientList for Vec<RecipientRecord> {
    fn count(&self) -> usize {
        self.len()
    }

    fn recipient(&self, position: usize) -> Option<(&Address, RecipientStatus)> {
        self.get(position).map(|recipient| (&recipient.address, recipient.status))
    }
}

/// An outcome of a settlement for an open recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotedOutcome {
    /// The position of the recipient in the message.
    pub recipient: usize,
    /// The position of the outcome in [`Settlement::recipients`](crate::Settlement).
    pub outcome: usize,
}

/// The outcomes for open recipients, and the status of all recipients after them.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) outcomes: Vec<NotedOutcome>,
    pub(super) are_all_accepted: bool,
    pub(super) is_any_open: bool,
    /// Whether an open recipient became ambiguous.
    pub(super) is_ambiguous: bool,
}

/// Finds the outcomes for open recipients. Outcomes of other recipients are ignored.
pub(super) fn note(recipients: &dyn RecipientList, outcomes: &[RecipientOutcome]) -> Noted {
    let mut tally = Tally::new(recipients, outcomes.len());
    let mut next = 0;
    for (at, outcome) in outcomes.iter().enumerate() {
        // Outcomes mostly have the order of the recipients, so the search begins behind the last one.
        let Some(position) = find_from(recipients, next, &outcome.address) else {
            tally.note_in_any_order(outcomes, at);
            break;
        };
        next = position + 1;
        let status = recipients.recipient(position).map(|(_, status)| status);
        tally.note(position, at, status, outcome.status);
    }
    let Tally { noted, open, accepted, is_ambiguous, .. } = tally;
    Noted { outcomes: noted, are_all_accepted: accepted == recipients.count(), is_any_open: open > 0, is_ambiguous }
}

fn find_from(recipients: &dyn RecipientList, from: usize, wanted: &Address) -> Option<usize> {
    (from..recipients.count())
        .find(|position| recipients.recipient(*position).is_some_and(|(address, _)| address == wanted))
}

/// The numbers of recipients by status while outcomes are matched.
struct Tally<'a> {
    recipients: &'a dyn RecipientList,
    noted: Vec<NotedOutcome>,
    open: usize,
    accepted: usize,
    is_ambiguous: bool,
}

impl<'a> Tally<'a> {
    fn new(recipients: &'a dyn RecipientList, outcomes: usize) -> Self {
        let noted = Vec::with_capacity(outcomes);
        let mut tally = Self { recipients, noted, open: 0, accepted: 0, is_ambiguous: false };
        for position in 0..recipients.count() {
            let Some((_, status)) = recipients.recipient(position) else { continue };
            tally.open += usize::from(status.is_open());
            tally.accepted += usize::from(status == RecipientStatus::Accepted);
        }
        tally
    }

    /// Adds an outcome if the recipient is open, and returns whether it is.
    fn note(
        &mut self,
        recipient: usize,
        outcome: usize,
        before: Option<RecipientStatus>,
        after: RecipientStatus,
    ) -> bool {
        if !before.is_some_and(RecipientStatus::is_open) {
            return false;
        }
        self.noted.push(NotedOutcome { recipient, outcome });
        self.open -= usize::from(!after.is_open());
        self.accepted += usize::from(after == RecipientStatus::Accepted);
        self.is_ambiguous |= after == RecipientStatus::Ambiguous;
        true
    }

    /// Adds the outcomes from one position on, which may have any order. An index of the recipients keeps the work linear.
    fn note_in_any_order(&mut self, outcomes: &[RecipientOutcome], from: usize) {
        let recipients = self.recipients;
        let known = (0..recipients.count()).filter_map(|position| Some((position, recipients.recipient(position)?)));
        let mut known: HashMap<&Address, (usize, RecipientStatus)> =
            known.map(|(position, (address, status))| (address, (position, status))).collect();
        for noted in &self.noted {
            let Some(outcome) = outcomes.get(noted.outcome) else { continue };
            known.insert(&outcome.address, (noted.recipient, outcome.status));
        }
        for (at, outcome) in outcomes.iter().enumerate().skip(from) {
            let Some((position, status)) = known.get_mut(&outcome.address) else { continue };
            if self.note(*position, at, Some(*status), outcome.status) {
                *status = outcome.status;
            }
        }
    }
}
