//! When, where and how fast mail leaves a queue.
//!
//! ```text
//!           lease              assign                  pick                   deliver
//!  Queue ──────────► leaser ───────────► rows ────────────────────► Jobs ─────────────► Deliver (one call a way)
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
//! limits of routes, of recipients' domains and of tenants allow ([`Rate`], [`Quota`]), over as many ways as the server of
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

mod assign;
mod bounds;
mod breaker;
mod class;
mod classify;
mod deliver;
mod desk;
mod dispatcher;
mod event;
mod feedback;
mod flight;
mod job;
mod jobs;
mod judge;
mod leasing;
mod limit;
mod log;
mod paying;
mod pick;
mod rate;
mod release;
mod retry;
mod round;
mod route;
mod rows;
mod settings;
mod settling;
mod silence;
mod span;
mod state;
mod stats;
mod window;

pub use self::bounds::{SpanBounds, format_span};
pub use self::breaker::BreakerState;
pub use self::class::Class;
pub use self::classify::{Disposition, Refusal, Step, Subject, classify};
pub use self::deliver::{Deliver, Outcome, RecipientResult, Trouble};
pub use self::dispatcher::{Builder, Dispatcher, Plan};
pub use self::event::{DeadReason, Event};
pub use self::job::{ContentMark, Gate, Job};
pub use self::jobs::Jobs;
pub use self::rate::{InvalidLimit, Quota, Rate, Unit};
pub use self::retry::RetrySettings;
pub use self::settings::{
    BreakerSettings, InvalidShare, LEASE_BOUNDS, Limits, RouteSettings, Settings, SettingsError, Share,
};
pub use self::span::LONGEST_SPAN;
pub use self::stats::{Outcomes, RouteStats, Stats};
