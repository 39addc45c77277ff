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

/// The maximum number of messages per lease request.
const BATCH: usize = 512;
/// The number of messages leased as a sample, to find pinned messages for a route that has room.
const SAMPLE: usize = 16;
/// The minimum time between samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// The first and the longest wait between calls of an unavailable store.
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
        // After a step of the clock or a suspend of the machine, the lease request would end our own expired leases.
        // And it may have to wait for other writers of the store.
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
                // The request is repeated after a timeout, too.
                let _ = tokio::time::timeout(wait, shared.changed.notified()).await;
                wait = (wait * 2).min(*STORE_RETRY_WAIT.end());
            }
        }
    }
}

/// How many messages to lease; `None` when no more are to be leased.
fn find_capacity(shared: &Arc<Shared>) -> Option<(Capacity, Duration)> {
    let mut state = shared.state();
    if state.phase != Phase::Running {
        return None;
    }
    // A route whose wait before the next connection is over opens one now.
    let now = Instant::now();
    for index in 0..state.routes.len() {
        if state.routes[index].resumes(now) {
            tracing::info!(
                route = &*state.routes[index].name,
                "route resumed after the suspension for a sending limit of its account"
            );
        }
        if state.routes[index].reopens(now) {
            shared.scale_slots(&mut state, index, now);
        }
    }
    let clock = shared.clock();
    for suspected in state.check_liveness(now) {
        for index in state.redistribute(suspected, now, clock) {
            shared.scale_slots(&mut state, index, now);
        }
    }
    // While the store is unavailable, a lease request shows when it is back.
    let capacity = match state.store_unavailable {
        true => Capacity { messages: 1, ..Capacity::default() },
        false => state.capacity(now),
    };
    state.leaser_waits = capacity.messages == 0;
    let lease = state.settings.lease;
    shared.close(state);
    Some((capacity, lease))
}

/// Marks a lease request as in flight, which a shutdown waits for. Returns `false` when no more are to be leased.
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
        // Checked at every quarter, a lease is renewed before three quarters of its time are over.
        sleep(duration / 4).await;
        if let Err(error) = renew_from(&shared, duration, duration / 2).await {
            shared.on_store_error(&error);
        }
    }
}

/// Renews the leases that expire within `left`.
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
    /// Handles a failed call of the store; stops the dispatcher if the failure is permanent.
    pub(crate) fn on_store_error(&self, error: &QueueError) {
        let error_text = error_chain(error);
        let mut state = self.state();
        match error {
            QueueError::Failed(_) | QueueError::Damaged(_) if state.phase != Phase::Stopped => {
                tracing::error!(
                    error = error_text,
                    "the queue's store has failed permanently: this worker stops: {error_text}"
                );
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
                tracing::warn!(
                    error = error_text,
                    "the queue's store is unavailable, nothing is sent until it is back: {error_text}"
                );
                state.store_unavailable = true;
                state.emit(|| Event::StoreUnavailable { message: error_text });
            }
            QueueError::Unavailable(_) => {}
            _ => tracing::warn!(error = error_text, "the queue refused a request: {error_text}"),
        }
        self.close(state);
    }

    /// Handles a successful call of the store after it was unavailable.
    pub(crate) fn on_store_available(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.store_unavailable || state.phase == Phase::Stopped {
            return;
        }
        tracing::info!("the queue's store is available again");
        state.store_unavailable = false;
        state.emit(|| Event::StoreAvailable);
        self.scale_all_slots(&mut state);
        self.changed.notify_one();
        self.close(state);
    }
}

/// An error with its sources.
fn error_chain(error: &QueueError) -> String {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        chain = format!("{chain}: {error}");
        source = error.source();
    }
    chain
}
