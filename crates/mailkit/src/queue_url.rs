//! Queue URLs: where a queue is, in one line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use mailkit_queue::{Clock, MemoryQueue, Queue, QueueSettings};
#[cfg(feature = "sqlite")]
use mailkit_queue_sqlite::{Recovery, SqliteQueue};

use crate::Error;

/// The file of a `sqlite:` URL without a path.
const DEFAULT_FILE: &str = "mailkit.db";
/// The queue in a store where the URL names none.
const DEFAULT_QUEUE: &str = "default";

/// A queue URL, taken apart and checked.
///
/// | URL | means |
/// |---|---|
/// | `memory:` | in the memory of this process, and gone with it |
/// | `sqlite:PATH` | in one file; without a path in `mailkit.db` |
///
/// `?queue=NAME` keeps several queues apart in one store; the usual name is `default`. A path is taken as it is, up to
/// the first `?`.
///
/// ```
/// use mailkit::QueueUrl;
///
/// let url: QueueUrl = "sqlite:/var/spool/mail.db?queue=news".parse()?;
/// assert_eq!(url.to_string(), "sqlite:/var/spool/mail.db?queue=news");
/// assert!("sqlite:mail.db?qeue=news".parse::<QueueUrl>().is_err());
/// # Ok::<(), mailkit::QueueUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrl {
    place: Place,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Sqlite(PathBuf),
}

impl QueueUrl {
    /// Whether the queue is gone with the process.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.place == Place::Memory
    }

    /// The file, where the store is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory => None,
            Place::Sqlite(path) => Some(path),
        }
    }

    /// The name of the queue in its store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the queue, and makes its store where there is none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use mailkit::QueueUrl;
    /// use mailkit::queue::{Queue, QueueSettings};
    ///
    /// let url: QueueUrl = "memory:".parse()?;
    /// let opened = url.open(QueueSettings::default()).await?;
    /// assert_eq!(opened.queue().stats().await?.unfinished(), 0);
    /// opened.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable) for a store that cannot be reached,
    /// [`ErrorKind::StoreMissing`](crate::ErrorKind::StoreMissing) where there is no folder for it,
    /// [`ErrorKind::StoreUnusable`](crate::ErrorKind::StoreUnusable) for a path where none can be,
    /// [`ErrorKind::StoreDamaged`](crate::ErrorKind::StoreDamaged) for one that is damaged or was not created by mailkit, and
    /// [`ErrorKind::StoreIncompatible`](crate::ErrorKind::StoreIncompatible) for one with the schema of another version: both
    /// are not changed; and [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where this build has no such store.
    pub async fn open(&self, settings: QueueSettings) -> Result<OpenQueue, Error> {
        self.open_where(settings, true).await
    }

    /// Opens the queue of a store that is there: for whoever looks at a queue. Neither a store nor a queue in one is made.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and [`ErrorKind::StoreMissing`](crate::ErrorKind::StoreMissing) where there is no store.
    pub async fn open_existing(&self, settings: QueueSettings) -> Result<OpenQueue, Error> {
        self.open_where(settings, false).await
    }

    async fn open_where(&self, settings: QueueSettings, may_make: bool) -> Result<OpenQueue, Error> {
        match &self.place {
            Place::Memory => Ok(OpenQueue::new(MemoryQueue::with(settings, Clock::system()))),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => {
                let builder = SqliteQueue::builder(path).queue(&*self.name).settings(settings);
                let store = if may_make { builder } else { builder.existing() }.open().await?;
                Ok(OpenQueue::new(store))
            }
            #[cfg(not(feature = "sqlite"))]
            Place::Sqlite(_) => Err(Error::configuration(QueueUrlError::NotBuilt { scheme: "sqlite" })),
        }
    }

    /// Reads what can be read of the store, also where it is damaged; nothing is changed. It has the messages of all
    /// queues in the store. Blocks.
    ///
    /// # Errors
    /// As for [`open`](Self::open), but for damage that leaves something to read;
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a queue in memory.
    #[cfg(feature = "sqlite")]
    pub fn recover(&self) -> Result<Recovery, Error> {
        match &self.place {
            Place::Memory => Err(Error::configuration(QueueUrlError::MemoryRecovery)),
            Place::Sqlite(path) => Ok(SqliteQueue::recover(path)?),
        }
    }
}

impl FromStr for QueueUrl {
    type Err = QueueUrlError;

    fn from_str(text: &str) -> Result<Self, QueueUrlError> {
        if text.chars().any(char::is_control) {
            return Err(QueueUrlError::ControlCharacter);
        }
        let (scheme, rest) = text.split_once(':').ok_or(QueueUrlError::NoScheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = match scheme {
            "memory" if path.is_empty() => Place::Memory,
            "memory" => return Err(QueueUrlError::MemoryPath),
            "sqlite" if path.is_empty() => Place::Sqlite(DEFAULT_FILE.into()),
            // As in a URL with an empty host: three slashes, or none.
            "sqlite" if path.starts_with("//") && !path.starts_with("///") => return Err(QueueUrlError::Host),
            "sqlite" => Place::Sqlite(path.strip_prefix("//").unwrap_or(path).into()),
            "redis" | "rediss" | "redis+cluster" | "postgres" | "postgresql" => {
                return Err(QueueUrlError::Unsupported { scheme: scheme.to_owned() });
            }
            _ => return Err(QueueUrlError::NoScheme),
        };
        Ok(Self { place, name: name(query)? })
    }
}

/// The queue's name in the parameters.
fn name(query: &str) -> Result<String, QueueUrlError> {
    let mut name = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("queue", "")) => return Err(QueueUrlError::NoName),
            Some(("queue", value)) if name.is_none() => name = Some(value.to_owned()),
            Some(("queue", _)) => return Err(QueueUrlError::NameTwice),
            _ => {
                let key = parameter.split('=').next().unwrap_or_default();
                return Err(QueueUrlError::Parameter { name: key.to_owned() });
            }
        }
    }
    Ok(name.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()))
}

/// As it is read.
impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Memory => f.write_str("memory:")?,
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display())?,
        }
        if self.name == DEFAULT_QUEUE { Ok(()) } else { write!(f, "?queue={}", self.name) }
    }
}

/// A queue that was opened by its URL.
#[derive(Clone)]
pub struct OpenQueue {
    queue: Arc<dyn Queue>,
}

impl OpenQueue {
    fn new(queue: impl Queue + 'static) -> Self {
        Self { queue: Arc::new(queue) }
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// Finishes what was begun, and leaves the store tidy. What was acknowledged is safe without it.
    ///
    /// # Errors
    /// The store's own.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.queue.close().await?)
    }
}

impl fmt::Debug for OpenQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenQueue").finish_non_exhaustive()
    }
}

/// Why a queue URL was refused. It does not repeat the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueUrlError {
    /// It does not begin with a known scheme.
    NoScheme,
    /// A scheme that is known, and has no store yet.
    Unsupported {
        /// The scheme.
        scheme: String,
    },
    /// A store that was left out of this build.
    NotBuilt {
        /// The scheme, and the feature that brings it.
        scheme: &'static str,
    },
    /// A control character.
    ControlCharacter,
    /// Something behind `memory:`.
    MemoryPath,
    /// A queue in memory has nothing to be recovered from.
    MemoryRecovery,
    /// A host in the URL of a file.
    Host,
    /// An unknown parameter.
    Parameter {
        /// Its name.
        name: String,
    },
    /// `queue=` without a name.
    NoName,
    /// `queue=` more than once.
    NameTwice,
}

impl fmt::Display for QueueUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KNOWN: &str = "sqlite:PATH, or memory: for a queue that ends with its program";
        match self {
            Self::NoScheme => write!(f, "no known scheme in the queue's URL: write {KNOWN}"),
            Self::Unsupported { scheme } => {
                write!(f, "there is no store for {scheme} URLs in this version: use {KNOWN}")
            }
            Self::NotBuilt { scheme } => {
                write!(f, "this build has no store for {scheme} URLs: build it with the feature `{scheme}`")
            }
            Self::ControlCharacter => f.write_str("control character in the queue's URL: remove it"),
            Self::MemoryPath => f.write_str("a queue in memory has no path: write memory: alone"),
            Self::MemoryRecovery => f.write_str("a queue in memory has no store that could be read"),
            Self::Host => f.write_str("a file has no host: write sqlite:PATH, such as sqlite:/var/spool/mailkit.db"),
            Self::Parameter { name } => {
                write!(f, "the parameter `{}` of the queue's URL is unknown: there is queue=NAME", name.escape_debug())
            }
            Self::NoName => f.write_str("queue= in the queue's URL has no name behind it"),
            Self::NameTwice => f.write_str("queue= stands in the queue's URL twice: write it once"),
        }
    }
}

impl std::error::Error for QueueUrlError {}

impl From<QueueUrlError> for Error {
    fn from(error: QueueUrlError) -> Self {
        Self::configuration(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> QueueUrlError {
        text.parse::<QueueUrl>().unwrap_err()
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["memory:", "memory:?queue=a", "sqlite:mail.db", "sqlite:/a/b c%20.db?queue=news"] {
            let url: QueueUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn a_file_has_a_usual_name_and_may_have_empty_slashes_before_it() {
        for (text, path) in
            [("sqlite:", "mailkit.db"), ("sqlite:?queue=a", "mailkit.db"), ("sqlite:///a/b.db", "/a/b.db")]
        {
            assert_eq!(text.parse::<QueueUrl>().unwrap().file(), Some(path.as_ref()));
        }
        assert_eq!(refusal("sqlite://mail.db"), QueueUrlError::Host);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(refusal("mail.db"), QueueUrlError::NoScheme);
        assert_eq!(refusal("file:mail.db"), QueueUrlError::NoScheme);
        assert_eq!(refusal("memory:a"), QueueUrlError::MemoryPath);
        assert_eq!(refusal("sqlite:a\nb"), QueueUrlError::ControlCharacter);
        assert_eq!(refusal("sqlite:a?queue="), QueueUrlError::NoName);
        assert_eq!(refusal("sqlite:a?queue=b&queue=c"), QueueUrlError::NameTwice);
        assert_eq!(refusal("sqlite:a?qeue=b"), QueueUrlError::Parameter { name: "qeue".to_owned() });
    }

    #[test]
    fn stores_that_are_not_there_yet_are_told_without_their_passwords() {
        for url in ["redis://ann:canary@host/1", "postgres://ann:canary@host/mail", "redis+cluster://canary@host"] {
            let words = refusal(url).to_string();
            assert!(words.contains("sqlite:PATH") && !words.contains("canary"), "{words}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_place_where_no_store_can_be_a_missing_one_and_a_file_of_another_kind_are_told_apart() {
        use crate::ErrorKind;
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let kind = async |path: String| {
            let url: QueueUrl = format!("sqlite:{path}").parse().unwrap();
            let recovered = url.recover().unwrap_err().kind();
            (url.open(QueueSettings::default()).await.unwrap_err().kind(), recovered)
        };
        assert_eq!(kind(format!("{manifest}/mail.db")).await, (ErrorKind::StoreUnusable, ErrorKind::StoreUnusable));
        let none = format!("{}/none/mail.db", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(kind(none.clone()).await, (ErrorKind::StoreMissing, ErrorKind::StoreMissing));
        let none: QueueUrl = format!("sqlite:{none}").parse().unwrap();
        let looked = none.open_existing(QueueSettings::default()).await;
        assert_eq!(looked.unwrap_err().kind(), ErrorKind::StoreMissing);
        assert_eq!(kind(manifest.to_owned()).await, (ErrorKind::StoreDamaged, ErrorKind::StoreDamaged));
        assert_eq!("memory:".parse::<QueueUrl>().unwrap().recover().unwrap_err().kind(), ErrorKind::Configuration);
    }
}
