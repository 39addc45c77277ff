//! The way out: one server, its settings, and the connections that are kept to it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mailkit_address::Envelope;
use mailkit_connection::{Connection, Connector, ConnectorConfig, Content, ServerUrl};
#[cfg(feature = "dkim")]
use mailkit_mime::dkim::Signer;
use mailkit_mime::{BodyKind, Capabilities, Encoded};
use mailkit_smtp::Report;
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::Body;
use mailkit_smtp::sasl::Secret;
#[cfg(feature = "dkim")]
use time::OffsetDateTime;

use crate::{Error, Message};

/// Where the password may come from when the URL names a user alone.
const PASSWORD_VARIABLE: &str = "MAILKIT_PASSWORD";

/// How many connections are kept open while nobody sends.
const KEPT: usize = 16;

/// Up to this size a message in memory is made at once: a thread for it would cost more.
const ONE_PIECE: u64 = 256 * 1024;

/// Sends messages to one server. Cheap to clone: clones share their connections.
///
/// Connections are kept and used again. A send that finds none opens one, so as many are open as sends run at once.
#[derive(Clone)]
pub struct Mailer {
    shared: Arc<Shared>,
    #[cfg(feature = "dkim")]
    signers: Arc<[Signer]>,
    /// In the place of the clock.
    #[cfg(feature = "dkim")]
    signed_at: Option<OffsetDateTime>,
}

struct Shared {
    connector: Connector,
    /// Clean connections. The lock is never held across an await.
    kept: Mutex<Vec<Connection>>,
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
        let mut url = ServerUrl::parse(url)?;
        if url.password_missing()
            && let Ok(password) = std::env::var(PASSWORD_VARIABLE)
        {
            url = url.with_password(Secret::new(password));
        }
        Self::new(url.into_config()?)
    }

    /// A mailer with settings made by hand.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where a certificate cannot be read.
    pub fn new(config: ConnectorConfig) -> Result<Self, Error> {
        let connector = Connector::new(config).map_err(Error::configuration)?;
        Ok(Self {
            shared: Arc::new(Shared { connector, kept: Mutex::default() }),
            #[cfg(feature = "dkim")]
            signers: Arc::default(),
            #[cfg(feature = "dkim")]
            signed_at: None,
        })
    }

    /// The same mailer, which signs each message by DKIM with each of these. Clones made before do not.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn with_signers(self, signers: impl Into<Arc<[Signer]>>) -> Self {
        Self { signers: signers.into(), ..self }
    }

    /// The same mailer, whose signatures state this time in the place of the clock's: that which a message was dated
    /// with by hand, so that it is signed alike each time.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn with_signing_time(self, at: OffsetDateTime) -> Self {
        Self { signed_at: Some(at), ..self }
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
        let mut connection = self.connection().await?;
        let encoded = match self.encode(message, self.capabilities(&connection)).await {
            Ok(encoded) => encoded,
            Err(error) => {
                self.keep(connection);
                return Err(error);
            }
        };
        let options = TransactionOptions {
            size: encoded.size(),
            body: body(encoded.body()),
            smtp_utf8: encoded.smtp_utf8(),
            ..options
        };
        let content = content(&encoded)?;
        let outcome = connection.send(message.envelope(), &options, content).await;
        self.keep(connection);
        Ok(outcome?)
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
        let mut connection = self.connection().await?;
        let outcome = connection.send(envelope, options, content).await;
        self.keep(connection);
        Ok(outcome?)
    }

    /// Opens a connection of its own: for a stream of messages, or to look at what the server offers.
    ///
    /// # Errors
    /// [`Error`] says the step and the server's words.
    pub async fn connect(&self) -> Result<Connection, Error> {
        Ok(self.shared.connector.connect().await?)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ConnectorConfig {
        self.shared.connector.config()
    }

    /// Says goodbye to the server on every connection that is kept.
    pub async fn close(&self) {
        while let Some(connection) = self.take_kept() {
            connection.quit().await;
        }
    }

    async fn connection(&self) -> Result<Connection, Error> {
        match self.take_kept() {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    /// The message in the form for this server, signed where there are signers.
    async fn encode(&self, message: &Message, server: Capabilities) -> Result<Encoded, Error> {
        #[cfg(feature = "dkim")]
        if !self.signers.is_empty() {
            // A server on the way that takes no 8-bit content would have to change it, and break the signature: so no
            // more than the message cannot do without.
            let least = Capabilities {
                eight_bit: server.eight_bit && message.needs_8bit(),
                binary: false,
                smtp_utf8: server.smtp_utf8 && message.needs_smtp_utf8(),
            };
            let encoded = message.encode(least).map_err(Error::encode)?;
            return crate::signing::sign(encoded, Arc::clone(&self.signers), self.signed_at).await;
        }
        message.encode(server).map_err(Error::encode)
    }

    fn capabilities(&self, connection: &Connection) -> Capabilities {
        let offered = connection.extensions();
        Capabilities {
            eight_bit: offered.eight_bit_mime,
            binary: offered.binary_mime && offered.chunking && self.config().uses_chunking(),
            smtp_utf8: offered.smtp_utf8,
        }
    }

    fn take_kept(&self) -> Option<Connection> {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| kept.pop()).find_map(|mut connection| connection.is_alive().then_some(connection))
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_clean() && kept.len() < KEPT {
            kept.push(connection);
        }
    }
}

const fn body(kind: BodyKind) -> Body {
    match kind {
        BodyKind::SevenBit => Body::SevenBit,
        BodyKind::EightBit => Body::EightBitMime,
        BodyKind::Binary => Body::BinaryMime,
    }
}

/// Small messages in memory go in one piece; what is large, or read from somewhere, is made while it is sent.
fn content(encoded: &Encoded) -> Result<Content, Error> {
    if encoded.is_in_memory() && encoded.size().is_some_and(|size| size <= ONE_PIECE) {
        return encoded.to_bytes().map(Content::from).map_err(Error::content);
    }
    Ok(Content::chunks(encoded.chunks(), encoded.size()))
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("endpoint", self.config().endpoint()).finish_non_exhaustive()
    }
}
