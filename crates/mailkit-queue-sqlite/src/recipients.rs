//! Recipients as JSON in a column, which the `sqlite3` program can read.

use std::borrow::Cow;

use mailkit_address::Address;
use mailkit_queue::{RecipientOutcome, RecipientRecord, RecipientStatus};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    enhanced: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    text: Cow<'a, str>,
}

/// The JSON of recipients and their status.
pub(crate) fn print(recipients: &[RecipientRecord]) -> Result<String, StoreError> {
    let entries = recipients.iter().map(|recipient| {
        let RecipientRecord { address, status, code, enhanced, text, .. } = recipient;
        Entry::new(address, *status, *code, enhanced.as_deref(), text)
    });
    print_entries(&entries.collect::<Vec<_>>())
}

/// The JSON of recipients and their status after an attempt.
pub(crate) fn print_outcomes<'a>(outcomes: impl Iterator<Item = &'a RecipientOutcome>) -> Result<String, StoreError> {
    let entries = outcomes.map(|outcome| {
        let RecipientOutcome { address, status, code, enhanced, text, .. } = outcome;
        Entry::new(address, *status, *code, enhanced.as_deref(), text)
    });
    print_entries(&entries.collect::<Vec<_>>())
}

fn print_entries(entries: &[Entry<'_>]) -> Result<String, StoreError> {
    serde_json::to_string(entries).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl<'a> Entry<'a> {
    fn new(
        address: &Address,
        status: RecipientStatus,
        code: Option<u16>,
        enhanced: Option<&'a str>,
        text: &'a str,
    ) -> Self {
        let (address, status) = (address.to_string().into(), status.as_str().into());
        Self { address, status, code, enhanced: enhanced.map(Cow::from), text: text.into() }
    }
}

/// Parses the JSON of recipients and their status.
pub(crate) fn parse(json: &str) -> Result<Vec<RecipientRecord>, StoreError> {
    let invalid =
        |error: &dyn std::fmt::Display| StoreError::Corrupt(format!("a list of recipients is invalid: {error}"));
    let entries: Vec<Entry<'_>> = serde_json::from_str(json).map_err(|error| invalid(&error))?;
    let record = |entry: Entry<'_>| {
        let address = Address::parse(&entry.address).map_err(|error| invalid(&error))?;
        let status = entry.status.parse().map_err(|error| invalid(&error))?;
        let mut record = RecipientRecord::new(address, status);
        (record.code, record.enhanced) = (entry.code, entry.enhanced.map(Cow::into_owned));
        record.text = entry.text.into_owned();
        Ok(record)
    };
    entries.into_iter().map(record).collect()
}

/// A recipient without an outcome.
pub(crate) const fn pending(address: Address) -> RecipientRecord {
    RecipientRecord::new(address, RecipientStatus::Pending)
}
