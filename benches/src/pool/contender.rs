//! Who sends: each in a file of its own, all with the same envelope, content, login and trust.

mod lettre_pooled;
mod lettre_short;
mod mailkit_pooled;
mod mailkit_short;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncTransport as _, Tokio1Executor};
use mailkit::{Envelope, Mailer, ServerUrl, TransactionOptions};
use mailkit_connection::ConnectorConfig;

use crate::work::{Failure, accepted, envelope, message};

/// The login that the servers ask for.
pub(crate) const USER: &str = "bench";
pub(crate) const PASSWORD: &str = "secret";

/// Octets of a message.
pub(crate) const SIZE: usize = 4096;

/// A server, as a contender has to know it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) socket: SocketAddr,
    /// The authority to trust, as a PEM file: then TLS from the first byte, and a login. `None`: in clear, without login.
    pub(crate) authority: Option<PathBuf>,
}

/// Whoever sends the message: once for each call, from many tasks at a time.
pub(crate) trait Contender: Send + Sync {
    /// Sends the message once; `Ok` means that the server accepted it.
    fn send(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// The contenders, in the order in which they run and are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    MailkitShort,
    MailkitPooled,
    LettreShort,
    LettrePooled,
}

pub(crate) const CONTENDERS: [Kind; 4] =
    [Kind::MailkitShort, Kind::MailkitPooled, Kind::LettreShort, Kind::LettrePooled];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MailkitShort => "mailkit short",
            Self::MailkitPooled => "mailkit pooled",
            Self::LettreShort => "lettre short",
            Self::LettrePooled => "lettre pooled",
        }
    }

    /// Makes the contender, with a pool of so many connections where it has one. Called on the runtime that it sends on.
    pub(crate) fn build(self, address: &Address, connections: u32) -> Result<Arc<dyn Contender>, Failure> {
        Ok(match self {
            Self::MailkitShort => Arc::new(mailkit_short::MailkitShort::new(address)?),
            Self::MailkitPooled => Arc::new(mailkit_pooled::MailkitPooled::new(address, connections)?),
            Self::LettreShort => Arc::new(lettre_short::LettreShort::new(address)?),
            Self::LettrePooled => Arc::new(lettre_pooled::LettrePooled::new(address, connections)?),
        })
    }
}

/// The server's settings for mailkit. The mechanism is named, as lettre has none that costs more.
fn config(address: &Address) -> Result<ConnectorConfig, Failure> {
    let socket = address.socket;
    let url = match &address.authority {
        Some(ca) => format!("smtps://{USER}:{PASSWORD}@{socket}?auth=plain&ca={}", ca.display()),
        None => format!("smtp://{socket}?tls=none"),
    };
    Ok(ServerUrl::parse(&url)?.into_config()?)
}

/// What both contenders by mailkit are made of.
struct Mailkit {
    mailer: Mailer,
    envelope: Envelope,
    options: TransactionOptions,
    content: Bytes,
}

impl Mailkit {
    fn new(mailer: Mailer) -> Result<Self, Failure> {
        Ok(Self { mailer, envelope: envelope()?, options: TransactionOptions::default(), content: message(SIZE) })
    }

    async fn send(&self) -> Result<(), String> {
        let sent = self.mailer.send_content(&self.envelope, &self.options, self.content.clone()).await;
        accepted(&sent.map_err(|error| error.to_string())?)
    }
}

/// The server's settings for lettre, with a pool that keeps so many connections.
fn lettre(address: &Address, kept: u32) -> Result<Lettre, Failure> {
    let host = address.socket.ip().to_string();
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
        .port(address.socket.port())
        .pool_config(PoolConfig::new().max_size(kept));
    if let Some(ca) = &address.authority {
        builder = secured(builder, host, Certificate::from_pem(&std::fs::read(ca)?)?)?;
    }
    let envelope = lettre::address::Envelope::new(Some("ann@example.com".parse()?), vec!["bob@example.org".parse()?])?;
    Ok(Lettre { transport: builder.build(), envelope, content: message(SIZE) })
}

fn secured(
    builder: AsyncSmtpTransportBuilder,
    host: String,
    authority: Certificate,
) -> Result<AsyncSmtpTransportBuilder, Failure> {
    let trust = TlsParameters::builder(host)
        .certificate_store(CertificateStore::None)
        .add_root_certificate(authority)
        .build_rustls()?;
    Ok(builder
        .tls(Tls::Wrapper(trust))
        .credentials(Credentials::new(USER.to_owned(), PASSWORD.to_owned()))
        .authentication(vec![Mechanism::Plain]))
}

/// What both contenders by lettre are made of.
struct Lettre {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    envelope: lettre::address::Envelope,
    content: Bytes,
}

impl Lettre {
    async fn send(&self) -> Result<(), String> {
        self.transport.send_raw(&self.envelope, &self.content).await.map(drop).map_err(|error| error.to_string())
    }
}
