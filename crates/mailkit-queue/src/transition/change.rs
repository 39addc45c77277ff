//! The changes that events make to a message.

use super::lifecycle::Lifecycle;
use super::outcomes::{NotedOutcome, RecipientList, note};
use crate::clock::Timestamp;
use crate::message::OnAmbiguous;
use crate::record::{Attempt, RecipientRecord};
use crate::settlement::{Next, RecipientOutcome, RecipientStatus, Settlement};
use crate::state::State;

/// The change that an event makes to a message. A store writes all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The lifecycle after the event.
    pub after: Lifecycle,
    /// The outcomes of the settlement for open recipients, in the order of the settlement. They are written before
    /// [`open_recipients`](Self::open_recipients).
    pub outcomes: Vec<NotedOutcome>,
    /// The new status and text of each recipient that is still open.
    pub open_recipients: Option<OpenRecipients>,
    /// Whether all recipients that were not accepted become pending.
    pub reopens_recipients: bool,
    /// Whether the settlement is added to the history as an [`attempt`](Self::attempt).
    pub records_attempt: bool,
    /// Whether [`Stats::ambiguous_total`](crate::Stats) grows by one.
    pub is_ambiguous: bool,
}

/// The new status and text of the open recipients of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRecipients {
    /// The new status. `None` keeps the status that each has.
    pub status: Option<RecipientStatus>,
    /// The new text.
    pub text: &'static str,
}

const EXPIRED: OpenRecipients = OpenRecipients { status: None, text: "the message expired before it was delivered" };
const WORKER_LOST: OpenRecipients = OpenRecipients {
    status: Some(RecipientStatus::Ambiguous),
    text: "the worker was lost after the commit point: the message may have been delivered",
};

impl Change {
    /// A change that leaves everything as it was.
    pub(super) const fn of(before: &Lifecycle) -> Self {
        Self {
            after: *before,
            outcomes: Vec::new(),
            open_recipients: None,
            reopens_recipients: false,
            records_attempt: false,
            is_ambiguous: false,
        }
    }

    /// Whether the status or the text of any recipient changes.
    #[must_use]
    pub const fn changes_recipients(&self) -> bool {
        !self.outcomes.is_empty() || self.open_recipients.is_some() || self.reopens_recipients
    }

    /// Whether the idempotency key no longer stands for the message.
    #[must_use]
    pub const fn frees_key(&self) -> bool {
        matches!(self.after.state, State::Cancelled)
    }

    /// Whether the content is no longer needed. A store may keep it as long as the message.
    #[must_use]
    pub const fn may_drop_content(&self) -> bool {
        matches!(self.after.state, State::Sent | State::Cancelled)
    }

    /// Updates the recipients. `outcomes` are those of the settlement; they are empty for any other event.
    pub fn apply_to(&self, recipients: &mut [RecipientRecord], outcomes: &[RecipientOutcome]) {
        for NotedOutcome { recipient, outcome } in &self.outcomes {
            let (Some(recipient), Some(outcome)) = (recipients.get_mut(*recipient), outcomes.get(*outcome)) else {
                continue;
            };
            (recipient.status, recipient.code) = (outcome.status, outcome.code);
            recipient.enhanced.clone_from(&outcome.enhanced);
            recipient.text.clone_from(&outcome.text);
        }
        if let Some(OpenRecipients { status, text }) = self.open_recipients {
            for recipient in recipients.iter_mut().filter(|recipient| recipient.status.is_open()) {
                recipient.status = status.unwrap_or(recipient.status);
                text.clone_into(&mut recipient.text);
            }
        }
        if self.reopens_recipients {
            for recipient in recipients.iter_mut().filter(|recipient| recipient.status != RecipientStatus::Accepted) {
                recipient.status = RecipientStatus::Pending;
            }
        }
    }

    /// The outcomes of the settlement for open recipients.
    pub fn noted<'a>(&'a self, settlement: &'a Settlement) -> impl Iterator<Item = &'a RecipientOutcome> {
        self.outcomes.iter().filter_map(|noted| settlement.recipients.get(noted.outcome))
    }

    /// The attempt for the history. `None` if no attempt was made.
    #[must_use]
    pub fn attempt(&self, settlement: &Settlement, now: Timestamp) -> Option<Attempt> {
        let route = settlement.route.as_ref().filter(|_| self.records_attempt)?;
        Some(Attempt {
            class: settlement.class.clone(),
            text: settlement.text.clone(),
            recipients: self.noted(settlement).map(RecipientOutcome::to_record).collect(),
            ..Attempt::new(now, route, settlement.outcome)
        })
    }

    /// Makes the message scheduled or ready, or dead if it has expired.
    pub(super) fn wait_until(&mut self, due: Timestamp, now: Timestamp) {
        self.after.due = due;
        self.after.finished_at = None;
        self.after.state = Lifecycle::waiting_state(due, now);
        if self.after.is_expired(now) {
            self.expire(now);
        }
    }

    pub(super) const fn expire(&mut self, now: Timestamp) {
        self.open_recipients = Some(EXPIRED);
        self.finish(State::Dead, now);
    }

    pub(super) const fn give_up(&mut self, reason: &'static str, now: Timestamp) {
        self.open_recipients = Some(OpenRecipients { status: Some(RecipientStatus::Permanent), text: reason });
        self.finish(State::Dead, now);
    }

    pub(super) const fn finish(&mut self, state: State, now: Timestamp) {
        self.after.state = state;
        self.after.finished_at = Some(now);
    }
}

impl Change {
    pub(super) const fn lease(&mut self) {
        self.after.state = State::Leased;
        self.after.fence += 1;
        self.after.commit_point = false;
    }

    pub(super) fn settle(&mut self, settlement: &Settlement, recipients: &dyn RecipientList, now: Timestamp) {
        let noted = note(recipients, &settlement.recipients);
        self.outcomes = noted.outcomes;
        self.is_ambiguous = noted.is_ambiguous;
        self.records_attempt = settlement.route.is_some();
        if self.records_attempt {
            self.after.attempts = self.after.attempts.saturating_add(u32::from(settlement.counts));
        }
        match settlement.next {
            _ if noted.are_all_accepted => self.finish(State::Sent, now),
            _ if !noted.is_any_open => self.finish(State::Dead, now),
            Next::Ready => self.wait_until(self.after.due, now),
            Next::At(at) => self.wait_until(at.max(now), now),
            Next::Dead => self.finish(State::Dead, now),
            Next::Held => self.finish(State::Held, now),
        }
    }

    pub(super) fn end_lease(&mut self, now: Timestamp) {
        match (self.after.on_ambiguous, self.after.commit_point) {
            (OnAmbiguous::Resend, _) => {
                self.is_ambiguous = true;
                self.wait_until(self.after.due, now);
            }
            (OnAmbiguous::Hold, true) => {
                self.is_ambiguous = true;
                self.open_recipients = Some(WORKER_LOST);
                self.finish(State::Held, now);
            }
            // Without a commit point the last octet was not sent, so the message was not delivered.
            (OnAmbiguous::Hold, false) => self.wait_until(self.after.due, now),
        }
    }

    pub(super) fn retry(&mut self, now: Timestamp) {
        if self.after.state == State::Dead {
            self.after.attempts = 0;
            self.reopens_recipients = true;
        }
        // The operator wants the message to be sent although it has expired.
        self.after.expires_at = self.after.expires_at.filter(|at| *at > now);
        self.after.open_since = now;
        self.wait_until(now, now);
    }
}
