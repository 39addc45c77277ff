//! The dispatcher: leases messages from a queue and hands them to the routes' connections.

mod abandon;
mod acquire;
mod assign;
mod bounds;
mod breaker;
mod by_id;
mod concurrency;
mod decide;
mod deliver;
mod event;
mod events;
mod feedback;
mod handle;
mod in_flight;
mod job;
mod jobs;
mod lease_term;
mod leasing;
mod limit;
mod liveness;
mod log;
mod plan;
mod rate;
mod ready_queue;
mod retry;
mod route;
mod route_cycle;
mod runtime;
mod select;
mod settings;
mod settling;
mod span;
mod state;
mod stats;
mod transaction;
mod unsent;

pub use self::bounds::{SpanBounds, format_span};
pub use self::breaker::BreakerState;
pub use self::deliver::{Deliver, DeliveryFailure, Outcome, RecipientResult};
pub use self::event::{DeadReason, Event};
pub use self::events::{Events, Lagged};
pub use self::handle::Dispatcher;
pub use self::job::{CommitPoint, Job, LeaseCheck};
pub use self::jobs::Jobs;
pub use self::lease_term::BootClock;
pub use self::plan::{Builder, Plan};
pub use self::rate::{InvalidLimit, Quota, Rate, Unit};
pub use self::retry::RetrySettings;
pub use self::settings::{
    BreakerSettings, InvalidShare, LEASE_BOUNDS, Limits, RouteSettings, Settings, SettingsError, Share,
};
pub use self::span::LONGEST_SPAN;
pub use self::stats::{Outcomes, RouteStats, Stats};
