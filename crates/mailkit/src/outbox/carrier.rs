//! Carries the jobs of a route over the connections of its mailer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use futures_util::Stream;
use mailkit_connection::Submission;
use mailkit_dispatch::{Deliver, Job, Jobs};

use super::outcome::{outcome, trouble};
use super::transaction::{content, options};
use crate::Mailer;

/// The way out of one route.
pub(super) struct Carrier {
    mailer: Mailer,
}

impl Carrier {
    pub(super) const fn new(mailer: Mailer) -> Self {
        Self { mailer }
    }
}

#[async_trait]
impl Deliver for Carrier {
    async fn deliver(&self, jobs: &mut Jobs) {
        let taken = Mutex::new(VecDeque::new());
        // On a failure the jobs are needed once more.
        let mut ride = match self.mailer.ride(Loading { jobs: &mut *jobs, taken: &taken }).await {
            Ok(ride) => ride,
            Err(error) => return jobs.broken(trouble(&error)),
        };
        while let Some(result) = ride.next().await {
            let job: Option<Job> = taken.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(job) = job {
                job.finish(outcome(result));
            }
        }
    }
}

/// Makes submissions of jobs, and keeps the jobs for their outcomes.
struct Loading<'a> {
    jobs: &'a mut Jobs,
    taken: &'a Mutex<VecDeque<Job>>,
}

impl Stream for Loading<'_> {
    type Item = Submission;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Submission>> {
        let Some(mut job) = ready!(Pin::new(&mut *self.jobs).poll_next(context)) else { return Poll::Ready(None) };
        let gate = job.gate();
        let message = job.message();
        let content = match gate {
            Some(gate) => {
                let gate = std::sync::Arc::new(gate);
                content(message).gated(move || {
                    let gate = std::sync::Arc::clone(&gate);
                    async move { gate.pass().await.map_err(std::io::Error::other) }
                })
            }
            None => content(message),
        };
        let submission = Submission::new(message.envelope.clone(), content).with_options(options(message));
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        Poll::Ready(Some(submission))
    }
}
