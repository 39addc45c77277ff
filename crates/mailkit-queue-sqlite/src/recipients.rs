//! Recipients as JSON in a column, which the `sqlite3` program can read.

use std::borrow::Cow;

use mailkit_address::Address;
use mailkit_queue::{RecipientRecord, RecipientStatus};
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
    let entries: Vec<_> = recipients
        .iter()
        .map(|recipient| Entry {
            address: recipient.address.to_string().into(),
            status: recipient.status.as_str().into(),
            code: recipient.code,
            enhanced: recipient.enhanced.as_deref().map(Cow::from),
            text: recipient.text.as_str().into(),
        })
        .collect();
    serde_json::to_string(&entries).map_err(|error| StoreError::Corrupt(error.to_string()))
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
