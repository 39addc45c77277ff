//! When a message is tried again.

use std::num::NonZeroU32;
use std::time::Duration;

use super::setters::setters;
use super::settings::{SettingsError, check_span};

/// When a message is tried again, and when it is given up.
///
/// Exponential backoff with jitter: attempt n (the first is 1) is followed by a wait of `d/2 + random(d/2)`, where `d =
/// min(max, first · factor^(n-1))`. A [`FailureClass`](crate::FailureClass) may make d longer, never shorter. The
/// jitter keeps messages that failed together from coming back together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetrySettings {
    /// The wait after the first attempt. 30 s.
    pub first: Duration,
    /// How many times longer each wait is than the one before. 2.
    pub factor: f64,
    /// The longest wait. 1 h.
    pub max: Duration,
    /// How many attempts are made, including the first. 16.
    pub attempts: NonZeroU32,
    /// How long a message is tried, counted from the time at which it first became due or was requeued by an operator.
    /// 3 days.
    pub give_up_after: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(30),
            factor: 2.0,
            max: Duration::from_secs(3_600),
            attempts: NonZeroU32::MIN.saturating_add(15),
            give_up_after: Duration::from_secs(3 * 86_400),
        }
    }
}

setters!(RetrySettings {
    /// Sets the wait after the first attempt.
    with_first(first: Duration);
    /// Sets how many times longer each wait is than the one before.
    with_factor(factor: f64);
    /// Sets the longest wait.
    with_max(max: Duration);
    /// Sets how many attempts are made, including the first.
    with_attempts(attempts: NonZeroU32);
    /// Sets how long a message is tried.
    with_give_up_after(give_up_after: Duration);
});

impl RetrySettings {
    /// Checks that the settings are valid and do not contradict each other.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_span("retry.first", self.first)?;
        check_span("retry.max", self.max)?;
        check_span("retry.give_up_after", self.give_up_after)?;
        if self.first > self.max {
            return Err(SettingsError::FirstRetryAfterMax { first: self.first, max: self.max });
        }
        if !self.factor.is_finite() || self.factor < 1.0 {
            return Err(SettingsError::RetryFactor);
        }
        Ok(())
    }

    /// The wait after an attempt. `least` is the minimum of its failure class, `random` lies in 0..1.
    pub(crate) fn wait(&self, attempt: u32, least: Duration, random: f64) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * self.factor.powi(power);
        let d = Duration::try_from_secs_f64(grown.min(self.max.as_secs_f64())).unwrap_or(self.max).min(self.max);
        let half = d.max(least) / 2;
        half + half.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_lies_between_half_of_d_and_d(attempt in 1u32..10_000, random in 0.0f64..1.0, least in 0u64..10_000) {
            let retry = RetrySettings::default();
            let d = 30.0 * 2f64.powi(attempt.min(100) as i32 - 1);
            let d = d.min(3_600.0).max(least as f64);
            let wait = retry.wait(attempt, Duration::from_secs(least), random).as_secs_f64();
            prop_assert!(wait >= d / 2.0 - 1e-6 && wait <= d + 1e-6, "{} for d = {}", wait, d);
        }
    }

    #[test]
    fn jitter_covers_the_upper_half_of_the_wait() {
        let retry = RetrySettings::default();
        assert_eq!(retry.wait(1, Duration::ZERO, 0.0), Duration::from_secs(15));
        assert_eq!(retry.wait(2, Duration::ZERO, 0.5), Duration::from_secs(45));
        assert_eq!(retry.wait(16, Duration::ZERO, 1.0), Duration::from_secs(3_600));
    }
}
