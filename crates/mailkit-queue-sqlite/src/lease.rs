//! Leases: given, renewed, marked.

use std::sync::LazyLock;
use std::time::Duration;

use mailkit_address::{Address, Envelope};
use mailkit_queue::{Lease, LeaseRequest, LeaseToken, Leased, OnAmbiguous, QueueError, State, Timestamp};

use crate::batch::Batch;
use crate::content;
use crate::details::{self, MessageDetails};
use crate::error::StoreError;
use crate::fairness;
use crate::maintenance;
use crate::message::{self, Row};
use crate::readers::Readers;
use crate::store::SqliteQueue;

/// How many octets of content one lease call holds in memory before it gives fewer messages than it was asked for.
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

    pub(crate) async fn write_commit_point(&self, token: LeaseToken) -> Result<(), QueueError> {
        self.writer()
            .call(move |batch| {
                let now = batch.now();
                let row = leased_as(batch, token)?.filter(|row| row.leased_until.is_some_and(|until| until > now));
                let Some(mut row) = row else { return Ok(Err(QueueError::LeaseLost(token.id))) };
                row.commit_point = true;
                row.write(batch)?;
                Ok(Ok(()))
            })
            .await
    }
}

/// The row of a message that is leased with that token.
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
    // Also where none of them could be given: the next ones may be.
    if !found.is_empty() && batch.counts()?.states[message::number(State::Ready)] > 0 {
        batch.wake_workers();
    }
    Ok(taken)
}

/// Leases one message; nothing where it cannot be sent as it is in the file, or no more.
fn lease_one(
    batch: &mut Batch<'_>,
    seq: i64,
    now: Timestamp,
    until: Timestamp,
    readers: &Readers,
) -> Result<Option<Leased>, StoreError> {
    let (mut row, details, bytes) = find(batch, seq)?;
    // More may expire at once than one call moves on.
    if row.expires_at.is_some_and(|at| at <= now) {
        row.expire(now)?;
        row.write(batch)?;
        return Ok(None);
    }
    let content = match (details.chunks, bytes) {
        (Some(chunks), _) => Ok(content::stored(readers, chunks, row.size, details.crc)),
        (None, bytes) => content::check(bytes.unwrap_or_default().into(), row.size, details.crc),
    };
    let content = match content {
        Ok(content) => content,
        Err(why) => {
            tracing::error!(queue_id = %row.id, "{why}");
            row.give_up(now, why)?;
            row.write(batch)?;
            return Ok(None);
        }
    };
    row.state = State::Leased;
    row.fence += 1;
    row.leased_until = Some(until);
    row.commit_point = false;
    row.write(batch)?;
    let open = row.recipients()?.into_iter().filter(|recipient| recipient.status.is_open());
    let open: Vec<Address> = open.map(|recipient| recipient.address).collect();
    let envelope = Envelope::new(details.sender, open)
        .map_err(|error| StoreError::Corrupt(format!("message {} is unfinished: {error}", row.id)))?;
    Ok(Some(Leased {
        lease: Lease::new(LeaseToken { id: row.id, fence: row.fence }),
        expires_at: until,
        envelope,
        content,
        message_id: details.message_id,
        delivery: details.delivery,
        priority: details.priority,
        route: details.route,
        tenant: details.tenant,
        on_ambiguous: if row.hold { OnAmbiguous::Hold } else { OnAmbiguous::Resend },
        created_at: row.created_at,
        open_since: row.open_since,
        message_expires_at: row.expires_at,
        attempts: row.attempts,
        traceparent: details.traceparent,
    }))
}

/// A message that is ready, and its content where that is in its row.
fn find(batch: &Batch<'_>, seq: i64) -> Result<(Row, MessageDetails, Option<Vec<u8>>), StoreError> {
    // Who settles it finds it by its name: one that is not found would be sent again for ever.
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
        return Err(StoreError::Corrupt(format!("message {} is not found by its name", row.id)));
    }
    Ok((row, details?, bytes))
}

/// Returns those that were lost.
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
