//! The contract of a mail queue: what a store keeps, which changes it allows, and what an acknowledgement promises.
//!
//! ```text
//!  enqueue ──► scheduled ──► ready ──► leased ──► sent
//!                  ▲           │         │  ├───► dead      (refused for good, out of attempts, expired)
//!                  └── retry later ◄─────┘  └───► held      (maybe delivered: an operator decides)
//!                              └────────────────► cancelled (by an operator)
//! ```
//!
//! Each store implements [`Queue`]. A worker [leases](Queue::lease) messages for a limited time and
//! [settles](Queue::settle) each lease with the outcome. The store checks the fencing [token](LeaseToken) of the lease, so that
//! no worker settles a message twice, or one that another worker has leased since. What an event does to a message is decided
//! in one place for all stores: the [state machine](transition()).
//!
//! This crate does not send mail, does not schedule retries and knows no protocol. It stores messages and their outcomes.

mod change;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod control;
mod error;
mod health;
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
mod string_enum;
mod text;
pub mod transition;

pub use self::change::{AttemptSummary, CONSUMER_SILENCE, Changes, Cursor, MAX_CONSUMERS, StateChange};
pub use self::clock::{Clock, Timestamp};
pub use self::content::{Chunks, Content, ContentSource};
pub use self::control::{Control, ControlPut, ControlValue, ControlValueError, Expected};
pub use self::error::{EnqueueAllError, QueueError};
pub use self::health::{Durability, Health, Problem, ProblemKind, Verification};
pub use self::id::{ParseQueueIdError, QueueId};
pub use self::lease::{LeaseRequest, LeaseToken, Leased};
pub use self::limit::{Acquired, LimitRequest, Permit, SlidingWindow};
pub use self::memory::MemoryQueue;
pub use self::message::{
    DeliveryOptions, Enqueued, Fingerprint, Idempotency, NewMessage, Notify, OnAmbiguous, Priority, ReturnContent,
};
pub use self::query::{Command, Filter, Page, Stats};
pub use self::queue::Queue;
pub use self::record::{Attempt, RecipientRecord, Record};
pub use self::settings::QueueSettings;
pub use self::settlement::{AttemptOutcome, Next, RecipientOutcome, RecipientStatus, Settlement};
pub use self::state::State;
pub use self::string_enum::ParseEnumError;
pub use self::text::{
    ConsumerName, ControlKey, IdempotencyKey, InvalidText, InvalidTextReason, Tag, Tenant, Traceparent,
};
pub use self::transition::transition;
