//! Leasing messages, renewing leases and recording commit points.

use std::sync::LazyLock;
use std::time::Duration;

use mailkit_address::{Address, Envelope};
use mailkit_queue::transition::Event;
use mailkit_queue::{LeaseRequest, LeaseToken, Leased, QueueError, State, Timestamp};

use crate::batch::Batch;
use crate::content;
use crate::details::{self, MessageDetails};
use crate::error::{Refusable, StoreError};
use crate::fairness;
use crate::maintenance;
use crate::message::{self, Row};
use crate::readers::Readers;
use crate::store::SqliteQueue;

/// The octets of content in memory after which one call leases no more messages, even if it was asked for more.
const MOST_OCTETS: usize = 8 << 20;

impl SqliteQueue {
    pub(crate) async fn lease_messages(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError> {
        let (request, readers) = (request.clone(), self.readers().clone());
        let work = move |batch: &mut Batch<'_>| lease_ready(batch, &request, &readers).map(Ok);
        self.writer().call(work).await
    }

    pub(crate) async fn renew_leases(
        &self,
        leases: &[LeaseToken],
        duration: Duration,
    ) -> Result<Vec<LeaseToken>, QueueError> {
        let leases = leases.to_vec();
        self.writer().call(move |batch| renew_leases(batch, &leases, duration).map(Ok)).await
    }

    pub(crate) async fn write_commit_points(
        &self,
        leases: &[LeaseToken],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let leases = leases.to_vec();
        let work = move |batch: &mut Batch<'_>| {
            leases.iter().map(|token| record_commit_point(batch, *token)).collect::<Result<_, _>>().map(Ok)
        };
        self.writer().call(work).await
    }
}

fn record_commit_point(batch: &mut Batch<'_>, token: LeaseToken) -> Refusable<()> {
    let now = batch.now();
    let row = leased_as(batch, token)?.filter(|row| row.leased_until.is_some_and(|until| until > now));
    let Some(mut row) = row else { return Ok(Err(QueueError::LeaseLost(token.id))) };
    let change = row.transition(Event::CommitPoint, now)?;
    row.apply(batch, &change)?;
    Ok(Ok(()))
}

/// The row of a message, if the token is that of its current lease.
pub(crate) fn leased_as(batch: &Batch<'_>, token: LeaseToken) -> Result<Option<Row>, StoreError> {
    Ok(Row::find(batch.conn, batch.context.queue, token.id)?.filter(|row| row.is_leased_as(token)))
}

fn lease_ready(batch: &mut Batch<'_>, request: &LeaseRequest, readers: &Readers) -> Result<Vec<Leased>, StoreError> {
    let now = batch.now();
    maintenance::promote_and_expire(batch, now)?;
    maintenance::end_leases(batch, now)?;
    maintenance::delete_old(batch, now)?;
    let (mut taken, mut octets) = (Vec::new(), 0);
    let found = fairness::next(batch, request)?;
    for seq in &found {
        let leased = lease_one(batch, *seq, now, now + request.duration, readers)?;
        octets += leased.as_ref().and_then(|leased| leased.content.in_memory()).map_or(0, bytes::Bytes::len);
        taken.extend(leased);
        if octets >= MOST_OCTETS {
            break;
        }
    }
    // Also if none of them could be leased: the next ones may be.
    if !found.is_empty() && batch.counts()?.states[message::number(State::Ready)] > 0 {
        batch.wake_workers();
    }
    Ok(taken)
}

/// Leases one message. Returns `None` if it has expired, or if its content is damaged.
fn lease_one(
    batch: &mut Batch<'_>,
    seq: i64,
    now: Timestamp,
    until: Timestamp,
    readers: &Readers,
) -> Result<Option<Leased>, StoreError> {
    let (mut row, details, bytes) = find(batch, seq)?;
    let content = match (details.chunks, bytes) {
        (Some(chunks), _) => Ok(content::stored(readers, chunks, row.size, details.crc)),
        (None, bytes) => content::check(bytes.unwrap_or_default().into(), row.size, details.crc),
    };
    let mut change = row.transition(Event::Lease, now)?;
    // More messages may expire at the same time than one run of the maintenance changes.
    let is_expired = change.after.state != State::Leased;
    if let Err(reason) = content.as_ref().map_err(|reason| *reason)
        && !is_expired
    {
        tracing::error!(queue_id = %row.id, "{reason}");
        change = row.transition(Event::Unreadable { reason }, now)?;
    }
    row.leased_until = Some(until);
    row.apply(batch, &change)?;
    let (Ok(content), false) = (content, is_expired) else { return Ok(None) };
    let open = row.recipients()?.into_iter().filter(|recipient| recipient.status.is_open());
    let open: Vec<Address> = open.map(|recipient| recipient.address).collect();
    let envelope = Envelope::new(details.sender, open)
        .map_err(|error| StoreError::Corrupt(format!("message {} is unfinished: {error}", row.id)))?;
    let token = LeaseToken::new(row.id, row.lifecycle.fence);
    let mut leased = Leased::new(token, until, envelope, content, row.created_at);
    leased.message_id = details.message_id;
    leased.delivery = details.delivery;
    leased.priority = details.priority;
    leased.route = details.route;
    leased.tenant = details.tenant;
    leased.on_ambiguous = row.lifecycle.on_ambiguous;
    leased.open_since = row.lifecycle.open_since;
    leased.message_expires_at = row.lifecycle.expires_at;
    leased.attempts = row.lifecycle.attempts;
    leased.traceparent = details.traceparent;
    Ok(Some(leased))
}

/// A ready message, and its content if that is in its row.
fn find(batch: &Batch<'_>, seq: i64) -> Result<(Row, MessageDetails, Option<Vec<u8>>), StoreError> {
    // A message is settled by its id. One that the index of ids does not find would be sent again and again.
    static SELECT: LazyLock<String> = LazyLock::new(|| {
        let (position, details) = (message::COLUMNS, details::COLUMNS);
        format!(
            "SELECT {position}, {details}, message_body.content, (SELECT named.seq FROM message AS named \
             INDEXED BY message_by_id WHERE named.queue = message.queue AND named.id = message.id) \
             FROM message JOIN message_body USING (seq) JOIN ready_bucket ON ready_bucket.id = message.bucket WHERE message.seq = ?"
        )
    });
    let (row, details, bytes, named) = batch.conn.prepare_cached(&SELECT)?.query_row([seq], |columns| {
        let bytes: Option<Vec<u8>> = columns.get(message::WIDTH + MessageDetails::WIDTH)?;
        let named: Option<i64> = columns.get(message::WIDTH + MessageDetails::WIDTH + 1)?;
        Ok((Row::read(columns)?, MessageDetails::read(columns, message::WIDTH), bytes, named))
    })?;
    if named != Some(seq) {
        return Err(StoreError::Corrupt(format!("message {} is not found by its id", row.id)));
    }
    Ok((row, details?, bytes))
}

/// Renews leases, and returns the stale tokens.
fn renew_leases(
    batch: &mut Batch<'_>,
    leases: &[LeaseToken],
    duration: Duration,
) -> Result<Vec<LeaseToken>, StoreError> {
    let until = batch.now() + duration;
    let mut lost = Vec::new();
    for token in leases {
        if let Some(mut row) = leased_as(batch, *token)? {
            row.leased_until = Some(until);
            row.write(batch)?;
        } else {
            lost.push(*token);
        }
    }
    Ok(lost)
}
