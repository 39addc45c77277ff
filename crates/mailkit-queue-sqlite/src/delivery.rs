//! Delivery options and tags as JSON in columns. The columns are NULL for default options and for no tags.

use mailkit_queue::{DeliveryOptions, Notify, ReturnContent, Tag};
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

/// The JSON of delivery options. `None` for the default options.
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

/// Parses the JSON of delivery options.
pub(crate) fn parse(text: Option<&str>) -> Result<DeliveryOptions, StoreError> {
    let Some(text) = text else { return Ok(DeliveryOptions::default()) };
    let columns: Columns = serde_json::from_str(text).map_err(|error| broken(&error))?;
    let notify = columns.notify.iter().map(|word| word.parse().map_err(|error| broken(&error)));
    let what = columns.return_content.map(|word| word.parse::<ReturnContent>().map_err(|error| broken(&error)));
    let mut delivery = DeliveryOptions::new();
    delivery.needs_8bit = columns.needs_8bit;
    delivery.needs_smtp_utf8 = columns.needs_smtp_utf8;
    delivery.notify = notify.collect::<Result<_, _>>()?;
    delivery.return_content = what.transpose()?;
    delivery.envelope_id = columns.envelope_id;
    delivery.require_tls = columns.require_tls;
    delivery.mt_priority = columns.mt_priority;
    Ok(delivery)
}

/// The JSON of tags. `None` for no tags.
pub(crate) fn print_tags(tags: &[Tag]) -> Result<Option<String>, StoreError> {
    let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    if tags.is_empty() { Ok(None) } else { json(&tags).map(Some) }
}

/// Parses the JSON of tags.
pub(crate) fn parse_tags(text: Option<&str>) -> Result<Vec<Tag>, StoreError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let tags: Vec<String> = serde_json::from_str(text).map_err(|error| broken(&error))?;
    tags.into_iter().map(|tag| Tag::new(tag).map_err(|error| broken(&error))).collect()
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the options or tags of a message are invalid: {error}"))
}
