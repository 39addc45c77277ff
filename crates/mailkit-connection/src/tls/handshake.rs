//! The handshake over any transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::{HandshakeKind, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{TlsClient, TlsError};
use crate::transport::BoxedTransport;

/// How much of a peer's first words is kept: more than an error shows, so that a secret in it is found whole.
const HEAD: usize = 4096;

/// What the handshake settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's registered name.
    pub cipher: String,
    /// The server's certificate first, then what it sent along. A resumed session shows those of the first.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// Makes a TLS session over `transport`, whether at once (RFC 8314) or behind the 220 of STARTTLS.
///
/// A server that wants a client certificate says so in TLS 1.3 only after the handshake, at the first
/// read: pass that error to [`TlsError::from_io`].
///
/// # Errors
/// [`TlsError`] says what is wrong with the certificate, or that the peer speaks no TLS. `limit` covers
/// the whole handshake.
pub async fn secure(
    transport: BoxedTransport,
    client: &TlsClient,
    server_name: ServerName<'static>,
    limit: Duration,
) -> Result<(BoxedTransport, TlsInfo), TlsError> {
    let name = server_name.to_str().into_owned();
    let connector = TlsConnector::from(Arc::clone(client.config()));
    let handshake = connector.connect(server_name, Tap::new(transport)).into_fallible();
    match tokio::time::timeout(limit, handshake).await {
        Err(_) => Err(TlsError::TimedOut { limit }),
        Ok(Err((error, tap))) => Err(TlsError::classify(error, &name, &tap.head)),
        Ok(Ok(stream)) => {
            let info = TlsInfo::of(&stream);
            tracing::debug!(server = name, version = info.version, cipher = info.cipher, resumed = info.resumed, "TLS");
            Ok((Box::new(stream), info))
        }
    }
}

impl TlsInfo {
    fn of<T>(stream: &TlsStream<T>) -> Self {
        let (_, session) = stream.get_ref();
        let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        Self {
            version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            // rustls marks the suites of TLS 1.3; the IANA registry does not.
            cipher: cipher.replacen("TLS13_", "TLS_", 1),
            peer_certificates: session
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// Remembers the peer's first bytes: where they are no TLS, they are the best explanation.
struct Tap {
    inner: BoxedTransport,
    head: Vec<u8>,
}

impl Tap {
    fn new(inner: BoxedTransport) -> Self {
        Self { inner, head: Vec::new() }
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let room = HEAD.saturating_sub(self.head.len());
        if room > 0 {
            let read = buf.filled().iter().skip(before).take(room);
            self.head.extend(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
