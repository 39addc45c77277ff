//! A message that pays from hard quotas before it leaves.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_queue::{Acquired, Leased, LimitRequest, Permit, Queue, QueueError};
use tokio::time::Instant;

use super::limit::margin;
use super::runtime::Shared;

/// The wait for a quota that will never have room for the message.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A message that has paid.
pub(crate) struct Acquired {
    pub(crate) message: Box<Leased>,
    pub(crate) permit: Permit,
    /// It has to leave until then, or the quota would count it in the wrong window.
    pub(crate) until: Instant,
}

/// A message that pays.
pub(crate) struct Acquire {
    shared: Arc<Shared>,
    index: usize,
    /// `None` once it has paid, or was given back.
    message: Option<Box<Leased>>,
    until: Instant,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

enum Answer {
    Acquired(Permit),
    /// The quota that has no room, and how long it has none; `None` if it never will.
    Full(Box<LimitRequest>, Option<Duration>),
    Failed(QueueError),
}

impl Acquire {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, message: Box<Leased>) -> Self {
        let now = Instant::now();
        let requests = shared.state().limit_requests(index, &message, now);
        let windows = requests.iter().flatten().map(|spend| spend.window);
        // Half of it, since a spend's window has its margin in it already.
        let until = now + margin(windows.min().unwrap_or(Duration::ZERO) / 2);
        let answer = Box::pin(acquire(Arc::clone(&shared.queue), requests));
        Self { shared, index, message: Some(message), until, answer }
    }

    /// Ready with nothing where it could not pay, and the message was given back.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Acquired>> {
        let Poll::Ready(answer) = self.answer.as_mut().poll(context) else { return Poll::Pending };
        let Some(message) = self.message.take() else { return Poll::Ready(None) };
        match answer {
            Answer::Acquired(permit) => return Poll::Ready(Some(Acquired { message, permit, until: self.until })),
            Answer::Full(full, retry_after) => {
                let now = Instant::now();
                let wait = retry_after.unwrap_or(NEVER).max(Duration::from_millis(1));
                self.shared.state().block_limit(self.index, &message, &full, now + wait, now);
            }
            Answer::Failed(error) => self.shared.on_store_error(&error),
        }
        self.shared.return_message(self.index, message);
        Poll::Ready(None)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.shared.return_message(self.index, message);
        }
    }
}

/// Pays all quotas at once. Where that is refused, each scope is asked alone which one has no room.
async fn acquire(queue: Arc<dyn Queue>, requests: Vec<Vec<LimitRequest>>) -> Answer {
    let all: Vec<LimitRequest> = requests.iter().flatten().cloned().collect();
    let refused = match queue.acquire(&all).await {
        Ok(Acquired::Permit(permit)) => return Answer::Acquired(permit),
        Ok(Acquired::Full { retry_after, .. }) => retry_after,
        Err(error) => return Answer::Failed(error),
    };
    let mut full = (all.first().cloned(), refused);
    for spend in all {
        match queue.acquire(std::slice::from_ref(&spend)).await {
            Ok(Acquired::Permit(permit)) => {
                // What cannot be given back counts until its window is over: too much rather than too little.
                let _ = queue.release(permit).await;
            }
            Ok(Acquired::Full { retry_after, .. }) => {
                full = (Some(spend), retry_after);
                break;
            }
            Err(error) => return Answer::Failed(error),
        }
    }
    match full {
        (Some(spend), retry_after) => Answer::Full(Box::new(spend), retry_after),
        (None, _) => Answer::Acquired(Permit::default()),
    }
}
