//! Settling leases with the outcome of the attempt.

use std::sync::Arc;

use mailkit_queue::{
    Lease, LeaseToken, Next, QueueError, RecipientRecord, RecipientStatus, SettleError, Settlement, State,
};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::{Refusable, StoreError};
use crate::lease::leased_as;
use crate::recipients;
use crate::store::SqliteQueue;

/// The maximum number of attempts in the history of a message.
const MAX_ATTEMPTS: u64 = 100;

impl SqliteQueue {
    pub(crate) async fn settle_lease(&self, lease: Lease, settlement: Settlement) -> Result<State, Box<SettleError>> {
        let (token, settlement) = (lease.token(), Arc::new(settlement));
        let outcome = Arc::clone(&settlement);
        let settled = self.writer().call(move |batch| settle(batch, token, &outcome)).await;
        settled.map_err(|error| Box::new(SettleError::new(error, lease, Arc::unwrap_or_clone(settlement))))
    }
}

fn settle(batch: &mut Batch<'_>, token: LeaseToken, settlement: &Settlement) -> Refusable<State> {
    let Some(mut row) = leased_as(batch, token)? else { return Ok(Err(QueueError::LeaseLost(token.id))) };
    let now = batch.now();
    let mut known = row.recipients()?;
    let mut position = 0;
    let noted = settlement.recipients.iter().filter_map(|outcome| note(&mut known, outcome, &mut position));
    let tried: Vec<_> = noted.collect();
    if !tried.is_empty() {
        row.set_recipients(&known)?;
    }
    if tried.iter().any(|recipient| recipient.status == RecipientStatus::Ambiguous) {
        batch.count_ambiguous()?;
    }
    if let Some(route) = &settlement.route {
        row.attempts = row.attempts.saturating_add(u32::from(settlement.counts));
        add_attempt(batch, (row.seq, row.fence), now.as_millis(), settlement, route, &tried)?;
    }
    let is_delivered = known.iter().all(|recipient| recipient.status == RecipientStatus::Accepted);
    let has_open = known.iter().any(|recipient| recipient.status.is_open());
    match settlement.next {
        _ if is_delivered => row.finish(State::Sent, now),
        _ if !has_open => row.finish(State::Dead, now),
        Next::Ready => row.open(row.due, now)?,
        Next::At(at) => row.open(at.max(now), now)?,
        Next::Dead => row.finish(State::Dead, now),
        Next::Held => row.finish(State::Held, now),
    }
    row.write(batch)?;
    Ok(Ok(row.state))
}

/// Records the outcome of a recipient. Returns `None` if it is not a recipient of the message, or not open.
///
/// The search begins at `next`, since outcomes mostly have the order of the recipients, and there may be ten thousand.
fn note(
    known: &mut [RecipientRecord],
    outcome: &mailkit_queue::RecipientOutcome,
    next: &mut usize,
) -> Option<RecipientRecord> {
    let (before, from) = known.split_at((*next).min(known.len()));
    let found = |part: &[RecipientRecord]| part.iter().position(|recipient| recipient.address == outcome.address);
    let position = found(from).map(|position| before.len() + position).or_else(|| found(before))?;
    *next = position + 1;
    let recipient = known.get_mut(position)?;
    if !recipient.status.is_open() {
        return None;
    }
    recipient.status = outcome.status;
    recipient.code = outcome.code;
    recipient.enhanced.clone_from(&outcome.enhanced);
    recipient.text.clone_from(&outcome.text);
    Some(recipient.clone())
}

/// Adds an attempt to the history, under the fencing token of its lease.
fn add_attempt(
    batch: &Batch<'_>,
    token: (i64, u64),
    at: i64,
    settlement: &Settlement,
    route: &str,
    tried: &[RecipientRecord],
) -> Result<(), StoreError> {
    let (seq, number) = token;
    let insert = "INSERT INTO attempt (seq, number, at, route, outcome, class, text, recipients) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let (outcome, class, text) = (settlement.outcome.as_str(), &settlement.class, &settlement.text);
    let values = params![seq, number, at, route, outcome, class, text, recipients::print(tried)?];
    batch.conn.prepare_cached(insert)?.execute(values)?;
    if number > MAX_ATTEMPTS {
        let delete = "DELETE FROM attempt WHERE seq = ?1 AND number <= \
                      (SELECT number FROM attempt WHERE seq = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        batch.conn.prepare_cached(delete)?.execute(params![seq, MAX_ATTEMPTS])?;
    }
    Ok(())
}
