//! Looks at a server: in clear, secured, and logged in, each on a connection of its own. Nothing is sent.

use std::time::{Duration, Instant};

use mailkit::connection::{Connection, ConnectorConfig, TlsBlame, TlsError, TlsInfo, TlsMode, TlsSettings};
use mailkit::smtp::{Extensions, SizeLimit};
use mailkit::{Error, Mailer};
use tracing::subscriber::{NoSubscriber, with_default};

use super::certificate::{Certificate, read_chain};
use crate::exit::source_of;
use crate::failure::Failure;
use crate::server::Server;

/// Round trips that are measured; the middle one is told.
const ROUND_TRIPS: usize = 5;

/// What was found, as far as the server let us come.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) peer: Option<String>,
    /// What was offered before TLS, where TLS begins by STARTTLS.
    pub(super) in_clear: Option<Extensions>,
    pub(super) tls: Option<Tls>,
    /// Whether the certificate was found good.
    pub(super) trusted: bool,
    pub(super) session: Option<Session>,
    pub(super) login: Login,
    pub(super) round_trip: Option<Duration>,
    pub(super) failure: Option<Failure>,
}

pub(super) struct Tls {
    pub(super) version: &'static str,
    pub(super) cipher: String,
    pub(super) chain: Vec<Certificate>,
}

pub(super) struct Session {
    pub(super) name: String,
    pub(super) extensions: Extensions,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Login {
    #[default]
    NotTried,
    Works,
    Fails,
}

pub(super) async fn look(server: &Server) -> Findings {
    let mut findings = Findings::default();
    let config = server.mailer.config();
    if let Err(error) = findings.connect(config).await {
        if source_of(&error).is_some_and(|tls: &TlsError| tls.blame() == TlsBlame::Certificate) {
            findings.untrusted_chain(config).await;
        }
        findings.fail(error);
    } else if config.credentials().is_some() {
        findings.log_in(server).await;
    }
    findings
}

impl Findings {
    /// Looks at the server without logging in: in clear first, where it is asked for TLS later.
    async fn connect(&mut self, config: &ConnectorConfig) -> Result<(), Error> {
        let mut name = String::new();
        if matches!(config.tls_mode(), TlsMode::StartTls | TlsMode::Opportunistic) {
            let connection = connect(anonymous(config, TlsMode::None)).await?;
            self.peer = Some(connection.peer().to_string());
            self.in_clear = Some(connection.extensions().clone());
            connection.server_name().clone_into(&mut name);
            connection.quit().await;
        }
        let (mut connection, checked) = self.secure(config).await?;
        self.peer = Some(connection.peer().to_string());
        self.tls = connection.tls().map(tls);
        self.trusted = checked && self.tls.is_some();
        if !connection.server_name().is_empty() {
            connection.server_name().clone_into(&mut name);
        }
        self.session = Some(Session { name, extensions: connection.extensions().clone() });
        self.round_trip = round_trip(&mut connection).await;
        connection.quit().await;
        Ok(())
    }

    /// Connects as a message would; tells whether the certificate, if there is one, was checked.
    async fn secure(&self, config: &ConnectorConfig) -> Result<(Connection, bool), Error> {
        let checks = !config.tls().accepts_any_certificate();
        let offered = self.in_clear.as_ref().is_some_and(|offered| offered.start_tls);
        if config.tls_mode() == TlsMode::Opportunistic && offered {
            match connect(anonymous(config, TlsMode::StartTls)).await {
                // Without a login it would be sent all the same.
                Err(error) if config.credentials().is_none() && source_of::<TlsError>(&error).is_some() => {
                    return Ok((connect(anonymous(config, TlsMode::Opportunistic)).await?, false));
                }
                outcome => return Ok((outcome?, checks)),
            }
        }
        Ok((connect(anonymous(config, config.tls_mode())).await?, checks))
    }

    /// The chain of a server that is not trusted: shown, and believed in nothing.
    async fn untrusted_chain(&mut self, config: &ConnectorConfig) {
        let any = TlsSettings::default().dangerous().accept_any_certificate();
        let config = anonymous(config, config.tls_mode()).with_tls(any);
        if let Ok(connection) = connect(config).await {
            self.peer = Some(connection.peer().to_string());
            self.tls = connection.tls().map(tls);
            connection.quit().await;
        }
    }

    async fn log_in(&mut self, server: &Server) {
        match server.mailer.connect().await {
            Ok(connection) => {
                self.login = Login::Works;
                connection.quit().await;
            }
            Err(error) => {
                self.login = Login::Fails;
                self.fail(error);
            }
        }
    }

    fn fail(&mut self, error: Error) {
        self.failure = Some(Failure::from(error).without_advice_to_check());
    }
}

/// The mechanisms that are offered, by name; those that are not known here too.
pub(super) fn mechanisms(offered: &Extensions) -> Vec<String> {
    offered.auth.to_string().split_ascii_whitespace().map(str::to_owned).collect()
}

/// The size limit in octets, where one is told.
pub(super) fn size_limit(offered: &Extensions) -> Option<u64> {
    match offered.size {
        Some(SizeLimit::Octets(octets)) => Some(octets),
        _ => None,
    }
}

async fn connect(config: ConnectorConfig) -> Result<Connection, Error> {
    // What is to be said of these settings, the mailer of the URL has said.
    with_default(NoSubscriber::new(), || Mailer::new(config))?.connect().await
}

/// The middle one of several round trips; `None` where the server does not answer.
async fn round_trip(connection: &mut Connection) -> Option<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        connection.noop().await.ok()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The same settings without the login.
fn anonymous(config: &ConnectorConfig, mode: TlsMode) -> ConnectorConfig {
    let mut anonymous = ConnectorConfig::new(config.protocol(), config.endpoint().clone(), mode)
        .with_tls(config.tls().clone())
        .with_limits(*config.limits());
    if let Some(credentials) = config.credentials() {
        anonymous = anonymous.with_credentials(credentials.clone()).without_login();
    }
    if let Some(name) = config.ehlo_name() {
        anonymous = anonymous.with_ehlo_name(name);
    }
    if let Some(tracer) = config.tracer() {
        anonymous = anonymous.with_tracer(tracer.clone());
    }
    if let Some(proxy) = config.proxy() {
        anonymous = anonymous.with_proxy(proxy.clone());
    }
    anonymous
}

fn tls(info: &TlsInfo) -> Tls {
    Tls { version: info.version, cipher: info.cipher.clone(), chain: read_chain(&info.peer_certificates) }
}
