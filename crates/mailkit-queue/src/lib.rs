//! The contract of a mail queue: what is stored, who may change it, and what an acknowledgement promises.
//!
//! ```text
//!  enqueue ──► scheduled ──► ready ──► leased ──► sent
//!                  ▲           │         │  ├───► dead      (refused for good, out of attempts, expired)
//!                  └── retry later ◄─────┘  └───► held      (maybe delivered, and a person shall decide)
//!                              └────────────────► cancelled (by hand)
//! ```
//!
//! [`Queue`] is implemented by each store. A worker [leases](Queue::lease) messages for a time, and hands each lease
//! back with what came of it: [`settle`](Queue::settle) consumes the [`Lease`], so nothing is settled twice, and the
//! store checks its token, so nobody settles what another has leased since.
//!
//! This crate does not send, does not retry by itself and knows no protocol: it keeps messages and their outcomes.

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod error;
mod id;
mod lease;
mod limit;
mod memory;
mod message;
mod query;
mod queue;
mod record;
mod settings;
mod settlement;
mod state;

pub use self::clock::{Clock, Timestamp};
pub use self::content::{Chunks, Content, ContentSource};
pub use self::error::{QueueError, SettleError};
pub use self::id::{ParseQueueIdError, QueueId};
pub use self::lease::{Lease, LeaseRequest, LeaseToken, Leased};
pub use self::limit::{LimitRequest, Permit, SlidingWindow};
pub use self::memory::MemoryQueue;
pub use self::message::{
    DeliveryOptions, Enqueued, Fingerprint, IdempotencyKey, NewMessage, Notify, OnAmbiguous, ParseEnumError, Priority,
    ReturnContent,
};
pub use self::query::{Command, Filter, Page, Stats};
pub use self::queue::Queue;
pub use self::record::{Attempt, RecipientRecord, Record};
pub use self::settings::QueueSettings;
pub use self::settlement::{AttemptOutcome, Next, RecipientOutcome, RecipientStatus, Settlement};
pub use self::state::State;
