//! What a route remembers of queued messages between two rounds.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{FailureClass, Job, Outcome, RecipientResult};
use mailkit_queue::{LeaseToken, QueueId, RecipientStatus};
use mailkit_smtp::client::TransactionOptions;

use crate::mailer::{Evidence, RecipientLimit, Round};

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

/// The part of a message that one round carries.
#[derive(Default)]
pub(super) struct RoundPart {
    /// The most recipients of one transaction, where that is known.
    max: Option<NonZeroU32>,
    /// Recipients that were refused for now in an earlier round.
    deferred: Vec<RecipientResult>,
    /// Recipients are left for later rounds.
    is_partial: bool,
}

impl RoundPart {
    /// The next round: for those that the server did not take, and for those that were not named to it yet. A round in
    /// which everybody was refused for now is a failure, so that a server in trouble is not asked again and again.
    fn next(&self, round: Option<Round>, outcome: &Outcome) -> Option<Round> {
        let is_known = |status| matches!(status, RecipientStatus::Accepted | RecipientStatus::Permanent);
        let goes_on =
            outcome.failure.is_none() && outcome.recipients.iter().any(|result| is_known(result.outcome.status));
        match (round, self.max) {
            (Some(round), _) => Some(round),
            (None, Some(max)) if goes_on && self.is_partial => {
                Some(Round { rest: Vec::new(), max, evidence: Evidence::None })
            }
            _ => None,
        }
    }
}

impl JobRounds {
    /// Narrows a transaction to the recipients of this round: those that were not refused for now in an earlier one, and no
    /// more than the server takes. So what became of each transaction is written down before the next.
    pub(super) fn begin(
        &self,
        token: LeaseToken,
        envelope: &mut Envelope,
        options: &mut TransactionOptions,
        limit: Option<NonZeroU32>,
    ) -> RoundPart {
        let mut part = RoundPart { max: limit, ..RoundPart::default() };
        if let Some(round) = self.take(token) {
            options.max_recipients = Some(round.max);
            part.max = limit.into_iter().chain([round.max]).min();
            let deferred: HashSet<&Address> = round.deferred.iter().map(|result| &result.outcome.address).collect();
            let rest = envelope.recipients().iter().filter(|address| !deferred.contains(address)).cloned().collect();
            // Where nobody else is left, they are tried.
            if let Ok(rest) = Envelope::new(envelope.reverse_path().clone(), rest) {
                *envelope = rest;
                part.deferred = round.deferred;
            }
        }
        let max = part.max.and_then(|max| usize::try_from(max.get()).ok());
        if let Some((now, later)) = max.and_then(|max| envelope.recipients().split_at_checked(max))
            && !later.is_empty()
            && let Ok(first) = Envelope::new(envelope.reverse_path().clone(), now.to_vec())
        {
            part.is_partial = true;
            *envelope = first;
        }
        part
    }

    /// What is remembered of the lease before this one.
    fn take(&self, token: LeaseToken) -> Option<JobRound> {
        let mut rounds = self.lock();
        // Nearly always; then there is nothing to look up.
        if rounds.is_empty() {
            return None;
        }
        rounds.remove(&token.id).filter(|round| round.fence + 1 == token.fence)
    }

    /// Says what came of a job, or of a round of it. `part` is what [`begin`](Self::begin) gave.
    pub(super) fn finish(
        &self,
        job: Job,
        round: Option<Round>,
        mut outcome: Outcome,
        part: RoundPart,
        limit: &RecipientLimit,
    ) {
        let round = part.next(round, &outcome);
        let mut deferred = part.deferred;
        let Some(round) = round else {
            outcome.recipients.append(&mut deferred);
            return job.finish(outcome);
        };
        let token = job.message().token;
        limit.note(token.id.to_bits(), &round);
        let is_too_many = |result: &&RecipientResult| {
            result.fault.is_some_and(|fault| fault.class == FailureClass::TooManyRecipients)
        };
        let is_deferred = |result: &&RecipientResult| result.outcome.status == RecipientStatus::Temporary;
        let waiting = outcome.recipients.iter().filter(is_deferred).filter(|result| !is_too_many(result));
        deferred.extend(waiting.cloned());
        let mut rounds = self.lock();
        if rounds.len() >= MOST_MESSAGES {
            rounds.clear();
        }
        rounds.insert(token.id, JobRound { fence: token.fence, max: round.max, deferred });
        drop(rounds);
        job.finish_transaction(outcome.recipients);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QueueId, JobRound>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
