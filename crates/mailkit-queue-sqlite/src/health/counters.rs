//! The numbers in the rows of the queue and of its buckets, compared with what they count.

use mailkit_queue::{Problem, ProblemKind, State, Verification};
use rusqlite::{Connection, params};

use super::is_there;
use crate::batch::{Batch, Counts, read_counts};
use crate::changes::LogState;
use crate::error::StoreError;

/// Buckets whose number of ready messages is wrong.
const WRONG_BUCKETS: &str = "SELECT id, ready, (SELECT count(*) FROM message INDEXED BY message_ready \
                             WHERE message.bucket = ready_bucket.id AND state = 1) AS counted \
                             FROM ready_bucket WHERE queue = ? AND ready <> counted";

pub(super) fn check(conn: &Connection, queue: i64, found: &mut Verification) -> Result<(), StoreError> {
    if !is_there(queue) {
        return Ok(());
    }
    let (stored, counted) = (read_counts(conn, queue)?, count(conn, queue)?);
    let mut compare = |what: &str, stored: i64, counted: i64| {
        if stored != counted {
            let text = format!("the counter of {what} says {stored}, and there are {counted}");
            found.add(Problem::new(ProblemKind::Counter, text));
        }
    };
    for (state, (stored, counted)) in State::ALL.iter().zip(stored.states.into_iter().zip(counted.states)) {
        compare(&format!("{state} messages"), stored, counted);
    }
    compare("octets of unfinished messages", stored.unfinished_bytes, counted.unfinished_bytes);
    compare("consumers of changes", stored.log.consumers, counted.log.consumers);
    let mut statement = conn.prepare_cached(WRONG_BUCKETS)?;
    let mut rows = statement.query([queue])?;
    while let Some(row) = rows.next()? {
        let (bucket, stored, counted): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let text = format!("the counter of ready messages in bucket {bucket} says {stored}, and there are {counted}");
        found.add(Problem::new(ProblemKind::Counter, text));
    }
    Ok(())
}

/// Sets every counter to what it counts.
pub(super) fn repair(batch: &mut Batch<'_>) -> Result<(), StoreError> {
    let queue = batch.context.queue;
    if !is_there(queue) {
        return Ok(());
    }
    // What was counted in this transaction so far is in no row yet.
    batch.forget_counts()?;
    let Counts { states: [scheduled, ready, leased, sent, dead, held, cancelled], unfinished_bytes, log, .. } =
        count(batch.conn, queue)?;
    let update = "UPDATE queue SET scheduled = ?, ready = ?, leased = ?, sent = ?, dead = ?, held = ?, cancelled = ?, \
                  unfinished_bytes = ?, consumers = ? WHERE id = ?";
    let states = params![scheduled, ready, leased, sent, dead, held, cancelled, unfinished_bytes, log.consumers, queue];
    batch.conn.prepare_cached(update)?.execute(states)?;
    let wrong: Vec<(i64, i64)> = batch
        .conn
        .prepare_cached(WRONG_BUCKETS)?
        .query_map([queue], |row| Ok((row.get(0)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (bucket, counted) in wrong {
        batch.conn.prepare_cached("UPDATE ready_bucket SET ready = ? WHERE id = ?")?.execute([counted, bucket])?;
    }
    // Workers may have mail that no bucket told of.
    batch.wake_workers();
    Ok(())
}

/// Counts what the row of a queue has numbers of.
fn count(conn: &Connection, queue: i64) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let select = "SELECT state, count(*), sum(size) FROM message WHERE queue = ? GROUP BY state";
    let mut statement = conn.prepare_cached(select)?;
    let mut rows = statement.query([queue])?;
    while let Some(row) = rows.next()? {
        let state: usize = row.get(0)?;
        let number = counts.states.get_mut(state);
        *number.ok_or_else(|| StoreError::Corrupt(format!("there is no state {state}")))? = row.get(1)?;
        if State::ALL.get(state).is_some_and(|state| !state.is_terminal()) {
            counts.unfinished_bytes += row.get::<_, i64>(2)?;
        }
    }
    let consumers = "SELECT count(*) FROM consumer WHERE queue = ?";
    let consumers = conn.prepare_cached(consumers)?.query_row([queue], |row| row.get(0))?;
    counts.log = LogState { consumers, ..LogState::default() };
    Ok(counts)
}
