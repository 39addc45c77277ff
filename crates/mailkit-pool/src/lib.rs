//! A pool of connections to one server: opened when they are needed, kept while they are good, never more than so many.
//!
//! ```no_run
//! # async fn example(envelope: mailkit_address::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! use mailkit_connection::{Connector, ServerUrl};
//! use mailkit_pool::{Pool, PoolSettings};
//!
//! let config = ServerUrl::parse("smtps://ann:secret@smtp.example.com")?.into_config()?;
//! let pool = Pool::new(Connector::new(config)?, PoolSettings::default())?;
//! let mut connection = pool.acquire().await?;
//! connection.send(&envelope, &Default::default(), "Subject: hello\r\n\r\nHello.\r\n").await?;
//! drop(connection); // back to the pool
//! pool.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! The queue of idle connections and the opening of new ones are [bb8](https://docs.rs/bb8)'s; what a mail server needs
//! beside it is here: QUIT, limits on messages, waiting in turn, and a server that refuses is not hammered.
//!
//! It sends nothing and retries nothing: a message that fails is its sender's.

mod error;
mod gate;
mod link;
mod manager;
mod opening;
mod pool;
mod pooled;
mod settings;
mod stats;
mod upkeep;

pub use error::AcquireError;
pub use pool::Pool;
pub use pooled::Pooled;
pub use settings::{PoolSettings, SettingsError};
pub use stats::{Closed, PoolStats, WAIT_BOUNDS};
