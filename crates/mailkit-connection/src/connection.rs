//! An open connection: one message, or a stream of them.

use std::fmt;
use std::future::poll_fn;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use mailkit_address::Envelope;
use mailkit_smtp::client::{BeginError, TransactionOptions};
use mailkit_smtp::{Extensions, Report};
use tokio::time::{Instant, timeout};

use crate::content::Content;
use crate::driver::{Driver, now};
use crate::error::{Cause, Error};
use crate::sending::{Sending, Submission};
use crate::tls::TlsInfo;
use crate::transport::Peer;

/// A connection that is greeted, secured as asked, and logged in.
///
/// Every future of it may be dropped at any time. What was under way then stays under way, so the connection is not
/// [clean](Self::is_clean) and takes no further message until the last reply to it has come: drop it.
pub struct Connection {
    /// On the heap, since a pool moves its connections often.
    driver: Box<Driver>,
    peer: Peer,
    tls: Option<TlsInfo>,
}

impl Connection {
    pub(crate) fn new(driver: Driver, peer: Peer, tls: Option<TlsInfo>) -> Self {
        Self { driver: Box::new(driver), peer, tls }
    }

    /// Sends one message and waits for the outcome: one round trip with CHUNKING, two with PIPELINING.
    ///
    /// A refused recipient is part of the report, not an error.
    ///
    /// ```no_run
    /// # async fn example(mut connection: mailkit_connection::Connection) -> Result<(), Box<dyn std::error::Error>> {
    /// use mailkit_address::{Address, Envelope};
    ///
    /// let envelope = Envelope::new(Address::parse("ann@example.com")?, vec![Address::parse("bob@example.org")?])?;
    /// let report = connection.send(&envelope, &Default::default(), "Subject: hello\r\n\r\nHello.\r\n").await?;
    /// for recipient in &report.recipients {
    ///     println!("{}: {:?}", recipient.address, recipient.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`] where the conversation broke, or the message cannot go over this connection; it says whether the
    /// message may have been delivered all the same, and [`Error::report`] what is known of each recipient.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        options: &TransactionOptions,
        content: impl Into<Content>,
    ) -> Result<Report, Error> {
        let submission = Submission::new(envelope.clone(), content).with_options(options.clone());
        let mut sending = self.send_all(One(Some(submission)));
        let outcome = poll_fn(|context| Pin::new(&mut sending).poll_next(context)).await;
        outcome.unwrap_or_else(|| {
            let cause = self.driver.cause().unwrap_or(Cause::Begin(BeginError::NotReady));
            Err(Error::unsent(cause, envelope))
        })
    }

    /// Sends a stream of messages, each riding behind the last, and gives their outcomes in the same order.
    ///
    /// The stream of outcomes ends when the source is dry, or when the connection takes no more (it broke, or the
    /// server limits the messages of one connection): every message taken from the source has had its outcome then,
    /// and the rest of a source that was passed as `&mut` can go over another connection.
    ///
    /// Each message under way (16 at most) is ambiguous if the connection breaks.
    pub fn send_all<S: Stream<Item = Submission> + Unpin>(&mut self, messages: S) -> SendAll<&mut Self, S> {
        SendAll::over(self, messages)
    }

    /// Lets at most so many transactions begin on this connection in all, beside what the server says (LIMITS MAILMAX,
    /// RFC 9422).
    pub fn limit_transactions(&mut self, most: u64) {
        self.driver.client.limit_transactions(most);
    }

    /// Whether no further transaction may begin, by the server's limit or [one's own](Self::limit_transactions).
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.driver.client.is_used_up()
    }

    /// Whether no reply is awaited, and another message can be sent. What a dropped future left under way has to be
    /// answered to its last reply before the connection can be clean again; mostly it never is.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.driver.client.is_idle() && !self.driver.client.is_used_up()
    }

    /// Why the conversation is over, where it is, and was not ended by [`quit`](Self::quit).
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.driver.cause().map(Error::from)
    }

    /// Whether the server has answered a message on this connection: taken it for a recipient, or refused it by another
    /// code than 421. A connection that ends before was of no use to anybody.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.driver.answered
    }

    /// Looks whether the server has closed the connection, or spoken out of turn, while nobody was sending. Takes no
    /// time and no round trip, so it sees only what has arrived by now.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        if !self.driver.client.is_closed() {
            self.driver.look();
            // It is logged: the outcome was told already.
            let _ = self.doubt();
        }
        self.is_clean()
    }

    /// What the server offers.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        self.driver.client.extensions()
    }

    /// What the server calls itself; empty where it said nothing after STARTTLS.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.driver.client.server_name()
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the TLS handshake settled; `None` in clear.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// Asks for a sign of life (NOOP), one round trip.
    ///
    /// # Errors
    /// [`Error`] where none comes, or a message is under way.
    pub async fn noop(&mut self) -> Result<(), Error> {
        if !self.is_clean() {
            return Err(Cause::Begin(BeginError::NotReady).into());
        }
        self.driver.client.noop(now());
        self.driver.settled().await;
        if self.is_clean() { Ok(()) } else { Err(self.driver.broken()) }
    }

    /// Sends QUIT and closes. Nothing depends on the reply, so there is no error; a warning is logged if it shows that the
    /// server's replies did not match the commands.
    pub async fn quit(self) {
        // The error was logged as a warning, and nobody waits for it here.
        let _ = self.quit_and_check(Duration::MAX).await;
    }

    /// Sends QUIT and closes, within this time. Returns the error where the reply to QUIT shows that the server's replies did
    /// not match the commands: then the last outcome on this connection may have been the answer to something else.
    pub async fn quit_and_check(mut self, limit: Duration) -> Option<Error> {
        let begun = Instant::now();
        if self.driver.client.is_idle() {
            self.driver.client.quit(now());
            // A server that does not answer QUIT in time has not contradicted any outcome.
            let _ = timeout(limit, self.driver.settled()).await;
        }
        // Read before waiting for the server to close, since a server that never closes may have contradicted an outcome too.
        let doubt = self.doubt();
        // The connection is dropped in any case, which closes it after the limit.
        let _ = timeout(limit.saturating_sub(begun.elapsed()), self.driver.shut_down()).await;
        doubt
    }

    fn doubt(&self) -> Option<Error> {
        let doubt = self.driver.client.doubts_last_outcome().then(|| self.driver.broken())?;
        tracing::warn!(peer = %self.peer, "{doubt:#}; the last message on this connection may not have been accepted");
        Some(doubt)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).field("clean", &self.is_clean()).finish_non_exhaustive()
    }
}

/// The outcomes of [`Connection::send_all`]; `C` is a reference to the connection, or what owns it.
#[must_use = "nothing is sent unless the outcomes are awaited"]
pub struct SendAll<C, S> {
    connection: C,
    sending: Sending<S>,
    /// Whether the connection was clean at the beginning.
    begun: bool,
}

impl<C, S> SendAll<C, S>
where
    C: DerefMut<Target = Connection>,
    S: Stream<Item = Submission> + Unpin,
{
    /// As [`Connection::send_all`], for who owns the connection, or something that leads to it.
    pub fn over(mut connection: C, messages: S) -> Self {
        let driver = &mut connection.driver;
        // What has come while nobody was sending answers nothing that is sent now; a server that has hung up gets nothing.
        driver.look();
        // A future that was dropped may have left its outcome behind: it is nobody's now.
        while let Some(event) = driver.client.poll_event() {
            tracing::trace!(?event, "an outcome that nobody waited for");
        }
        let begun = connection.is_clean();
        Self { connection, sending: Sending::new(messages), begun }
    }

    /// The source of the messages.
    pub const fn source_mut(&mut self) -> &mut S {
        self.sending.source_mut()
    }

    /// The connection, and the source with what was not taken from it.
    pub fn into_parts(self) -> (C, S) {
        (self.connection, self.sending.into_source())
    }
}

impl<C, S> Stream for SendAll<C, S>
where
    C: DerefMut<Target = Connection> + Unpin,
    S: Stream<Item = Submission> + Unpin,
{
    type Item = Result<Report, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { connection, sending, begun } = &mut *self;
        if *begun { sending.poll_outcome(&mut connection.driver, context) } else { Poll::Ready(None) }
    }
}

impl<C, S> fmt::Debug for SendAll<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAll").finish_non_exhaustive()
    }
}

/// A stream of one.
struct One(Option<Submission>);

impl Stream for One {
    type Item = Submission;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Submission>> {
        Poll::Ready(self.0.take())
    }
}
