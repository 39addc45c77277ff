//! Settings from a TOML file: the queue, the routes, the retries.
//!
//! `${VAR}` and `${VAR:-default}` in a text are filled from the environment. Whatever is wrong is told with its line, and
//! never with the text of the line, which may hold a password.

mod bounds;
mod dkim;
mod effective;
mod error;
mod fill;
mod locate;
mod queue;
mod retry;
mod route;
#[cfg(test)]
mod tests;
mod warnings;
mod words;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use mailkit_connection::{Connector, read_settings_file};
use mailkit_dispatch::{RetrySettings, SettingsError};
use mailkit_queue::QueueSettings;
use serde::Deserialize;

use self::bounds::Drain;
pub use self::dkim::DkimKey;
use self::dkim::DkimSection;
pub use self::effective::Effective;
use self::effective::without_secrets;
pub use self::error::ConfigError;
use self::error::Problem;
pub use self::locate::locate;
use self::queue::QueueSection;
use self::retry::RetrySection;
use self::route::RouteSection;
use self::words::{HostName, Span, UrlText, Word, Words};
use crate::outbox::Route;
use crate::{Address, AddressPattern, Error, QueueUrl, Safeguards};

/// More than any configuration needs: one route takes less than a kilobyte.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// What a configuration file says.
///
/// ```
/// use mailkit::config::Config;
///
/// let config = Config::parse(
///     r#"
///     [queue]
///     url = "sqlite:mail.db"
///
///     [[route]]
///     name = "primary"
///     server = "smtp://localhost:2525?tls=none"
///     rate = "14/s"
///     quota = ["500/1d recipients"]
///     "#,
/// )?;
/// assert_eq!(config.queue_url.as_deref(), Some("sqlite:mail.db"));
/// assert_eq!(config.routes.len(), 1);
///
/// let error = Config::parse("[retry]\nfist = \"30s\"\n").unwrap_err();
/// assert!(error.to_string().starts_with("line 2: unknown field `fist`"));
/// # Ok::<(), mailkit::config::ConfigError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// The name that this host gives itself, in EHLO and in Message-IDs: `hostname`. The routes have it already.
    pub hostname: Option<String>,
    /// Who may get mail, and where the rest goes instead: `redirect_all_to`, `allow_recipients`.
    pub safeguards: Safeguards,
    /// Where a copy of each message goes: `archive_to`.
    pub archive_to: Option<Address>,
    /// The keys that sign: `[[dkim]]`.
    pub dkim: Vec<DkimKey>,
    /// How long what is on its way may take to end when the program is told to stop: `drain`.
    pub drain: Option<Duration>,
    /// Where the queue is: `[queue] url`.
    pub queue_url: Option<String>,
    /// How long messages are leased: `[queue] lease`.
    pub lease: Option<Duration>,
    /// The bounds of the queue: `[queue] retention`, `max_messages`, `max_bytes`.
    pub queue: QueueSettings,
    /// The routes, in their order.
    pub routes: Vec<Route>,
    /// When messages are tried again: `[retry]`.
    pub retry: RetrySettings,
    /// The sections of the daemon, as they stand in the file, without their secrets.
    sections: Vec<(&'static str, toml::Value)>,
    /// What is possible, but was probably not meant: for whoever starts with these settings to read.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, and the line where there is one.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let unreadable =
            |error| ConfigError { file: Some(path.to_path_buf()), line: None, problem: Problem::Unreadable(error) };
        let content = read_settings_file(path, FILE_LIMIT).map_err(unreadable)?;
        let text = std::str::from_utf8(&content)
            .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Self::parse(text).map_err(|error| ConfigError { file: Some(path.to_path_buf()), ..error })
    }

    /// Looks whether all that the file names can be used: the queue's URL, certificates, keys. Nothing is opened or sent.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) names what cannot.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(url) = &self.queue_url {
            url.parse::<QueueUrl>()?;
        }
        for route in &self.routes {
            Connector::new(route.config().clone()).map_err(Error::configuration)?;
        }
        #[cfg(feature = "dkim")]
        self.signers()?;
        Ok(())
    }

    /// Reads the keys of `[[dkim]]`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) names the one that is of no use.
    #[cfg(feature = "dkim")]
    pub fn signers(&self) -> Result<crate::DomainSigners, Error> {
        let keys = self.dkim.iter().map(|key| Ok((key.domain.clone(), key.signer()?)));
        keys.collect::<Result<Vec<_>, Error>>().map(crate::DomainSigners::new)
    }

    /// The settings as they apply, defaults included, with `***` for every secret.
    #[must_use]
    pub fn effective(&self) -> Effective<'_> {
        Effective::new(self)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError {
            file: None,
            line: error.span().map(|span| line_of(text, span.start)),
            problem: Problem::Setting(error.message().to_owned()),
        })?;
        let problem = |start, words| {
            let line = Some(line_of(text, start));
            ConfigError { file: None, line, problem: Problem::Setting(words) }
        };
        let hostname = file.hostname.map(|HostName(name)| name);
        let mut routes: Vec<Route> = Vec::with_capacity(file.route.len());
        let mut names = HashSet::with_capacity(file.route.len());
        for route in file.route {
            let start = route.span().start;
            let route = route.into_inner().into_route().map_err(|words| problem(start, words))?;
            let route = hostname.iter().fold(route, |route, name| route.hostname(name));
            if !names.insert(route.name().to_owned()) {
                let twice = SettingsError::DuplicateRoute(route.name().to_owned());
                return Err(problem(start, twice.to_string()));
            }
            routes.push(route);
        }
        let mut dkim = Vec::with_capacity(file.dkim.len());
        for section in file.dkim {
            let start = section.span().start;
            dkim.push(section.into_inner().key().map_err(|words| problem(start, words))?);
        }
        let start = file.retry.span().start;
        let retry = file.retry.into_inner().settings().map_err(|words| problem(start, words))?;
        let sections = [
            ("submission", file.submission),
            ("bounce", file.bounce),
            ("http", file.http),
            ("webhook", file.webhook),
            ("telemetry", file.telemetry),
        ];
        let sections =
            sections.into_iter().filter_map(|(name, section)| Some((name, without_secrets(section?)))).collect();
        Ok(Self {
            sections,
            hostname,
            safeguards: Safeguards {
                redirect_all_to: file.redirect_all_to.map(|Word(address)| address),
                allow_recipients: file.allow_recipients.map(|Words(patterns)| patterns),
            },
            archive_to: file.archive_to.map(|Word(address)| address),
            dkim,
            drain: file.drain.map(|span| span.0),
            queue: file.queue.settings(),
            lease: file.queue.lease.map(|span| span.0),
            queue_url: file.queue.url.map(|UrlText(url)| url),
            routes,
            warnings: Vec::new(),
            retry,
        }
        .with_warnings())
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hostname: Option<HostName>,
    redirect_all_to: Option<Word<Address>>,
    allow_recipients: Option<Words<AddressPattern>>,
    archive_to: Option<Word<Address>>,
    #[serde(default)]
    dkim: Vec<toml::Spanned<DkimSection>>,
    drain: Option<Span<Drain>>,
    #[serde(default)]
    queue: QueueSection,
    #[serde(default)]
    route: Vec<toml::Spanned<RouteSection>>,
    #[serde(default = "unsaid")]
    retry: toml::Spanned<RetrySection>,
    // What only the daemon reads may stand in the file that it shares with the other commands.
    submission: Option<toml::Value>,
    bounce: Option<toml::Value>,
    http: Option<toml::Value>,
    webhook: Option<toml::Value>,
    telemetry: Option<toml::Value>,
}

fn unsaid() -> toml::Spanned<RetrySection> {
    toml::Spanned::new(0..0, RetrySection::default())
}

fn line_of(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}
