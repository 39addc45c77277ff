//! Settings of a dispatcher: leases, retries, limits, and what makes settings invalid.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::bounds::SpanBounds;
use super::rate::{Quota, Rate};
use super::retry::RetrySettings;
use super::route_settings::RouteSettings;
use super::setters::setters;
use super::span::LONGEST_SPAN;

/// The bounds of [`Settings::lease`].
///
/// If a lease expires while its worker is alive, the message is sent twice; a worker may be delayed by a second, for
/// example by a busy disk or a machine without a free core. The mail of a worker that died waits until its leases
/// expire.
pub const LEASE_BOUNDS: SpanBounds = SpanBounds::new(Duration::from_secs(5), Duration::from_secs(86_400));

/// Durations that only have to be longer than zero.
const ANY_SPAN: SpanBounds = SpanBounds::new(Duration::from_nanos(1), LONGEST_SPAN);

/// Settings that apply to all routes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// When a message is tried again, and when it is given up.
    pub retry: RetrySettings,
    /// How long messages are leased; a lease is renewed when half of it is over. 60 s, within [`LEASE_BOUNDS`].
    pub lease: Duration,
    /// The longest time that a leased message waits in memory for a rate limit or quota. 5 s.
    ///
    /// A message that has to wait longer is rescheduled in the queue, where it holds no lease. This also bounds how
    /// many messages are leased for a route with a rate: at most what the rate lets through within this time.
    pub max_local_wait: Duration,
    /// How long a delivery slot without work stays open before it ends. 1 s.
    pub idle_timeout: Duration,
    /// Limits of each tenant, over all routes; `*` applies to tenants without an entry of their own.
    pub tenants: BTreeMap<String, Limits>,
    /// The seed of all random numbers, for tests. `None` takes one from the system.
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

setters!(Settings {
    /// Sets when a message is tried again, and when it is given up.
    with_retry(retry: RetrySettings);
    /// Sets how long messages are leased.
    with_lease(lease: Duration);
    /// Sets the longest time that a leased message waits in memory for a limit.
    with_max_local_wait(max_local_wait: Duration);
    /// Sets how long a delivery slot without work stays open.
    with_idle_timeout(idle_timeout: Duration);
    /// Sets the seed of all random numbers.
    with_seed(seed: Option<u64>);
});

impl Settings {
    /// Sets the limits of a tenant; `*` applies to tenants without limits of their own.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>, limits: impl Into<Limits>) -> Self {
        self.tenants.insert(tenant.into(), limits.into());
        self
    }
}

/// How much mail may leave per unit of time. The default limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A smooth rate, kept by each dispatcher for itself.
    pub rate: Option<Rate>,
    /// Hard quotas, shared by all workers of the queue.
    pub quotas: Vec<Quota>,
}

impl Limits {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one more hard quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quotas.push(quota);
        self
    }
}

setters!(Limits {
    /// Sets the smooth rate; `None` removes it.
    with_rate(rate: Option<Rate>);
    /// Sets all hard quotas.
    with_quotas(quotas: Vec<Quota>);
});

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

/// Settings that are invalid or contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// There is no route, so nothing could be sent.
    NoRoute,
    /// A route has no name.
    UnnamedRoute,
    /// Two routes have the same name.
    DuplicateRoute(String),
    /// A duration is too short or too long.
    Span {
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
        /// The values allowed.
        bounds: SpanBounds,
    },
    /// `retry.first` is longer than `retry.max`.
    FirstRetryAfterMax {
        /// The value of `retry.first`.
        first: Duration,
        /// The value of `retry.max`.
        max: Duration,
    },
    /// The key of a per-domain limit is neither a domain nor `*`.
    InvalidDomain {
        /// The name of the route.
        route: String,
        /// The key.
        domain: String,
    },
    /// `retry.factor` is below 1, which would make each wait shorter than the one before.
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

/// Checks the settings of a dispatcher and of its routes together.
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

pub(crate) fn check_span(setting: &'static str, value: Duration) -> Result<(), SettingsError> {
    ANY_SPAN.check(setting, value)
}
