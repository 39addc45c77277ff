//! A message that pays from hard quotas before it leaves.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_queue::{Leased, LimitRequest, Permit, Queue, QueueError, Timestamp};
use tokio::time::Instant;

use crate::desk::Desk;
use crate::limit::margin;

/// A message that has paid.
pub(crate) struct Paid {
    pub(crate) message: Box<Leased>,
    pub(crate) receipt: Permit,
    /// It has to leave until then, or the quota would count it in the wrong window.
    pub(crate) until: Instant,
}

/// A message that pays.
pub(crate) struct Paying {
    desk: Arc<Desk>,
    place: usize,
    /// `None` once it has paid, or was given back.
    message: Option<Box<Leased>>,
    until: Instant,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

enum Answer {
    Paid(Permit),
    /// The quota that has no room, and when it will.
    Full(Box<LimitRequest>, Timestamp),
    Failed(QueueError),
}

impl Paying {
    pub(crate) fn new(desk: Arc<Desk>, place: usize, message: Box<Leased>) -> Self {
        let now = Instant::now();
        let spends = desk.state().spends(place, &message, now);
        let windows = spends.iter().flatten().map(|spend| spend.window);
        // Half of it, since a spend's window has its margin in it already.
        let until = now + margin(windows.min().unwrap_or(Duration::ZERO) / 2);
        let answer = Box::pin(pay(Arc::clone(&desk.queue), spends));
        Self { desk, place, message: Some(message), until, answer }
    }

    /// Ready with nothing where it could not pay, and the message was given back.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Paid>> {
        let Poll::Ready(answer) = self.answer.as_mut().poll(context) else { return Poll::Pending };
        let Some(message) = self.message.take() else { return Poll::Ready(None) };
        match answer {
            Answer::Paid(receipt) => return Poll::Ready(Some(Paid { message, receipt, until: self.until })),
            Answer::Full(full, at) => {
                let (now, clock) = (Instant::now(), self.desk.clock());
                let wait = (at - clock).max(Duration::from_millis(1));
                self.desk.state().block(self.place, &message, &full, now + wait, now);
            }
            Answer::Failed(error) => self.desk.store_trouble(&error),
        }
        self.desk.return_message(self.place, message);
        Poll::Ready(None)
    }
}

impl Drop for Paying {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.desk.return_message(self.place, message);
        }
    }
}

/// Pays all quotas at once. Where that is refused, each scope is asked alone which one has no room.
async fn pay(queue: Arc<dyn Queue>, spends: Vec<Vec<LimitRequest>>) -> Answer {
    let all: Vec<LimitRequest> = spends.iter().flatten().cloned().collect();
    let refused = match queue.acquire(&all).await {
        Ok(Ok(receipt)) => return Answer::Paid(receipt),
        Ok(Err(at)) => at,
        Err(error) => return Answer::Failed(error),
    };
    let mut full = (all.first().cloned(), refused);
    for spend in all {
        match queue.acquire(std::slice::from_ref(&spend)).await {
            Ok(Ok(receipt)) => {
                // What cannot be given back counts until its window is over: too much rather than too little.
                let _ = queue.release(receipt).await;
            }
            Ok(Err(at)) => {
                full = (Some(spend), at);
                break;
            }
            Err(error) => return Answer::Failed(error),
        }
    }
    match full {
        (Some(spend), at) => Answer::Full(Box::new(spend), at),
        (None, _) => Answer::Paid(Permit::default()),
    }
}
