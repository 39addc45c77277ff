//! Workers that send mail from a queue: rate limits, retries, circuit breakers, routes.
//!
//! ```text
//!           lease               assign                       select                  deliver
//!  Queue ──────────► leaser ─────────────► ready queues ───────────────► Jobs ─────────────► Deliver
//!    ▲               batches, sized        one per route,   rates,       one stream          one call per slot
//!    │               by the messages       by priority      quotas,      per delivery            │
//!    │               in flight                              breaker      slot                    │ Outcome
//!    │    settle                  Settlement                decide                               ▼
//!    └──────────── settler ◄───────────────────────── retry, dead, held ◄──────────────── Job::finish
//!                  retries while                             │
//!                  the store is unavailable                  └─► concurrency limit and breaker of the route
//! ```
//!
//! A [`Dispatcher`] leases messages from a [`Queue`](mailkit_queue::Queue) and hands them to the [`Deliver`] of a
//! route. It sends as fast as the limits of routes, recipient domains and tenants allow ([`Rate`], [`Quota`]), through
//! as many delivery slots (connections) as the server of the route can take. If a route fails, its mail goes over the
//! next route. The result of every attempt is stored in the queue.
//!
//! This crate contains no sockets, no SMTP and no database: these belong to the implementations of [`Deliver`] and of
//! the queue.
//!
//! Guarantees:
//!
//! - Every leased message is settled: sent, rescheduled, dead, held, or abandoned unchanged. An outcome that the store
//!   does not take is kept and retried for as long as the lease may live.
//! - No window of time exceeds a limit; [`Rate`] and [`Quota`] say exactly what that means.
//! - A message is retried only for recipients that were not accepted, and one that may have been delivered is recorded
//!   as ambiguous.
//!
//! Without the feature `dispatcher`, the crate is only the table that classifies failures ([`classify()`]), without any
//! dependency.

mod classify;
#[cfg(feature = "dispatcher")]
mod dispatcher;
mod enum_text;

pub use self::classify::{Disposition, FailureClass, Refusal, Step, Subject, classify};
#[cfg(feature = "dispatcher")]
pub use self::dispatcher::{
    BootClock, BreakerSettings, BreakerState, Builder, CommitPoint, DeadReason, Deliver, DeliveryFailure, Dispatcher,
    Event, Events, InvalidLimit, InvalidShare, Job, Jobs, LEASE_BOUNDS, LONGEST_SPAN, Lagged, LeaseCheck, Limits,
    Outcome, Outcomes, Plan, Quota, Rate, RecipientResult, RetrySettings, RouteSettings, RouteStats, Settings,
    SettingsError, Share, SpanBounds, Stats, Unit, format_span,
};
pub use self::enum_text::ParseEnumError;
