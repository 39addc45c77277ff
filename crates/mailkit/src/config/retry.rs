//! `[retry]`: when messages are tried again.

use mailkit_dispatch::RetrySettings;
use serde::Deserialize;

use super::bounds::{FAST_RETRY, FAST_RETRY_MAX, RetryFirst, RetryGiveUpAfter, RetryMax, USUAL_RETRY};
use super::words::{Decimal, MOST_COUNT, Number, Span};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table: [retry]")]
pub(super) struct RetrySection {
    first: Option<Span<RetryFirst>>,
    factor: Option<Decimal>,
    max: Option<Span<RetryMax>>,
    attempts: Option<Number<1, MOST_COUNT>>,
    give_up_after: Option<Span<RetryGiveUpAfter>>,
}

impl RetrySection {
    /// The settings, or what is wrong with them as a whole.
    pub(super) fn settings(self) -> Result<RetrySettings, String> {
        let defaults = RetrySettings::default();
        let settings = defaults
            .with_first(self.first.as_ref().map_or(defaults.first, |span| span.0))
            .with_factor(self.factor.map_or(defaults.factor, |Decimal(factor)| factor))
            .with_max(self.max.as_ref().map_or(defaults.max, |span| span.0))
            .with_attempts(self.attempts.map_or(defaults.attempts, Number::as_non_zero))
            .with_give_up_after(self.give_up_after.as_ref().map_or(defaults.give_up_after, |span| span.0));
        settings.check().map_err(|error| error.to_string())?;
        if settings.first < FAST_RETRY && settings.max > FAST_RETRY_MAX {
            return Err(format!(
                "{} (for a quick test, set `retry.max` to {FAST_RETRY_MAX:?} or less)",
                doubt(&settings)
            ));
        }
        if settings.give_up_after < settings.first {
            let (first, age) = (settings.first, settings.give_up_after);
            return Err(format!(
                "`retry.give_up_after` is {age:?}, before the second attempt (`retry.first` is {first:?}): mail that is \
                 refused for now would be dead at once; give it more time, such as 3d"
            ));
        }
        Ok(settings)
    }
}

/// What may not be meant, though it is possible: a schedule that begins in milliseconds and ends in hours.
pub(super) fn warning(settings: &RetrySettings) -> Option<String> {
    (settings.first < USUAL_RETRY && settings.max > FAST_RETRY_MAX).then(|| doubt(settings))
}

fn doubt(settings: &RetrySettings) -> String {
    let (first, max, attempts) = (settings.first, settings.max, settings.attempts);
    let count = first.as_millis();
    format!(
        "`retry.first` is {first:?}, while `retry.max` is {max:?}: all {attempts} attempts may be over within minutes, and the \
         mail dead; did you mean {count}s or {count}m?"
    )
}
