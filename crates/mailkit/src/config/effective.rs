//! The settings as they apply, for people to read: with every default, and without secrets.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use mailkit_dispatch::{BreakerSettings, Limits, RetrySettings, Settings, format_span};
use mailkit_pool::PoolSettings;
use mailkit_queue::QueueSettings;
use serde::Serialize;

use super::{Config, DkimKey};
use crate::outbox::Route;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// What the name of a secret setting contains, in the sections that are kept as they are.
const SECRETS: [&str; 7] = ["passw", "pwd", "secret", "token", "api_key", "apikey", "auth"];

/// The settings as they apply, in the form of the file: see [`Config::effective`].
#[derive(Debug, Serialize)]
pub struct Effective<'a> {
    hostname: Option<&'a str>,
    drain: Option<String>,
    redirect_all_to: Option<String>,
    allow_recipients: Option<Vec<String>>,
    archive_to: Option<String>,
    queue: Queue<'a>,
    retry: Retry,
    dkim: Vec<Dkim<'a>>,
    route: Vec<RouteShown<'a>>,
    #[serde(flatten)]
    sections: BTreeMap<&'static str, toml::Value>,
}

#[derive(Debug, Serialize)]
struct Queue<'a> {
    url: Option<&'a str>,
    lease: String,
    retention: String,
    key_window: String,
    max_messages: u64,
    max_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Retry {
    first: String,
    factor: f64,
    max: String,
    attempts: u32,
    give_up_after: String,
}

#[derive(Debug, Serialize)]
struct Dkim<'a> {
    domain: &'a str,
    selector: &'a str,
    key: String,
}

#[derive(Debug, Serialize)]
struct RouteShown<'a> {
    name: &'a str,
    server: String,
    pool: Pool,
    rate: Option<String>,
    quota: Vec<String>,
    per_domain: BTreeMap<&'a str, String>,
    breaker: Breaker,
    preference: Option<u32>,
    weight: u32,
    max_recipients: Option<u32>,
    convert: &'static str,
}

#[derive(Debug, Serialize)]
struct Pool {
    max_size: u32,
    min_idle: u32,
    acquire_timeout: String,
    idle_timeout: String,
    max_lifetime: String,
    messages_per_connection: u32,
}

#[derive(Debug, Serialize)]
struct Breaker {
    open_at: String,
    over: u32,
    slow: String,
    suspect_after: String,
    probe_after: String,
}

impl<'a> Effective<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let Config { safeguards, queue, retry, .. } = config;
        let allowed = safeguards.allow_recipients.as_ref();
        let QueueSettings { max_messages, max_bytes, retention, key_window, .. } = *queue;
        Self {
            hostname: config.hostname.as_deref(),
            drain: config.drain.map(format_span),
            redirect_all_to: safeguards.redirect_all_to.as_ref().map(ToString::to_string),
            allow_recipients: allowed.map(|patterns| patterns.iter().map(ToString::to_string).collect()),
            archive_to: config.archive_to.as_ref().map(ToString::to_string),
            queue: Queue {
                url: config.queue_url.as_deref(),
                lease: format_span(config.lease.unwrap_or(Settings::default().lease)),
                retention: format_span(retention),
                key_window: format_span(key_window),
                max_messages,
                max_bytes: Some(max_bytes).filter(|most| *most < u64::MAX),
            },
            retry: Retry::new(retry),
            dkim: config.dkim.iter().map(Dkim::new).collect(),
            route: config.routes.iter().map(RouteShown::new).collect(),
            sections: config.sections.iter().map(|(name, section)| (*name, section.clone())).collect(),
        }
    }
}

impl Retry {
    fn new(retry: &RetrySettings) -> Self {
        let RetrySettings { first, factor, max, attempts, give_up_after, .. } = *retry;
        Self {
            first: format_span(first),
            factor,
            max: format_span(max),
            attempts: attempts.get(),
            give_up_after: format_span(give_up_after),
        }
    }
}

impl<'a> Dkim<'a> {
    fn new(key: &'a DkimKey) -> Self {
        Self { domain: key.domain.as_ascii(), selector: &key.selector, key: key.key.display().to_string() }
    }
}

impl<'a> RouteShown<'a> {
    fn new(route: &'a Route) -> Self {
        let settings = route.settings();
        let Limits { rate, quotas, .. } = &settings.limits;
        let per_domain = |(domain, limits): (&'a String, &Limits)| Some((domain.as_str(), limits.rate?.to_string()));
        Self {
            name: route.name(),
            server: route.server(),
            pool: Pool::new(route.pool_settings()),
            rate: rate.map(|rate| rate.to_string()),
            quota: quotas.iter().map(ToString::to_string).collect(),
            per_domain: settings.per_domain.iter().filter_map(per_domain).collect(),
            breaker: Breaker::new(&settings.breaker),
            preference: settings.preference,
            weight: settings.weight.get(),
            max_recipients: route.recipient_limit().map(NonZeroU32::get),
            convert: route.conversion_policy().as_str(),
        }
    }
}

impl Pool {
    fn new(pool: &PoolSettings) -> Self {
        let PoolSettings { max_size, min_idle, acquire_timeout, idle_timeout, max_lifetime, messages_per_connection } =
            *pool;
        Self {
            max_size: max_size.get(),
            min_idle,
            acquire_timeout: format_span(acquire_timeout),
            idle_timeout: format_span(idle_timeout),
            max_lifetime: format_span(max_lifetime),
            messages_per_connection: messages_per_connection.get(),
        }
    }
}

impl Breaker {
    fn new(breaker: &BreakerSettings) -> Self {
        let BreakerSettings { open_at, over, slow, suspect_after, probe_after, .. } = *breaker;
        Self {
            open_at: open_at.to_string(),
            over: over.get(),
            slow: format_span(slow),
            suspect_after: format_span(suspect_after),
            probe_after: format_span(probe_after),
        }
    }
}

/// The value with `***` for every secret in it, and for the password and the parameters in every URL.
pub(super) fn without_secrets(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Table(table) => {
            let shown = table.into_iter().map(|(name, value)| match is_secret(&name) {
                true => (name, hide(value)),
                false => (name, without_secrets(value)),
            });
            toml::Value::Table(shown.collect())
        }
        toml::Value::Array(values) => toml::Value::Array(values.into_iter().map(without_secrets).collect()),
        toml::Value::String(text) => toml::Value::String(public_url(text)),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|part| name.contains(part))
}

/// The value of a secret setting: tables below it (`[[http.token]]`) are sections, everything else is hidden.
fn hide(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Table(_) => without_secrets(value),
        toml::Value::Array(values) => toml::Value::Array(values.into_iter().map(hide).collect()),
        _ => toml::Value::String(HIDDEN.to_owned()),
    }
}

/// A URL without its user and password, and without its parameters, which may hold a token.
fn public_url(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let (place, parameters) = match rest.split_once('?') {
        Some((place, _)) => (place, "?***"),
        None => (rest, ""),
    };
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}{parameters}"),
        None => format!("{scheme}://{place}{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn no_secret_of_the_daemon_is_shown_whatever_its_form() {
        let text = "[[submission.user]]\nname = \"app\"\npassword_hash = \"canary1\"\n[[http.token]]\nname = \"shop\"\n\
                    token = \"canary2\"\nscopes = [\"send\"]\n[[webhook]]\nurl = \"https://u:canary3@h.example/p?key=canary4\"\n\
                    secret = [\"canary5\"]\n[telemetry]\nheaders = { Authorization = \"Bearer canary6\" }\n\
                    api-key = \"canary7\"\nendpoint = \"http://h.example:4318/v1\"\n";
        let shown = format!("{:?}", toml::Value::try_from(Config::parse(text).unwrap().effective()).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        for kept in ["\"shop\"", "\"send\"", "https://***@h.example/p?***", "http://h.example:4318/v1"] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}
