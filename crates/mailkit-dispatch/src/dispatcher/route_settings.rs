//! Settings of one route.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use mailkit_address::Domain;

use super::breaker_settings::BreakerSettings;
use super::rate::{Quota, Rate};
use super::setters::setters;
use super::settings::{Limits, SettingsError, check_span};

/// Settings of one route: its preference among the routes, its limits, its concurrency and its circuit breaker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RouteSettings {
    /// The name of the route.
    pub name: String,
    /// The preference, as in MX records (RFC 5321 §5.1): the available routes with the lowest number take all messages.
    /// Routes with a higher number take over when none of those is available. `None` means the position of the route
    /// in the list of routes, counted from 0.
    pub preference: Option<u32>,
    /// The share of messages among available routes of the same preference, as in SRV records (RFC 2782). 1. A route
    /// without room for more messages takes less than its share, and the others take more.
    pub weight: NonZeroU32,
    /// Limits of all mail over this route.
    pub limits: Limits,
    /// Limits of mail over this route by domain of the recipients; `*` applies to each domain without an entry of its
    /// own. IDNA A-labels and U-labels are the same domain, in upper or lower case.
    pub per_domain: BTreeMap<String, Limits>,
    /// How many delivery slots (connections) the route starts with, at most
    /// [`max_concurrency`](Self::max_concurrency). 5, like Postfix's `initial_destination_concurrency`.
    pub initial_concurrency: NonZeroU32,
    /// The largest number of delivery slots (connections) in use at once. 20, like Postfix's
    /// `default_destination_concurrency_limit`.
    pub max_concurrency: NonZeroU32,
    /// When the circuit breaker opens, and when the route is probed.
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

    /// Sets the smooth rate.
    #[must_use]
    pub const fn with_rate(mut self, rate: Rate) -> Self {
        self.limits.rate = Some(rate);
        self
    }

    /// Adds one more hard quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.limits.quotas.push(quota);
        self
    }

    /// Sets the limits of a domain of recipients; `*` applies to each domain without limits of its own.
    #[must_use]
    pub fn with_domain_limits(mut self, domain: impl Into<String>, limits: impl Into<Limits>) -> Self {
        self.per_domain.insert(domain.into(), limits.into());
        self
    }

    /// How many slots the route starts with.
    pub(crate) fn initial_slots(&self) -> u32 {
        self.initial_concurrency.min(self.max_concurrency).get()
    }

    /// Checks that the settings are valid and do not contradict each other.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting.
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

setters!(RouteSettings {
    /// Sets the preference; `None` means the position in the list of routes.
    with_preference(preference: Option<u32>);
    /// Sets the share of messages among routes of the same preference.
    with_weight(weight: NonZeroU32);
    /// Sets the limits of all mail over this route.
    with_limits(limits: Limits);
    /// Sets how many delivery slots the route starts with.
    with_initial_concurrency(initial_concurrency: NonZeroU32);
    /// Sets the largest number of delivery slots in use at once.
    with_max_concurrency(max_concurrency: NonZeroU32);
    /// Sets when the circuit breaker opens, and when the route is probed.
    with_breaker(breaker: BreakerSettings);
});

/// A domain in the canonical form that addresses have, or `*`; `None` for anything else.
fn spell(name: &str) -> Option<String> {
    match name {
        "*" => Some(name.to_owned()),
        name => Domain::parse(name).ok().map(|domain| domain.as_ascii().to_owned()),
    }
}

/// The limits by canonical domain. Keys that are no domain were refused by [`RouteSettings::check`].
pub(crate) fn spelled(limits: &BTreeMap<String, Limits>) -> BTreeMap<String, Limits> {
    limits.iter().filter_map(|(name, limits)| Some((spell(name)?, limits.clone()))).collect()
}
