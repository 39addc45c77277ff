//! One connection: a socket, the server machine, and whoever decides.
//!
//! Reading and writing run together, or two peers that both send could wait for each other for ever.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_smtp::Reply;
use mailkit_smtp::server::{Event, Question, Server};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Octets that are read at once.
const READ: usize = 64 * 1024;

/// How long the client has to close its side when all was said, before the connection is torn.
const LINGER: Duration = Duration::from_millis(500);

/// Who decides what is answered, and keeps the content.
pub(crate) trait Handler {
    /// Answers a question.
    fn decide(&mut self, question: Question, server: &Server) -> impl Future<Output = Verdict> + Send;

    /// Takes a piece of content.
    fn take(&mut self, piece: &[u8]) -> impl Future<Output = ()> + Send;

    /// The transaction is over without a message.
    fn forget(&mut self);

    /// The client went on after it had waited for replies, so many times.
    fn count_turns(&mut self, turns: u64);
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Verdict {
    Accept,
    Answer(Reply),
    /// One for each recipient, at the end of the content in LMTP.
    Each(Vec<Reply>),
    /// No answer: the connection is torn.
    Close,
    /// No answer, ever.
    Hang,
}

/// Why the driver came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The 220 to STARTTLS has left.
    StartTls,
    /// Nothing more is to be said.
    Closed,
}

/// What a connection needs beside its socket.
pub(crate) struct Connection<H> {
    pub(crate) server: Server,
    pub(crate) handler: H,
    /// How long each batch of replies is held back: the network's round trip.
    latency: Duration,
    /// Batches that are held back: until when, and where in the stream of replies each one ends.
    held: VecDeque<(Instant, u64)>,
    /// Octets of replies made, released and sent since the beginning.
    made: u64,
    released: u64,
    sent: u64,
    turns: u64,
    hanging: bool,
    torn: bool,
    /// The reply for clients that are connected when the server stops, once it does.
    stop: watch::Receiver<Option<Reply>>,
    buffer: Box<[u8]>,
}

impl<H: Handler + Send> Connection<H> {
    pub(crate) fn new(server: Server, handler: H, latency: Duration, stop: watch::Receiver<Option<Reply>>) -> Self {
        Self {
            server,
            handler,
            latency,
            held: VecDeque::new(),
            made: 0,
            released: 0,
            sent: 0,
            turns: 0,
            hanging: false,
            torn: false,
            stop,
            buffer: vec![0; READ].into_boxed_slice(),
        }
    }

    /// Serves the client until STARTTLS or the end.
    ///
    /// # Errors
    /// What the socket says.
    pub(crate) async fn run(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Outcome> {
        let mut sleep = std::pin::pin!(sleep_until(Instant::now() + Duration::from_secs(3600)));
        let mut stop = self.stop.clone();
        let mut stopping =
            std::pin::pin!(async move { stop.wait_for(Option::is_some).await.ok().and_then(|r| r.clone()) });
        let mut stopped = false;
        loop {
            if self.advance().await {
                return Ok(Outcome::StartTls);
            }
            self.hold_back();
            if self.torn || (self.server.is_closed() && self.server.poll_transmit().is_empty()) {
                return Ok(Outcome::Closed);
            }
            let woken = poll_fn(|cx| {
                if !stopped && let Poll::Ready(reply) = stopping.as_mut().poll(cx) {
                    stopped = true;
                    return Poll::Ready(Ok(Woken::Stop(reply)));
                }
                self.poll_io(cx, stream, sleep.as_mut())
            });
            match woken.await? {
                Woken::Stop(Some(reply)) => self.server.close(now(), &reply),
                Woken::Stop(None) | Woken::Moved => {}
            }
        }
    }

    /// Parts from the client, so that the last reply is not lost with data that nobody read.
    pub(crate) async fn part(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        if self.torn {
            return;
        }
        let parting = async {
            if stream.shutdown().await.is_ok() {
                while stream.read(&mut self.buffer).await.is_ok_and(|octets| octets > 0) {}
            }
        };
        // Whoever does not hang up in time is hung up on.
        let _ = timeout(LINGER, parting).await;
    }

    /// Takes the events; returns whether the TLS handshake is to be run.
    async fn advance(&mut self) -> bool {
        while !self.hanging && !self.torn {
            match self.server.poll_event() {
                None | Some(Event::Closed) => break,
                Some(Event::StartTls) => return true,
                Some(Event::Reset) => self.handler.forget(),
                Some(Event::Content(piece)) => self.handler.take(piece).await,
                Some(Event::Question(question)) => {
                    let verdict = self.handler.decide(question, &self.server).await;
                    self.answer(&verdict);
                }
                Some(_) => {}
            }
        }
        false
    }

    fn answer(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Accept => self.server.accept(now()),
            Verdict::Answer(reply) => self.server.answer(now(), reply),
            Verdict::Each(replies) => self.server.answer_each(now(), replies),
            Verdict::Close => self.torn = true,
            Verdict::Hang => self.hanging = true,
        }
    }

    /// Replies that are new are held back for the latency; those whose time has come are released.
    fn hold_back(&mut self) {
        let made = self.sent + self.server.poll_transmit().len() as u64;
        if self.latency.is_zero() {
            (self.made, self.released) = (made, made);
            return;
        }
        if made > self.made {
            self.made = made;
            self.held.push_back((Instant::now() + self.latency, made));
        }
    }

    fn release(&mut self) {
        let now = Instant::now();
        while let Some((_, end)) = self.held.front().copied().filter(|(at, _)| *at <= now) {
            self.released = end;
            self.held.pop_front();
        }
    }

    /// Writes and reads what can be; ready when something moved.
    fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        mut sleep: Pin<&mut Sleep>,
    ) -> Poll<io::Result<Woken>> {
        let mut moved = false;
        self.release();
        let due = usize::try_from(self.released - self.sent).unwrap_or(usize::MAX);
        if let Some(octets) = self.server.poll_transmit().get(..due).filter(|octets| !octets.is_empty())
            && let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, octets)?
        {
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.server.handle_transmitted(now(), written);
            self.sent += written as u64;
            moved = true;
        }
        // What a TLS layer has taken has not left yet.
        if Pin::new(&mut *stream).poll_flush(cx)?.is_pending() && moved {
            return Poll::Ready(Ok(Woken::Moved));
        }
        if self.server.wants_input() || self.hanging {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            if let Poll::Ready(()) = Pin::new(&mut *stream).poll_read(cx, &mut buffer)? {
                match (buffer.filled(), self.hanging) {
                    ([], true) => self.torn = true,
                    (_, true) => {}
                    ([], false) => self.server.handle_eof(now()),
                    (read, false) => self.server.handle_input(now(), read),
                }
                let turns = self.server.turns();
                self.handler.count_turns(turns - std::mem::replace(&mut self.turns, turns));
                moved = true;
            }
        }
        if moved {
            return Poll::Ready(Ok(Woken::Moved));
        }
        self.poll_clock(cx, sleep.as_mut())
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>, mut sleep: Pin<&mut Sleep>) -> Poll<io::Result<Woken>> {
        let release = self.held.front().map(|(at, _)| *at);
        let limit = self.server.poll_timeout().map(Instant::from_std);
        let Some(wanted) = release.into_iter().chain(limit).min() else { return Poll::Pending };
        // A limit mostly moves away while it runs: then the alarm may stay, and is set anew when it has rung.
        if wanted < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(wanted);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if wanted <= Instant::now() {
                self.server.handle_timeout(now());
                return Poll::Ready(Ok(Woken::Moved));
            }
            sleep.as_mut().reset(wanted);
        }
        Poll::Pending
    }
}

/// Leaves out what was read, and what its handler keeps: it may be a login, or mail.
impl<H> fmt::Debug for Connection<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Woken {
    Moved,
    Stop(Option<Reply>),
}

/// The time by tokio's clock, which tests can stop.
pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
