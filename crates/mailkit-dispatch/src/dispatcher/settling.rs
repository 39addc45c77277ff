//! The task that stores the outcomes of messages in the queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use mailkit_queue::{LeaseToken, Next, QueueError, State as MessageState};
use tokio::time::timeout;

use super::event::Event;
use super::runtime::Shared;
use super::state::{EventDetails, PendingSettlement, Phase, State};
use crate::classify::FailureClass;

/// The number of concurrent settlements: a durable store commits them together.
const AT_ONCE: usize = 64;
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
        let left = settle_batch(&shared, batch).await;
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

/// Returns the settlements that the store did not take.
async fn settle_batch(shared: &Arc<Shared>, batch: Vec<PendingSettlement>) -> Vec<PendingSettlement> {
    let mut writes =
        futures_util::stream::iter(batch).map(|pending| settle_one(shared, pending)).buffer_unordered(AT_ONCE);
    let (mut left, mut written) = (Vec::new(), Vec::new());
    while let Some(result) = writes.next().await {
        match result {
            Ok(settled) => written.push(settled),
            Err(pending) => left.push(*pending),
        }
    }
    if !written.is_empty() {
        let mut state = shared.state();
        let is_all = left.is_empty();
        for settled in written {
            on_settled(&mut state, settled);
        }
        shared.close(state);
        if is_all {
            shared.on_store_available();
        }
    }
    left
}

/// The result of a settlement; `state` is `None` if the lease was lost.
struct Settled {
    token: LeaseToken,
    state: Option<MessageState>,
    next: Next,
    event: Option<EventDetails>,
}

async fn settle_one(shared: &Arc<Shared>, pending: PendingSettlement) -> Result<Settled, Box<PendingSettlement>> {
    let PendingSettlement { lease, settlement, event } = pending;
    let (token, next) = (lease.token(), settlement.next);
    match shared.queue.settle(lease, settlement).await {
        Ok(state) => Ok(Settled { token, state: Some(state), next, event }),
        Err(refused) => match refused.error {
            QueueError::Unavailable(_) | QueueError::Failed(_) | QueueError::Damaged(_) => {
                shared.on_store_error(&refused.error);
                Err(Box::new(PendingSettlement { lease: refused.lease, settlement: refused.settlement, event }))
            }
            error => {
                tracing::warn!(queue_id = %token.id, %error, "the outcome of a message could not be stored: {error}");
                Ok(Settled { token, state: None, next, event })
            }
        },
    }
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

/// Forgets the lease, and emits the event of the message.
fn on_settled(state: &mut State, settled: Settled) {
    let Settled { token, state: now, next, event } = settled;
    let id = token.id;
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
