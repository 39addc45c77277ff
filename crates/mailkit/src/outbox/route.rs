//! A route: a server, the connections to it, and its limits.

use std::fmt;
use std::num::NonZeroU32;

use mailkit_connection::{ConnectorConfig, ServerUrl};
use mailkit_dispatch::{BreakerSettings, Limits, Quota, Rate, RouteSettings};
use mailkit_pool::PoolSettings;

use crate::mailer::config_of_url;
use crate::{Convert, Error, Mailer};

/// A server for the messages of an [`Outbox`](crate::Outbox).
///
/// ```
/// use mailkit::Route;
///
/// let route = Route::new("primary", "smtp://localhost:2525?tls=none")?
///     .rate("14/s".parse()?)
///     .quota("500/1d recipients".parse()?)
///     .per_domain("gmail.com", "5/s".parse()?);
/// assert_eq!(route.name(), "primary");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a route does nothing until it is given to an outbox"]
pub struct Route {
    settings: RouteSettings,
    /// The URL of the server with `***` for every password, where it was made from one.
    server: Option<String>,
    config: ConnectorConfig,
    pool: PoolSettings,
    conversion: Convert,
    max_recipients: Option<NonZeroU32>,
}

impl Route {
    /// A route to a server URL, without limits.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): what is wrong in the URL.
    pub fn new(name: impl Into<String>, url: &str) -> Result<Self, Error> {
        Self::with_url(name, ServerUrl::parse(url)?)
    }

    /// A route to a server URL that was read.
    pub(crate) fn with_url(name: impl Into<String>, url: ServerUrl) -> Result<Self, Error> {
        let server = Some(url.to_string());
        Ok(Self { server, ..Self::with_config(name, config_of_url(url)?) })
    }

    /// A route with settings made by hand.
    pub fn with_config(name: impl Into<String>, config: ConnectorConfig) -> Self {
        let (settings, pool) = (RouteSettings::new(name), PoolSettings::default());
        let route = Self { settings, server: None, config, pool, conversion: Convert::default(), max_recipients: None };
        route.pool(PoolSettings::default())
    }

    /// How its connections are kept. As many are in use at once as there may be; for less than that, set
    /// [`max_concurrency`](RouteSettings::max_concurrency) behind this.
    pub fn pool(mut self, pool: PoolSettings) -> Self {
        self.pool = pool;
        self.settings.max_concurrency = pool.max_size;
        self
    }

    /// The most recipients of one transaction: the others of a message go in further ones. Without it, the server's own
    /// limit is kept where it says it (LIMITS RCPTMAX, RFC 9422), and learnt where it refuses more.
    pub const fn max_recipients(mut self, max: NonZeroU32) -> Self {
        self.max_recipients = Some(max);
        self
    }

    /// A smooth rate, such as `14/s`.
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.settings.limits.rate = Some(rate);
        self
    }

    /// One more hard quota, such as `500/1d recipients`.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.settings.limits.quotas.push(quota);
        self
    }

    /// A smooth rate for a domain of recipients; `*` is for each that is not named.
    pub fn per_domain(mut self, domain: impl Into<String>, rate: Rate) -> Self {
        self.settings.per_domain.insert(domain.into(), Limits::from(rate));
        self
    }

    /// When it is taken for broken.
    pub const fn breaker(mut self, breaker: BreakerSettings) -> Self {
        self.settings.breaker = breaker;
        self
    }

    /// The name to introduce ourselves by in EHLO, where the server's URL sets none (`ehlo=NAME`).
    pub fn hostname(mut self, name: &str) -> Self {
        if self.config.ehlo_name().is_none() {
            self.config = self.config.with_ehlo_name(name);
        }
        self
    }

    /// When messages with 8-bit content are converted, where its server takes none.
    pub const fn conversion(mut self, policy: Convert) -> Self {
        self.conversion = policy;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The URL of its server with `***` for every password, or the place of the server where there was no URL.
    #[must_use]
    pub fn server(&self) -> String {
        self.server.clone().unwrap_or_else(|| self.config.endpoint().to_string())
    }

    /// All that the dispatcher knows of it.
    #[must_use]
    pub const fn settings(&self) -> &RouteSettings {
        &self.settings
    }

    /// How its server is reached.
    #[must_use]
    pub const fn config(&self) -> &ConnectorConfig {
        &self.config
    }

    /// When messages with 8-bit content are converted.
    #[must_use]
    pub const fn conversion_policy(&self) -> Convert {
        self.conversion
    }

    /// The most recipients of one transaction, where [`max_recipients`](Self::max_recipients) set it.
    #[must_use]
    pub const fn recipient_limit(&self) -> Option<NonZeroU32> {
        self.max_recipients
    }

    /// How its connections are kept.
    #[must_use]
    pub const fn pool_settings(&self) -> &PoolSettings {
        &self.pool
    }

    /// All that the dispatcher knows of it: preference and weight among routes, more limits.
    pub const fn settings_mut(&mut self) -> &mut RouteSettings {
        &mut self.settings
    }

    /// The settings for the dispatcher, and the mailer that sends.
    pub(crate) fn into_parts(self) -> Result<(RouteSettings, Mailer), Error> {
        // More ways than connections would wait for each other.
        let most = self.settings.max_concurrency.min(self.pool.max_size);
        let settings = self.settings.with_max_concurrency(most);
        let mailer = Mailer::with_pool(self.config, self.pool)?.with_conversion(self.conversion);
        Ok((
            settings,
            match self.max_recipients {
                Some(max) => mailer.with_max_recipients(max),
                None => mailer,
            },
        ))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("settings", &self.settings)
            .field("endpoint", self.config.endpoint())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_as_many_ways_as_connections_unless_fewer_are_wanted() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let route = |size| {
            let pool = PoolSettings { max_size: number(size), ..PoolSettings::default() };
            Route::new("main", "smtp://localhost:2525?tls=none").unwrap().pool(pool)
        };
        let slots = |route: Route| {
            let (settings, _) = route.into_parts().unwrap();
            settings.max_concurrency.get()
        };
        assert_eq!((slots(route(50)), slots(route(2))), (50, 2));
        for (wanted, most) in [(3, 3), (60, 50)] {
            let mut route = route(50);
            route.settings_mut().max_concurrency = number(wanted);
            assert_eq!(slots(route), most);
        }
    }
}
