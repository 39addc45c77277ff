//! The task that leases messages where there is room, and the one that renews leases.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{LeaseRequest, QueueError};
use tokio::time::{Instant, sleep, sleep_until};

use super::assign::{Batch, Capacity, earliest};
use super::event::Event;
use super::lease_term::LeaseTerm;
use super::runtime::Shared;
use super::state::Phase;

/// How many messages are leased at once at the most.
const BATCH: usize = 512;
/// How many are looked at to find some for a route that others do not fill.
const SAMPLE: usize = 16;
/// How often.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// The first wait when the store is away, and the longest.
const STORE_RETRY_WAIT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Leases messages until the dispatcher drains.
pub(crate) async fn lease(shared: Arc<Shared>) {
    let mut wait = *STORE_RETRY_WAIT.start();
    let mut last_sample: Option<Instant> = None;
    loop {
        let Some((capacity, duration)) = find_capacity(&shared) else { return };
        if let Some(at) =
            last_sample.map(|at| at + SAMPLE_INTERVAL).filter(|at| capacity.is_sample && *at > Instant::now())
        {
            wait_for_room(&shared, earliest(Some(at), capacity.recheck_at)).await;
            continue;
        }
        let most = if capacity.is_sample { capacity.messages.min(SAMPLE) } else { capacity.messages.min(BATCH) };
        let Some(most) = u32::try_from(most).ok().and_then(NonZeroU32::new) else {
            wait_for_room(&shared, capacity.recheck_at).await;
            continue;
        };
        if capacity.is_sample {
            last_sample = Some(Instant::now());
        }
        let mut request = LeaseRequest::new(most, duration);
        request.skip_routes = capacity.skip;
        // After a clock that jumped, or a sleep of the whole machine, leasing would end our own leases; and it may have to
        // wait for others who write.
        let renewed = renew_from(&shared, duration, duration / 4).await;
        if !begin_leasing(&shared) {
            return;
        }
        let leased = match renewed {
            Ok(()) => lease_batch(&shared, &request).await,
            Err(error) => Err(error),
        };
        let is_empty = leased.as_ref().is_ok_and(|batch| batch.messages.is_empty());
        let failure = accept_leased(&shared, leased).err();
        match failure {
            None => {
                wait = *STORE_RETRY_WAIT.start();
                shared.on_store_available();
                if is_empty {
                    wait_for_mail(&shared, capacity.recheck_at).await;
                } else {
                    // Slots run on this thread too.
                    tokio::task::yield_now().await;
                }
            }
            Some(error) => {
                shared.on_store_error(&error);
                // Woken or not: it is tried again.
                let _ = tokio::time::timeout(wait, shared.changed.notified()).await;
                wait = (wait * 2).min(*STORE_RETRY_WAIT.end());
            }
        }
    }
}

/// Where there is room; nothing once no more is to be leased.
fn find_capacity(shared: &Arc<Shared>) -> Option<(Capacity, Duration)> {
    let mut state = shared.state();
    if state.phase != Phase::Running {
        return None;
    }
    // A route that waited to open a slot may do so now.
    let now = Instant::now();
    for index in 0..state.routes.len() {
        if state.routes[index].resumes(now) {
            tracing::info!(route = &*state.routes[index].name, "the route is tried again after a limit of its account");
        }
        if state.routes[index].reopens(now) {
            shared.scale_slots(&mut state, index, now);
        }
    }
    let clock = shared.clock();
    for silent in state.check_liveness(now) {
        for index in state.redistribute(silent, now, clock) {
            shared.scale_slots(&mut state, index, now);
        }
    }
    // Where the store is away, leasing is how one learns that it is back.
    let capacity = match state.store_unavailable {
        true => Capacity { messages: 1, ..Capacity::default() },
        false => state.capacity(now),
    };
    state.leaser_waits = capacity.messages == 0;
    let lease = state.settings.lease;
    shared.close(state);
    Some((capacity, lease))
}

/// Says that messages are in flight here, which a shutdown waits for; not once no more are to be leased.
fn begin_leasing(shared: &Shared) -> bool {
    let mut state = shared.state();
    state.leasing = state.phase == Phase::Running;
    state.leasing
}

async fn lease_batch(shared: &Shared, request: &LeaseRequest) -> Result<Batch, QueueError> {
    let requested_at = shared.read_clocks();
    let messages = shared.queue.lease(request).await?;
    Ok(Batch { messages, requested_at, duration: request.duration })
}

fn accept_leased(shared: &Arc<Shared>, leased: Result<Batch, QueueError>) -> Result<(), QueueError> {
    let (now, clock) = (Instant::now(), shared.clock());
    let mut state = shared.state();
    state.leasing = false;
    if state.phase != Phase::Running {
        shared.progress.notify_waiters();
    }
    for index in state.accept(leased?, now, clock) {
        shared.scale_slots(&mut state, index, now);
    }
    shared.close(state);
    Ok(())
}

async fn wait_for_room(shared: &Shared, until: Option<Instant>) {
    let changed = shared.changed.notified();
    match until {
        Some(until) => {
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => {
                    shared.progress.notify_waiters();
                }
            }
        }
        None => changed.await,
    }
}

async fn wait_for_mail(shared: &Shared, until: Option<Instant>) {
    tokio::select! {
        () = shared.queue.wait() => {}
        () = wait_for_room(shared, until) => {}
    }
}

/// Renews leases when half of their time is over, until all is settled.
pub(crate) async fn renew(shared: Arc<Shared>) {
    loop {
        let duration = {
            let state = shared.state();
            if state.phase == Phase::Stopped {
                return;
            }
            state.settings.lease
        };
        // Seen at every quarter, a lease is renewed before three quarters of its time are over.
        sleep(duration / 4).await;
        if let Err(error) = renew_from(&shared, duration, duration / 2).await {
            shared.on_store_error(&error);
        }
    }
}

/// Renews the leases that run for no longer than so much more.
async fn renew_from(shared: &Arc<Shared>, duration: Duration, left: Duration) -> Result<(), QueueError> {
    let requested_at = shared.read_clocks();
    let old: Vec<_> = {
        let state = shared.state();
        let old = state.leases.values().filter(|term| term.remaining(requested_at) <= left);
        old.map(|term| term.token).collect()
    };
    if old.is_empty() {
        return Ok(());
    }
    let lost = shared.queue.renew(&old, duration).await?;
    let mut state = shared.state();
    state.forget_lost_leases(&lost);
    for token in &old {
        if let Some(term) = state.leases.get_mut(&token.id).filter(|term| term.token == *token) {
            *term = LeaseTerm::new(*token, requested_at, duration);
        }
    }
    drop(state);
    shared.on_store_available();
    Ok(())
}

impl Shared {
    /// Notes that the store did not do what it was asked, and stops all where that is for good.
    pub(crate) fn on_store_error(&self, error: &QueueError) {
        let error_text = error_chain(error);
        let mut state = self.state();
        match error {
            QueueError::Failed(_) | QueueError::Damaged(_) if state.phase != Phase::Stopped => {
                tracing::error!(error = error_text, "the queue's store has failed: nothing more is sent");
                state.phase = Phase::Stopped;
                state.store_unavailable = true;
                state.emit(|| Event::StoreFailed { message: error_text });
                for route in &mut state.routes {
                    route.wake_all();
                }
                self.changed.notify_one();
                self.progress.notify_waiters();
            }
            QueueError::Unavailable(_) if !state.store_unavailable => {
                tracing::warn!(error = error_text, "the queue's store is away: nothing is sent until it is back");
                state.store_unavailable = true;
                state.emit(|| Event::StoreUnavailable { message: error_text });
            }
            QueueError::Unavailable(_) => {}
            _ => tracing::warn!(error = error_text, "the queue refused something"),
        }
        self.close(state);
    }

    /// Notes that the store did what it was asked.
    pub(crate) fn on_store_available(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.store_unavailable || state.phase == Phase::Stopped {
            return;
        }
        tracing::info!("the queue's store is back");
        state.store_unavailable = false;
        state.emit(|| Event::StoreAvailable);
        self.scale_all_slots(&mut state);
        self.changed.notify_one();
        self.close(state);
    }
}

/// An error and what led to it.
fn error_chain(error: &QueueError) -> String {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        chain = format!("{chain}: {error}");
        source = error.source();
    }
    chain
}
