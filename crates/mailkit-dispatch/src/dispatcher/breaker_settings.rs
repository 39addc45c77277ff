//! When a route's circuit breaker opens, and when the route is probed.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::setters::setters;

/// When the circuit breaker of a route opens, and when the route is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// The share of failed attempts that opens the breaker. 50%.
    pub open_at: Share,
    /// The number of most recent attempts that the share is computed over. 20.
    pub over: NonZeroU32,
    /// An attempt that takes longer counts as failed. 10 s: a server that takes longer blocks its delivery slot.
    ///
    /// If another route can take the mail, a route that has not responded for this long opens its breaker at once. A
    /// probe that takes longer is no longer waited for, and the next probe starts after
    /// [`probe_after`](Self::probe_after).
    pub slow: Duration,
    /// How long a route may go without a response before it is suspected to be dead. 1.5 s, so that mail moves to
    /// another route within 2 s.
    ///
    /// A suspected route gets no new messages that another route can take. Messages in flight continue. The suspicion
    /// ends with the next response: an answer to a message, or a connection that opens while no message is in flight.
    /// If no response arrives within [`slow`](Self::slow), the breaker opens.
    ///
    /// The threshold adapts to slow servers, up to `slow`: it is twice the second-longest response time of the last 10
    /// to 20 minutes, or of the last 10 to 20 responses on a route with less mail. A server that is always slow is
    /// therefore suspected at most twice. A server that was slow twice and then dies is suspected correspondingly
    /// later.
    ///
    /// While a large message is the only one in flight, no response arrives either: new messages go to another route
    /// until it is done. If it takes longer than `slow`, they do so until a probe succeeds.
    pub suspect_after: Duration,
    /// How long the breaker stays open before one message is sent as a probe. 30 s.
    pub probe_after: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            open_at: Share { percent: 50 },
            over: NonZeroU32::MIN.saturating_add(19),
            slow: Duration::from_secs(10),
            suspect_after: Duration::from_millis(1_500),
            probe_after: Duration::from_secs(30),
        }
    }
}

setters!(BreakerSettings {
    /// Sets the share of failed attempts that opens the breaker.
    with_open_at(open_at: Share);
    /// Sets how many of the most recent attempts the share is computed over.
    with_over(over: NonZeroU32);
    /// Sets the duration beyond which an attempt counts as failed.
    with_slow(slow: Duration);
    /// Sets how long a route may go without a response before it is suspected.
    with_suspect_after(suspect_after: Duration);
    /// Sets how long the breaker stays open before a probe.
    with_probe_after(probe_after: Duration);
});

/// A share from 1% to 100%.
///
/// ```
/// use mailkit_dispatch::Share;
/// assert_eq!("50%".parse::<Share>().unwrap().percent(), 50);
/// assert!("0%".parse::<Share>().is_err() && "101%".parse::<Share>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    percent: u8,
}

impl Share {
    /// In hundredths.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.percent
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

impl FromStr for Share {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
        match percent {
            Some(percent @ 1..=100) => Ok(Self { percent }),
            _ => Err(InvalidShare { text: text.chars().take(64).collect() }),
        }
    }
}

/// A text that is no share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidShare {
    text: String,
}

impl fmt::Display for InvalidShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a share from `1%` to `100%`", self.text.escape_debug())
    }
}

impl Error for InvalidShare {}
