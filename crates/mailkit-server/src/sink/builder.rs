//! How a sink is set up.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailkit_smtp::client::Protocol;
use mailkit_smtp::sasl::Secret;
use mailkit_smtp::server::{ServerConfig, ServerTls, TimeLimits};
use mailkit_smtp::{Extensions, SizeLimit};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::capture::{Archive, Callback};
use super::fail::Rules;
use super::maildir::Maildir;
use super::{CaFile, Captured, FailRule, Shared, Sink, SinkError, SinkTls, Tally, listen, tls};

/// The most messages that are kept in memory where nothing else is asked for.
const KEPT: usize = 1000;

/// How a sink is set up; made by [`Sink::builder`].
#[derive(Debug)]
#[must_use = "a sink listens only when it was started"]
pub struct SinkBuilder {
    listen: SocketAddr,
    name: String,
    protocol: Protocol,
    tls: SinkTls,
    certificate: Option<(PathBuf, PathBuf)>,
    users: BTreeMap<String, Secret>,
    extensions: Extensions,
    time_limits: TimeLimits,
    max_connections: Option<usize>,
    latency: Duration,
    rules: Vec<FailRule>,
    seed: Option<u64>,
    keep: Option<usize>,
    maildir: Option<PathBuf>,
    callback: Option<Callback>,
}

impl SinkBuilder {
    pub(super) fn new() -> Self {
        let extensions = Extensions { dsn: true, require_tls: true, ..ServerConfig::new("").extensions };
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "localhost".to_owned(),
            protocol: Protocol::Smtp,
            tls: SinkTls::None,
            certificate: None,
            users: BTreeMap::new(),
            extensions,
            time_limits: TimeLimits::default(),
            max_connections: None,
            latency: Duration::ZERO,
            rules: Vec::new(),
            seed: None,
            keep: None,
            maildir: None,
            callback: None,
        }
    }

    /// Where to listen; port 0 picks a free one. The default is `127.0.0.1:0`.
    pub const fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// What the sink calls itself, and what its self-made certificate is for beside `localhost` and the address.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Speaks LMTP (RFC 2033).
    pub const fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self
    }

    /// Where TLS comes from. Without [`SinkBuilder::certificate`] the sink makes a certificate authority and a
    /// certificate by itself: see [`Sink::ca_path`].
    pub const fn tls(mut self, tls: SinkTls) -> Self {
        self.tls = tls;
        self
    }

    /// A certificate chain and its key, as PEM files. Says nothing about when TLS begins: see [`SinkBuilder::tls`].
    pub fn certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Who may log in. MAIL needs a login then, and a login needs TLS; where there is no TLS at all and the address is a
    /// loopback one, it may go in clear. May be called for several users.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.users.insert(name.into(), password.into());
        self
    }

    /// Whether PIPELINING is offered (it is).
    pub const fn pipelining(mut self, offered: bool) -> Self {
        self.extensions.pipelining = offered;
        self
    }

    /// Whether CHUNKING, and BINARYMIME with it, is offered (it is).
    pub const fn chunking(mut self, offered: bool) -> Self {
        self.extensions.chunking = offered;
        self.extensions.binary_mime = offered;
        self
    }

    /// Everything that is offered, at will.
    pub fn extensions(mut self, change: impl FnOnce(&mut Extensions)) -> Self {
        change(&mut self.extensions);
        self
    }

    /// The largest message in octets; 25 MiB by default.
    pub const fn size_limit(mut self, octets: u64) -> Self {
        self.extensions.size = Some(SizeLimit::Octets(octets));
        self
    }

    /// How long the sink waits for a client.
    pub const fn time_limits(mut self, limits: TimeLimits) -> Self {
        self.time_limits = limits;
        self
    }

    /// Clients beyond so many at once are greeted with 421.
    pub const fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = Some(most);
        self
    }

    /// Holds each batch of replies back for so long: the round trip of a network. What a client sends in the meantime
    /// is read and answered, so that a client which does not wait is not slowed down.
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Adds a fail rule. The first rule that applies wins.
    pub fn fail(mut self, rule: FailRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Makes the `rate` of fail rules repeatable.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Keeps the last so many messages in memory; 0 for none. The default is 1000, or none with
    /// [`SinkBuilder::maildir`], [`SinkBuilder::on_message`] or [`SinkBuilder::on_arrival`].
    pub const fn keep(mut self, messages: usize) -> Self {
        self.keep = Some(messages);
        self
    }

    /// Writes each message into a Maildir, which is made where it is missing: the content octet for octet as it came,
    /// with CRLF line ends, first in `tmp/` and then moved to `new/`.
    ///
    /// The envelopes go into the file `envelopes.jsonl` beside them, a JSON object on a line for each message:
    /// `{"file", "from", "to", "size", "user", "tls", "received_at"}`; `from` and `to` are addresses without brackets.
    pub fn maildir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.maildir = Some(folder.into());
        self
    }

    /// Calls a function with each message that is accepted, before its client hears of it.
    pub fn on_message(mut self, callback: impl Fn(&Captured) + Send + Sync + 'static) -> Self {
        self.callback = Some(Callback::new(callback, true));
        self
    }

    /// Calls this for each message, as [`SinkBuilder::on_message`] does, but without its content, which is not held in
    /// memory for it: for logs and counters.
    pub fn on_arrival(mut self, callback: impl Fn(&Captured) + Send + Sync + 'static) -> Self {
        self.callback = Some(Callback::new(callback, false));
        self
    }

    /// Starts to listen, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn start(self) -> Result<Sink, SinkError> {
        let in_clear = self.tls == SinkTls::None && !self.listen.ip().is_loopback();
        if in_clear && !self.users.is_empty() {
            return Err(SinkError::LoginInClear(self.listen));
        }
        let maildir = self.maildir.clone().map(Maildir::open).transpose()?;
        let listener = TcpListener::bind(self.listen).await.map_err(|error| SinkError::Listen(self.listen, error))?;
        let addr = listener.local_addr().map_err(|error| SinkError::Listen(self.listen, error))?;
        let (tls, ca) = self.secure(addr)?;
        let elsewhere = maildir.is_some() || self.callback.is_some();
        let keep = self.keep.unwrap_or(if elsewhere { 0 } else { KEPT });
        let shared = Arc::new(Shared {
            tls,
            max_connections: self.max_connections,
            latency: self.latency,
            rules: Rules::new(self.rules, self.seed),
            archive: Archive::new(keep, maildir, self.callback),
            tally: Tally::default(),
            config: ServerConfig {
                protocol: self.protocol,
                extensions: self.extensions,
                tls: match self.tls {
                    SinkTls::None => ServerTls::None,
                    SinkTls::StartTls => ServerTls::StartTls,
                    SinkTls::Implicit => ServerTls::Established,
                },
                require_login: !self.users.is_empty(),
                users: Arc::new(self.users),
                cleartext_auth: self.tls == SinkTls::None,
                time_limits: self.time_limits,
                ..ServerConfig::new(self.name)
            },
        });
        let (stop, stopping) = watch::channel(None);
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared), stopping));
        Ok(Sink { addr, shared, ca, stop, listening })
    }

    fn secure(&self, addr: SocketAddr) -> Result<(Option<Arc<rustls::ServerConfig>>, Option<CaFile>), SinkError> {
        match (self.tls, &self.certificate) {
            (SinkTls::None, _) => Ok((None, None)),
            (_, Some((certificate, key))) => Ok((Some(tls::from_files(certificate, key)?), None)),
            (_, None) => tls::self_made(&self.name, addr).map(|(config, ca)| (Some(config), Some(ca))),
        }
    }
}
