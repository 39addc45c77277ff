//! The task that stores the outcomes of messages in the queue.

use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{Next, QueueError, State as MessageState};
use tokio::time::timeout;

use super::event::Event;
use super::runtime::Shared;
use super::state::{EventDetails, PendingSettlement, Phase, State};
use crate::classify::FailureClass;

/// The maximum number of settlements in one batch, so that other requests to the store do not wait long.
const MAX_BATCH: usize = 256;
/// The first and the longest wait between calls of an unavailable store.
const STORE_RETRY_WAIT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Stores outcomes until the dispatcher has stopped. An outcome that an unavailable store does not take is retried
/// until the store accepts it or says that the lease is lost.
pub(crate) async fn settle(shared: Arc<Shared>) {
    let mut wait = *STORE_RETRY_WAIT.start();
    loop {
        let batch = {
            let mut state = shared.state();
            if state.phase == Phase::Stopped {
                return;
            }
            state.settling = state.unsettled.len();
            std::mem::take(&mut state.unsettled)
        };
        if batch.is_empty() {
            shared.outcomes.notified().await;
            continue;
        }
        let left = settle_all(&shared, batch).await;
        let is_incomplete = !left.is_empty();
        finish_batch(&shared, left);
        if is_incomplete {
            // The settlements are repeated after a timeout, too.
            let _ = timeout(wait, shared.progress.notified()).await;
            wait = (wait * 2).min(*STORE_RETRY_WAIT.end());
        } else {
            wait = *STORE_RETRY_WAIT.start();
        }
    }
}

/// Stores settlements batch by batch, and returns those that the store did not take.
async fn settle_all(shared: &Arc<Shared>, mut batch: Vec<PendingSettlement>) -> Vec<PendingSettlement> {
    let mut left = Vec::new();
    while !batch.is_empty() {
        let rest = batch.split_off(batch.len().min(MAX_BATCH));
        let results = {
            let settlements: Vec<_> = batch.iter().map(|pending| (pending.token, &pending.settlement)).collect();
            shared.queue.settle_many(&settlements).await
        };
        match results {
            Ok(results) => left.extend(handle_results(shared, batch, results)),
            Err(error) => {
                shared.on_store_error(&error);
                left.extend(batch);
                left.extend(rest);
                return left;
            }
        }
        batch = rest;
    }
    left
}

/// Handles the results of a batch, and returns the settlements that the store did not take.
fn handle_results(
    shared: &Arc<Shared>,
    batch: Vec<PendingSettlement>,
    results: Vec<Result<MessageState, QueueError>>,
) -> Vec<PendingSettlement> {
    let (mut left, mut store_error) = (Vec::new(), None);
    let mut results = results.into_iter();
    let mut state = shared.state();
    for pending in batch {
        match results.next() {
            Some(Ok(now)) => on_settled(&mut state, pending, Some(now)),
            Some(Err(error @ (QueueError::Unavailable(_) | QueueError::Failed(_) | QueueError::Damaged(_)))) => {
                store_error = Some(error);
                left.push(pending);
            }
            Some(Err(error)) => {
                let queue_id = pending.token.id;
                tracing::warn!(%queue_id, %error, "the outcome of a message could not be stored: {error}");
                on_settled(&mut state, pending, None);
            }
            None => left.push(pending),
        }
    }
    let was_unavailable = state.store_unavailable;
    shared.close(state);
    match store_error {
        Some(error) => shared.on_store_error(&error),
        None if was_unavailable && left.is_empty() => shared.on_store_available(),
        None => {}
    }
    left
}

fn finish_batch(shared: &Arc<Shared>, left: Vec<PendingSettlement>) {
    let mut state = shared.state();
    let was_backed_up = state.is_backed_up();
    state.settling = 0;
    state.unsettled.splice(0..0, left);
    if was_backed_up && !state.is_backed_up() {
        shared.scale_all_slots(&mut state);
        shared.changed.notify_one();
    }
    let is_idle = state.is_idle();
    drop(state);
    if is_idle {
        shared.progress.notify_waiters();
    }
}

/// Forgets the lease, and emits the event of the message. `now` is `None` if the lease was lost.
fn on_settled(state: &mut State, pending: PendingSettlement, now: Option<MessageState>) {
    let PendingSettlement { token, settlement, event } = pending;
    let (id, next) = (token.id, settlement.next);
    state.forget_lease(token);
    if now.is_none_or(MessageState::is_terminal) && !state.defects.is_empty() {
        state.defects.remove(&id);
    }
    let (Some(now), Some(event)) = (now, event) else { return };
    let EventDetails { route, class, dead } = event;
    match (now, next) {
        (MessageState::Sent, _) => state.emit(|| Event::Sent { id, route }),
        (MessageState::Dead, _) => {
            tracing::warn!(queue_id = %id, route = &*route, reason = dead.as_str(), "message is dead ({dead})");
            *state.dead.entry(dead).or_default() += 1;
            state.emit(|| Event::Dead { id, reason: dead });
        }
        (MessageState::Held, _) => {
            tracing::warn!(queue_id = %id, route = &*route, "message may have been delivered, and is held until an operator decides");
            state.emit(|| Event::Held { id });
        }
        (_, Next::At(at)) => {
            let class = class.unwrap_or(FailureClass::Temporary);
            state.emit(|| Event::Retried { id, route, class, at });
        }
        _ => {}
    }
}
