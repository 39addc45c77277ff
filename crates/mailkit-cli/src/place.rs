//! The queue that a command works with.

use mailkit::config::Config;
use mailkit::queue::QueueSettings;
use mailkit::{Error, OpenQueue, QueueUrl};

use crate::failure::Failure;

/// Where the queue is, and its bounds.
pub(crate) struct Place {
    pub(crate) url: QueueUrl,
    settings: QueueSettings,
}

impl Place {
    /// The queue of `--queue`, or else of the configuration.
    pub(crate) fn find(url: Option<&str>, config: Option<&Config>) -> Result<Self, Failure> {
        let url = url.or(config.and_then(|config| config.queue_url.as_deref()));
        let url = url.ok_or_else(|| Failure::usage("no queue: give --queue URL, or --config FILE with a [queue]"))?;
        let url = url.parse::<QueueUrl>().map_err(Error::from)?;
        Ok(Self { url, settings: config.map(|config| config.queue).unwrap_or_default() })
    }

    /// The same, for a command that ends before anybody could see what is in a queue in memory.
    pub(crate) fn find_lasting(url: Option<&str>, config: Option<&Config>) -> Result<Self, Failure> {
        let place = Self::find(url, config)?;
        match place.url.is_memory() {
            true => Err(Failure::configuration(
                "a queue in memory ends with this command: no other command could see what is in it",
                "memory: is for programs that use the library, and for `mailkit work` on its own",
            )
            .with_advice("--queue sqlite:mailkit.db")),
            false => Ok(place),
        }
    }

    pub(crate) async fn open(&self) -> Result<OpenQueue, Error> {
        self.url.open(self.settings).await
    }

    /// Opens a queue whose store must be there.
    pub(crate) async fn open_existing(&self) -> Result<OpenQueue, Error> {
        self.url.open_existing(self.settings).await
    }
}

/// Closes a queue. What was acknowledged is safe without it: so it is no failure of the command where that fails.
pub(crate) async fn close(queue: &OpenQueue) {
    if let Err(error) = queue.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the queue could not be closed tidily");
    }
}
