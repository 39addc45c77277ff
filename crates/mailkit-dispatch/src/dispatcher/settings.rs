//! What a dispatcher goes by: limits, routes, breakers, retries.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use mailkit_address::Domain;

use super::bounds::SpanBounds;
use super::rate::{Quota, Rate};
use super::retry::RetrySettings;
use super::span::LONGEST_SPAN;

/// The length of a lease. A lease that ends while its worker is alive sends the message a second time, and a worker may be
/// late by a second: a disk that is busy, a machine without a free core. Mail of a worker that died waits for as long.
pub const LEASE_BOUNDS: SpanBounds = SpanBounds::new(Duration::from_secs(5), Duration::from_secs(86_400));

/// Spans that only have to be longer than nothing.
const ANY_SPAN: SpanBounds = SpanBounds::new(Duration::from_nanos(1), LONGEST_SPAN);

/// What holds for all routes.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct Settings {
    /// When a message is tried again, and when no more.
    pub retry: RetrySettings,
    /// For how long messages are leased; a lease is renewed when half of it is over. 60 s, within [`LEASE_BOUNDS`].
    pub lease: Duration,
    /// A message that a limit lets go within this time waits here; one that has to wait longer is put back until its
    /// time. 5 s.
    pub max_local_wait: Duration,
    /// How long a slot stays open without work. 1 s.
    pub idle_timeout: Duration,
    /// Limits of each tenant, over all routes; `*` is for those that are not named.
    pub tenants: BTreeMap<String, Limits>,
    /// The seed of all chance, for tests; nothing takes one from the system.
    pub seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: RetrySettings::default(),
            lease: Duration::from_secs(60),
            max_local_wait: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(1),
            tenants: BTreeMap::new(),
            seed: None,
        }
    }
}

/// How much may leave, in time. Empty limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct Limits {
    /// Smooth.
    pub rate: Option<Rate>,
    /// Hard, and shared by all workers of the queue.
    pub quotas: Vec<Quota>,
}

impl From<Rate> for Limits {
    fn from(rate: Rate) -> Self {
        Self { rate: Some(rate), quotas: Vec::new() }
    }
}

impl From<Quota> for Limits {
    fn from(quota: Quota) -> Self {
        Self { rate: None, quotas: vec![quota] }
    }
}

/// One route: a slot out for messages, with its limits.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RouteSettings {
    /// Its name.
    pub name: String,
    /// Routes of the lowest preference take all messages, as MX records have it (RFC 5321 §5.1); those of the next are
    /// for when none of them is open. Nothing gives it its place in the row of routes.
    pub preference: Option<u32>,
    /// How much of the messages it takes among those of its preference, as SRV records have it (RFC 2782), while all of
    /// them have room; beyond that, each takes what it can.
    pub weight: NonZeroU32,
    /// What may leave over it.
    pub limits: Limits,
    /// What may leave over it to each domain of recipients, in any spelling; `*` is for each that is not named.
    pub per_domain: BTreeMap<String, Limits>,
    /// How many slots are tried at first, if there may be as many. 5, as Postfix does (`initial_destination_concurrency`).
    pub initial_concurrency: NonZeroU32,
    /// How many slots there may be. 20, as Postfix does (`default_destination_concurrency_limit`).
    pub max_concurrency: NonZeroU32,
    /// When it is taken for broken.
    pub breaker: BreakerSettings,
}

impl RouteSettings {
    /// A route without limits.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            preference: None,
            weight: NonZeroU32::MIN,
            limits: Limits::default(),
            per_domain: BTreeMap::new(),
            initial_concurrency: NonZeroU32::MIN.saturating_add(4),
            max_concurrency: NonZeroU32::MIN.saturating_add(19),
            breaker: BreakerSettings::default(),
        }
    }

    /// The same with a smooth rate.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.limits.rate = Some(rate);
        self
    }

    /// The same with one more hard quota.
    #[must_use]
    pub fn quota(mut self, quota: Quota) -> Self {
        self.limits.quotas.push(quota);
        self
    }

    /// The same with limits for a domain of recipients, or for each (`*`).
    #[must_use]
    pub fn per_domain(mut self, domain: impl Into<String>, limits: impl Into<Limits>) -> Self {
        self.per_domain.insert(domain.into(), limits.into());
        self
    }

    /// The same with at most so many slots at once.
    #[must_use]
    pub fn max_concurrency(mut self, most: NonZeroU32) -> Self {
        self.max_concurrency = most;
        self
    }

    /// How many slots the route begins with: a route that may have few begins with all of them.
    pub(crate) fn initial_slots(&self) -> u32 {
        self.initial_concurrency.min(self.max_concurrency).get()
    }
}

impl RouteSettings {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`SettingsError`] names what does not.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.name.is_empty() {
            return Err(SettingsError::UnnamedRoute);
        }
        if let Some(domain) = self.per_domain.keys().find(|name| spell(name).is_none()) {
            return Err(SettingsError::InvalidDomain { route: self.name.clone(), domain: domain.clone() });
        }
        check_span("breaker.slow", self.breaker.slow)?;
        check_span("breaker.suspect_after", self.breaker.suspect_after)?;
        check_span("breaker.probe_after", self.breaker.probe_after)
    }
}

/// When a route is taken for broken, and when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; written with the rest from default()")]
pub struct BreakerSettings {
    /// The share of failed attempts that opens it.
    pub open_at: Share,
    /// Over how many of the last attempts.
    pub over: NonZeroU32,
    /// An attempt that takes longer counts as failed here. Where another route takes mail, a route that keeps silent for so
    /// long is broken at once. A probe that takes longer is waited for no more: the next goes `probe_after` later.
    pub slow: Duration,
    /// Where another route takes mail, a route that keeps silent for so long gets nothing more that may go elsewhere, until
    /// it is heard or `slow` is over: an answer to a message, or a connection that opens where none carries a message. What
    /// is in flight goes on.
    ///
    /// A route that answers slowly has more time, up to `slow`: twice what it took twice in the last 10 to 20 minutes, or in
    /// its last 10 to 20 words where it has less mail. So a server that answers slowly is left twice at the most; and one
    /// that was that slow twice, and dies then, is left that much later. A large message that is alone in flight is silent
    /// too: new ones go elsewhere meanwhile, and where it takes longer than `slow`, until a probe went well.
    pub suspect_after: Duration,
    /// After how long one message is tried on a route that is broken: the probe.
    pub probe_after: Duration,
}

impl Default for BreakerSettings {
    /// Half of the last 20, 10 s (a server that takes longer holds up its way), 1.5 s (so that mail goes elsewhere within
    /// 2 s), 30 s.
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

/// Settings that contradict each other, or mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// There is no route: nothing would ever be sent.
    NoRoute,
    /// A route without a name.
    UnnamedRoute,
    /// Two routes have this name.
    DuplicateRoute(String),
    /// A span of time that is too short or too long.
    Span {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: Duration,
        /// What it may be.
        bounds: SpanBounds,
    },
    /// The first wait before a retry is longer than the longest.
    FirstRetryAfterMax {
        /// The first.
        first: Duration,
        /// The longest.
        max: Duration,
    },
    /// Limits for what is no domain.
    InvalidDomain {
        /// The route.
        route: String,
        /// What stands in the place of a domain.
        domain: String,
    },
    /// A factor below one would make each wait shorter than the last.
    RetryFactor,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("there is no route: give one at least"),
            Self::UnnamedRoute => f.write_str("a route has no name: give each one"),
            Self::DuplicateRoute(name) => write!(f, "two routes are named `{}`: rename one", name.escape_debug()),
            Self::Span { setting, value, bounds } => write!(f, "`{setting}` is {}", bounds.refusal(*value)),
            Self::FirstRetryAfterMax { first, max } => {
                write!(f, "the first wait before a retry, {first:?}, is longer than the longest, {max:?}")
            }
            Self::InvalidDomain { route, domain } => {
                let (route, domain) = (route.escape_debug(), domain.escape_debug());
                write!(f, "route `{route}` has limits for `{domain}`, which is neither a domain nor `*`")
            }
            Self::RetryFactor => f.write_str("the factor between retries has to be a number of 1 or more"),
        }
    }
}

impl Error for SettingsError {}

/// Refuses what can never work.
pub(crate) fn check(settings: &Settings, routes: &[&RouteSettings]) -> Result<(), SettingsError> {
    if routes.is_empty() {
        return Err(SettingsError::NoRoute);
    }
    let mut names = HashSet::with_capacity(routes.len());
    for route in routes {
        route.check()?;
        if !names.insert(&route.name) {
            return Err(SettingsError::DuplicateRoute(route.name.clone()));
        }
    }
    LEASE_BOUNDS.check("lease", settings.lease)?;
    check_span("max_local_wait", settings.max_local_wait)?;
    check_span("idle_timeout", settings.idle_timeout)?;
    settings.retry.check()
}

/// A domain as addresses spell it.
fn spell(name: &str) -> Option<String> {
    match name {
        "*" => Some(name.to_owned()),
        name => Domain::parse(name).ok().map(|domain| domain.as_ascii().to_owned()),
    }
}

/// Limits by domain, as addresses spell it; what is no domain was refused before.
pub(crate) fn spelled(limits: &BTreeMap<String, Limits>) -> BTreeMap<String, Limits> {
    limits.iter().filter_map(|(name, limits)| Some((spell(name)?, limits.clone()))).collect()
}

pub(crate) fn check_span(setting: &'static str, value: Duration) -> Result<(), SettingsError> {
    ANY_SPAN.check(setting, value)
}
