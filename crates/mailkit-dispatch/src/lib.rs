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

mod classify;
#[cfg(feature = "dispatcher")]
mod dispatcher;
mod enum_text;

pub use self::classify::{Disposition, FailureClass, Refusal, Step, Subject, classify};
#[cfg(feature = "dispatcher")]
pub use self::dispatcher::{
    BootClock, BreakerSettings, BreakerState, Builder, CommitPoint, DeadReason, Deliver, DeliveryFailure,
    Dispatcher, Event, Events, InvalidLimit, InvalidShare, Job, Jobs, LEASE_BOUNDS, LONGEST_SPAN, Lagged, LeaseCheck,
    Limits, Outcome, Outcomes, Plan, Quota, Rate, RecipientResult, RetrySettings, RouteSettings, RouteStats, Settings,
    SettingsError, Share, SpanBounds, Stats, Unit, format_span,
};
pub use self::enum_text::ParseEnumError;
