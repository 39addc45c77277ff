//! The stream of events that a subscriber reads.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::event::Event;

/// How many events are kept for a subscriber that reads slowly.
pub(crate) const EVENT_BUFFER: usize = 1_024;

/// The events of a dispatcher, from the subscription to the shutdown.
///
/// A subscriber that falls more than 1,024 events behind loses the oldest of them and gets one [`Lagged`] in their
/// place.
///
/// ```
/// use mailkit_dispatch::{Dispatcher, Event};
///
/// async fn print_failures(dispatcher: &Dispatcher) {
///     let mut events = dispatcher.events();
///     while let Some(item) = events.next().await {
///         match item {
///             Ok(Event::Dead { id, reason, .. }) => println!("{id} is dead: {reason}"),
///             Ok(_) => {}
///             Err(lagged) => println!("{lagged}"),
///         }
///     }
/// }
/// ```
#[must_use = "a stream does nothing unless it is polled"]
pub struct Events(BoxStream<'static, Result<Event, Lagged>>);

impl Events {
    pub(crate) fn new(receiver: Receiver<Event>) -> Self {
        let events = unfold(receiver, |mut receiver| async move {
            let item = match receiver.recv().await {
                Ok(event) => Ok(event),
                Err(RecvError::Lagged(missed)) => Err(Lagged { missed }),
                Err(RecvError::Closed) => return None,
            };
            Some((item, receiver))
        });
        Self(events.fuse().boxed())
    }

    /// The next event, or `None` when the dispatcher has stopped. Cancelling this future loses no event.
    pub async fn next(&mut self) -> Option<Result<Event, Lagged>> {
        self.0.next().await
    }
}

impl Stream for Events {
    type Item = Result<Event, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// The subscriber fell behind, and events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged {
    missed: u64,
}

impl Lagged {
    /// How many events were lost.
    #[must_use]
    pub const fn missed(self) -> u64 {
        self.missed
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the subscriber fell behind: {} events were lost", self.missed)
    }
}

impl Error for Lagged {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subscriber_that_falls_behind_is_told_how_many_events_it_lost() {
        let (sender, receiver) = tokio::sync::broadcast::channel(2);
        let mut events = Events::new(receiver);
        for _ in 0..5 {
            sender.send(Event::StoreAvailable).unwrap();
        }
        drop(sender);
        assert_eq!(events.next().await, Some(Err(Lagged { missed: 3 })));
        assert_eq!(events.next().await, Some(Ok(Event::StoreAvailable)));
        assert_eq!(events.next().await, Some(Ok(Event::StoreAvailable)));
        assert_eq!((events.next().await, events.next().await), (None, None));
    }
}
