//! Ports mixed up, over loopback: the error says in words which URL to use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailkit_connection::{Connector, ConnectorConfig, Endpoint, Error, Host, Protocol, TimeLimits, TlsMode};
use mailkit_smtp::Step;
use mailkit_smtp::sasl::Credentials;
use mailkit_smtp::server::ServerTls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, server};
use crate::peer::{Peer, captured, submission};

/// An error and all that lies beneath it, in words.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}

fn connector(port: u16, mode: TlsMode, limit: Duration) -> Connector {
    let endpoint = Endpoint::Tcp { host: Host::parse("127.0.0.1").unwrap(), port };
    let config = ConnectorConfig::new(Protocol::Smtp, endpoint, mode).with_limits(TimeLimits::uniform(limit));
    Connector::new(config).unwrap()
}

/// A port that speaks TLS from the first byte.
async fn tls_port() -> u16 {
    let own = server(&Authority::new().issue("mail.example.com"), None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(TlsAcceptor::from(Arc::clone(&own)).accept(socket));
        }
    });
    port
}

/// A port whose server says this at once, and then reads.
async fn port_that_says(greeting: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.write_all(greeting).await;
                let _ = socket.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_plain_client_at_a_tls_port_is_told_to_use_smtps() {
    // Half of a short limit is given to silence; the rest is enough to ask.
    let connector = connector(tls_port().await, TlsMode::StartTls, Duration::from_secs(2));
    let start = Instant::now();
    let error = connector.connect().await.unwrap_err();
    assert!(words(&error).contains("this port speaks TLS from the first byte: use smtps://"), "{}", words(&error));
    assert_eq!(error.step(), Step::Greeting);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_is_merely_silent_is_given_its_whole_limit_and_no_more() {
    let connector = connector(port_that_says(b"").await, TlsMode::None, Duration::from_secs(1));
    let start = Instant::now();
    let error = connector.connect().await.unwrap_err();
    assert!(words(&error).contains("no answer within 1s at greeting"), "{}", words(&error));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_tls_client_at_a_plain_port_is_told_to_use_smtp() {
    let connector = connector(port_that_says(b"220 mx ESMTP\r\n").await, TlsMode::Implicit, Duration::from_secs(5));
    let error = connector.connect().await.unwrap_err();
    assert!(words(&error).contains("use smtp://"), "{}", words(&error));
    assert_eq!(error.step(), Step::Tls);
}

#[tokio::test]
async fn a_port_of_another_protocol_is_named_by_its_words() {
    let port = port_that_says(b"SSH-2.0-OpenSSH_9.2p1\r\n").await;
    let error = connector(port, TlsMode::None, Duration::from_secs(5)).connect().await.unwrap_err();
    assert!(words(&error).contains("not an SMTP reply: `SSH-2.0-OpenSSH_9.2p1`"), "{}", words(&error));
}

#[tokio::test]
async fn opportunistic_tls_that_fails_goes_on_in_clear_over_a_new_connection() {
    let mut peer = Peer::new(true, true);
    // It agrees to STARTTLS and then has no TLS to give.
    peer.config.tls = ServerTls::StartTls;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, serving) = (Arc::clone(&connections), peer.clone());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serving.clone().serve(socket));
        }
    });
    let limit = Duration::from_secs(10);
    let mut connection = connector(port, TlsMode::Opportunistic, limit).connect().await.unwrap();
    assert_eq!((connections.load(Ordering::Relaxed), connection.tls().is_none()), (2, true));
    let message = submission(1, 100);
    assert!(connection.send(&message.envelope, &message.options, message.content).await.unwrap().is_accepted());
    assert_eq!(peer.messages(), [captured(1, 100)]);

    let error = connector(port, TlsMode::StartTls, limit).connect().await.unwrap_err();
    assert_eq!(error.step(), Step::Tls);

    // A login would be kept back in clear: the error is that of the handshake.
    let credentials = Credentials::password("ann", "s3cret").unwrap();
    let config = connector(port, TlsMode::Opportunistic, limit).config().clone().with_credentials(credentials);
    let error = Connector::new(config).unwrap().connect().await.unwrap_err();
    assert_eq!(error.step(), Step::Tls);
}
