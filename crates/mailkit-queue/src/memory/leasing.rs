//! Leasing messages, and renewing, settling and ending leases.

use std::time::Duration;

use super::index::first_until;
use super::store::Store;
use crate::clock::Timestamp;
use crate::error::QueueError;
use crate::lease::{LeaseRequest, LeaseToken, Leased};
use crate::settlement::Settlement;
use crate::state::State;
use crate::transition::{Event, transition};

impl Store {
    pub(super) fn lease(&mut self, request: &LeaseRequest, now: Timestamp) -> Vec<Leased> {
        self.end_leases(now);
        let mut taken = Vec::new();
        while taken.len() < request.max.get() as usize {
            let Some(id) = self.index.ready.serve(&request.skip_routes) else { break };
            let leased = self.change(id, None, now, |entry| {
                entry.lease_ends = now + request.duration;
                transition(&entry.lifecycle, Event::Lease, now).ok()
            });
            let Some(entry) = leased else { break };
            taken.extend(entry.leased());
        }
        taken
    }

    /// Ends the expired leases: the worker may have delivered the message.
    fn end_leases(&mut self, now: Timestamp) {
        while let Some(id) = first_until(&self.index.leased, now) {
            if !self.apply_event(id, Event::LeaseEnded, now) {
                break;
            }
        }
    }

    /// Renews leases, and returns the stale tokens.
    pub(super) fn renew(&mut self, leases: &[LeaseToken], duration: Duration, now: Timestamp) -> Vec<LeaseToken> {
        let mut lost = leases.to_vec();
        lost.retain(|token| {
            let Some(entry) = self.messages.get_mut(&token.id).filter(|entry| entry.is_leased_as(*token)) else {
                return true;
            };
            self.index.remove(entry);
            entry.lease_ends = now + duration;
            self.index.insert(entry);
            false
        });
        lost
    }

    pub(super) fn record_commit_point(&mut self, token: LeaseToken, now: Timestamp) -> Result<(), QueueError> {
        let lost = QueueError::LeaseLost(token.id);
        let entry = self.messages.get_mut(&token.id);
        let Some(entry) = entry.filter(|entry| entry.is_leased_as(token) && entry.lease_ends > now) else {
            return Err(lost);
        };
        // No index depends on it.
        entry.lifecycle = transition(&entry.lifecycle, Event::CommitPoint, now).map_err(|_| lost)?.after;
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        token: LeaseToken,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<State, QueueError> {
        let settled = self.change(token.id, Some(settlement), now, |entry| {
            entry.is_leased_as(token).then(|| entry.settle(settlement, now).ok()).flatten()
        });
        settled.map(|entry| entry.lifecycle.state).ok_or(QueueError::LeaseLost(token.id))
    }
}
