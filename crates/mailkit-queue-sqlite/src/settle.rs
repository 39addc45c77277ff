//! Settling leases with the outcome of the attempt.

use mailkit_queue::transition::Event;
use mailkit_queue::{LeaseToken, QueueError, Settlement, State};
use rusqlite::params;

use crate::batch::Batch;
use crate::error::{Refusable, StoreError};
use crate::lease::leased_as;
use crate::recipients;
use crate::store::SqliteQueue;

/// The maximum number of attempts in the history of a message.
const MAX_ATTEMPTS: u64 = 100;

impl SqliteQueue {
    pub(crate) async fn settle_leases(
        &self,
        settlements: &[(LeaseToken, &Settlement)],
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        // The writer is a thread of its own, and outlives a caller that is dropped.
        let settlements: Vec<_> =
            settlements.iter().map(|(token, settlement)| (*token, Settlement::clone(settlement))).collect();
        let work = move |batch: &mut Batch<'_>| {
            let settled = settlements.iter().map(|(token, settlement)| settle(batch, *token, settlement));
            settled.collect::<Result<_, _>>().map(Ok)
        };
        self.writer().call(work).await
    }
}

fn settle(batch: &mut Batch<'_>, token: LeaseToken, settlement: &Settlement) -> Refusable<State> {
    let Some(mut row) = leased_as(batch, token)? else { return Ok(Err(QueueError::LeaseLost(token.id))) };
    let now = batch.now();
    let mut recipients = row.recipients()?;
    let change = row.transition(Event::Settle { settlement, recipients: &recipients }, now)?;
    if change.changes_recipients() {
        change.apply_to(&mut recipients, &settlement.recipients);
        row.set_recipients(&recipients)?;
    }
    if let Some(route) = settlement.route.as_ref().filter(|_| change.records_attempt) {
        let tried = recipients::print_outcomes(change.noted(settlement))?;
        add_attempt(batch, (row.seq, token.fence), now.as_millis(), settlement, route, &tried)?;
    }
    row.apply_lifecycle(batch, &change)?;
    Ok(Ok(row.lifecycle.state))
}

/// Adds an attempt to the history, under the fencing token of its lease.
fn add_attempt(
    batch: &Batch<'_>,
    token: (i64, u64),
    at: i64,
    settlement: &Settlement,
    route: &str,
    tried: &str,
) -> Result<(), StoreError> {
    let (seq, number) = token;
    let insert = "INSERT INTO attempt (seq, number, at, route, outcome, class, text, recipients) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let (outcome, class, text) = (settlement.outcome.as_str(), &settlement.class, &settlement.text);
    let values = params![seq, number, at, route, outcome, class, text, tried];
    batch.conn.prepare_cached(insert)?.execute(values)?;
    if number > MAX_ATTEMPTS {
        let delete = "DELETE FROM attempt WHERE seq = ?1 AND number <= \
                      (SELECT number FROM attempt WHERE seq = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        batch.conn.prepare_cached(delete)?.execute(params![seq, MAX_ATTEMPTS])?;
    }
    Ok(())
}
