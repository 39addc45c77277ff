//! A route as a configuration describes it.

use std::collections::BTreeMap;
use std::error::Error;

use mailkit_connection::ServerUrl;
use mailkit_dispatch::{BreakerSettings, Limits, Quota, Rate, Share};
use mailkit_pool::PoolSettings;
use serde::Deserialize;

use super::bounds::{AcquireTimeout, IdleTimeout, MaxLifetime, ProbeAfter, Slow, SuspectAfter};
use super::words::{Hidden, MOST_COUNT, Number, Span, Text, UrlText, Word, Words};
use crate::conversion::Convert;
use crate::outbox::Route;

/// More connections than any server takes from one client.
const MOST_CONNECTIONS: u64 = 10_000;
/// More attempts than anybody needs to see that a route is broken; each of them takes memory.
const MOST_ATTEMPTS_SEEN: u64 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [[route]]")]
pub(super) struct RouteSection {
    name: Text,
    server: UrlText,
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
    preference: Option<Number<0, MOST_COUNT>>,
    weight: Option<Number<1, MOST_COUNT>>,
    convert: Option<Word<Convert>>,
    max_recipients: Option<Number<1, MOST_COUNT>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in pool = { max_size = 16 }")]
struct PoolSection {
    max_size: Option<Number<1, MOST_CONNECTIONS>>,
    min_idle: Option<Number<0, MOST_CONNECTIONS>>,
    acquire_timeout: Option<Span<AcquireTimeout>>,
    idle_timeout: Option<Span<IdleTimeout>>,
    max_lifetime: Option<Span<MaxLifetime>>,
    messages_per_connection: Option<Number<1, MOST_COUNT>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in breaker = { slow = \"10s\" }")]
struct BreakerSection {
    open_at: Option<Word<Share>>,
    over: Option<Number<1, MOST_ATTEMPTS_SEEN>>,
    slow: Option<Span<Slow>>,
    suspect_after: Option<Span<SuspectAfter>>,
    probe_after: Option<Span<ProbeAfter>>,
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
        let url = logged_in(ServerUrl::parse(&self.server.0)?, self.user, self.password)?;
        let mut route = Route::with_url(self.name.0, url)?.pool(self.pool.settings()?);
        if let Some(Word(policy)) = self.convert {
            route = route.conversion(policy);
        }
        let settings = route.settings_mut();
        settings.limits = Limits::new().with_rate(self.rate.map(|Word(rate)| rate)).with_quotas(self.quota.0);
        settings.per_domain = self.per_domain.into_iter().map(|(domain, Word(rate))| (domain, rate.into())).collect();
        settings.breaker = self.breaker.settings();
        settings.preference = self.preference.map(Number::as_u32);
        settings.weight = self.weight.map_or(settings.weight, Number::as_non_zero);
        settings.check()?;
        Ok(match self.max_recipients {
            Some(max) => route.max_recipients(max.as_non_zero()),
            None => route,
        })
    }
}

impl PoolSection {
    fn settings(self) -> Result<PoolSettings, mailkit_pool::SettingsError> {
        let defaults = PoolSettings::default();
        let max_size = self.max_size.map_or(defaults.max_size, Number::as_non_zero);
        let settings = PoolSettings {
            max_size,
            // A pool of none idle is asked for by name; a small pool shall not have to say so.
            min_idle: self.min_idle.map_or(defaults.min_idle.min(max_size.get()), Number::as_u32),
            acquire_timeout: self.acquire_timeout.map_or(defaults.acquire_timeout, |span| span.0),
            idle_timeout: self.idle_timeout.map_or(defaults.idle_timeout, |span| span.0),
            max_lifetime: self.max_lifetime.map_or(defaults.max_lifetime, |span| span.0),
            messages_per_connection: self
                .messages_per_connection
                .map_or(defaults.messages_per_connection, Number::as_non_zero),
        };
        settings.check().map(|()| settings)
    }
}

impl BreakerSection {
    fn settings(self) -> BreakerSettings {
        let defaults = BreakerSettings::default();
        defaults
            .with_open_at(self.open_at.map_or(defaults.open_at, |Word(share)| share))
            .with_over(self.over.map_or(defaults.over, Number::as_non_zero))
            .with_slow(self.slow.map_or(defaults.slow, |span| span.0))
            .with_suspect_after(self.suspect_after.map_or(defaults.suspect_after, |span| span.0))
            .with_probe_after(self.probe_after.map_or(defaults.probe_after, |span| span.0))
    }
}

/// The URL with the login that stands in it, beside it, or partly here and partly there.
fn logged_in(mut url: ServerUrl, user: Option<Text>, password: Option<Hidden>) -> Result<ServerUrl, Box<dyn Error>> {
    if let Some(Text(user)) = user {
        if let Some(other) = url.user().filter(|other| *other != user) {
            let (other, user) = (other.escape_debug(), user.escape_debug());
            return Err(format!("`server` names the user `{other}`, and `user` is `{user}`: write one of them").into());
        }
        url = url.with_user(user);
    }
    if let Some(Hidden(password)) = password {
        if url.has_password() {
            return Err("`server` has a password (or a password-file) already, beside `password`: write it once".into());
        }
        if url.user().is_none() {
            return Err("`password` is there, but no user: set `user`, or write smtps://USER@HOST".into());
        }
        url = url.with_password(password);
    }
    Ok(url)
}
