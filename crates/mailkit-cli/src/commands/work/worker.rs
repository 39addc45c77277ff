//! The work itself: until it is done, or told to stop, or the store has failed.

use std::fmt;
use std::time::Duration;

use mailkit::Outbox;
use mailkit::dispatch::{Dispatcher, Event, Outcomes};
use mailkit::queue::QueueError;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::signals::Signals;

/// How often the progress line is drawn.
const TICK: Duration = Duration::from_millis(500);

/// When the work is done.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// When nothing is scheduled, ready or leased.
    Empty,
    /// When nothing is ready or leased.
    Idle,
    /// Only when it is told to stop.
    Told,
}

/// What this worker has done.
#[derive(Default, Serialize)]
pub(super) struct Done {
    attempts: u64,
    accepted: u64,
    temporary: u64,
    permanent: u64,
    ambiguous: u64,
    network: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, accepted, temporary, permanent, ambiguous, network } = self;
        write!(
            f,
            "{attempts} attempts; recipients: {accepted} accepted, {temporary} refused for now, {permanent} refused for \
             good, {ambiguous} unknown, {network} not reached"
        )
    }
}

/// Runs the worker, then drains the messages in flight. A signal during the drain ends it at once.
pub(super) async fn run(
    outbox: &Outbox,
    until: Until,
    drain: Duration,
    signals: &mut Signals,
    output: &Output,
) -> Result<Done, Failure> {
    let progress = Progress::show(output.quiet || output.json);
    let dispatcher = outbox.dispatcher();
    let outcome = tokio::select! {
        outcome = done(dispatcher, until) => outcome,
        outcome = failed(dispatcher) => outcome,
        () = signals.next() => Ok(()),
        () = show(dispatcher, &progress) => Ok(()),
    };
    tokio::select! {
        () = outbox.shutdown(drain) => {}
        () = signals.next() => {
            tracing::warn!("stopped before all messages in flight had ended");
            outbox.shutdown(Duration::ZERO).await;
        }
    }
    let done = tally(dispatcher);
    drop(progress);
    outcome?;
    Ok(done)
}

async fn done(dispatcher: &Dispatcher, until: Until) -> Result<(), QueueError> {
    match until {
        Until::Empty => dispatcher.until_empty().await.map(|_| ()),
        Until::Idle => dispatcher.until_idle().await.map(|_| ()),
        Until::Told => std::future::pending().await,
    }
}

/// Returns when the store has failed for good.
async fn failed(dispatcher: &Dispatcher) -> Result<(), QueueError> {
    let mut events = dispatcher.events();
    while let Some(item) = events.next().await {
        if let Ok(Event::StoreFailed { message, .. }) = item {
            return Err(QueueError::Failed(message.into()));
        }
    }
    std::future::pending().await
}

async fn show(dispatcher: &Dispatcher, progress: &Progress) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let stats = dispatcher.stats();
        let in_flight: u32 = stats.routes.iter().map(|route| route.in_flight).sum();
        let waiting: usize = stats.routes.iter().map(|route| route.waiting).sum();
        let notice = if stats.store_unavailable { "  (the queue's store is unavailable)" } else { "" };
        let done = tally(dispatcher);
        progress.say(format!("{done}; {in_flight} in flight, {waiting} waiting{notice}"));
    }
}

/// What all routes have done together.
fn tally(dispatcher: &Dispatcher) -> Done {
    let mut done = Done::default();
    for route in dispatcher.stats().routes {
        let Outcomes { attempts, accepted, temporary, permanent, ambiguous, network, .. } = route.outcomes;
        done.attempts += attempts;
        done.accepted += accepted;
        done.temporary += temporary;
        done.permanent += permanent;
        done.ambiguous += ambiguous;
        done.network += network;
    }
    done
}
