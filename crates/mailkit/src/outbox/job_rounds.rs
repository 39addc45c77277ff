//! What a route remembers of queued messages between two rounds.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{Class, Job, Outcome, RecipientResult};
use mailkit_queue::{LeaseToken, QueueId, RecipientStatus};
use mailkit_smtp::client::TransactionOptions;

use crate::mailer::{RecipientLimit, Round};

/// How many messages are remembered. What is forgotten costs further transactions and nothing else.
const MOST_MESSAGES: usize = 10_000;

/// Messages that had a round over this route, and wait for the next.
#[derive(Default)]
pub(super) struct JobRounds(Mutex<HashMap<QueueId, JobRound>>);

struct JobRound {
    /// Of the lease under which it went: what other workers did since is not known here.
    fence: u64,
    /// The most recipients of one transaction.
    max: NonZeroU32,
    /// Recipients that were refused for now for another reason: they wait for the next attempt.
    deferred: Vec<RecipientResult>,
}

impl JobRounds {
    /// Narrows a transaction to the recipients of this round. Returns the outcomes of the others.
    pub(super) fn begin(
        &self,
        token: LeaseToken,
        envelope: &mut Envelope,
        options: &mut TransactionOptions,
    ) -> Vec<RecipientResult> {
        let mut rounds = self.lock();
        // Nearly always; then there is nothing to look up.
        if rounds.is_empty() {
            return Vec::new();
        }
        let Some(round) = rounds.remove(&token.id) else { return Vec::new() };
        drop(rounds);
        if round.fence + 1 != token.fence {
            return Vec::new();
        }
        options.max_recipients = Some(round.max);
        let deferred: HashSet<&Address> = round.deferred.iter().map(|result| &result.outcome.address).collect();
        let rest = envelope.recipients().iter().filter(|address| !deferred.contains(address)).cloned().collect();
        match Envelope::new(envelope.reverse_path().clone(), rest) {
            Ok(rest) => *envelope = rest,
            // Nobody else is left: they are tried.
            Err(_) => return Vec::new(),
        }
        round.deferred
    }

    /// Says what came of a job, or of a round of it. `deferred` is what [`begin`](Self::begin) gave.
    pub(super) fn finish(
        &self,
        job: Job,
        round: Option<Round>,
        mut outcome: Outcome,
        mut deferred: Vec<RecipientResult>,
        limit: &RecipientLimit,
    ) {
        let Some(round) = round else {
            outcome.recipients.append(&mut deferred);
            return job.finish(outcome);
        };
        let token = job.message().lease.token();
        limit.note(token.id.to_bits(), &round);
        let is_too_many =
            |result: &&RecipientResult| result.fault.is_some_and(|fault| fault.class == Class::TooManyRecipients);
        let is_deferred = |result: &&RecipientResult| result.outcome.status == RecipientStatus::Temporary;
        let waiting = outcome.recipients.iter().filter(is_deferred).filter(|result| !is_too_many(result));
        deferred.extend(waiting.cloned());
        let mut rounds = self.lock();
        if rounds.len() >= MOST_MESSAGES {
            rounds.clear();
        }
        rounds.insert(token.id, JobRound { fence: token.fence, max: round.max, deferred });
        drop(rounds);
        job.finish_round(outcome.recipients);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QueueId, JobRound>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
