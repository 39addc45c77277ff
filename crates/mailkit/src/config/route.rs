//! A route as a configuration describes it.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroU32;

use mailkit_dispatch::{BreakerSettings, Limits, Quota, Rate, Share};
use mailkit_pool::PoolSettings;
use mailkit_smtp::sasl::Credentials;
use serde::Deserialize;

use super::words::{Hidden, Span, Text, Word, Words};
use crate::mailer::config_of;
use crate::outbox::Route;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [[route]]")]
pub(super) struct RouteSection {
    name: Text,
    server: Text,
    user: Option<Text>,
    password: Option<Hidden>,
    #[serde(default)]
    pool: PoolSection,
    rate: Option<Word<Rate>>,
    #[serde(default)]
    quota: Words<Quota>,
    #[serde(default)]
    per_domain: BTreeMap<String, Word<Rate>>,
    #[serde(default)]
    breaker: BreakerSection,
    preference: Option<u32>,
    weight: Option<NonZeroU32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in pool = { max_size = 16 }")]
struct PoolSection {
    max_size: Option<NonZeroU32>,
    min_idle: Option<u32>,
    acquire_timeout: Option<Span>,
    idle_timeout: Option<Span>,
    max_lifetime: Option<Span>,
    messages_per_connection: Option<NonZeroU32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in breaker = { slow = \"10s\" }")]
struct BreakerSection {
    open_at: Option<Word<Share>>,
    over: Option<Word<NonZeroU32>>,
    slow: Option<Span>,
    silence: Option<Span>,
    probe_after: Option<Span>,
}

impl RouteSection {
    /// The route, or what is wrong with it as a whole.
    pub(super) fn into_route(self) -> Result<Route, String> {
        let name = self.name.0.clone();
        self.read().map_err(|error| {
            let mut words = format!("route `{}`: {error}", name.escape_debug());
            let mut cause = error.source();
            while let Some(error) = cause {
                words.push_str(&format!(": {error}"));
                cause = error.source();
            }
            words
        })
    }

    fn read(self) -> Result<Route, Box<dyn Error>> {
        let config = config_of(&self.server.0)?;
        let config = match (self.user, self.password) {
            (None, None) => config,
            (Some(Text(user)), Some(Hidden(password))) => {
                config.with_credentials(Credentials::password(user, password)?)
            }
            _ => return Err("user and password go together".into()),
        };
        let mut route = Route::with_config(self.name.0, config).pool(self.pool.settings()?);
        let settings = route.settings_mut();
        settings.limits = Limits { rate: self.rate.map(|Word(rate)| rate), quotas: self.quota.0 };
        settings.per_domain = self.per_domain.into_iter().map(|(domain, Word(rate))| (domain, rate.into())).collect();
        settings.breaker = self.breaker.settings();
        settings.preference = self.preference;
        settings.weight = self.weight.unwrap_or(settings.weight);
        settings.check()?;
        Ok(route)
    }
}

impl PoolSection {
    fn settings(self) -> Result<PoolSettings, mailkit_pool::SettingsError> {
        let defaults = PoolSettings::default();
        let or = |span: Option<Span>, default| span.map_or(default, |Span(span)| span);
        let max_size = self.max_size.unwrap_or(defaults.max_size);
        let settings = PoolSettings {
            max_size,
            // A pool of none idle is asked for by name; a small pool shall not have to say so.
            min_idle: self.min_idle.unwrap_or(defaults.min_idle.min(max_size.get())),
            acquire_timeout: or(self.acquire_timeout, defaults.acquire_timeout),
            idle_timeout: or(self.idle_timeout, defaults.idle_timeout),
            max_lifetime: or(self.max_lifetime, defaults.max_lifetime),
            messages_per_connection: self.messages_per_connection.unwrap_or(defaults.messages_per_connection),
        };
        settings.check().map(|()| settings)
    }
}

impl BreakerSection {
    fn settings(self) -> BreakerSettings {
        let defaults = BreakerSettings::default();
        let or = |span: Option<Span>, default| span.map_or(default, |Span(span)| span);
        BreakerSettings {
            open_at: self.open_at.map_or(defaults.open_at, |Word(share)| share),
            over: self.over.map_or(defaults.over, |Word(over)| over),
            slow: or(self.slow, defaults.slow),
            silence: or(self.silence, defaults.silence),
            probe_after: or(self.probe_after, defaults.probe_after),
        }
    }
}
