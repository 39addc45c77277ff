//! What a message asks of a queue.

use std::sync::Arc;

use mailkit::mime::dkim::Signer;
use mailkit::queue::{NewMessage, OnAmbiguous, Priority, QueueId, Timestamp};
use mailkit::{EnqueueOptions, Error, Message, TransactionOptions};
use time::OffsetDateTime;

use super::draft::Draft;
use super::problems::Problems;
use super::time;
use crate::args;
use crate::failure::Failure;

/// What a message asks of a queue.
#[derive(Default)]
pub(crate) struct Wishes {
    options: EnqueueOptions,
    id: Option<QueueId>,
    created_at: Option<Timestamp>,
}

impl Wishes {
    /// Takes the wishes out of a draft; those that make no sense are noted and left out.
    pub(super) fn of(
        draft: &mut Draft,
        date: Option<OffsetDateTime>,
        transaction: &TransactionOptions,
        problems: &mut Problems,
    ) -> Self {
        let options = EnqueueOptions::new().transaction(transaction.clone());
        // As `render` does: the date that was given is the signature's as well.
        let mut options = match date {
            Some(date) => options.signed_at(date),
            None => options,
        };
        let mut text = |field: &str, value: Option<String>| {
            let value = value.map(|value| not_empty(field, value));
            value.and_then(|value| problems.note(value))
        };
        options = text("idempotency_key", draft.idempotency_key.take())
            .into_iter()
            .fold(options, EnqueueOptions::idempotency_key);
        options = text("route", draft.route.take()).into_iter().fold(options, EnqueueOptions::route);
        options = text("tenant", draft.tenant.take()).into_iter().fold(options, EnqueueOptions::tenant);
        for tag in draft.tags.take().into_iter().flatten() {
            options = text("tags", Some(tag)).into_iter().fold(options, EnqueueOptions::tag);
        }
        let mut moment = |field: &str, value: Option<String>| {
            let value = value.map(|text| time(field, &text).map(timestamp));
            value.and_then(|value| problems.note(value))
        };
        options = moment("send_at", draft.send_at.take()).into_iter().fold(options, EnqueueOptions::send_at);
        options = moment("expires_at", draft.expires_at.take()).into_iter().fold(options, EnqueueOptions::expires_at);
        let created_at = moment("created_at", draft.created_at.take());
        let policy = draft.on_ambiguous.take().map(|word| word.parse::<OnAmbiguous>());
        let policy = policy.map(|policy| policy.map_err(|error| Failure::message("on_ambiguous", &error)));
        options =
            policy.and_then(|policy| problems.note(policy)).into_iter().fold(options, EnqueueOptions::on_ambiguous);
        options = draft.priority.map(priority).into_iter().fold(options, EnqueueOptions::priority);
        let id = draft.id.take().map(|id| id.parse().map_err(|error| Failure::message("id", &error)));
        Self { options, id: id.and_then(|id| problems.note(id)), created_at }
    }

    /// What the queue stores: the message, signed where there is a signer.
    ///
    /// # Errors
    /// A message that cannot be stored, and attachments that cannot be read.
    pub(crate) async fn prepare(self, message: &Message, signers: &Arc<[Signer]>) -> Result<NewMessage, Error> {
        let mut new = match signers.is_empty() {
            true => self.options.prepare(message).await?,
            false => self.options.prepare_signed(message, Arc::clone(signers)).await?,
        };
        new.id = self.id;
        new.created_at = self.created_at;
        Ok(new)
    }
}

fn not_empty(field: &str, value: String) -> Result<String, Failure> {
    match value.is_empty() {
        true => Err(Failure::message(field, "empty: give it, or leave it out")),
        false => Ok(value),
    }
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

const fn priority(word: args::Priority) -> Priority {
    match word {
        args::Priority::High => Priority::High,
        args::Priority::Normal => Priority::Normal,
        args::Priority::Low => Priority::Low,
    }
}
