//! Whether the other end speaks TLS from the first byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dial::dial;
use crate::settings::ConnectorConfig;
use crate::tls::{AcceptAny, provider};

/// A handshake's first answer is one round trip; whoever needs longer is not worth the wait.
const LIMIT: Duration = Duration::from_secs(3);

/// Opens a second connection to the same place, begins a TLS handshake on it, and tells whether the answer
/// is TLS. It explains a greeting that stays away: a server that expects TLS waits for us in silence.
///
/// No certificate is judged, nothing secret is sent, and the handshake is not finished. Takes at most 3 s;
/// every failure is `false`.
pub async fn speaks_tls(config: &ConnectorConfig) -> bool {
    tokio::time::timeout(LIMIT, first_answer_is_tls(config)).await.unwrap_or(false)
}

async fn first_answer_is_tls(config: &ConnectorConfig) -> bool {
    let Ok(mut dialed) = dial(config).await else {
        return false;
    };
    let Some(hello) = client_hello(config.endpoint().server_name()) else {
        return false;
    };
    let mut answer = [0_u8; 2];
    let exchange = async {
        dialed.transport.write_all(&hello).await?;
        dialed.transport.flush().await?;
        dialed.transport.read_exact(&mut answer).await?;
        io::Result::Ok(())
    };
    // RFC 8446 §5.1: an alert (21) or a handshake message (22), of major version 3.
    exchange.await.is_ok() && matches!(answer, [21 | 22, 3])
}

fn client_hello(name: Option<ServerName<'static>>) -> Option<Vec<u8>> {
    let name = name.or_else(|| ServerName::try_from("localhost").ok())?;
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny::new(provider)))
        .with_no_client_auth();
    let mut session = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut hello = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut hello).ok()?;
    }
    Some(hello)
}
