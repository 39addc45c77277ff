//! How short and how long each span of time in a configuration may be.
//!
//! A unit that slipped (`5ms` for `5m`, `7s` for `7d`) floods a server, loses mail or lets it wait for days. No setting is
//! useful below a tenth of a second in a file; programs that want less, such as tests, use the library's settings.

use std::time::Duration;

use mailkit_dispatch::{LEASE_BOUNDS, LONGEST_SPAN, SpanBounds};

/// A setting that is a span of time.
pub(super) trait SpanSetting {
    /// Its name, as errors and the reference have it.
    const NAME: &'static str;
    /// What it may be.
    const BOUNDS: SpanBounds;
}

/// The shortest span of a file.
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

macro_rules! span_settings {
    ($($(#[$doc:meta])* $setting:ident = $name:literal, $bounds:expr;)+) => {
        $($(#[$doc])* pub(super) struct $setting;

        impl SpanSetting for $setting {
            const NAME: &'static str = $name;
            const BOUNDS: SpanBounds = $bounds;
        })+

        /// Every span of time in the file, with its bounds.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, SpanBounds)] = &[$(($name, $bounds),)+];
    };
}

span_settings! {
    /// Shorter, every stop gives up what is on its way, and that may be sent twice.
    Drain = "drain", SpanBounds::new(TENTH, DAY);
    Lease = "queue.lease", LEASE_BOUNDS;
    /// Shorter, what is dead is forgotten before anybody sees it.
    Retention = "queue.retention", SpanBounds::new(SECOND, LONGEST_SPAN);
    /// Shorter, what a program enqueues again under its key is sent again.
    KeyWindow = "queue.key_window", SpanBounds::new(SECOND, LONGEST_SPAN);
    /// See [`FAST_RETRY`].
    RetryFirst = "retry.first", SpanBounds::new(Duration::from_millis(1), DAY);
    RetryMax = "retry.max", SpanBounds::new(Duration::from_millis(1), MONTH);
    RetryGiveUpAfter = "retry.give_up_after", SpanBounds::new(TENTH, LONGEST_SPAN);
    /// Shorter, every message finds all connections busy.
    AcquireTimeout = "pool.acquire_timeout", SpanBounds::new(TENTH, HOUR);
    /// Shorter, a connection is opened for each message.
    IdleTimeout = "pool.idle_timeout", SpanBounds::new(TENTH, DAY);
    MaxLifetime = "pool.max_lifetime", SpanBounds::new(SECOND, MONTH);
    /// Shorter, every attempt counts as failed, and the breaker opens.
    Slow = "breaker.slow", SpanBounds::new(TENTH, HOUR);
    SuspectAfter = "breaker.suspect_after", SpanBounds::new(TENTH, HOUR);
    /// Shorter, a server that is down is asked without a pause.
    ProbeAfter = "breaker.probe_after", SpanBounds::new(TENTH, DAY);
}

/// The window of a rate or a quota: `14/ms` was meant as `14/m`, and would be no limit at all.
pub(super) const WINDOW_BOUNDS: SpanBounds = SpanBounds::new(TENTH, LONGEST_SPAN);

/// A first wait below it needs a `retry.max` of at most [`FAST_RETRY_MAX`] beside it: else all attempts are over within
/// minutes, and the mail is dead.
pub(super) const FAST_RETRY: Duration = Duration::from_millis(10);

/// A longest wait that belongs to a fast schedule.
pub(super) const FAST_RETRY_MAX: Duration = Duration::from_secs(10);

/// A first wait below it is warned of, unless the longest wait belongs to it.
pub(super) const USUAL_RETRY: Duration = SECOND;
