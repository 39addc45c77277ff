//! What a message asks of a queue.

use std::sync::Arc;

use mailkit::mime::dkim::Signer;
use mailkit::queue::{
    Fingerprint, Idempotency, IdempotencyKey, InvalidText, NewMessage, OnAmbiguous, Priority, QueueId, Record, Tag,
    Tenant, Timestamp, Traceparent,
};
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
    /// The key of an archive copy from another queue.
    archive_key: Option<IdempotencyKey>,
    /// What the key of a message from another queue says of it.
    fingerprint: Option<Fingerprint>,
}

impl Wishes {
    /// Takes the wishes out of a draft; those that make no sense are noted and left out. With a time, so is a last moment
    /// that is over; without one, the queue refuses it: there it may be a message that was enqueued in time.
    pub(super) fn of(
        draft: &mut Draft,
        date: Option<OffsetDateTime>,
        transaction: &TransactionOptions,
        now: Option<Timestamp>,
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
        options = text("route", draft.route.take()).into_iter().fold(options, EnqueueOptions::route);
        let key = valid::<IdempotencyKey>("idempotency_key", draft.idempotency_key.take(), problems);
        let tenant = valid::<Tenant>("tenant", draft.tenant.take(), problems);
        options = tenant.iter().fold(options, |options, tenant| options.tenant(tenant.as_str()));
        let trace = valid::<Traceparent>("traceparent", draft.traceparent.take(), problems);
        options = trace.iter().fold(options, |options, trace| options.traceparent(trace.as_str()));
        for (number, tag) in draft.tags.take().into_iter().flatten().enumerate() {
            let tag = valid::<Tag>(&format!("tags[{number}]"), Some(tag), problems);
            options = tag.iter().fold(options, |options, tag| options.tag(tag.as_str()));
        }
        let mut moment = |field: &str, value: Option<String>| {
            let value = value.map(|text| time(field, &text).map(timestamp));
            value.and_then(|value| problems.note(value))
        };
        let send_at = moment("send_at", draft.send_at.take());
        let expires_at = moment("expires_at", draft.expires_at.take());
        let created_at = moment("created_at", draft.created_at.take());
        // Only a message from another queue may be an archive copy.
        let (archive_key, key) = match key {
            Some(key) if Record::archived_by_key(&key).is_some() => (Some(key), None),
            key => (None, key),
        };
        if archive_key.is_some() && created_at.is_none() {
            let text = "keys `archive:ID` are reserved for archive copies: choose another";
            problems.note::<()>(Err(Failure::message("idempotency_key", text)));
        }
        options = key.iter().fold(options, |options, key| options.idempotency_key(key.as_str()));
        options = send_at.into_iter().fold(options, EnqueueOptions::send_at);
        options = expires_at.into_iter().fold(options, EnqueueOptions::expires_at);
        if created_at.is_none() {
            problems.note(check_expiry(send_at, expires_at, now));
        }
        let policy = draft.on_ambiguous.take().map(|word| word.parse::<OnAmbiguous>());
        let policy = policy.map(|policy| policy.map_err(|error| Failure::message("on_ambiguous", &error)));
        options =
            policy.and_then(|policy| problems.note(policy)).into_iter().fold(options, EnqueueOptions::on_ambiguous);
        options = draft.priority.map(priority).into_iter().fold(options, EnqueueOptions::priority);
        let id = draft.id.take().map(|id| id.parse().map_err(|error| Failure::message("id", &error)));
        let digits = draft.idempotency_fingerprint.take();
        let fingerprint = digits.and_then(|digits| problems.note(fingerprint(&digits)));
        Self { options, id: id.and_then(|id| problems.note(id)), created_at, archive_key, fingerprint }
    }

    /// What the queue stores: the message, signed where there is a signer.
    ///
    /// # Errors
    /// A message that cannot be stored, and attachments that cannot be read.
    pub(crate) async fn prepare(self, message: &Message, signers: &Arc<[Signer]>) -> Result<NewMessage, Error> {
        // A message from another queue was signed there, if it was to be.
        let mut new = match signers.is_empty() || self.created_at.is_some() {
            true => self.options.prepare(message).await?,
            false => self.options.prepare_signed(message, Arc::clone(signers)).await?,
        };
        new.id = self.id;
        new.created_at = self.created_at;
        if let Some(key) = self.archive_key {
            // Without a fingerprint its key stands for nothing any more.
            new.idempotency = Some(Idempotency::new(key, Fingerprint::default()));
        }
        if let (Some(key), Some(fingerprint)) = (&mut new.idempotency, self.fingerprint) {
            key.fingerprint = fingerprint;
        }
        Ok(new)
    }
}

/// Refuses a last moment that leaves no time to send.
fn check_expiry(
    send_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Option<Timestamp>,
) -> Result<(), Failure> {
    let Some(expires_at) = expires_at else { return Ok(()) };
    if send_at.is_some_and(|at| at >= expires_at) {
        return Err(Failure::message(
            "expires_at",
            "it is not after send_at: the message would expire before it is sent",
        ));
    }
    match now.is_some_and(|now| now >= expires_at) {
        true => Err(Failure::message("expires_at", "it is in the past: the message could never be sent")),
        false => Ok(()),
    }
}

/// A fingerprint from its hexadecimal digits.
fn fingerprint(digits: &str) -> Result<Fingerprint, Failure> {
    let invalid = || Failure::message("idempotency_fingerprint", "no fingerprint: one has 64 hexadecimal digits");
    if digits.len() != 64 {
        return Err(invalid());
    }
    let mut fingerprint = Fingerprint::default();
    for (byte, pair) in fingerprint.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
    }
    Ok(fingerprint)
}

/// A key, a tenant, a trace or a tag. One that is invalid is noted and left out.
fn valid<T: TryFrom<String, Error = InvalidText>>(
    field: &str,
    value: Option<String>,
    problems: &mut Problems,
) -> Option<T> {
    let value = not_empty(field, value?);
    problems.note(value.and_then(|value| T::try_from(value).map_err(|error| Failure::message(field, &error))))
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
