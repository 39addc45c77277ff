//! STARTTLS over a pipe: secured, injected, refused, resumed; logins in clear; one octet at a time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mailkit_connection::{
    Cause, Connection, Connector, ConnectorConfig, Endpoint, Error, Host, Protocol, TlsMode, TlsSettings,
};
use mailkit_smtp::sasl::Credentials;
use mailkit_smtp::{Step, client};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, server};
use crate::peer::{Peer, captured, connector, submission};
use crate::script::{self, CHUNKING, Hear, Listen, PLAIN, Say};

const NAME: &str = "mail.example.com";

fn settings(authority: &Authority, mode: TlsMode) -> ConnectorConfig {
    let endpoint = Endpoint::Tcp { host: Host::parse(NAME).unwrap(), port: 587 };
    let tls = TlsSettings::default().add_roots_pem(authority.pem.as_str()).only_added_roots();
    ConnectorConfig::new(Protocol::Smtp, endpoint, mode).with_tls(tls).with_ehlo_name("client.example.com")
}

/// A server that speaks a line in clear, agrees to STARTTLS, and goes on under TLS.
async fn open_by_starttls(
    connector: &Connector,
    peer: &Peer,
    own: Arc<ServerConfig>,
    pipe: usize,
) -> Result<Connection, Error> {
    let (ours, mut theirs) = duplex(pipe);
    let peer = peer.clone();
    tokio::spawn(async move {
        theirs.write_all(b"220 outside\r\n").await.unwrap();
        theirs.read_exact(&mut [0; "EHLO client.example.com\r\n".len()]).await.unwrap();
        theirs.write_all(b"250-outside\r\n250-PIPELINING\r\n250 STARTTLS\r\n").await.unwrap();
        theirs.read_exact(&mut [0; "STARTTLS\r\n".len()]).await.unwrap();
        theirs.write_all(b"220 go\r\n").await.unwrap();
        let Ok(secured) = TlsAcceptor::from(own).accept(theirs).await else { return };
        // The server machine greets, which this session has behind it: that line is swallowed.
        let (inner, outer) = duplex(64 * 1024);
        tokio::spawn(peer.serve(inner));
        let (mut from_peer, mut to_peer) = tokio::io::split(outer);
        while from_peer.read_u8().await.unwrap() != b'\n' {}
        let (mut from_client, mut to_client) = tokio::io::split(secured);
        let there = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_peer).await;
            let _ = to_peer.shutdown().await;
        };
        let back = tokio::io::copy(&mut from_peer, &mut to_client);
        let _ = tokio::join!(there, back);
    });
    connector.connect_over(Crumbs(ours)).await
}

/// A stream that takes and gives an octet at a time.
struct Crumbs(DuplexStream);

impl AsyncRead for Crumbs {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut crumb = [0; 1];
        let mut one = ReadBuf::new(&mut crumb);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Crumbs {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test]
async fn starttls_secures_the_session_and_a_second_one_is_resumed() {
    let authority = Authority::new();
    let own = server(&authority.issue(NAME), None);
    let connector = Connector::new(settings(&authority, TlsMode::StartTls)).unwrap();
    for (n, resumed) in [(1, false), (2, true)] {
        let peer = Peer::new(true, true);
        let mut connection = open_by_starttls(&connector, &peer, Arc::clone(&own), 4096).await.unwrap();
        let tls = connection.tls().unwrap();
        assert_eq!((tls.version, tls.resumed), ("TLSv1.3", resumed));
        assert_eq!(connection.server_name(), "mx.example.org", "what was said in clear is forgotten");
        assert!(connection.extensions().chunking && !connection.extensions().start_tls);
        let message = submission(n, 300_000);
        assert!(connection.send(&message.envelope, &message.options, message.content).await.unwrap().is_accepted());
        assert_eq!(peer.messages(), [captured(n, 300_000)]);
        connection.quit().await;
    }
}

#[tokio::test]
async fn starttls_and_a_message_pass_an_octet_at_a_time() {
    let authority = Authority::new();
    let connector = Connector::new(settings(&authority, TlsMode::StartTls)).unwrap();
    let peer = Peer::new(true, false);
    let own = server(&authority.issue(NAME), None);
    let mut connection = open_by_starttls(&connector, &peer, own, 16).await.unwrap();
    let message = submission(1, 3000);
    assert!(connection.send(&message.envelope, &message.options, message.content).await.unwrap().is_accepted());
    assert_eq!(peer.messages(), [captured(1, 3000)]);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_220_end_the_connection_before_a_handshake() {
    let authority = Authority::new();
    for mode in [TlsMode::StartTls, TlsMode::Opportunistic] {
        let connector = Connector::new(settings(&authority, mode)).unwrap();
        let (ours, mut theirs) = duplex(4096);
        let server = tokio::spawn(async move {
            theirs.write_all(b"220 mx\r\n").await.unwrap();
            theirs.read_exact(&mut [0; "EHLO client.example.com\r\n".len()]).await.unwrap();
            theirs.write_all(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
            theirs.read_exact(&mut [0; "STARTTLS\r\n".len()]).await.unwrap();
            theirs.write_all(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n").await.unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            rest
        });
        let error = connector.connect_over(ours).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Session(client::Error::InjectedBeforeTls)), "{error:?}");
        assert_eq!(error.step(), Step::StartTls);
        assert!(server.await.unwrap().is_empty(), "not even a ClientHello leaves");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_trusted_ends_the_session_and_nothing_leaves_in_clear() {
    let authority = Authority::new();
    let connector = Connector::new(settings(&authority, TlsMode::StartTls)).unwrap();
    let peer = Peer::new(true, true);
    let stranger = server(&Authority::named("Stranger").issue(NAME), None);
    let error = open_by_starttls(&connector, &peer, stranger, 4096).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Tls(_)), "{error:?}");
    assert_eq!(error.step(), Step::Tls);
}

#[tokio::test(start_paused = true)]
async fn opportunistic_tls_takes_any_certificate_where_there_is_no_login_to_lose() {
    let authority = Authority::new();
    let stranger = server(&Authority::named("Stranger").issue(NAME), None);
    let connector = Connector::new(settings(&authority, TlsMode::Opportunistic)).unwrap();
    let peer = Peer::new(true, true);
    let mut connection = open_by_starttls(&connector, &peer, Arc::clone(&stranger), 4096).await.unwrap();
    assert!(connection.tls().is_some());
    let mut message = submission(1, 100);
    assert!(connection.send(&message.envelope, &message.options, message.content).await.unwrap().is_accepted());
    // RFC 8689 §4.2.1: nobody knows who said that it keeps to REQUIRETLS.
    message.options.require_tls = true;
    let error = connection.send(&message.envelope, &message.options, "x").await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Begin(_)), "{error:?}");

    let credentials = Credentials::password("ann", "s3cret").unwrap();
    let with_login = settings(&authority, TlsMode::Opportunistic).with_credentials(credentials);
    let connector = Connector::new(with_login).unwrap();
    let error = open_by_starttls(&connector, &peer, stranger, 4096).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Tls(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_required_starttls_that_is_not_there_ends_the_session() {
    let authority = Authority::new();
    let connector = Connector::new(settings(&authority, TlsMode::StartTls)).unwrap();
    let error = script::connect_by(&connector, 4096, &[PLAIN[0], PLAIN[1], PLAIN[2], Listen]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Session(client::Error::NoStartTls)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn no_login_leaves_in_clear() {
    let authority = Authority::new();
    let credentials = Credentials::password("ann", "s3cret").unwrap();
    for mode in [TlsMode::None, TlsMode::Opportunistic] {
        let connector = Connector::new(settings(&authority, mode).with_credentials(credentials.clone())).unwrap();
        let (ours, mut theirs) = duplex(4096);
        let server = tokio::spawn(async move {
            theirs.write_all(b"220 mx\r\n").await.unwrap();
            theirs.read_exact(&mut [0; "EHLO client.example.com\r\n".len()]).await.unwrap();
            theirs.write_all(b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n").await.unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            rest
        });
        let error = connector.connect_over(ours).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Session(client::Error::CleartextAuth)), "{error:?}");
        assert!(server.await.unwrap().is_empty());
        let shown = format!("{connector:?} {error:?} {error}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_says_so_in_the_servers_words() {
    let config = crate::peer::config(Protocol::Smtp)
        .with_credentials(Credentials::password("ann", "s3cret").unwrap())
        .with_cleartext_auth(true);
    let script =
        [PLAIN[0], PLAIN[1], Say("250-mx\r\n250 AUTH PLAIN\r\n"), Hear("AUTH PLAIN"), Say("535 5.7.8 who are you\r\n")];
    let error = script::connect_by(&Connector::new(config).unwrap(), 4096, &script).await.unwrap_err();
    assert_eq!(error.step(), Step::Auth);
    assert_eq!(error.reply().unwrap().text(), "who are you");
    assert!(!error.is_temporary());
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_after_the_content_is_ambiguous_and_before_it_is_not() {
    let whole = [CHUNKING[0], CHUNKING[1], CHUNKING[2], Hear("LAST\r\nSubject: 1"), Hear("and 1\r\n")];
    for (script, ambiguous) in [(&whole[..], true), (&whole[..3], false)] {
        let mut connection = script::connect_by(&connector(Protocol::Smtp), 4096, script).await.unwrap();
        if !ambiguous {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let message = submission(1, 30);
        let error = connection.send(&message.envelope, &message.options, message.content).await.unwrap_err();
        assert_eq!(error.is_ambiguous(), ambiguous, "{error:?}");
        assert!(error.is_temporary());
    }
}
