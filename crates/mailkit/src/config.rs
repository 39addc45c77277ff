//! Settings from a TOML file: the queue, the routes, the retries.
//!
//! `${VAR}` and `${VAR:-default}` in a text are filled from the environment. Whatever is wrong is told with its line, and
//! never with the text of the line, which may hold a password.

mod fill;
mod route;
mod words;

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailkit_dispatch::{RetrySettings, SettingsError};
use mailkit_queue::QueueSettings;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::route::RouteSection;
use self::words::{Span, Text};
use crate::outbox::Route;

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
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, and the line where there is one.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: Some(path.to_path_buf()),
            line: None,
            problem: Problem::Unreadable(error),
        })?;
        Self::parse(&text).map_err(|error| ConfigError { file: Some(path.to_path_buf()), ..error })
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
        let defaults = QueueSettings::default();
        let queue = QueueSettings {
            max_messages: file.queue.max_messages.map_or(defaults.max_messages, NonZeroU64::get),
            max_bytes: file.queue.max_bytes.map_or(defaults.max_bytes, NonZeroU64::get),
            retention: file.queue.retention.map_or(defaults.retention, |Span(span)| span),
            ..defaults
        };
        let problem = |start, words| {
            let line = Some(line_of(text, start));
            ConfigError { file: None, line, problem: Problem::Setting(words) }
        };
        let lease = file.queue.lease.map(|lease| (lease.span().start, lease.into_inner().0));
        if let Some((start, value)) = lease.filter(|(_, value)| value.is_zero()) {
            return Err(problem(start, SettingsError::Span { setting: "lease", value }.to_string()));
        }
        let mut routes: Vec<Route> = Vec::with_capacity(file.route.len());
        for route in file.route {
            let start = route.span().start;
            let route = route.into_inner().into_route().map_err(|words| problem(start, words))?;
            if routes.iter().any(|other| other.name() == route.name()) {
                let twice = SettingsError::Twice(route.name().to_owned());
                return Err(problem(start, twice.to_string()));
            }
            routes.push(route);
        }
        let start = file.retry.span().start;
        let retry = file.retry.into_inner().settings();
        retry.check().map_err(|error| problem(start, error.to_string()))?;
        Ok(Self {
            queue_url: file.queue.url.map(|Text(url)| url),
            lease: lease.map(|(_, span)| span),
            queue,
            routes,
            retry,
        })
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    queue: QueueSection,
    #[serde(default)]
    route: Vec<toml::Spanned<RouteSection>>,
    #[serde(default = "unsaid")]
    retry: toml::Spanned<RetrySection>,
    // What only the daemon reads may stand in the file that it shares with the other commands.
    #[serde(rename = "submission")]
    _submission: Option<IgnoredAny>,
    #[serde(rename = "http")]
    _http: Option<IgnoredAny>,
    #[serde(rename = "telemetry")]
    _telemetry: Option<IgnoredAny>,
}

fn unsaid() -> toml::Spanned<RetrySection> {
    toml::Spanned::new(0..0, RetrySection::default())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table: [queue] and below it url = \"sqlite:FILE\"")]
struct QueueSection {
    url: Option<Text>,
    lease: Option<toml::Spanned<Span>>,
    retention: Option<Span>,
    max_messages: Option<NonZeroU64>,
    max_bytes: Option<NonZeroU64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table: [retry]")]
struct RetrySection {
    first: Option<Span>,
    factor: Option<f64>,
    max: Option<Span>,
    attempts: Option<NonZeroU32>,
    give_up_after: Option<Span>,
}

impl RetrySection {
    fn settings(self) -> RetrySettings {
        let defaults = RetrySettings::default();
        let or = |span: Option<Span>, default| span.map_or(default, |Span(span)| span);
        RetrySettings {
            first: or(self.first, defaults.first),
            factor: self.factor.unwrap_or(defaults.factor),
            max: or(self.max, defaults.max),
            attempts: self.attempts.unwrap_or(defaults.attempts),
            give_up_after: or(self.give_up_after, defaults.give_up_after),
        }
    }
}

fn line_of(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

/// Why a configuration makes no sense.
#[derive(Debug)]
pub struct ConfigError {
    file: Option<PathBuf>,
    line: Option<usize>,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Unreadable(std::io::Error),
    Setting(String),
}

impl ConfigError {
    /// The line that it is about, counted from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, Problem::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.problem {
            Problem::Unreadable(_) => f.write_str("the file cannot be read"),
            // In one line: the parser parts its words by line ends.
            Problem::Setting(words) => f.write_str(&words.trim_end().replace('\n', ", ")),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Unreadable(error) => Some(error),
            Problem::Setting(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_may_say_nothing() {
        let config = Config::parse("").unwrap();
        assert!(config.queue_url.is_none() && config.routes.is_empty());
        assert_eq!(config.queue, QueueSettings::default());
    }

    #[test]
    fn each_section_is_read() {
        let config = Config::parse(
            "[queue]\nurl = \"memory:\"\nlease = \"2m\"\nretention = \"1d\"\nmax_messages = 1_000\n\
             [http]\nlisten = \"127.0.0.1:8025\"\n[retry]\nfirst = \"1s\"\nattempts = 3\nfactor = 3\n",
        )
        .unwrap();
        assert_eq!(config.lease, Some(Duration::from_secs(120)));
        assert_eq!(config.queue.retention, Duration::from_secs(86_400));
        assert_eq!(config.queue.max_messages, 1_000);
        assert_eq!((config.retry.attempts.get(), config.retry.factor), (3, 3.0));
        assert_eq!(config.retry.max, RetrySettings::default().max);
    }

    #[test]
    fn each_setting_of_a_route_is_read() {
        let text = r#"
            [[route]]
            name = "primary"
            server = "smtps://smtp.example.com"
            user = "me@example.com"
            password = "${MAILKIT_NO_SUCH_PASSWORD:-secret}"
            pool = { max_size = 12, min_idle = 1, acquire_timeout = "5s", idle_timeout = "60s", max_lifetime = "30m", messages_per_connection = 100 }
            rate = "14/s"
            quota = ["500/1d recipients"]
            per_domain = { "gmail.com" = "5/s", "*" = "20/s" }
            breaker = { open_at = "40%", over = "30", slow = "20s", silence = "3s", probe_after = "15s" }
            weight = 3

            [[route]]
            name = "backup"
            server = "smtp://user:secret@smtp.example.net"
            preference = 7
        "#;
        let mut routes = Config::parse(text).unwrap().routes;
        let names: Vec<String> = routes.iter().map(|route| route.name().to_owned()).collect();
        assert_eq!(names, ["primary", "backup"]);
        let primary = routes[0].settings_mut();
        assert_eq!((primary.most_ways.get(), primary.weight.get(), primary.per_domain.len()), (12, 3, 2));
        assert_eq!(primary.limits.rate, Some("14/s".parse().unwrap()));
        assert_eq!(primary.limits.quotas, ["500/1d recipients".parse().unwrap()]);
        let seconds = Duration::from_secs;
        let breaker = mailkit_dispatch::BreakerSettings {
            open_at: "40%".parse().unwrap(),
            over: NonZeroU32::new(30).unwrap(),
            slow: seconds(20),
            silence: seconds(3),
            probe_after: seconds(15),
        };
        assert_eq!((primary.breaker, routes[1].settings_mut().preference), (breaker, Some(7)));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line_whoever_wrote_it() {
        let route = |rest: &str| format!("\n[[route]]\nname = \"a\"\nserver = \"smtps://h\"\n{rest}\n");
        let cases = [
            ("queue = \"sqlite:mail.db\"\n".to_owned(), 1, "expected a table: [queue] and below it url ="),
            ("route = [\"smtps://h\"]\n".to_owned(), 1, "expected a table: [[route]]"),
            ("[queue]\nmax_messages = 0\n".to_owned(), 2, "nonzero"),
            ("[queue]\nmax_messages = -1\n".to_owned(), 2, "nonzero"),
            ("[queue]\nmax_messages = 99999999999999999999\n".to_owned(), 2, ""),
            ("[queue]\nlease = \"0s\"\n".to_owned(), 2, "`lease` is 0ns"),
            ("[queue]\nlease = \"999999999999999d\"\n".to_owned(), 2, "no span of time"),
            ("[queue]\nlease = \"36501d\"\n".to_owned(), 2, "more than 100 years"),
            ("[queue]\nretention = \"-5s\"\n".to_owned(), 2, "no span of time"),
            ("[queue]\nretention = \"5\"\n".to_owned(), 2, "no span of time"),
            ("[queue]\nurl = \"a\"\nurl = \"b\"\n".to_owned(), 3, "duplicate key"),
            ("[queue]\n[queue]\n".to_owned(), 2, "duplicate key"),
            ("[retry]\nfactor = nan\n".to_owned(), 1, "factor"),
            ("[retry]\nfactor = -inf\n".to_owned(), 1, "factor"),
            ("\n[retry]\nfirst = \"2h\"\n".to_owned(), 2, "first wait"),
            ("[retry]\nmax = \"0s\"\n".to_owned(), 1, "`retry.max` is 0ns"),
            ("[retry]\nattempts = 4294967296\n".to_owned(), 2, ""),
            (route("quota = \"0/1d recipients\""), 5, ""),
            (route("quota = [\"5/0s messages\"]"), 5, ""),
            (route("quota = [\"5/1d parsecs\"]"), 5, ""),
            (route("rate = \"99999999999999999999/s\""), 5, ""),
            (route("rate = 14"), 5, ""),
            (route("per_domain = { \"no domain\" = \"5/s\" }"), 2, "neither a domain nor"),
            (route("pool = { max_size = 0 }"), 5, "nonzero"),
            (route("pool = { max_size = 1, min_idle = 2 }"), 2, "min_idle"),
            (route("pool = { acquire_timeout = \"0s\" }"), 2, "acquire_timeout"),
            (route("breaker = { open_at = \"0%\" }"), 5, "share"),
            (route("breaker = { silence = \"0s\" }"), 2, "`breaker.silence` is 0ns"),
            (route("breaker = { sloww = \"1s\" }"), 5, "unknown field `sloww`"),
            (route("weight = 0"), 5, "nonzero"),
            (route("server = \"smtps://i\""), 5, "duplicate key"),
            (route(&route("")), 6, "two routes are named `a`"),
        ];
        for (text, line, words) in cases {
            let told = refusal(&text);
            assert!(told.starts_with(&format!("line {line}: ")) && told.contains(words), "{text}: {told}");
            assert!(told.len() < 300, "{told}");
        }
    }

    #[test]
    fn a_huge_or_deep_file_is_refused_or_read_and_no_more() {
        let deep = format!("submission = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Config::parse(&deep).is_err());
        let dotted = format!("a{} = 1", ".a".repeat(100_000));
        assert!(Config::parse(&dotted).is_err());
        let words = refusal(&format!("[queue]\nlease = \"{}\"\n", "9".repeat(1_000_000)));
        assert!(words.len() < 300, "{} octets", words.len());
        let words = refusal(&format!("[queue]\n{} = 1\n", "k".repeat(1_000_000)));
        assert!(words.starts_with("line 2: "));
        let many = "# a comment\n".repeat(100_000);
        assert!(Config::parse(&many).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
        assert!(refusal("\n\n[queue]\nurl = 7\n").starts_with("line 4: "));
        assert!(refusal("[retry]\nattempts = 0\n").starts_with("line 2: "));
        assert!(refusal("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\nrate = \"0/s\"\n").starts_with("line 4: "));
        assert!(refusal("\n[[route]]\nname = \"a\"\nserver = \"ftp://h\"\n").starts_with("line 2: route `a`: "));
        for text in ["password = \"canary", "password = 424242", "password = [\"canary\"]"] {
            let words = refusal(&format!("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\nuser = \"u\"\n{text}\n"));
            assert!(words.starts_with("line 5: ") && !words.contains("canary") && !words.contains("424242"), "{words}");
        }
    }
}
