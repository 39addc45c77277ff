//! When, where and how fast mail leaves a queue.
//!
//! ```text
//!           lease              assign                  pick                   deliver
//!  Queue ──────────► leaser ───────────► rows ────────────────────► Jobs ─────────────► Deliver (one call a slot)
//!    ▲               batches, sized      one a route,  limits, hard  one stream               │
//!    │               by what is on       by priority   quotas,       for each                 │
//!    │               its way                           breaker       way                      │ Outcome
//!    │    settle                 Settlement                      judge                        ▼
//!    └──────────── settler ◄──────────────────────────────── retry, dead, held ◄───────── Job::finish
//!                  tries again while                               │
//!                  the store is away                               └─► window and breaker of the route learn from it
//! ```
//!
//! A [`Dispatcher`] takes messages from a [`Queue`](mailkit_queue::Queue) and hands them to a [`Deliver`], as fast as the
//! limits of routes, of recipients' domains and of tenants allow ([`Rate`], [`Quota`]), over as many slots as the server of
//! a route bears, and over the next route while one is broken. What came of each goes back into the queue.
//!
//! This crate knows no socket, no SMTP and no database: whoever implements [`Deliver`] does, and the queue.
//!
//! What is promised:
//!
//! - Every message that was leased is settled: sent, tried again later, dead, held, or given back as it was. An outcome is
//!   kept for as long as the lease may live.
//! - In no window of time does more leave than the limits say; see [`Rate`] and [`Quota`] for the exact words.
//! - A message is tried again only for recipients that were not accepted, and one that may have been delivered says so.

#![cfg_attr(not(feature = "dispatcher"), expect(dead_code, reason = "parts of the table are for the dispatcher"))]

#[cfg(feature = "dispatcher")]
mod abandon;
#[cfg(feature = "dispatcher")]
mod acquire;
#[cfg(feature = "dispatcher")]
mod assign;
#[cfg(feature = "dispatcher")]
mod bounds;
#[cfg(feature = "dispatcher")]
mod breaker;
#[cfg(feature = "dispatcher")]
mod by_id;
mod class;
mod classify;
#[cfg(feature = "dispatcher")]
mod concurrency;
#[cfg(feature = "dispatcher")]
mod decide;
#[cfg(feature = "dispatcher")]
mod deliver;
#[cfg(feature = "dispatcher")]
mod dispatcher;
#[cfg(feature = "dispatcher")]
mod event;
#[cfg(feature = "dispatcher")]
mod feedback;
#[cfg(feature = "dispatcher")]
mod in_flight;
#[cfg(feature = "dispatcher")]
mod job;
#[cfg(feature = "dispatcher")]
mod jobs;
#[cfg(feature = "dispatcher")]
mod lease_term;
#[cfg(feature = "dispatcher")]
mod leasing;
#[cfg(feature = "dispatcher")]
mod limit;
#[cfg(feature = "dispatcher")]
mod liveness;
#[cfg(feature = "dispatcher")]
mod log;
#[cfg(feature = "dispatcher")]
mod rate;
#[cfg(feature = "dispatcher")]
mod ready_queue;
#[cfg(feature = "dispatcher")]
mod retry;
#[cfg(feature = "dispatcher")]
mod route;
#[cfg(feature = "dispatcher")]
mod route_cycle;
#[cfg(feature = "dispatcher")]
mod runtime;
#[cfg(feature = "dispatcher")]
mod select;
#[cfg(feature = "dispatcher")]
mod settings;
#[cfg(feature = "dispatcher")]
mod settling;
#[cfg(feature = "dispatcher")]
mod span;
#[cfg(feature = "dispatcher")]
mod state;
#[cfg(feature = "dispatcher")]
mod stats;
#[cfg(feature = "dispatcher")]
mod transaction;
#[cfg(feature = "dispatcher")]
mod unsent;

#[cfg(feature = "dispatcher")]
pub use self::bounds::{SpanBounds, format_span};
#[cfg(feature = "dispatcher")]
pub use self::breaker::BreakerState;
pub use self::class::FailureClass;
pub use self::classify::{Disposition, Refusal, Step, Subject, classify};
#[cfg(feature = "dispatcher")]
pub use self::deliver::{Deliver, DeliveryFailure, Outcome, RecipientResult};
#[cfg(feature = "dispatcher")]
pub use self::dispatcher::{Builder, Dispatcher, Plan};
#[cfg(feature = "dispatcher")]
pub use self::event::{DeadReason, Event};
#[cfg(feature = "dispatcher")]
pub use self::job::{CommitPoint, Job, LeaseCheck};
#[cfg(feature = "dispatcher")]
pub use self::jobs::Jobs;
#[cfg(feature = "dispatcher")]
pub use self::lease_term::BootClock;
#[cfg(feature = "dispatcher")]
pub use self::rate::{InvalidLimit, Quota, Rate, Unit};
#[cfg(feature = "dispatcher")]
pub use self::retry::RetrySettings;
#[cfg(feature = "dispatcher")]
pub use self::settings::{
    BreakerSettings, InvalidShare, LEASE_BOUNDS, Limits, RouteSettings, Settings, SettingsError, Share,
};
#[cfg(feature = "dispatcher")]
pub use self::span::LONGEST_SPAN;
#[cfg(feature = "dispatcher")]
pub use self::stats::{Outcomes, RouteStats, Stats};
