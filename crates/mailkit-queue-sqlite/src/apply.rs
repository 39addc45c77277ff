//! The commands of operators, and purging.

use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::transition::Event;
use mailkit_queue::{Command, QueueError, QueueId, State, Timestamp, transition};

use crate::batch::Batch;
use crate::error::Refusable;
use crate::maintenance;
use crate::message::Row;
use crate::store::SqliteQueue;

/// The maximum number of messages that one transaction purges, so that other requests do not wait long.
const PURGE_BATCH: u32 = 500;

impl SqliteQueue {
    pub(crate) async fn apply_command(
        &self,
        ids: &[QueueId],
        command: Command,
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        let ids = ids.to_vec();
        let work = move |batch: &mut Batch<'_>| {
            let now = batch.now();
            maintenance::promote_and_expire(batch, now)?;
            ids.iter().map(|id| apply(batch, *id, command, now)).collect::<Result<_, _>>().map(Ok)
        };
        self.writer().call(work).await
    }

    pub(crate) async fn purge_finished(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        let terminal: Arc<[State]> = states.iter().copied().filter(|state| state.is_terminal()).collect();
        let mut purged = 0;
        loop {
            let states = Arc::clone(&terminal);
            let some = self.writer().call(move |batch| {
                let now = batch.now();
                maintenance::clear_staging(batch, now)?;
                maintenance::delete_finished(batch, &states, now - older_than, PURGE_BATCH).map(Ok)
            });
            let some = some.await?;
            purged += some;
            if some == 0 {
                return Ok(purged);
            }
        }
    }
}

fn apply(batch: &mut Batch<'_>, id: QueueId, command: Command, now: Timestamp) -> Refusable<State> {
    let Some(mut row) = Row::find(batch.conn, batch.context.queue, id)? else {
        return Ok(Err(QueueError::Unknown(id)));
    };
    let change = match transition(&row.lifecycle, Event::Command(command), now) {
        Ok(change) => change,
        Err(refused) => return Ok(Err(QueueError::NotAllowed { id, command, state: refused.state })),
    };
    row.apply(batch, &change)?;
    Ok(Ok(row.lifecycle.state))
}
