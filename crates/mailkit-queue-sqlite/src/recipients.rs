//! Recipients in a column: JSON, so that the `sqlite3` program can take it apart.

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

/// The JSON of recipients and what is known of them.
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

/// Recipients and what is known of them, from their JSON.
pub(crate) fn parse(json: &str) -> Result<Vec<RecipientRecord>, StoreError> {
    let broken =
        |error: &dyn std::fmt::Display| StoreError::Corrupt(format!("a list of recipients is broken: {error}"));
    let entries: Vec<Entry<'_>> = serde_json::from_str(json).map_err(|error| broken(&error))?;
    let record = |entry: Entry<'_>| {
        let status = RecipientStatus::ALL.into_iter().find(|status| status.as_str() == entry.status);
        Ok(RecipientRecord {
            address: Address::parse(&entry.address).map_err(|error| broken(&error))?,
            status: status.ok_or_else(|| broken(&entry.status))?,
            code: entry.code,
            enhanced: entry.enhanced.map(Cow::into_owned),
            text: entry.text.into_owned(),
        })
    };
    entries.into_iter().map(record).collect()
}

/// A recipient of whom nothing is known yet.
pub(crate) const fn pending(address: Address) -> RecipientRecord {
    RecipientRecord { address, status: RecipientStatus::Pending, code: None, enhanced: None, text: String::new() }
}
