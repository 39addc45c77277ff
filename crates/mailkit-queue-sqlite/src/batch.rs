//! A transaction of the writer, and the cache that the writer keeps between transactions.

use std::collections::HashMap;

use mailkit_queue::{Priority, QueueId, SlidingWindow, State, Tenant, Timestamp};
use rusqlite::{Connection, params, params_from_iter};

use crate::changes::{self, LogState};
use crate::context::Context;
use crate::error::StoreError;
use crate::message::Row;

/// The maximum number of ready buckets in the cache.
const MAX_CACHED_BUCKETS: usize = 10_000;

/// An open transaction.
pub(crate) struct Batch<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) context: &'a Context,
    pub(crate) cache: &'a mut WriterCache,
    wakes_workers: bool,
}

/// Data of the file that the writer keeps from one transaction to the next. It is cleared when another process has written,
/// and when a transaction was rolled back.
#[derive(Debug, Default)]
pub(crate) struct WriterCache {
    pub(crate) counts: Counts,
    pub(crate) windows: HashMap<String, SlidingWindow>,
    /// The tenant that was leased from last, by priority.
    pub(crate) last_tenant: HashMap<i64, Option<String>>,
    /// The number of pages in the WAL at which the next checkpoint is due.
    pub(crate) checkpoint_at: i64,
    buckets: HashMap<BucketKey, i64>,
    /// The changes of the numbers of ready messages that are not written to the buckets yet.
    more_ready: HashMap<i64, i64>,
    counts_known: bool,
    counts_changed: bool,
    log_changed: bool,
    /// When the consumers of changes are checked again.
    pub(crate) consumers_check_at: Option<Timestamp>,
    version: Option<i64>,
    last_id: Option<QueueId>,
}

/// The key of a ready bucket: priority, tenant and route.
pub(crate) type BucketKey = (Priority, Option<Tenant>, Option<String>);

/// The counters in the row of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// By state, in the order of [`State::ALL`].
    pub(crate) states: [i64; 7],
    pub(crate) unfinished_bytes: i64,
    pub(crate) ambiguous: i64,
    pub(crate) log: LogState,
}

impl Counts {
    /// The number of unfinished messages.
    pub(crate) const fn unfinished(&self) -> i64 {
        self.states[0] + self.states[1] + self.states[2]
    }
}

impl WriterCache {
    pub(crate) fn clear(&mut self) {
        let last_tenant = std::mem::take(&mut self.last_tenant);
        let Self { last_id, checkpoint_at, consumers_check_at, .. } = *self;
        *self = Self { last_tenant, last_id, checkpoint_at, consumers_check_at, ..Self::default() };
    }

    /// Clears the cache if another connection has written since the last transaction.
    pub(crate) fn refresh(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let version = conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) {
            self.clear();
            self.version = Some(version);
        }
        Ok(())
    }
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(conn: &'a Connection, context: &'a Context, cache: &'a mut WriterCache) -> Self {
        Self { conn, context, cache, wakes_workers: false }
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Whether the commit has to wake the waiting workers.
    pub(crate) const fn wakes_workers(&self) -> bool {
        self.wakes_workers
    }

    /// Makes the commit wake the waiting workers.
    pub(crate) const fn wake_workers(&mut self) {
        self.wakes_workers = true;
    }

    /// Does work that is rolled back as a whole if it is refused (the inner `Err`). It may enqueue messages, and nothing else.
    pub(crate) fn all_or_nothing<T, E>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<Result<T, E>, StoreError>,
    ) -> Result<Result<T, E>, StoreError> {
        let counts = *self.counts()?;
        let (counts_changed, log_changed) = (self.cache.counts_changed, self.cache.log_changed);
        let (ready_changes, wakes_workers) = (self.cache.more_ready.clone(), self.wakes_workers);
        self.conn.prepare_cached("SAVEPOINT all_or_nothing")?.execute([])?;
        let result = work(self)?;
        if result.is_err() {
            self.conn.prepare_cached("ROLLBACK TO all_or_nothing")?.execute([])?;
            // The counters include the number of the last logged change.
            self.cache.counts = counts;
            (self.cache.counts_changed, self.cache.log_changed) = (counts_changed, log_changed);
            (self.cache.more_ready, self.wakes_workers) = (ready_changes, wakes_workers);
            // A bucket that was created meanwhile does not exist any more.
            self.cache.buckets.clear();
        }
        self.conn.prepare_cached("RELEASE all_or_nothing")?.execute([])?;
        Ok(result)
    }

    /// The counters within the transaction.
    pub(crate) fn counts(&mut self) -> Result<&mut Counts, StoreError> {
        if !self.cache.counts_known {
            self.cache.counts = read_counts(self.conn, self.context.queue)?;
            self.cache.counts_known = true;
        }
        Ok(&mut self.cache.counts)
    }

    /// The state of the log of changes in the queue's row, to be changed.
    pub(crate) fn log_state(&mut self) -> Result<&mut LogState, StoreError> {
        self.counts()?;
        self.cache.log_changed = true;
        Ok(&mut self.cache.counts.log)
    }

    /// Writes all counters, and reads them again when they are needed next.
    pub(crate) fn forget_counts(&mut self) -> Result<(), StoreError> {
        self.write_back()?;
        self.cache.counts_known = false;
        Ok(())
    }

    /// Counts an ambiguous attempt.
    pub(crate) fn count_ambiguous(&mut self) -> Result<(), StoreError> {
        self.counts()?.ambiguous += 1;
        self.cache.counts_changed = true;
        Ok(())
    }

    /// Counts a message that changes its state. `from` is `None` for a new message, `to` for a removed one.
    pub(crate) fn count(&mut self, row: &Row, from: Option<State>, to: Option<State>) -> Result<(), StoreError> {
        let size = i64::try_from(row.size).unwrap_or(i64::MAX);
        let counts = self.counts()?;
        for (state, by) in [(from, -1), (to, 1)] {
            let Some(state) = state else { continue };
            counts.states[crate::message::number(state)] += by;
            if !state.is_terminal() {
                counts.unfinished_bytes += by * size;
            }
        }
        self.cache.counts_changed = true;
        for (state, by) in [(from, -1), (to, 1)] {
            if state == Some(State::Ready) {
                *self.cache.more_ready.entry(row.bucket).or_default() += by;
            }
        }
        if matches!(to, Some(State::Ready | State::Scheduled)) {
            self.wakes_workers = true;
        }
        match to {
            Some(state) if self.cache.counts.log.is_active() => changes::log(self, row, from, state),
            _ => Ok(()),
        }
    }

    /// The id of the ready bucket with this key. It is created if it does not exist.
    pub(crate) fn bucket(&mut self, name: &BucketKey) -> Result<i64, StoreError> {
        if let Some(bucket) = self.cache.buckets.get(name) {
            return Ok(*bucket);
        }
        let (priority, tenant, route) = (name.0 as i64, name.1.as_deref(), &name.2);
        let find = "SELECT id FROM ready_bucket WHERE queue = ? AND priority = ? AND tenant IS ? AND route IS ?";
        let mut statement = self.conn.prepare_cached(find)?;
        let found =
            statement.query(params![self.context.queue, priority, tenant, route])?.next()?.map(|row| row.get(0));
        let bucket = if let Some(found) = found {
            found?
        } else {
            let insert = "INSERT INTO ready_bucket (queue, priority, tenant, route) VALUES (?, ?, ?, ?)";
            self.conn.prepare_cached(insert)?.insert(params![self.context.queue, priority, tenant, route])?
        };
        if self.cache.buckets.len() >= MAX_CACHED_BUCKETS {
            self.cache.buckets.clear();
        }
        self.cache.buckets.insert(name.clone(), bucket);
        Ok(bucket)
    }

    /// Writes the numbers of ready messages to the buckets.
    pub(crate) fn write_buckets(&mut self) -> Result<(), StoreError> {
        for (bucket, by) in self.cache.more_ready.drain().filter(|(_, by)| *by != 0) {
            let add = "UPDATE ready_bucket SET ready = ready + ? WHERE id = ?";
            self.conn.prepare_cached(add)?.execute([by, bucket])?;
        }
        Ok(())
    }

    /// Writes all counters.
    pub(crate) fn write_back(&mut self) -> Result<(), StoreError> {
        self.write_buckets()?;
        if std::mem::take(&mut self.cache.counts_changed) {
            let Counts { states, unfinished_bytes, ambiguous, .. } = self.cache.counts;
            let update = "UPDATE queue SET scheduled = ?, ready = ?, leased = ?, sent = ?, dead = ?, held = ?, \
                          cancelled = ?, unfinished_bytes = ?, ambiguous = ? WHERE id = ?";
            let rest = [unfinished_bytes, ambiguous, self.context.queue];
            self.conn.prepare_cached(update)?.execute(params_from_iter(states.into_iter().chain(rest)))?;
        }
        if std::mem::take(&mut self.cache.log_changed) {
            self.cache.counts.log.write(self.conn, self.context.queue)?;
        }
        Ok(())
    }

    /// A new id, greater than all ids that this writer has created.
    pub(crate) fn next_id(&mut self, now: Timestamp) -> QueueId {
        // The highest random bit stays zero, so that the ids that follow this one stay in this millisecond.
        let fresh = QueueId::new(now, fastrand::u128(..) >> 49);
        let after = self.cache.last_id.map_or(fresh, |last| QueueId::from_bits(last.to_bits() + 1));
        let id = fresh.max(after);
        self.cache.last_id = Some(id);
        id
    }
}

/// The id of a queue that has no row, because it never had a message.
pub(crate) const NO_QUEUE: i64 = -1;

/// Reads the counters of a queue.
pub(crate) fn read_counts(conn: &Connection, queue: i64) -> Result<Counts, StoreError> {
    if queue == NO_QUEUE {
        return Ok(Counts::default());
    }
    let select = "SELECT scheduled, ready, leased, sent, dead, held, cancelled, unfinished_bytes, ambiguous, \
                  consumers, last_change, passed_change, removed_change FROM queue WHERE id = ?";
    Ok(conn.prepare_cached(select)?.query_row([queue], |row| {
        let mut states = [0; 7];
        for (at, state) in states.iter_mut().enumerate() {
            *state = row.get(at)?;
        }
        Ok(Counts {
            states,
            unfinished_bytes: row.get(7)?,
            ambiguous: row.get(8)?,
            log: LogState { consumers: row.get(9)?, last: row.get(10)?, passed: row.get(11)?, removed: row.get(12)? },
        })
    })?)
}
