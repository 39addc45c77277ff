//! Carries the jobs of a route over the connections of its mailer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use futures_util::Stream;
use mailkit_connection::Submission;
use mailkit_dispatch::{Deliver, Job, Jobs};
use mailkit_smtp::Report;
use mailkit_smtp::client::TransactionOptions;

use super::job_rounds::{JobRounds, RoundPart};
use super::outcome::{failure, outcome, with_note};
use super::rules::DeliveryRules;
use super::stored::StoredContent;
use super::transaction::{content, options};
use crate::conversion::Note;
use crate::mailer::{RecipientLimit, Stored, further_round};
use crate::{Error, Guarded, Mailer, Outgoing};

/// Delivers the jobs of one route.
pub(super) struct Carrier {
    mailer: Mailer,
    rules: Arc<DeliveryRules>,
    rounds: JobRounds,
}

impl Carrier {
    pub(super) fn new(mailer: Mailer, rules: Arc<DeliveryRules>) -> Self {
        Self { mailer, rules, rounds: JobRounds::default() }
    }
}

/// A job in flight, what its result means for the recipients of the message, and where it is noted that the message was
/// converted.
struct Taken {
    job: Job,
    guarded: Option<Guarded>,
    note: Option<Arc<Note>>,
    /// Which of its recipients this round is for.
    part: RoundPart,
}

#[async_trait]
impl Deliver for Carrier {
    async fn deliver(&self, jobs: &mut Jobs) {
        let taken = Mutex::new(VecDeque::new());
        // On a failure the jobs are needed once more.
        let loading = Loading {
            jobs: &mut *jobs,
            taken: &taken,
            rules: &self.rules,
            rounds: &self.rounds,
            limit: self.mailer.recipient_limit(),
        };
        let mut ride = match self.mailer.ride(loading).await {
            Ok(ride) => ride,
            Err(error) => return jobs.connection_failed(failure(&error)),
        };
        while let Some(result) = ride.next().await {
            let taken: Option<Taken> = taken.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Taken { job, guarded, note, part }) = taken else { continue };
            if result.as_ref().is_err_and(Error::is_revoked) {
                job.abandon();
                continue;
            }
            let result = match guarded {
                Some(guarded) => guarded.result(result),
                None => result,
            };
            let round = result.as_ref().ok().and_then(further_round);
            let note = note.as_ref().and_then(|note| note.get());
            let outcome = with_note(outcome(result), note.map(String::as_str));
            self.rules.archive(&job, &outcome).await;
            self.rounds.finish(job, round, outcome, part, self.mailer.recipient_limit());
        }
    }
}

/// Makes submissions of jobs, and keeps the jobs for their outcomes.
struct Loading<'a> {
    jobs: &'a mut Jobs,
    taken: &'a Mutex<VecDeque<Taken>>,
    rules: &'a DeliveryRules,
    rounds: &'a JobRounds,
    limit: &'a RecipientLimit,
}

impl Stream for Loading<'_> {
    type Item = Outgoing<'static>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outgoing<'static>>> {
        let (mut job, guarded) = loop {
            let Some(job) = ready!(Pin::new(&mut *self.jobs).poll_next(context)) else { return Poll::Ready(None) };
            let guarded = self.rules.guard(&job.message().envelope);
            match &guarded {
                // Nobody may get it: nothing is sent.
                Some(nobody) if nobody.envelope().is_none() => {
                    job.finish(outcome(Ok(nobody.report(Report::new(Vec::new(), 0)))));
                }
                _ => break (job, guarded),
            }
        };
        let commit_point = job.commit_point();
        let lease = job.lease_check();
        let message = job.message();
        let fields = guarded.as_ref().map(Guarded::fields).unwrap_or_default();
        let stored = self.rules.content(message, fields);
        let content = match commit_point {
            Some(commit_point) => {
                let commit_point = Arc::new(commit_point);
                content(&stored).gated(move || {
                    let commit_point = Arc::clone(&commit_point);
                    async move { commit_point.record().await.map_err(std::io::Error::other) }
                })
            }
            None => content(&stored),
        };
        let content = content.only_while(move || lease.is_valid());
        let mut envelope = guarded.as_ref().and_then(Guarded::envelope).unwrap_or(&message.envelope).clone();
        let mut options = TransactionOptions { size: stored.size().or(message.content.size()), ..options(message) };
        let limit = self.limit.get_with_offered().filter(|_| guarded.is_none());
        let part = self.rounds.begin(message.token, &mut envelope, &mut options, limit);
        let mut outgoing = Outgoing::from(Submission::new(envelope, content).with_options(options));
        let mut note = None;
        // Only such a message is ever converted; to ask for other routes takes a lock.
        if message.delivery.needs_8bit || message.delivery.needs_smtp_utf8 {
            let content = Arc::new(StoredContent(stored));
            let stored = Stored { content, keeps_signatures: job.may_go_elsewhere(), note: Arc::default() };
            note = Some(Arc::clone(&stored.note));
            outgoing = outgoing.convertible(stored);
        }
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push_back(Taken { job, guarded, note, part });
        Poll::Ready(Some(outgoing))
    }
}
