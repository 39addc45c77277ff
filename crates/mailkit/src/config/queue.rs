//! `[queue]`: where the queue is, and its bounds.

use mailkit_queue::QueueSettings;
use serde::Deserialize;

use super::bounds::{KeyWindow, Lease, Retention};
use super::words::{Number, Span, UrlText};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table: [queue] and below it url = \"sqlite:FILE\"")]
pub(super) struct QueueSection {
    pub(super) url: Option<UrlText>,
    pub(super) lease: Option<Span<Lease>>,
    retention: Option<Span<Retention>>,
    key_window: Option<Span<KeyWindow>>,
    max_messages: Option<Number<1, { u64::MAX }>>,
    max_bytes: Option<Number<1, { u64::MAX }>>,
    /// For the daemon, which refuses stores that lose acknowledged mail.
    #[serde(rename = "accept_weaker")]
    _accept_weaker: Option<bool>,
}

impl QueueSection {
    pub(super) fn settings(&self) -> QueueSettings {
        let defaults = QueueSettings::default();
        QueueSettings::new()
            .with_max_messages(self.max_messages.map_or(defaults.max_messages, |Number(number)| number))
            .with_max_bytes(self.max_bytes.map_or(defaults.max_bytes, |Number(number)| number))
            .with_retention(self.retention.as_ref().map_or(defaults.retention, |span| span.0))
            .with_key_window(self.key_window.as_ref().map_or(defaults.key_window, |span| span.0))
    }
}
