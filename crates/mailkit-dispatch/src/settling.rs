//! The task that writes down what came of messages.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use mailkit_queue::{LeaseToken, Next, QueueError, State as MessageState};
use tokio::time::timeout;

use crate::class::Class;
use crate::desk::Desk;
use crate::event::Event;
use crate::state::{Done, Phase, State, Told};

/// How many outcomes are written at once: a durable store makes one write of them.
const AT_ONCE: usize = 64;
/// The first wait when the store is away, and the longest.
const AWAY: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Writes down outcomes until the dispatcher has stopped. What the store does not take is tried again for as long as the
/// lease may live: only the store can say that it is lost.
pub(crate) async fn settle(desk: Arc<Desk>) {
    let mut away = *AWAY.start();
    loop {
        let batch = {
            let mut state = desk.state();
            if state.phase == Phase::Stopped {
                return;
            }
            state.settling = state.outbox.len();
            std::mem::take(&mut state.outbox)
        };
        if batch.is_empty() {
            desk.outcomes.notified().await;
            continue;
        }
        let left = write(&desk, batch).await;
        let is_away = !left.is_empty();
        finish_batch(&desk, left);
        if is_away {
            // Woken or not: it is tried again.
            let _ = timeout(away, desk.progress.notified()).await;
            away = (away * 2).min(*AWAY.end());
        } else {
            away = *AWAY.start();
        }
    }
}

/// Returns what could not be written.
async fn write(desk: &Arc<Desk>, batch: Vec<Done>) -> Vec<Done> {
    let mut writes = futures_util::stream::iter(batch).map(|done| write_one(desk, done)).buffer_unordered(AT_ONCE);
    let (mut left, mut written) = (Vec::new(), Vec::new());
    while let Some(result) = writes.next().await {
        match result {
            Ok(settled) => written.push(settled),
            Err(done) => left.push(*done),
        }
    }
    if !written.is_empty() {
        let mut state = desk.state();
        let is_all = left.is_empty();
        for settled in written {
            note(&mut state, settled);
        }
        desk.close(state);
        if is_all {
            desk.store_is_back();
        }
    }
    left
}

/// What became of a message, once it is written down; without a state where the lease was lost.
struct Settled {
    token: LeaseToken,
    state: Option<MessageState>,
    next: Next,
    told: Option<Told>,
}

async fn write_one(desk: &Arc<Desk>, done: Done) -> Result<Settled, Box<Done>> {
    let Done { lease, settlement, told } = done;
    let (token, next) = (lease.token(), settlement.next);
    match desk.queue.settle(lease, settlement).await {
        Ok(state) => Ok(Settled { token, state: Some(state), next, told }),
        Err(refused) => match refused.error {
            QueueError::Unavailable(_) | QueueError::Failed(_) | QueueError::Damaged(_) => {
                desk.store_trouble(&refused.error);
                Err(Box::new(Done { lease: refused.lease, settlement: refused.settlement, told }))
            }
            error => {
                tracing::warn!(queue_id = %token.id, %error, "what came of a message could not be written down");
                Ok(Settled { token, state: None, next, told })
            }
        },
    }
}

fn finish_batch(desk: &Arc<Desk>, left: Vec<Done>) {
    let mut state = desk.state();
    let was_clogged = state.is_clogged();
    state.settling = 0;
    state.outbox.splice(0..0, left);
    if was_clogged && !state.is_clogged() {
        desk.staff_all(&mut state);
        desk.changed.notify_one();
    }
    let is_idle = state.is_idle();
    drop(state);
    if is_idle {
        desk.progress.notify_waiters();
    }
}

/// Forgets the lease, and tells what became of the message.
fn note(state: &mut State, settled: Settled) {
    let Settled { token, state: now, next, told } = settled;
    let id = token.id;
    state.forget_lease(token);
    if now.is_none_or(MessageState::is_terminal) && !state.defects.is_empty() {
        state.defects.remove(&id);
    }
    let (Some(now), Some(told)) = (now, told) else { return };
    let Told { route, class, dead } = told;
    match (now, next) {
        (MessageState::Sent, _) => state.tell(|| Event::Sent { id, route }),
        (MessageState::Dead, _) => {
            tracing::warn!(queue_id = %id, route = &*route, reason = dead.name(), "a message is dead");
            *state.dead.entry(dead).or_default() += 1;
            state.tell(|| Event::Dead { id, reason: dead });
        }
        (MessageState::Held, _) => {
            tracing::warn!(queue_id = %id, route = &*route, "a message may have been delivered, and is held");
            state.tell(|| Event::Held { id });
        }
        (_, Next::At(at)) => {
            let class = class.unwrap_or(Class::Temporary);
            state.tell(|| Event::Retried { id, route, class, at });
        }
        _ => {}
    }
}
