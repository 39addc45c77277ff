//! Rates and quotas as settings write them.

use std::error::Error;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use super::span;
use crate::enum_text::string_enum;

/// What a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "code that counts must handle a new one")]
pub enum Unit {
    /// Messages, however many recipients they have.
    #[default]
    Messages,
    /// Recipients. All recipients of one message count at once.
    Recipients,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Recipients];

    /// The name of the unit, as settings write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
        }
    }
}

string_enum!(Unit);

/// A smooth rate: `14/s`, `5/m`, `100/h recipients`, `10/s burst 20`.
///
/// In any period T, at most `T · rate + burst` are sent. If the unit is recipients and one message has more recipients
/// than the burst, that number replaces the burst. The default burst is 1, or the amount of 5 ms if that is
/// more: timers have a resolution of milliseconds, so without it no rate above 1,000/s could be reached.
///
/// Each dispatcher keeps the rate for itself.
///
/// ```
/// use mailkit_dispatch::Rate;
///
/// let rate: Rate = "14/s".parse()?;
/// assert_eq!(rate.to_string(), "14/s");
/// assert!("0/s".parse::<Rate>().is_err());
/// # Ok::<(), mailkit_dispatch::InvalidLimit>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    amount: NonZeroU32,
    per: Duration,
    unit: Unit,
    burst: Option<NonZeroU32>,
}

/// A few ticks of a timer.
const TICK: Duration = Duration::from_millis(5);
/// More than a million per second is practically no limit.
const LEAST_INTERVAL: Duration = Duration::from_micros(1);

impl Rate {
    /// A rate of `amount` per `per`.
    ///
    /// # Errors
    /// The period is shorter than a millisecond or longer than 100 years, or the rate is above a million per second.
    pub fn new(amount: NonZeroU32, per: Duration, unit: Unit) -> Result<Self, InvalidLimit> {
        let rate = Self { amount, per, unit, burst: None };
        match is_valid_period(per) && rate.interval() >= LEAST_INTERVAL {
            true => Ok(rate),
            false => Err(InvalidLimit::new(&rate.to_string(), RATE)),
        }
    }

    /// Sets how many may be sent at once after a pause.
    #[must_use]
    pub const fn with_burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// The period of the rate: one second for `14/s`.
    #[must_use]
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// The unit that is counted.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The interval between two units, rounded up so that the rate is never exceeded.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let nanoseconds = self.per.as_nanos().div_ceil(u128::from(self.amount.get()));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How many may be sent at once after a pause.
    #[must_use]
    pub fn burst(&self) -> NonZeroU32 {
        self.burst.unwrap_or_else(|| {
            let in_a_tick = TICK.as_nanos() / self.interval().as_nanos().max(1);
            u32::try_from(in_a_tick).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
        })
    }
}

const RATE: &str = "a rate such as `14/s`, `5/m`, `100/h recipients` or `10/s burst 20`";

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.amount, span::print(self.per, true))?;
        if self.unit == Unit::Recipients {
            f.write_str(" recipients")?;
        }
        self.burst.map_or(Ok(()), |burst| write!(f, " burst {burst}"))
    }
}

impl FromStr for Rate {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let read = || {
            let mut words = text.split(' ');
            let (amount, per) = words.next()?.split_once('/')?;
            let (amount, per) = (amount.parse().ok()?, span::parse(per, true)?);
            let mut words = words.peekable();
            let unit = words.next_if_eq(&"recipients").map(|_| Unit::Recipients);
            let unit = unit.or_else(|| words.next_if_eq(&"messages").map(|_| Unit::Messages)).unwrap_or_default();
            let rate = Self::new(amount, per, unit).ok()?;
            match (words.next(), words.next(), words.next()) {
                (None, ..) => Some(rate),
                (Some("burst"), Some(burst), None) => Some(rate.with_burst(burst.parse().ok()?)),
                _ => None,
            }
        };
        read().ok_or_else(|| InvalidLimit::new(text, RATE))
    }
}

/// A hard quota, shared by all workers of a queue: at most `limit` in every window of that length, such as
/// `500/1d recipients`.
///
/// A message counts when its job is handed out, so the server never counts more than the quota allows.
///
/// ```
/// use mailkit_dispatch::Quota;
///
/// let quota: Quota = "500/1d recipients".parse()?;
/// assert_eq!(quota.to_string(), "500/1d recipients");
/// # Ok::<(), mailkit_dispatch::InvalidLimit>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    limit: NonZeroU64,
    window: Duration,
    unit: Unit,
}

const QUOTA: &str = "a quota such as `500/1d recipients` or `100/1h messages`";

impl Quota {
    /// A quota of `limit` per `window`.
    ///
    /// # Errors
    /// The window is shorter than a millisecond or longer than 100 years.
    pub fn new(limit: NonZeroU64, window: Duration, unit: Unit) -> Result<Self, InvalidLimit> {
        let quota = Self { limit, window, unit };
        match is_valid_period(window) {
            true => Ok(quota),
            false => Err(InvalidLimit::new(&quota.to_string(), QUOTA)),
        }
    }

    /// How many are allowed in each window.
    #[must_use]
    pub const fn limit(&self) -> NonZeroU64 {
        self.limit
    }

    /// The length of the window.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The unit that is counted.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.limit, span::print(self.window, false), self.unit.as_str())
    }
}

impl FromStr for Quota {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let read = || {
            let (numbers, unit) = text.split_once(' ')?;
            let (limit, window) = numbers.split_once('/')?;
            Self::new(limit.parse().ok()?, span::parse(window, true)?, unit.parse().ok()?).ok()
        };
        read().ok_or_else(|| InvalidLimit::new(text, QUOTA))
    }
}

/// Whether a period has whole milliseconds and lies within the range of the clocks.
fn is_valid_period(span: Duration) -> bool {
    span >= Duration::from_millis(1) && span <= span::LONGEST_SPAN && span.subsec_nanos().is_multiple_of(1_000_000)
}

/// A text that is not a valid rate or quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLimit {
    text: String,
    expected: &'static str,
}

impl InvalidLimit {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), expected }
    }
}

impl fmt::Display for InvalidLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text.escape_debug(), self.expected)
    }
}

impl Error for InvalidLimit {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit() -> impl Strategy<Value = Unit> {
        prop_oneof![Just(Unit::Messages), Just(Unit::Recipients)]
    }

    proptest! {
        #[test]
        fn a_rate_that_is_printed_reads_back(amount in 1u32..1_000, millis in 1u64..1_000_000_000, unit in unit(), burst: Option<NonZeroU32>) {
            let mut rate = Rate::new(NonZeroU32::new(amount).unwrap(), Duration::from_millis(millis), unit).unwrap();
            rate.burst = burst;
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn a_quota_that_is_printed_reads_back(limit: NonZeroU64, millis in 1u64..1_000_000_000, unit in unit()) {
            let quota = Quota::new(limit, Duration::from_millis(millis), unit).unwrap();
            prop_assert_eq!(quota.to_string().parse(), Ok(quota));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9]{0,3}/?[0-9]{0,2}[smhd]{0,2} ?[a-z ]{0,12}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert!(rate.interval() >= LEAST_INTERVAL);
            }
        }
    }

    #[test]
    fn a_limit_that_allows_nothing_is_refused() {
        for text in
            ["0/s", "5", "5/", "/s", "5/0s", "5/x", "-1/s", "5/s burst 0", "5/s burst", "5/s often", "4000000/s"]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["0/1d recipients", "500/1d", "500/0d messages", "500/1d people", "500/1d recipients messages"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_interval_is_never_too_short() {
        let rate: Rate = "14/s".parse().unwrap();
        assert!(rate.interval() * 14 >= Duration::from_secs(1));
        assert_eq!(rate.burst().get(), 1);
        assert_eq!("2000/s".parse::<Rate>().unwrap().burst().get(), 10);
    }
}
