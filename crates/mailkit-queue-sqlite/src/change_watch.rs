//! Waiting for messages: for a wake-up in this process, for a due time, and for changes by other processes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mailkit_queue::Timestamp;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::store::SqliteQueue;

/// The first interval between two polls of the file. It is short, since messages often come in groups.
const FIRST_POLL: Duration = Duration::from_millis(15);
/// The longest interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The number of polls after which the worker leases in any case, which is within a second. A wake-up is lost if the worker that
/// received it is dropped.
const POLLS: u32 = 7;

/// The connection that detects changes by other processes, and its data version at the last poll.
#[derive(Debug, Default)]
pub(crate) struct ChangeWatch(Mutex<Option<(Connection, i64)>>);

impl SqliteQueue {
    pub(crate) async fn wait_for_mail(&self) {
        // Created before the file is polled, so that every change after that wakes this worker.
        let notified = self.wakeup().notified();
        tokio::pin!(notified);
        for poll in 0..POLLS {
            let pause = FIRST_POLL.saturating_mul(1 << poll).min(POLL_INTERVAL);
            let (changed, next) = self.poll_changes().await;
            if changed {
                self.wakeup().notify();
                return;
            }
            let is_last = next.is_some_and(|next| next <= pause);
            tokio::select! {
                () = &mut notified => return,
                () = tokio::time::sleep(next.unwrap_or(pause).min(pause)) => if is_last { return },
            }
        }
    }

    /// Polls the file. Returns whether it was changed since the last poll, and the time until the next message is due or the
    /// next lease expires.
    async fn poll_changes(&self) -> (bool, Option<Duration>) {
        let (queue, store) = (self.queue(), self.clone());
        let poll = tokio::task::spawn_blocking(move || {
            let mut change_watch = store.change_watch().0.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = change_watch.as_ref().map(|(_, version)| *version);
            let conn = match change_watch.take() {
                Some((conn, _)) => conn,
                None => store.open_reader()?,
            };
            let version = conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
            let next = next_event(&conn, queue)?.map(|at| at - store.now());
            *change_watch = Some((conn, version));
            Ok::<_, StoreError>((seen.is_some_and(|seen| seen != version), next))
        });
        match poll.await {
            Ok(Ok(seen)) => seen,
            // The next lease reports the error.
            _ => (false, None),
        }
    }
}

/// When the next message is due or the next lease expires.
fn next_event(conn: &Connection, queue: i64) -> Result<Option<Timestamp>, StoreError> {
    let select = "SELECT min(at) FROM (\
                  SELECT min(due) AS at FROM message WHERE queue = ?1 AND state = 0 \
                  UNION ALL SELECT min(leased_until) FROM message WHERE queue = ?1 AND state = 2)";
    let at: Option<i64> = conn.prepare_cached(select)?.query_row([queue], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

impl ChangeWatch {
    /// Closes the connection.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
