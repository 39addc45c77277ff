//! What a transaction asks for, and tags, in columns: JSON, and nothing where there is nothing to say.

use mailkit_queue::{DeliveryOptions, Notify, ReturnContent};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Columns {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    needs_8bit: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    needs_smtp_utf8: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_tls: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mt_priority: Option<i8>,
}

/// The JSON of a delivery; nothing for one that asks nothing.
pub(crate) fn print(delivery: &DeliveryOptions) -> Result<Option<String>, StoreError> {
    if *delivery == DeliveryOptions::default() {
        return Ok(None);
    }
    let columns = Columns {
        needs_8bit: delivery.needs_8bit,
        needs_smtp_utf8: delivery.needs_smtp_utf8,
        notify: delivery.notify.iter().map(Notify::to_string).collect(),
        return_content: delivery.return_content.map(|what| what.to_string()),
        envelope_id: delivery.envelope_id.clone(),
        require_tls: delivery.require_tls,
        mt_priority: delivery.mt_priority,
    };
    json(&columns).map(Some)
}

/// A delivery from its JSON.
pub(crate) fn parse(text: Option<&str>) -> Result<DeliveryOptions, StoreError> {
    let Some(text) = text else { return Ok(DeliveryOptions::default()) };
    let columns: Columns = serde_json::from_str(text).map_err(|error| broken(&error))?;
    let notify = columns.notify.iter().map(|word| word.parse().map_err(|error| broken(&error)));
    let what = columns.return_content.map(|word| word.parse::<ReturnContent>().map_err(|error| broken(&error)));
    Ok(DeliveryOptions {
        needs_8bit: columns.needs_8bit,
        needs_smtp_utf8: columns.needs_smtp_utf8,
        notify: notify.collect::<Result<_, _>>()?,
        return_content: what.transpose()?,
        envelope_id: columns.envelope_id,
        require_tls: columns.require_tls,
        mt_priority: columns.mt_priority,
    })
}

/// The JSON of tags; nothing for none.
pub(crate) fn print_tags(tags: &[String]) -> Result<Option<String>, StoreError> {
    if tags.is_empty() { Ok(None) } else { json(&tags).map(Some) }
}

/// Tags from their JSON.
pub(crate) fn parse_tags(text: Option<&str>) -> Result<Vec<String>, StoreError> {
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(|error| broken(&error)))
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("what a message asks for is broken: {error}"))
}
