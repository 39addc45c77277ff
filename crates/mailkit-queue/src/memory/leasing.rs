//! Leasing messages, and renewing, settling and ending leases.

use std::time::Duration;

use super::index::first_until;
use super::store::Store;
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::lease::{LeaseRequest, LeaseToken, Leased};
use crate::message::OnAmbiguous;
use crate::record::Attempt;
use crate::settlement::{Next, RecipientStatus, Settlement};
use crate::state::State;

impl Store {
    pub(super) fn lease(&mut self, request: &LeaseRequest, now: Timestamp) -> Vec<Leased> {
        self.end_leases(now);
        let mut taken = Vec::new();
        while taken.len() < request.max.get() as usize {
            let Some(id) = self.index.ready.serve(&request.skip_routes) else { break };
            let leased = self.change(id, |entry| {
                entry.state = State::Leased;
                entry.fence += 1;
                entry.lease_ends = now + request.duration;
                entry.commit_point = false;
                entry.leased()
            });
            taken.extend(leased.flatten());
        }
        taken
    }

    /// Ends the expired leases: the worker may have delivered the message.
    fn end_leases(&mut self, now: Timestamp) {
        while let Some(id) = first_until(&self.index.leased, now) {
            let ambiguous = self.change(id, |entry| {
                let holds = entry.on_ambiguous == OnAmbiguous::Hold;
                if holds && entry.commit_point {
                    entry.hold(now);
                } else {
                    entry.open(entry.due, now);
                }
                !holds || entry.state == State::Held
            });
            self.ambiguous_total += u64::from(ambiguous == Some(true));
        }
    }

    /// Renews leases, and returns the stale tokens.
    pub(super) fn renew(&mut self, leases: &[LeaseToken], duration: Duration, now: Timestamp) -> Vec<LeaseToken> {
        let mut lost = leases.to_vec();
        lost.retain(|token| {
            let renewed = self.change(token.id, |entry| {
                let is_current = entry.is_leased_as(*token);
                if is_current {
                    entry.lease_ends = now + duration;
                }
                is_current
            });
            renewed != Some(true)
        });
        lost
    }

    pub(super) fn record_commit_point(&mut self, token: LeaseToken, now: Timestamp) -> Result<(), QueueError> {
        let entry =
            self.messages.get_mut(&token.id).filter(|entry| entry.is_leased_as(token) && entry.lease_ends > now);
        entry.ok_or(QueueError::LeaseLost(token.id))?.commit_point = true;
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        token: LeaseToken,
        settlement: Settlement,
        now: Timestamp,
    ) -> Result<State, Box<(QueueError, Settlement)>> {
        if !self.messages.get(&token.id).is_some_and(|entry| entry.is_leased_as(token)) {
            return Err(Box::new((QueueError::LeaseLost(token.id), settlement)));
        }
        let Settlement { route, counts, outcome, class, text, recipients, next } = settlement;
        let settled = self.change(token.id, |entry| {
            let mut position = 0;
            let noted = recipients.into_iter().filter_map(|outcome| entry.note(outcome, &mut position));
            let recipients: Vec<_> = noted.collect();
            let ambiguous = recipients.iter().any(|recipient| recipient.status == RecipientStatus::Ambiguous);
            if let Some(route) = route {
                entry.add_attempt(Attempt { class, text, recipients, ..Attempt::new(now, route, outcome) }, counts);
            }
            match next {
                _ if entry.is_delivered() => entry.finish(State::Sent, now),
                _ if !entry.has_open() => entry.finish(State::Dead, now),
                Next::Ready => entry.open(entry.due, now),
                Next::At(at) => entry.open(at.max(now), now),
                Next::Dead => entry.finish(State::Dead, now),
                Next::Held => entry.finish(State::Held, now),
            }
            (entry.state, ambiguous)
        });
        let Some((state, ambiguous)) = settled else { return Ok(State::Cancelled) };
        self.ambiguous_total += u64::from(ambiguous);
        Ok(state)
    }
}
