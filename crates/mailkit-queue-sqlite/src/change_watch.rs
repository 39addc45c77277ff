//! Waiting for mail: of this process, of time, and of other processes that write to the file.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mailkit_queue::Timestamp;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::store::SqliteQueue;

/// How soon the file is looked at again for what other processes wrote: mail seldom comes alone.
const FIRST_POLL: Duration = Duration::from_millis(15);
/// How long it is not looked at, where nothing comes.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How often it is looked at before the worker has its turn anyhow, which is within a second: a wake-up can be lost with a
/// worker that got it.
const POLLS: u32 = 7;

/// The connection by which the writing of others is noticed, and its count at the last look.
#[derive(Debug, Default)]
pub(crate) struct ChangeWatch(Mutex<Option<(Connection, i64)>>);

impl SqliteQueue {
    pub(crate) async fn wait_for_mail(&self) {
        // Before the look at the file: what comes after that look is notified.
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

    /// Whether somebody has written since the last look, and how long until time brings something.
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
            // Whoever leases is told what is wrong.
            _ => (false, None),
        }
    }
}

/// When a message is due, or a lease runs out, next.
fn next_event(conn: &Connection, queue: i64) -> Result<Option<Timestamp>, StoreError> {
    let select = "SELECT min(at) FROM (\
                  SELECT min(due) AS at FROM message WHERE queue = ?1 AND state = 0 \
                  UNION ALL SELECT min(leased_until) FROM message WHERE queue = ?1 AND state = 2)";
    let at: Option<i64> = conn.prepare_cached(select)?.query_row([queue], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

impl ChangeWatch {
    /// Lets go of the file.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
