//! Joins the protocol machine to a byte stream and the clock: moves bytes both ways at once, and keeps the deadline.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mailkit_smtp::client::{self, Client, ClientConfig, Event};
use mailkit_smtp::{Report, Step};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::error::{Cause, Error};
use crate::send_check::CheckedContents;
use crate::tls::TlsError;
use crate::transport::BoxedTransport;

/// Replies are short: what a batch of them needs.
const READ: usize = 4 * 1024;

/// How long the farewell of TLS may take to leave: as long as the reply to QUIT, and for the same reason.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) struct Driver {
    pub(crate) client: Client,
    /// The machine while it works out the keys of a login on a thread for blocking work; `client` is a stand-in then.
    thinking: Option<JoinHandle<Client>>,
    transport: BoxedTransport,
    read: Box<[u8]>,
    unflushed: bool,
    pub(crate) checked: CheckedContents,
    /// A content was not allowed to leave: nothing more does.
    revoked: bool,
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes.
    woken: Option<Waker>,
    /// What the network said when it broke.
    fault: Option<io::Error>,
    /// Whether the server has answered a message: it took it for a recipient, or refused it by another code than 421.
    pub(crate) answered: bool,
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Driver {
    pub(crate) fn new(transport: BoxedTransport, client: Client) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(deadline(&client).unwrap_or_else(now).into()));
        let read = vec![0; READ].into();
        Self {
            client,
            thinking: None,
            transport,
            read,
            unflushed: false,
            timer,
            woken: None,
            fault: None,
            answered: false,
            checked: CheckedContents::default(),
            revoked: false,
        }
    }

    /// Parts with the machine and the stream, for the handshake of STARTTLS.
    pub(crate) fn into_parts(self) -> (BoxedTransport, Client) {
        (self.transport, self.client)
    }

    /// Why the conversation is over.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let error = self.client.error()?;
        // A server that wants a client certificate says so only when the session is first read from.
        let first = matches!(error.step(), Step::Greeting | Step::Ehlo);
        match self.fault.as_ref().filter(|_| first).and_then(TlsError::from_io) {
            Some(tls) => Some(Cause::Tls(tls)),
            None => Some(Cause::Session(error.clone())),
        }
    }

    /// Why a message with this report has not had all its answers.
    pub(crate) fn cause_of(&self, report: &Report) -> Option<Cause> {
        if self.revoked && !report.is_ambiguous() { Some(Cause::Revoked) } else { self.cause() }
    }

    /// The machine's next event.
    ///
    /// Cancel safe: all state is here, none in the future.
    pub(crate) async fn event(&mut self) -> Event {
        poll_fn(|context| {
            let mut quiet = false;
            loop {
                if let Some(event) = self.client.poll_event() {
                    return Poll::Ready(event);
                }
                if self.client.is_closed() {
                    return Poll::Ready(Event::Closed);
                }
                std::task::ready!(self.poll_io(context, &mut quiet));
            }
        })
        .await
    }

    /// Takes in what has arrived, without waiting.
    pub(crate) fn look(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while !self.client.is_closed() && self.poll_read(&mut context) {}
    }

    /// Waits until the server has greeted, or the conversation is over.
    pub(crate) async fn greeting(&mut self) {
        poll_fn(|context| {
            let mut quiet = false;
            while self.client.step() == Step::Greeting && !self.client.is_closed() {
                std::task::ready!(self.poll_io(context, &mut quiet));
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Waits until nothing is awaited any more: every reply has come, or the conversation is over.
    pub(crate) async fn settled(&mut self) {
        poll_fn(|context| {
            let mut quiet = false;
            while !self.client.is_idle() && !self.client.is_closed() {
                std::task::ready!(self.poll_io(context, &mut quiet));
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Ready when bytes moved, or the machine's time was up: it may have events, or want content.
    ///
    /// `quiet` begins as false in each poll of the caller. Once nothing was there to read, the waker is set, and there
    /// is no need to look again in the same poll.
    pub(crate) fn poll_io(&mut self, context: &mut Context<'_>, quiet: &mut bool) -> Poll<()> {
        if let Some(thinking) = &mut self.thinking {
            // It is lost only where the runtime ends: then the stand-in says that the conversation is over.
            match std::task::ready!(Pin::new(thinking).poll(context)) {
                Ok(client) => self.client = client,
                Err(_) => self.client.handle_eof(),
            }
            self.thinking = None;
            return Poll::Ready(());
        }
        // What has arrived is taken in before anything more is sent, so that it cannot count as the answer to that. Reading
        // goes on while a write is stuck: two peers that only write would wait for each other for ever.
        if !*quiet && self.poll_read(context) {
            return Poll::Ready(());
        }
        *quiet = true;
        let wrote = self.fault.is_none() && self.poll_write(context);
        if self.fault.is_some() {
            // The peer may have said why before it closed: its words are read to their end.
            if !self.client.is_closed() && !self.poll_read(context) {
                self.client.handle_eof();
            }
            return Poll::Ready(());
        }
        if wrote || self.poll_deadline(context) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.client.poll_transmit().is_empty() {
            if !self.checked.may_send(self.client.octets_sent(), self.client.octets_queued()) {
                self.revoked = true;
                self.client.stop_sending();
                return true;
            }
            match Pin::new(&mut self.transport).poll_write(context, self.client.poll_transmit()) {
                Poll::Ready(Ok(octets)) if octets > 0 => {
                    self.client.handle_transmitted(now(), octets);
                    self.unflushed = true;
                    moved = true;
                }
                Poll::Ready(outcome) => {
                    self.fault = Some(outcome.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                    break;
                }
                Poll::Pending => break,
            }
        }
        self.checked.forget(self.client.octets_sent());
        if self.unflushed && self.fault.is_none() {
            match Pin::new(&mut self.transport).poll_flush(context) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.fault = Some(error),
                Poll::Pending => {}
            }
        }
        moved
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> bool {
        let mut buffer = ReadBuf::new(&mut self.read);
        match Pin::new(&mut self.transport).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.client.handle_eof(),
            Poll::Ready(Ok(())) if self.client.is_costly() => {
                let (now, input) = (now(), buffer.filled().to_vec());
                let mut client = std::mem::replace(&mut self.client, Client::new(ClientConfig::new(""), now));
                self.thinking = Some(tokio::task::spawn_blocking(move || {
                    client.handle_input(now, &input);
                    client
                }));
            }
            Poll::Ready(Ok(())) => self.client.handle_input(now(), buffer.filled()),
            Poll::Ready(Err(error)) => {
                self.fault = Some(error);
                self.client.handle_eof();
            }
            Poll::Pending => return false,
        }
        true
    }

    /// The timer is only ever moved when it has run out, or is too late: a deadline that has gone further away costs
    /// nothing. Nor is it told twice whom to wake.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline(&self.client) else { return false };
        if self.timer.deadline().into_std() > deadline {
            self.timer.as_mut().reset(deadline.into());
        }
        if !self.timer.is_elapsed() && self.woken.as_ref().is_some_and(|waker| is_same(waker, context.waker())) {
            return false;
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = now();
            if now >= deadline {
                self.client.handle_timeout(now);
                return true;
            }
            self.timer.as_mut().reset(deadline.into());
        }
        self.woken = Some(context.waker().clone());
        false
    }

    /// The error of a conversation that is over.
    pub(crate) fn broken(&self) -> Error {
        let quiet = || Cause::Session(client::Error::Disconnected(self.client.step(), String::new()));
        self.cause().unwrap_or_else(quiet).into()
    }

    /// Ends the stream, with the farewell of TLS where there is one, and waits until the peer has closed its side as
    /// well: a server that counts connections has counted this one out then. A peer that does not is not waited for.
    pub(crate) async fn shut_down(mut self) {
        let farewell = async {
            self.transport.shutdown().await?;
            while self.transport.read(&mut self.read).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // The peer may have gone already: then there is nothing to end.
        if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, farewell).await {
            tracing::trace!(%error, "the connection was gone before it was closed");
        }
    }
}

/// Whether both wake the same. `will_wake` compares addresses of tables, of which a compiler makes several alike.
fn is_same(one: &Waker, other: &Waker) -> bool {
    one.data() == other.data() && one.vtable() == other.vtable()
}

fn deadline(client: &Client) -> Option<Instant> {
    client.poll_timeout()
}

#[cfg(all(test, feature = "scram"))]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use mailkit_smtp::client::Security;
    use mailkit_smtp::sasl::Credentials;
    use tokio::io::{AsyncBufReadExt as _, BufReader, duplex};

    #[tokio::test]
    async fn keys_of_a_login_are_worked_out_while_the_runtime_goes_on() {
        let config = ClientConfig {
            security: Security::None,
            cleartext_auth: true,
            credentials: Some(Credentials::password("ann", "s3cret").unwrap()),
            nonce: vec![7; 18],
            ..ClientConfig::new("client")
        };
        let (ours, theirs) = duplex(4096);
        let mut theirs = BufReader::new(theirs);
        let challenge = STANDARD.encode(format!("r={}more,s=c2FsdA==,i=4096", STANDARD.encode([7; 18])));
        let script = format!("220 mx\r\n250-mx\r\n250 AUTH SCRAM-SHA-256\r\n334 {challenge}\r\n");
        let mut driver = Driver::new(Box::new(ours), Client::new(config, now()));
        let mut context = Context::from_waker(Waker::noop());
        for reply in script.split_inclusive("\r\n") {
            theirs.write_all(reply.as_bytes()).await.unwrap();
            while driver.poll_io(&mut context, &mut false).is_ready() && driver.thinking.is_none() {}
        }
        assert!(driver.thinking.is_some());
        tokio::spawn(async move { driver.event().await });
        let mut lines = theirs.lines();
        let mut line = String::new();
        for _ in ["EHLO", "AUTH", "the proof"] {
            line = lines.next_line().await.unwrap().unwrap();
        }
        assert!(STANDARD.decode(line).unwrap().starts_with(b"c=biws,r="));
    }
}
