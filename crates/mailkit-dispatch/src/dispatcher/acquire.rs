//! Acquires the hard quotas of a message before it is sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_queue::{Acquired, Leased, LimitRequest, Permit, Queue, QueueError};
use tokio::time::Instant;

use super::limit::margin;
use super::runtime::Shared;

/// How long a limit is blocked that says no time at which it will have room: it was lowered below what the message needs
/// since the message was selected. The next selection takes the new limit into account.
const RECHECK: Duration = Duration::from_secs(1);

/// A message with the permit for its quotas.
pub(crate) struct Permitted {
    pub(crate) message: Box<Leased>,
    pub(crate) permit: Permit,
    /// The latest time to send it: later, the quota would count it in the wrong window.
    pub(crate) until: Instant,
}

/// A message whose quotas are being acquired.
pub(crate) struct Acquire {
    shared: Arc<Shared>,
    index: usize,
    /// `None` once the quotas are acquired, or the message was returned.
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
        let windows = requests.iter().flatten().map(|request| request.window);
        // Half of it, since the window of a request includes the margin already.
        let until = now + margin(windows.min().unwrap_or(Duration::ZERO) / 2);
        let answer = Box::pin(acquire(Arc::clone(&shared.queue), requests));
        Self { shared, index, message: Some(message), until, answer }
    }

    /// Ready with `None` if a quota is exhausted, and the message was returned to the ready queue.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Permitted>> {
        let Poll::Ready(answer) = self.answer.as_mut().poll(context) else { return Poll::Pending };
        let Some(message) = self.message.take() else { return Poll::Ready(None) };
        match answer {
            Answer::Acquired(permit) => return Poll::Ready(Some(Permitted { message, permit, until: self.until })),
            Answer::Full(full, retry_after) => {
                let now = Instant::now();
                let wait = retry_after.unwrap_or(RECHECK).max(Duration::from_millis(1));
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

/// Acquires all quotas at once. If that is refused, each is requested alone to find the one that is exhausted.
async fn acquire(queue: Arc<dyn Queue>, requests: Vec<Vec<LimitRequest>>) -> Answer {
    let all: Vec<LimitRequest> = requests.iter().flatten().cloned().collect();
    let refused = match queue.acquire(&all).await {
        Ok(Acquired::Permit(permit)) => return Answer::Acquired(permit),
        Ok(Acquired::Full { retry_after, .. }) => retry_after,
        Err(error) => return Answer::Failed(error),
    };
    let mut full = (all.first().cloned(), refused);
    for request in all {
        match queue.acquire(std::slice::from_ref(&request)).await {
            Ok(Acquired::Permit(permit)) => {
                // A permit that cannot be released counts until its window is over, so the quota is never exceeded.
                let _ = queue.release(permit).await;
            }
            Ok(Acquired::Full { retry_after, .. }) => {
                full = (Some(request), retry_after);
                break;
            }
            Err(error) => return Answer::Failed(error),
        }
    }
    match full {
        (Some(request), retry_after) => Answer::Full(Box::new(request), retry_after),
        (None, _) => Answer::Acquired(Permit::default()),
    }
}
