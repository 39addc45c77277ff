//! The way out: one server, its settings, and the connections to it.

mod lease;
mod letters;
mod outgoing;
mod recipient_limit;
mod ride;
mod rounds;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::{Stream, stream};
use mailkit_address::Envelope;
use mailkit_connection::{Connection, Connector, ConnectorConfig, Content, ServerUrl, Submission};
#[cfg(feature = "dkim")]
use mailkit_mime::dkim::Signer;
use mailkit_pool::{AcquireError, Pool, PoolSettings, PoolStats};
use mailkit_smtp::Report;
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::sasl::Secret;
#[cfg(feature = "dkim")]
use time::OffsetDateTime;

use crate::conversion::{Conversions, Convert};
#[cfg(feature = "dkim")]
use crate::signing::Signing;
use crate::{Error, Message};
use lease::Lease;
pub use outgoing::Outgoing;
#[cfg(feature = "outbox")]
pub(crate) use outgoing::{ONE_PIECE, Stored};
pub(crate) use recipient_limit::RecipientLimit;
use ride::Ride;
#[cfg(feature = "outbox")]
pub(crate) use rounds::{Evidence, Round, further_round};

/// Where the password may come from when the URL names a user alone.
const PASSWORD_VARIABLE: &str = "MAILKIT_PASSWORD";

/// Sends messages to one server. Cheap to clone: clones share their connections.
///
/// A mailer stands on a [`Pool`]: connections are kept, used again, and never more than the settings allow. A connection
/// that turns out to be dead before a message was on its way is replaced once, without a word; nothing else is tried
/// again.
#[derive(Clone)]
pub struct Mailer {
    /// In one allocation, since each message that is sent clones its mailer.
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    way: Way,
    conversions: Conversions,
    recipient_limit: Arc<RecipientLimit>,
    #[cfg(feature = "dkim")]
    signing: Signing,
}

#[derive(Clone)]
enum Way {
    Pooled(Pool),
    Direct(Arc<Connector>),
}

impl Mailer {
    /// A mailer for a server URL, such as `smtps://ann:secret@smtp.example.com`. Nothing is opened yet.
    ///
    /// Where the URL has a user and no password, it is taken from the environment variable `MAILKIT_PASSWORD`.
    ///
    /// ```
    /// use mailkit::Mailer;
    /// assert!(Mailer::from_url("smtp://localhost:2525?tls=none").is_ok());
    /// assert!(Mailer::from_url("smtp://localhost?tsl=none").is_err());
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): what is wrong in the URL, or with a file that
    /// it names.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::new(config_of(url)?)
    }

    /// A mailer with settings made by hand, and a pool with the usual ones.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where a certificate cannot be read.
    pub fn new(config: ConnectorConfig) -> Result<Self, Error> {
        Self::with_pool(config, PoolSettings::default())
    }

    /// A mailer with settings made by hand, for its pool too.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where a certificate cannot be read, or the pool's
    /// settings contradict each other.
    pub fn with_pool(config: ConnectorConfig, settings: PoolSettings) -> Result<Self, Error> {
        let connector = Connector::new(config).map_err(Error::configuration)?;
        Ok(Self::over(Way::Pooled(Pool::new(connector, settings).map_err(Error::configuration)?)))
    }

    /// A mailer without a pool: a connection for each message, with a QUIT behind it. For who sends seldom.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where a certificate cannot be read.
    pub fn direct(config: ConnectorConfig) -> Result<Self, Error> {
        Ok(Self::over(Way::Direct(Arc::new(Connector::new(config).map_err(Error::configuration)?))))
    }

    fn over(way: Way) -> Self {
        let shared = Shared {
            way,
            conversions: Conversions::default(),
            recipient_limit: Arc::default(),
            #[cfg(feature = "dkim")]
            signing: Signing::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The same mailer with settings of its own: those of its clones stay as they are.
    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }

    /// The same mailer, which names at most so many recipients in one transaction, for a server that does not say how many
    /// it takes: the others go in further transactions. Clones made before do not.
    ///
    /// Without it, a limit shows when the server refuses recipients behind those that it took. These go in further
    /// transactions too, at once, for as long as each reaches somebody.
    #[must_use]
    pub fn with_max_recipients(self, max: NonZeroU32) -> Self {
        self.with(|shared| shared.recipient_limit = Arc::new(RecipientLimit::new(max)))
    }

    /// The same mailer, which signs each message by DKIM with each of these. Clones made before do not.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn with_signers(self, signers: impl Into<Arc<[Signer]>>) -> Self {
        self.with(|shared| shared.signing = shared.signing.clone().by(signers))
    }

    /// The same mailer, whose signatures state this time in the place of the clock's: that which a message was dated
    /// with by hand, so that it is signed alike each time.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn with_signing_time(self, at: OffsetDateTime) -> Self {
        self.with(|shared| shared.signing = shared.signing.clone().at(at))
    }

    /// The same mailer with another rule for messages with 8-bit content that the server does not take. From the start
    /// they are [always](Convert::Always) converted.
    #[must_use]
    pub fn with_conversion(self, policy: Convert) -> Self {
        self.with(|shared| shared.conversions.policy = policy)
    }

    /// The same mailer, which signs a converted message again for those of these domains whose signatures it had.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn with_renewed_signatures(self, signers: impl Into<Arc<[Signer]>>) -> Self {
        self.with(|shared| shared.conversions.signers = signers.into())
    }

    /// Sends a message and waits for what becomes of each recipient.
    ///
    /// # Errors
    /// [`Error`]: no connection, or a conversation that broke. A refused recipient is part of the report instead.
    pub async fn send(&self, message: &Message) -> Result<Report, Error> {
        self.send_with(message, TransactionOptions::default()).await
    }

    /// Sends a message with wishes of its own for the transaction, such as notifications. Size, body kind and SMTPUTF8
    /// are the message's, in the form that suits the server: text in 8 bits, attachments in binary where it takes them.
    /// Attachments are read while they are sent.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_with(&self, message: &Message, options: TransactionOptions) -> Result<Report, Error> {
        self.send_one(Outgoing::with_options(message, options)).await
    }

    /// Sends finished content to an envelope.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_content(
        &self,
        envelope: &Envelope,
        options: &TransactionOptions,
        content: impl Into<Content>,
    ) -> Result<Report, Error> {
        let submission = Submission::new(envelope.clone(), content).with_options(options.clone());
        self.send_one(submission.into()).await
    }

    /// Sends messages in a row, each riding behind the last, over one connection, and over further ones where the server
    /// or the pool's settings limit the messages of one. Gives the outcomes in the order of the messages; each is as for
    /// [`send`](Self::send). Up to 16 messages are taken from the source before the outcome of the first.
    ///
    /// ```no_run
    /// # async fn example(mailer: mailkit::Mailer, letters: Vec<mailkit::Message>) {
    /// use std::pin::pin;
    /// use futures_util::{StreamExt, stream};
    ///
    /// let mut outcomes = pin!(mailer.send_all(stream::iter(letters)));
    /// while let Some(outcome) = outcomes.next().await {
    ///     println!("{outcome:?}");
    /// }
    /// # }
    /// ```
    pub fn send_all<'m, S>(&self, messages: S) -> impl Stream<Item = Result<Report, Error>> + use<'m, S>
    where
        S: Stream<Item: Into<Outgoing<'m>>> + Unpin,
    {
        let ride = Ride::new(self.clone(), messages);
        stream::unfold(ride, |mut ride| async move { Some((ride.next().await?, ride)) })
    }

    /// As [`send_all`](Self::send_all), with a connection that is there before anything is taken from the source, and no
    /// longer than that connection takes messages.
    #[cfg(feature = "outbox")]
    pub(crate) async fn ride<'m, S>(&self, messages: S) -> Result<Ride<'m, S>, Error>
    where
        S: Stream<Item: Into<Outgoing<'m>>> + Unpin,
    {
        Ok(Ride::mounted(self.clone(), self.lease().await?, messages))
    }

    /// Opens a connection of its own, beside the pool: to look at what the server offers.
    ///
    /// # Errors
    /// [`Error`] says the step and the server's words.
    pub async fn connect(&self) -> Result<Connection, Error> {
        Ok(self.connector().connect().await?)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ConnectorConfig {
        self.connector().config()
    }

    /// The pool; `None` for a [direct](Self::direct) mailer.
    #[must_use]
    pub fn pool(&self) -> Option<&Pool> {
        match &self.shared.way {
            Way::Pooled(pool) => Some(pool),
            Way::Direct(_) => None,
        }
    }

    /// What the pool has done so far; `None` for a [direct](Self::direct) mailer.
    #[must_use]
    pub fn stats(&self) -> Option<PoolStats> {
        self.pool().map(Pool::stats)
    }

    /// Closes the pool, for all clones: says goodbye to the server on every connection. Takes 2 seconds at the most.
    pub async fn close(&self) {
        if let Some(pool) = self.pool() {
            pool.close().await;
        }
    }

    async fn send_one(&self, outgoing: Outgoing<'_>) -> Result<Report, Error> {
        let mut ride = Ride::new(self.clone(), stream::iter(Some(outgoing)));
        let outcome = ride.next().await;
        let doubt = ride.finish().await;
        match (outcome, doubt) {
            (Some(Ok(mut report)), Some(error)) => {
                report.doubt();
                Err(error.with_report(report).into())
            }
            (Some(outcome), _) => outcome,
            // One message has one outcome.
            (None, _) => Err(Error::from(AcquireError::Closed)),
        }
    }

    async fn lease(&self) -> Result<Lease, Error> {
        match &self.shared.way {
            Way::Pooled(pool) => Ok(Lease::Pooled(pool.acquire().await?)),
            Way::Direct(connector) => Ok(Lease::Own(Box::new(connector.connect().await?))),
        }
    }

    /// How many recipients the server takes in one transaction, as far as it is known.
    pub(crate) fn recipient_limit(&self) -> &RecipientLimit {
        &self.shared.recipient_limit
    }

    fn connector(&self) -> &Connector {
        match &self.shared.way {
            Way::Pooled(pool) => pool.connector(),
            Way::Direct(connector) => connector,
        }
    }

    fn is_direct(&self) -> bool {
        matches!(self.shared.way, Way::Direct(_))
    }

    fn conversions(&self) -> Conversions {
        Conversions {
            #[cfg(feature = "dkim")]
            signing: self.shared.signing.clone(),
            ..self.shared.conversions.clone()
        }
    }

    #[cfg(feature = "dkim")]
    fn signs(&self) -> bool {
        !self.shared.signing.is_empty()
    }

    #[cfg(not(feature = "dkim"))]
    #[expect(clippy::unused_self, reason = "with DKIM it is used")]
    const fn signs(&self) -> bool {
        false
    }

    #[cfg(feature = "dkim")]
    fn signing(&self) -> Signing {
        self.shared.signing.clone()
    }
}

/// The settings that a server URL stands for, with the password from the environment variable `MAILKIT_PASSWORD` where it
/// names a user alone: for a [`Mailer`] or a [`Route`](crate::Route) with settings beyond those of a URL.
///
/// # Errors
/// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration): what is wrong in the URL, or with its password file.
pub fn server_config(url: &str) -> Result<ConnectorConfig, Error> {
    config_of(url)
}

pub(crate) fn config_of(url: &str) -> Result<ConnectorConfig, Error> {
    config_of_url(ServerUrl::parse(url)?)
}

/// The same for a URL that was read.
pub(crate) fn config_of_url(mut url: ServerUrl) -> Result<ConnectorConfig, Error> {
    if url.password_missing()
        && let Ok(password) = std::env::var(PASSWORD_VARIABLE)
    {
        url = url.with_password(Secret::new(password));
    }
    Ok(url.into_config()?)
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("endpoint", self.config().endpoint()).finish_non_exhaustive()
    }
}
