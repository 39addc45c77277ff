//! The toolkit that gets mail out of a program reliably: compose a [`Message`], hand it to a [`Mailer`], read what
//! became of each recipient in the [`Report`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mailkit::{Mailer, Message};
//!
//! let message = Message::builder()
//!     .from("Ann <ann@example.com>")
//!     .to("Bob <bob@example.org>")
//!     .subject("Quarterly report")
//!     .text("All is well.")
//!     .build()?;
//! let mailer = Mailer::from_url("smtps://ann:secret@smtp.example.com")?;
//! let report = mailer.send(&message).await?;
//! assert!(report.is_accepted());
//! # Ok(())
//! # }
//! ```
//!
//! This crate composes the layers below and hides none of them: each is re-exported whole, and can be depended on
//! alone. A [`Mailer`] does not queue, limit or retry: only a connection that turns out to be dead before a message is on
//! its way is replaced. An `Outbox` does: it takes messages into a `Queue` and delivers them over its routes. It is behind
//! the feature `outbox`, which is on by default: a program that only sends compiles in half the time without.

#![cfg_attr(
    not(feature = "outbox"),
    expect(dead_code, reason = "an outbox uses more of the inner parts than a mailer")
)]

#[cfg(feature = "config")]
pub mod config;
mod conversion;
#[cfg(all(feature = "dkim", feature = "outbox"))]
mod domain_signers;
mod error;
mod fault;
mod mailer;
mod message;
#[cfg(feature = "outbox")]
mod outbox;
#[cfg(feature = "outbox")]
mod queue_url;
mod safeguards;
#[cfg(feature = "dkim")]
mod signing;
mod stamps;

pub use conversion::{Convert, ParseConvertError};
#[cfg(all(feature = "dkim", feature = "outbox"))]
pub use domain_signers::DomainSigners;
pub use error::{Error, ErrorKind};
pub use fault::{fault_of, faults_of};
pub use mailer::{Mailer, Outgoing, server_config};
pub use message::Message;
#[cfg(feature = "outbox")]
pub use outbox::{EnqueueOptions, Outbox, OutboxBuilder, Route, UnsupportedOption};
#[cfg(feature = "outbox")]
pub use queue_url::{OpenQueue, QueueUrl, QueueUrlError};
pub use safeguards::{AddressPattern, Guarded, InvalidPattern, Safeguards};
pub use stamps::System;

pub use mailkit_address as address;
pub use mailkit_connection as connection;
pub use mailkit_dispatch as dispatch;
pub use mailkit_mime as mime;
pub use mailkit_pool as pool;
#[cfg(feature = "outbox")]
pub use mailkit_queue as queue;
pub use mailkit_smtp as smtp;

pub use mailkit_address::{Address, AddressList, Envelope, Mailbox, OneLine, is_unprintable};
pub use mailkit_connection::{Content, ServerUrl, Submission};
pub use mailkit_mime::{Attachment, Part};
pub use mailkit_pool::{PoolSettings, PoolStats};
#[cfg(feature = "outbox")]
pub use mailkit_queue::{Enqueued, MemoryQueue, Queue, QueueId};
#[cfg(feature = "sqlite")]
pub use mailkit_queue_sqlite::SqliteQueue;
pub use mailkit_smtp::client::TransactionOptions;
pub use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

/// The README's example, so that it cannot rot.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
