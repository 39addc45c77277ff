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

use super::outcome::{outcome, trouble};
use super::rules::DeliveryRules;
use super::transaction::{content, options};
use crate::{Guarded, Mailer};

/// The way out of one route.
pub(super) struct Carrier {
    mailer: Mailer,
    rules: Arc<DeliveryRules>,
}

impl Carrier {
    pub(super) const fn new(mailer: Mailer, rules: Arc<DeliveryRules>) -> Self {
        Self { mailer, rules }
    }
}

/// A job on its way, and what its result means for the recipients of the message.
struct Taken {
    job: Job,
    guarded: Option<Guarded>,
}

#[async_trait]
impl Deliver for Carrier {
    async fn deliver(&self, jobs: &mut Jobs) {
        let taken = Mutex::new(VecDeque::new());
        // On a failure the jobs are needed once more.
        let mut ride = match self.mailer.ride(Loading { jobs: &mut *jobs, taken: &taken, rules: &self.rules }).await {
            Ok(ride) => ride,
            Err(error) => return jobs.broken(trouble(&error)),
        };
        while let Some(result) = ride.next().await {
            let taken: Option<Taken> = taken.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Taken { job, guarded }) = taken else { continue };
            let result = match guarded {
                Some(guarded) => guarded.result(result),
                None => result,
            };
            let outcome = outcome(result);
            self.rules.archive(&job, &outcome).await;
            job.finish(outcome);
        }
    }
}

/// Makes submissions of jobs, and keeps the jobs for their outcomes.
struct Loading<'a> {
    jobs: &'a mut Jobs,
    taken: &'a Mutex<VecDeque<Taken>>,
    rules: &'a DeliveryRules,
}

impl Stream for Loading<'_> {
    type Item = Submission;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Submission>> {
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
        let gate = job.gate();
        let message = job.message();
        let fields = guarded.as_ref().map(Guarded::fields).unwrap_or_default();
        let stored = self.rules.content(message, fields);
        let content = match gate {
            Some(gate) => {
                let gate = Arc::new(gate);
                content(&stored).gated(move || {
                    let gate = Arc::clone(&gate);
                    async move { gate.pass().await.map_err(std::io::Error::other) }
                })
            }
            None => content(&stored),
        };
        let envelope = guarded.as_ref().and_then(Guarded::envelope).unwrap_or(&message.envelope).clone();
        let options = TransactionOptions { size: stored.size().or(message.content.size()), ..options(message) };
        let submission = Submission::new(envelope, content).with_options(options);
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push_back(Taken { job, guarded });
        Poll::Ready(Some(submission))
    }
}
