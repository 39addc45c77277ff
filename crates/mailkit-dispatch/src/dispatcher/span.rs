//! Durations as settings write them: `30s`, `5m`, `1d`.

use std::time::Duration;

/// The longest duration allowed in settings: 100 years. Adding it to a time does not overflow any clock.
pub const LONGEST_SPAN: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The units, largest first, in milliseconds.
pub(crate) const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Parses a duration such as `30s`. With `bare`, a unit without a number means one of it. Zero is refused.
pub(crate) fn parse(text: &str, bare: bool) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = if number.is_empty() && bare { 1 } else { number.parse().ok()? };
    let (_, milliseconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let total = number.checked_mul(milliseconds).filter(|total| *total > 0)?;
    Some(Duration::from_millis(total))
}

/// Formats a duration so that [`parse`] reads it back: in the largest unit that gives a whole number.
pub(crate) fn print(span: Duration, bare: bool) -> String {
    let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (name, unit) = UNITS.into_iter().find(|(_, unit)| milliseconds % unit == 0).unwrap_or(("ms", 1));
    match milliseconds / unit {
        1 if bare => name.to_owned(),
        number => format!("{number}{name}"),
    }
}
