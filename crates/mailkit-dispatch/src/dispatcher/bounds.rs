//! Bounds of durations in settings, and the unit that was probably meant by a value out of bounds.

use std::fmt;
use std::time::Duration;

use super::settings::SettingsError;
use super::span::{self, UNITS};

/// The minimum and maximum of a duration in settings.
///
/// ```
/// use std::time::Duration;
/// use mailkit_dispatch::LEASE_BOUNDS;
///
/// let error = LEASE_BOUNDS.check("lease", Duration::from_millis(5)).unwrap_err();
/// assert_eq!(error.to_string(), "`lease` is 5ms, and has to be 5s at least: did you mean 5s, 5m or 5h?");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanBounds {
    min: Duration,
    max: Duration,
}

impl SpanBounds {
    /// Bounds from the minimum to the maximum, both included.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    /// The minimum.
    #[must_use]
    pub const fn min(&self) -> Duration {
        self.min
    }

    /// The maximum.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// Whether a value lies within the bounds.
    #[must_use]
    pub fn contains(&self, value: Duration) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Checks that a value lies within the bounds.
    ///
    /// # Errors
    /// [`SettingsError::Span`] names the setting, the bound, and the unit that was probably meant.
    pub fn check(&self, setting: &'static str, value: Duration) -> Result<(), SettingsError> {
        match self.contains(value) {
            true => Ok(()),
            false => Err(SettingsError::Span { setting, value, bounds: *self }),
        }
    }

    /// The end of an error message for a value out of bounds, to follow "is".
    pub fn refusal(&self, value: Duration) -> impl fmt::Display + use<> {
        Refusal { bounds: *self, value }
    }
}

struct Refusal {
    bounds: SpanBounds,
    value: Duration,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, value } = self;
        write!(f, "{}, and has to be ", Span(*value))?;
        match value < &bounds.min {
            true if bounds.min < Duration::from_millis(1) => f.write_str("longer than 0s")?,
            true => write!(f, "{} at least", Span(bounds.min))?,
            false => write!(f, "{} at most", Span(bounds.max))?,
        }
        let meant = meant(*bounds, *value);
        let Some((last, others)) = meant.split_last() else { return Ok(()) };
        f.write_str(": did you mean ")?;
        if !others.is_empty() {
            write!(f, "{} or ", others.join(", "))?;
        }
        write!(f, "{last}?")
    }
}

/// The same number in each unit that brings it within the bounds.
fn meant(bounds: SpanBounds, value: Duration) -> Vec<String> {
    let written = span::print(value, false);
    let number = written.trim_end_matches(|unit: char| !unit.is_ascii_digit());
    let Some(count) = number.parse::<u64>().ok().filter(|count| *count > 0) else { return Vec::new() };
    let in_unit = |milliseconds: u64| count.checked_mul(milliseconds).map(Duration::from_millis);
    let fits = |milliseconds| in_unit(milliseconds).is_some_and(|value| bounds.contains(value));
    UNITS.iter().rev().filter(|(_, unit)| fits(*unit)).map(|(name, _)| format!("{number}{name}")).collect()
}

/// Formats a duration as settings write it: `90s`, `7d`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(mailkit_dispatch::format_span(Duration::from_secs(7 * 86_400)), "7d");
/// ```
#[must_use]
pub fn format_span(span: Duration) -> String {
    Span(span).to_string()
}

/// A span as settings write it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Duration::ZERO => f.write_str("0s"),
            span if span.subsec_nanos().is_multiple_of(1_000_000) => f.write_str(&span::print(span, false)),
            span => write!(f, "{span:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_refusal_names_the_bound_and_the_units_that_may_have_been_meant() {
        let bounds = SpanBounds::new(5 * SECOND, 3_600 * SECOND);
        for (value, text) in [
            (Duration::ZERO, "0s, and has to be 5s at least"),
            (Duration::from_nanos(1_500), "1.5µs, and has to be 5s at least"),
            (Duration::from_millis(5), "5ms, and has to be 5s at least: did you mean 5s or 5m?"),
            (Duration::from_millis(4_999), "4999ms, and has to be 5s at least"),
            (4 * SECOND, "4s, and has to be 5s at least: did you mean 4m?"),
            (30 * 86_400 * SECOND, "30d, and has to be 1h at most: did you mean 30s or 30m?"),
            (Duration::MAX, "18446744073709551615.999999999s, and has to be 1h at most"),
        ] {
            assert!(!bounds.contains(value));
            assert_eq!(bounds.refusal(value).to_string(), text);
        }
        assert!(bounds.contains(5 * SECOND) && bounds.contains(3_600 * SECOND));
    }
}
