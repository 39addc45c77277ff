//! One transaction: what work is done with, and what is known of the file between two.

use std::collections::HashMap;

use mailkit_queue::{Priority, QueueId, SlidingWindow, State, Timestamp};
use rusqlite::{Connection, params, params_from_iter};

use crate::context::Context;
use crate::error::StoreError;
use crate::message::Row;

/// How many names of buckets are remembered.
const MAX_CACHED_BUCKETS: usize = 10_000;

/// A transaction that is open.
pub(crate) struct Batch<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) context: &'a Context,
    pub(crate) cache: &'a mut WriterCache,
    wakes_workers: bool,
}

/// What the writer remembers of the file from one transaction to the next. It is forgotten when another process has
/// written, or when a transaction was given up.
#[derive(Debug, Default)]
pub(crate) struct WriterCache {
    pub(crate) counts: Counts,
    pub(crate) windows: HashMap<String, SlidingWindow>,
    /// The last tenant that was served, by priority.
    pub(crate) served: HashMap<i64, Option<String>>,
    /// How many pages the log has when it is to be brought into the file.
    pub(crate) checkpoint_at: i64,
    buckets: HashMap<BucketKey, i64>,
    /// How many more messages are ready in a bucket than its row says.
    more_ready: HashMap<i64, i64>,
    counts_known: bool,
    counts_changed: bool,
    version: Option<i64>,
    last_id: Option<QueueId>,
}

/// What makes a bucket: priority, tenant and route.
pub(crate) type BucketKey = (Priority, Option<String>, Option<String>);

/// The numbers in the queue's row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// By state, in the order of [`State::ALL`].
    pub(crate) states: [i64; 7],
    pub(crate) unfinished_bytes: i64,
    pub(crate) ambiguous: i64,
}

impl Counts {
    /// Messages that are not finished.
    pub(crate) const fn unfinished(&self) -> i64 {
        self.states[0] + self.states[1] + self.states[2]
    }
}

impl WriterCache {
    pub(crate) fn forget(&mut self) {
        let (served, last_id, checkpoint_at) = (std::mem::take(&mut self.served), self.last_id, self.checkpoint_at);
        *self = Self { served, last_id, checkpoint_at, ..Self::default() };
    }

    /// Forgets all if another connection has written since the last transaction.
    pub(crate) fn refresh(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let version = conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) {
            self.forget();
            self.version = Some(version);
        }
        Ok(())
    }
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(conn: &'a Connection, context: &'a Context, cache: &'a mut WriterCache) -> Self {
        Self { conn, context, cache, wakes_workers: false }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Whether there is something for workers after this.
    pub(crate) const fn wakes_workers(&self) -> bool {
        self.wakes_workers
    }

    /// Has workers look again after this.
    pub(crate) const fn wake_workers(&mut self) {
        self.wakes_workers = true;
    }

    /// The numbers as they are now, within the transaction.
    pub(crate) fn counts(&mut self) -> Result<&mut Counts, StoreError> {
        if !self.cache.counts_known {
            self.cache.counts = read_counts(self.conn, self.context.queue)?;
            self.cache.counts_known = true;
        }
        Ok(&mut self.cache.counts)
    }

    /// Counts one more ambiguous moment.
    pub(crate) fn count_ambiguous(&mut self) -> Result<(), StoreError> {
        self.counts()?.ambiguous += 1;
        self.cache.counts_changed = true;
        Ok(())
    }

    /// Counts a message that goes from one state to another, or comes or goes altogether.
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
        Ok(())
    }

    /// The bucket of that name, which is made where there is none.
    pub(crate) fn bucket(&mut self, name: &BucketKey) -> Result<i64, StoreError> {
        if let Some(bucket) = self.cache.buckets.get(name) {
            return Ok(*bucket);
        }
        let (priority, tenant, route) = (name.0 as i64, &name.1, &name.2);
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

    /// Brings the rows of buckets up to date.
    pub(crate) fn write_buckets(&mut self) -> Result<(), StoreError> {
        for (bucket, by) in self.cache.more_ready.drain().filter(|(_, by)| *by != 0) {
            let add = "UPDATE ready_bucket SET ready = ready + ? WHERE id = ?";
            self.conn.prepare_cached(add)?.execute([by, bucket])?;
        }
        Ok(())
    }

    /// Brings all rows up to date with what was counted.
    pub(crate) fn write_back(&mut self) -> Result<(), StoreError> {
        self.write_buckets()?;
        if std::mem::take(&mut self.cache.counts_changed) {
            let Counts { states, unfinished_bytes, ambiguous } = self.cache.counts;
            let update = "UPDATE queue SET scheduled = ?, ready = ?, leased = ?, sent = ?, dead = ?, held = ?, \
                          cancelled = ?, unfinished_bytes = ?, ambiguous = ? WHERE id = ?";
            let rest = [unfinished_bytes, ambiguous, self.context.queue];
            self.conn.prepare_cached(update)?.execute(params_from_iter(states.into_iter().chain(rest)))?;
        }
        Ok(())
    }

    /// A name for a new message: later ones sort behind earlier ones.
    pub(crate) fn next_id(&mut self, now: Timestamp) -> QueueId {
        // The highest bit of chance stays free: the names after this one are still of this millisecond.
        let fresh = QueueId::new(now, fastrand::u128(..) >> 49);
        let after = self.cache.last_id.map_or(fresh, |last| QueueId::from_bits(last.to_bits() + 1));
        let id = fresh.max(after);
        self.cache.last_id = Some(id);
        id
    }
}

/// The number of a queue that has no row: nothing was ever put into it.
pub(crate) const NO_QUEUE: i64 = -1;

/// The numbers in the row of a queue.
pub(crate) fn read_counts(conn: &Connection, queue: i64) -> Result<Counts, StoreError> {
    if queue == NO_QUEUE {
        return Ok(Counts::default());
    }
    let select = "SELECT scheduled, ready, leased, sent, dead, held, cancelled, unfinished_bytes, ambiguous \
                  FROM queue WHERE id = ?";
    Ok(conn.prepare_cached(select)?.query_row([queue], |row| {
        let mut states = [0; 7];
        for (at, state) in states.iter_mut().enumerate() {
            *state = row.get(at)?;
        }
        Ok(Counts { states, unfinished_bytes: row.get(7)?, ambiguous: row.get(8)? })
    })?)
}
