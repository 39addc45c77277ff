//! Carries the jobs of a route over the connections of its pool.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use futures_core::Stream;
use futures_util::StreamExt as _;
use mailkit_connection::{Content, Error, Submission};
use mailkit_dispatch::{Deliver, Job, Jobs, Outcome};
use mailkit_pool::{Pool, Pooled};
use mailkit_smtp::{Report, Status};

use super::outcome::{no_way, outcome};
use super::transaction::{content, options};

/// The way out of one route.
pub(super) struct Carrier {
    pool: Pool,
}

impl Carrier {
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Deliver for Carrier {
    async fn deliver(&self, jobs: &mut Jobs) {
        let mut untouched = VecDeque::new();
        // A connection that turns out to be dead is replaced once: nothing of the jobs had left.
        for last in [false, true] {
            let mut connection = match self.pool.acquire().await {
                Ok(connection) => connection,
                Err(error) => {
                    let trouble = no_way(&error);
                    for job in untouched {
                        Job::finish(job, Outcome::failed(trouble.clone()));
                    }
                    return jobs.broken(trouble);
                }
            };
            let replace = !last && connection.is_reused();
            untouched = carry(&mut connection, jobs, untouched, replace).await;
            if untouched.is_empty() {
                return;
            }
        }
    }
}

/// Lets jobs ride on one connection, `first` before those that are handed out. Returns those of which nothing has left,
/// if the connection turned out to be dead and `replace` says that it may be replaced.
async fn carry(connection: &mut Pooled, jobs: &mut Jobs, first: VecDeque<Job>, replace: bool) -> VecDeque<Job> {
    let taken = Mutex::new(VecDeque::new());
    let mut outcomes = connection.send_all(Loading { first, jobs, taken: &taken });
    let (mut untouched, mut answered) = (VecDeque::new(), false);
    while let Some(result) = outcomes.next().await {
        let job = taken.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job else { continue };
        if replace && !answered && is_untouched(&result) {
            untouched.push_back(job);
        } else {
            answered = true;
            job.finish(outcome(result));
        }
    }
    untouched
}

/// Whether the connection broke before anything could have left.
fn is_untouched(result: &Result<Report, Error>) -> bool {
    let Err(error) = result else { return false };
    let unsent = |report: &Report| report.recipients.iter().all(|entry| matches!(entry.status, Status::Unsent));
    error.is_lost() && error.report().is_some_and(unsent)
}

/// Makes submissions of jobs, and keeps the jobs for their outcomes.
struct Loading<'a> {
    first: VecDeque<Job>,
    jobs: &'a mut Jobs,
    taken: &'a Mutex<VecDeque<Job>>,
}

impl Stream for Loading<'_> {
    type Item = Submission;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Submission>> {
        let job = match self.first.pop_front() {
            Some(job) => job,
            None => match ready!(Pin::new(&mut *self.jobs).poll_next(context)) {
                Some(job) => job,
                None => return Poll::Ready(None),
            },
        };
        let message = job.message();
        let gate = job.gate();
        let content = content(message);
        let content = match gate {
            Some(gate) => Content::gated(content, move || gate.clone().pass()),
            None => content,
        };
        let submission = Submission::new(message.envelope.clone(), content).with_options(options(message));
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        Poll::Ready(Some(submission))
    }
}
