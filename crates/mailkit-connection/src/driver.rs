//! Joins the protocol machine to a byte stream and the clock: moves bytes both ways at once, and keeps the deadline.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use mailkit_smtp::client::{Client, Event};
use tokio::io::ReadBuf;
use tokio::time::Sleep;

use crate::transport::BoxedTransport;

/// Replies are short: what a batch of them needs.
const READ: usize = 4 * 1024;

pub(crate) struct Driver {
    pub(crate) client: Client,
    transport: BoxedTransport,
    read: Box<[u8]>,
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    /// What the network said when it broke.
    fault: Option<io::Error>,
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Driver {
    pub(crate) fn new(transport: BoxedTransport, client: Client) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(deadline(&client).unwrap_or_else(now).into()));
        Self { client, transport, read: vec![0; READ].into(), unflushed: false, timer, fault: None }
    }

    /// Parts with the machine and the stream, for the handshake of STARTTLS.
    pub(crate) fn into_parts(self) -> (BoxedTransport, Client) {
        (self.transport, self.client)
    }

    /// What the network said when it broke, once.
    pub(crate) fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    /// The machine's next event.
    ///
    /// Cancel safe: all state is here, none in the future.
    pub(crate) async fn event(&mut self) -> Event {
        poll_fn(|context| {
            loop {
                if let Some(event) = self.client.poll_event() {
                    return Poll::Ready(event);
                }
                if self.client.is_closed() {
                    return Poll::Ready(Event::Closed);
                }
                std::task::ready!(self.poll_io(context));
            }
        })
        .await
    }

    /// Ready when bytes moved, or the machine's time was up: it may have events, or want content.
    pub(crate) fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let wrote = self.poll_write(context);
        // Reading goes on while a write is stuck: two peers that only write would wait for each other for ever.
        let read = self.poll_read(context);
        if wrote || read || self.poll_deadline(context) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.client.poll_transmit().is_empty() {
            match Pin::new(&mut self.transport).poll_write(context, self.client.poll_transmit()) {
                Poll::Ready(Ok(octets)) if octets > 0 => {
                    self.client.handle_transmitted(now(), octets);
                    self.unflushed = true;
                    moved = true;
                }
                // The peer may have said why before it closed: its words are read first, and the end comes with them.
                Poll::Ready(outcome) => {
                    self.fault = outcome.err();
                    break;
                }
                Poll::Pending => break,
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.transport).poll_flush(context) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => {
                    self.fault = Some(error);
                    self.unflushed = false;
                }
                Poll::Pending => {}
            }
        }
        moved
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> bool {
        let mut buffer = ReadBuf::new(&mut self.read);
        match Pin::new(&mut self.transport).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.client.handle_eof(),
            Poll::Ready(Ok(())) => self.client.handle_input(now(), buffer.filled()),
            Poll::Ready(Err(error)) => {
                self.fault = Some(error);
                self.client.handle_eof();
            }
            Poll::Pending => return false,
        }
        true
    }

    /// The timer is only ever moved when it has run out: a deadline that has gone further away costs nothing.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline(&self.client) else { return false };
        if self.timer.deadline().into_std() > deadline {
            self.timer.as_mut().reset(deadline.into());
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = now();
            if now >= deadline {
                self.client.handle_timeout(now);
                return true;
            }
            self.timer.as_mut().reset(deadline.into());
        }
        false
    }

    /// Ends the stream, with the farewell of TLS where there is one.
    pub(crate) async fn shut_down(mut self) {
        // The peer may have gone already: then there is nothing to end.
        if let Err(error) = tokio::io::AsyncWriteExt::shutdown(&mut self.transport).await {
            tracing::trace!(%error, "the connection was gone before it was closed");
        }
    }
}

fn deadline(client: &Client) -> Option<Instant> {
    client.poll_timeout()
}
