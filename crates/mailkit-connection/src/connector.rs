//! From settings to a connection that is secured, greeted and logged in.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailkit_address::Domain;
use mailkit_smtp::client::{Client, ClientConfig, Event, Security, Speaker};
use mailkit_smtp::sasl::Mechanism;
use mailkit_smtp::{ReplyError, Step, client};

use crate::connection::Connection;
use crate::dial::dial;
use crate::driver::{Driver, now};
use crate::error::{Cause, Error};
use crate::host_name::full_host_name;
use crate::probe::speaks_tls;
use crate::settings::{ConnectorConfig, Endpoint, TlsMode};
use crate::tls::{TlsClient, TlsError, TlsInfo, secure};
use crate::transport::{BoxedTransport, Dialed, Peer, Transport};

/// How long a server may be silent before it is asked whether it waits for TLS. Greetings come within a round trip;
/// a server that delays its own on purpose is only asked once, on another connection.
const SILENCE: Duration = Duration::from_secs(5);

/// Opens connections to one server, which share their TLS settings and resume each other's TLS sessions.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mailkit_connection::{Connector, ServerUrl};
///
/// let config = ServerUrl::parse("smtps://ann:secret@smtp.example.com")?.into_config()?;
/// let mut connection = Connector::new(config)?.connect().await?;
/// connection.quit().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    config: ConnectorConfig,
    tls: Option<TlsClient>,
    /// Whether the handshake fails for a certificate that is not trusted.
    verifies: bool,
    /// The mechanism by which the last login worked: the server may refuse the stronger ones.
    login: Arc<Mutex<Option<Mechanism>>>,
}

impl Connector {
    /// Reads the certificates that the settings name.
    ///
    /// # Errors
    /// [`TlsError`] where they cannot be read or make no sense.
    pub fn new(config: ConnectorConfig) -> Result<Self, TlsError> {
        let needed = config.tls_mode() != TlsMode::None && config.endpoint().server_name().is_some();
        // A certificate that is not trusted beats clear text, unless there is a password to be kept from its owner.
        let any = config.tls_mode() == TlsMode::Opportunistic && config.credentials().is_none();
        let make = if any { TlsClient::opportunistic } else { TlsClient::new };
        let tls = if needed { Some(make(config.tls())?) } else { None };
        let verifies = !any && !config.tls().accepts_any_certificate();
        Ok(Self { config, tls, verifies, login: Arc::default() })
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &ConnectorConfig {
        &self.config
    }

    /// Opens a connection: finds the host, connects, secures, greets and logs in.
    ///
    /// Cancel safe: a dropped future closes what it has opened.
    ///
    /// # Errors
    /// [`Error`] says the step and the server's words. A server that turns out to speak TLS from the first byte, or
    /// not at all, is named as such.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let mode = self.config.tls_mode();
        match self.connect_with(mode).await {
            // Opportunistic TLS promises no more than clear text; a handshake that fails may not cost the mail. A login
            // that may not go in clear would come to nothing there, and the reason of it would be lost.
            Err(error)
                if mode == TlsMode::Opportunistic
                    && matches!(error.cause(), Cause::Tls(_))
                    && (self.config.credentials().is_none() || self.config.allows_cleartext_auth()) =>
            {
                if let Cause::Tls(reason) = error.cause() {
                    tracing::warn!(endpoint = %self.config.endpoint(), %reason, "no TLS: going on in clear");
                }
                self.connect_with(TlsMode::None).await
            }
            outcome => outcome,
        }
    }

    /// Opens the session over a stream that the caller brings, such as a tunnel: secures as the settings ask, greets and
    /// logs in. Nothing is resolved or dialed.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over(&self, stream: impl Transport + 'static) -> Result<Connection, Error> {
        let dialed = Dialed { transport: Box::new(stream), peer: Peer::Brought, local: None };
        let name = self.own_name().await;
        self.open(dialed, self.config.tls_mode(), name).await
    }

    async fn connect_with(&self, mode: TlsMode) -> Result<Connection, Error> {
        // The name is looked up meanwhile; an error of the connection does not wait for it.
        let name = self.own_name();
        tokio::pin!(name);
        let mut found = None;
        let dialing = dial(&self.config);
        tokio::pin!(dialing);
        let dialed = loop {
            tokio::select! {
                dialed = &mut dialing => break dialed.map_err(Cause::Dial)?,
                name = &mut name, if found.is_none() => found = Some(name),
            }
        };
        let name = match found {
            Some(name) => name,
            None => name.await,
        };
        self.open(dialed, mode, name).await
    }

    /// The name to introduce ourselves by: the one that was set, else the host's full name, if it has one.
    async fn own_name(&self) -> Option<String> {
        match self.config.ehlo_name() {
            Some(name) => Some(name.to_owned()),
            None => full_host_name().await,
        }
    }

    async fn open(&self, dialed: Dialed, mode: TlsMode, name: Option<String>) -> Result<Connection, Error> {
        let Dialed { mut transport, peer, local } = dialed;
        self.note(format_args!("connected to {peer}"));
        // RFC 5321 §4.1.4: who has no name of its own to give says its address; a made-up name would be refused.
        let name = name.or_else(|| local.map(|address| Domain::from(address).to_string()));
        let name = name.unwrap_or_else(|| "localhost".to_owned());
        let mut tls = None;
        let security = match mode {
            TlsMode::Implicit => {
                let (secured, info) = self.secure(transport).await?;
                (transport, tls) = (secured, Some(info));
                Security::Established
            }
            TlsMode::StartTls => Security::Required,
            TlsMode::Opportunistic => Security::Opportunistic,
            TlsMode::None => Security::None,
        };
        let mut driver = Driver::new(transport, Client::new(self.client_config(security, name.clone())?, now()));
        self.await_greeting(&mut driver, peer != Peer::Brought).await?;
        loop {
            match driver.event().await {
                Event::Ready => {
                    if let Some(mechanism) = driver.client.login_mechanism() {
                        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = Some(mechanism);
                    }
                    return Ok(Connection::new(driver, peer, tls));
                }
                Event::StartTls => {
                    let (transport, mut client) = driver.into_parts();
                    let (transport, info) = self.secure(transport).await?;
                    tls = Some(info);
                    client.handle_tls_established(now());
                    driver = Driver::new(transport, client);
                }
                _ => return Err(driver.broken().introduced_as(name)),
            }
        }
    }

    /// Waits for the server's first words. One that stays silent, or hangs up, may be waiting for TLS: it is asked.
    async fn await_greeting(&self, driver: &mut Driver, dialed: bool) -> Result<(), Error> {
        let ask = dialed && driver.client.is_in_clear() && !self.config.endpoint().is_relay();
        let probe = async {
            // A short time limit leaves time for the question too.
            tokio::time::sleep(SILENCE.min(self.config.limits().session.greeting / 2)).await;
            ask && speaks_tls(&self.config).await
        };
        tokio::pin!(probe);
        let mut asked = false;
        loop {
            tokio::select! {
                () = driver.greeting() => break,
                answer = &mut probe, if !asked => match answer {
                    true => return Err(speaks_tls_error()),
                    false => asked = true,
                }
            }
        }
        let hung_up = matches!(driver.client.error(), Some(client::Error::Disconnected(Step::Greeting, _)));
        if ask && hung_up && speaks_tls(&self.config).await {
            return Err(speaks_tls_error());
        }
        Ok(())
    }

    async fn secure(&self, transport: BoxedTransport) -> Result<(BoxedTransport, TlsInfo), Error> {
        let endpoint = self.config.endpoint();
        let (Some(tls), Some(name)) = (&self.tls, endpoint.server_name()) else {
            return Err(Cause::Tls(TlsError::NoServerName { host: endpoint.to_string() }).into());
        };
        match secure(transport, tls, name, self.config.limits().tls).await {
            Ok((transport, info)) => {
                let trust = if self.verifies { "" } else { ", certificate not verified" };
                self.note(format_args!("TLS established: {}, {}{trust}", info.version, info.cipher));
                Ok((transport, info))
            }
            Err(error) => {
                let error = match self.config.redactor() {
                    Some(secrets) => error.without_secrets(&secrets),
                    None => error,
                };
                self.note(format_args!("{error}"));
                Err(Cause::Tls(error).into())
            }
        }
    }

    /// Notes something in the dialogue, where somebody reads it.
    fn note(&self, text: fmt::Arguments<'_>) {
        if let Some(tracer) = self.config.tracer() {
            tracer.line(Speaker::Note, &text.to_string());
        }
    }

    fn client_config(&self, security: Security, name: String) -> Result<ClientConfig, Error> {
        let config = &self.config;
        let (host, port) = match config.endpoint() {
            Endpoint::Tcp { host, port } => (host.to_string(), *port),
            Endpoint::Unix(_) => (String::new(), 0),
        };
        let mut nonce = vec![0; 18];
        if config.credentials().is_some() {
            getrandom::fill(&mut nonce).map_err(Cause::Randomness)?;
        }
        Ok(ClientConfig {
            protocol: config.protocol(),
            security,
            credentials: config.credentials().cloned(),
            redactor: config.redactor(),
            mechanism: config.mechanism(),
            preferred_mechanism: *self.login.lock().unwrap_or_else(PoisonError::into_inner),
            certificate_verified: self.verifies,
            tracer: config.tracer().cloned(),
            cleartext_auth: config.allows_cleartext_auth(),
            pipelining: config.uses_pipelining(),
            chunking: config.uses_chunking(),
            time_limits: config.limits().session,
            host,
            port,
            nonce,
            ..ClientConfig::new(name)
        })
    }
}

fn speaks_tls_error() -> Error {
    Cause::Session(client::Error::Reply(Step::Greeting, ReplyError::SpeaksTls)).into()
}
