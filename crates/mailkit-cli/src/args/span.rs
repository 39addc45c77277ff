//! Spans of time on the command line.

use std::time::Duration;

/// Reads a span such as `60s`, `5m` or `7d`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|error| format!("{error}: write it as 60s, 5m or 7d"))
}
