//! Acting on messages by hand, and forgetting them.

use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{Action, QueueError, QueueId, RecipientStatus, State};

use crate::batch::Batch;
use crate::error::{Refusable, StoreError};
use crate::keys;
use crate::message::Row;
use crate::passing;
use crate::store::SqliteQueue;

/// How many messages one transaction forgets: others get their turn in between.
const AT_ONCE: u32 = 500;

impl SqliteQueue {
    pub(crate) async fn act_by_hand(&self, id: QueueId, action: Action) -> Result<State, QueueError> {
        self.writer().call(move |batch| act(batch, id, action)).await
    }

    pub(crate) async fn forget(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        let terminal: Arc<[State]> = states.iter().copied().filter(|state| state.is_terminal()).collect();
        let mut forgotten = 0;
        loop {
            let states = Arc::clone(&terminal);
            let some = self.writer().call(move |batch| {
                let now = batch.now();
                passing::clear_staging(batch, now)?;
                passing::forget(batch, &states, now - older_than, AT_ONCE).map(Ok)
            });
            let some = some.await?;
            forgotten += some;
            if some == 0 {
                return Ok(forgotten);
            }
        }
    }
}

fn act(batch: &mut Batch<'_>, id: QueueId, action: Action) -> Refusable<State> {
    let now = batch.now();
    passing::pass(batch, now)?;
    let Some(mut row) = Row::find(batch.conn, batch.context.queue, id)? else {
        return Ok(Err(QueueError::Unknown(id)));
    };
    let state = row.state;
    if !action.is_allowed_in(state) {
        return Ok(Err(QueueError::NotAllowed { id, action, state }));
    }
    match action {
        Action::Cancel => {
            row.finish(State::Cancelled, now);
            keys::release(batch, &row)?;
        }
        Action::Retry | Action::Release => {
            if state == State::Dead {
                reopen(&mut row)?;
            }
            // Who acts by hand wants it sent, also after the time that was set for it.
            row.expires_at = row.expires_at.filter(|at| *at > now);
            row.open_since = now;
            row.open(now, now)?;
        }
    }
    row.write(batch)?;
    Ok(Ok(row.state))
}

/// Opens recipients again that were not accepted, as if nothing had been tried.
fn reopen(row: &mut Row) -> Result<(), StoreError> {
    row.attempts = 0;
    let mut recipients = row.recipients()?;
    for recipient in recipients.iter_mut().filter(|recipient| recipient.status != RecipientStatus::Accepted) {
        recipient.status = RecipientStatus::Pending;
    }
    row.set_recipients(&recipients)
}
