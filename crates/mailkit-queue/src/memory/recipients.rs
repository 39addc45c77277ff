//! The recipients and the attempts of a message in memory. They share the texts of replies.

use std::sync::Arc;

use mailkit_address::Address;

use crate::change::AttemptSummary;
use crate::clock::Timestamp;
use crate::record::{Attempt, RecipientRecord};
use crate::settlement::{AttemptOutcome, RecipientOutcome, RecipientStatus, Settlement};
use crate::transition::{Change, RecipientList};

/// The status of a recipient and the server's last reply.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) status: RecipientStatus,
    code: Option<u16>,
    enhanced: Option<Arc<str>>,
    text: Option<Arc<str>>,
}

impl Known {
    pub(super) const fn pending() -> Self {
        Self { status: RecipientStatus::Pending, code: None, enhanced: None, text: None }
    }

    fn after(outcome: &RecipientOutcome) -> Self {
        let RecipientOutcome { status, code, enhanced, text, .. } = outcome;
        Self { status: *status, code: *code, enhanced: enhanced.as_deref().map(Arc::from), text: shared(text) }
    }

    pub(super) fn record(&self, address: &Address) -> RecipientRecord {
        RecipientRecord {
            code: self.code,
            enhanced: self.enhanced.as_deref().map(str::to_owned),
            text: owned(&self.text),
            ..RecipientRecord::new(address.clone(), self.status)
        }
    }
}

/// Empty texts, which most attempts have, take no memory.
fn shared(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| Arc::from(text))
}

fn owned(text: &Option<Arc<str>>) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

/// The recipients as the state machine sees them.
#[derive(Debug)]
pub(super) struct KnownRecipients<'a> {
    pub(super) addresses: &'a [Address],
    pub(super) known: &'a [Known],
}

impl RecipientList for KnownRecipients<'_> {
    fn count(&self) -> usize {
        self.addresses.len()
    }

    fn recipient(&self, position: usize) -> Option<(&Address, RecipientStatus)> {
        Some((self.addresses.get(position)?, self.known.get(position)?.status))
    }
}

/// Applies the outcomes of a settlement, and returns them with the positions of their recipients.
pub(super) fn note(known: &mut [Known], change: &Change, settlement: &Settlement) -> Vec<(usize, Known)> {
    let mut noted = Vec::with_capacity(change.outcomes.len());
    for outcome in &change.outcomes {
        let (Some(known), Some(after)) =
            (known.get_mut(outcome.recipient), settlement.recipients.get(outcome.outcome).map(Known::after))
        else {
            continue;
        };
        known.clone_from(&after);
        noted.push((outcome.recipient, after));
    }
    noted
}

/// Applies the part of a change that concerns all recipients, after the outcomes.
pub(super) fn apply_to_all(known: &mut [Known], change: &Change) {
    if let Some(open) = change.open_recipients {
        let text: Arc<str> = Arc::from(open.text);
        for known in known.iter_mut().filter(|known| known.status.is_open()) {
            known.status = open.status.unwrap_or(known.status);
            known.text = Some(Arc::clone(&text));
        }
    }
    if change.reopens_recipients {
        for known in known.iter_mut().filter(|known| known.status != RecipientStatus::Accepted) {
            known.status = RecipientStatus::Pending;
        }
    }
}

/// An attempt in the history of a message.
#[derive(Debug)]
pub(super) struct PastAttempt {
    at: Timestamp,
    route: String,
    outcome: AttemptOutcome,
    class: Option<String>,
    text: Option<Arc<str>>,
    /// By their position in the message.
    recipients: Vec<(usize, Known)>,
}

impl PastAttempt {
    pub(super) fn new(settlement: &Settlement, recipients: Vec<(usize, Known)>, at: Timestamp) -> Self {
        let Settlement { route, outcome, class, text, .. } = settlement;
        // The server often gives one reply for the message and its only recipient.
        let reply = recipients.first().and_then(|(_, known)| known.text.clone());
        let text = reply.filter(|reply| **reply == **text).or_else(|| shared(text));
        let (route, class) = (route.clone().unwrap_or_default(), class.clone());
        Self { at, route, outcome: *outcome, class, text, recipients }
    }

    pub(super) fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    pub(super) fn summary(&self) -> AttemptSummary {
        AttemptSummary::new(self.route.clone(), self.outcome, self.class.clone())
    }

    pub(super) fn record(&self, addresses: &[Address]) -> Attempt {
        let recipients = self.recipients.iter();
        let recipients = recipients.filter_map(|(position, known)| Some(known.record(addresses.get(*position)?)));
        Attempt {
            class: self.class.clone(),
            text: owned(&self.text),
            recipients: recipients.collect(),
            ..Attempt::new(self.at, self.route.as_str(), self.outcome)
        }
    }
}
