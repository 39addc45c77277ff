//! Looks at a server: in clear, secured, and logged in, each on a connection of its own. Nothing is sent.

use std::time::{Duration, Instant};

use mailkit::connection::{Connection, ConnectorConfig, TlsBlame, TlsInfo, TlsMode, TlsSettings};
use mailkit::smtp::{Extensions, SizeLimit};
use mailkit::{Error, Mailer};
use tracing::subscriber::{NoSubscriber, with_default};

use super::certificate::{Certificate, read_chain};
use crate::exit::tls_error;
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
    let by_starttls = matches!(config.tls_mode(), TlsMode::StartTls | TlsMode::Opportunistic);
    if by_starttls && let Ok(connection) = connect(&anonymous(config, TlsMode::None)).await {
        findings.peer = Some(connection.peer().to_string());
        findings.in_clear = Some(connection.extensions().clone());
        connection.quit().await;
    }
    match connect(&anonymous(config, config.tls_mode())).await {
        Ok(connection) => findings.session(connection, config).await,
        Err(error) => {
            if tls_error(&error).is_some_and(|tls| tls.blame() == TlsBlame::Certificate) {
                findings.untrusted_chain(config).await;
            }
            findings.failure = Some(error.into());
        }
    }
    if findings.failure.is_none() && config.credentials().is_some() {
        findings.log_in(server).await;
    }
    findings
}

impl Findings {
    async fn session(&mut self, mut connection: Connection, config: &ConnectorConfig) {
        self.peer = Some(connection.peer().to_string());
        self.tls = connection.tls().map(tls);
        self.trusted = self.tls.is_some() && !config.tls().accepts_any_certificate();
        self.session =
            Some(Session { name: connection.server_name().to_owned(), extensions: connection.extensions().clone() });
        let mut times = Vec::new();
        for _ in 0..ROUND_TRIPS {
            let begun = Instant::now();
            if connection.noop().await.is_err() {
                break;
            }
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        self.round_trip = times.get(times.len() / 2).copied();
        connection.quit().await;
    }

    /// The chain of a server that is not trusted: shown, and believed in nothing.
    async fn untrusted_chain(&mut self, config: &ConnectorConfig) {
        let any = TlsSettings::default().dangerous().accept_any_certificate();
        let config = anonymous(config, config.tls_mode()).with_tls(any);
        // Its warning is for connections that carry something.
        let Ok(mailer) = with_default(NoSubscriber::new(), || Mailer::new(config)) else { return };
        if let Ok(connection) = mailer.connect().await {
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
                self.failure = Some(error.into());
            }
        }
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

async fn connect(config: &ConnectorConfig) -> Result<Connection, Error> {
    Mailer::new(config.clone())?.connect().await
}

/// The same settings without the login.
fn anonymous(config: &ConnectorConfig, mode: TlsMode) -> ConnectorConfig {
    let mut anonymous = ConnectorConfig::new(config.protocol(), config.endpoint().clone(), mode)
        .with_tls(config.tls().clone())
        .with_limits(*config.limits());
    if let Some(name) = config.ehlo_name() {
        anonymous = anonymous.with_ehlo_name(name);
    }
    if let Some(proxy) = config.proxy() {
        anonymous = anonymous.with_proxy(proxy.clone());
    }
    anonymous
}

fn tls(info: &TlsInfo) -> Tls {
    Tls { version: info.version, cipher: info.cipher.clone(), chain: read_chain(&info.peer_certificates) }
}
