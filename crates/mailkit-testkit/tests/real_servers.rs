//! Each launcher, against the real program that it launches.

#![expect(clippy::unwrap_used, reason = "functions beside the tests fail as the tests do")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use mailkit_testkit::{Dovecot, DovecotOptions, Postfix, PostfixOptions, SmtpSink, available, content_after_trace};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const CONTENT: &[u8] =
    b"Received: from an older hop\r\n\tby another\r\nBcc: kept@example.org\r\nSubject: x\r\n\r\n.a dot\r\n\r\nlast\r\n";

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// The client's half, line by line.
struct Client(BufStream<Box<dyn Socket>>);

impl Client {
    fn new(socket: impl Socket + 'static) -> Self {
        Self(BufStream::new(Box::new(socket)))
    }

    async fn connect(address: SocketAddr) -> Self {
        Self::new(tokio::net::TcpStream::connect(address).await.unwrap())
    }

    async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            assert_ne!(self.0.read_line(&mut reply).await.unwrap(), 0, "closed after {reply:?}");
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        self.hear().await
    }

    async fn expect(&mut self, line: &str, code: &str) -> String {
        let reply = self.say(line).await;
        assert!(reply.starts_with(code), "{line} was answered {reply}");
        reply
    }

    /// MAIL, RCPT, DATA and the content with its dot stuffed by hand.
    async fn send(&mut self, to: &str) {
        self.expect("MAIL FROM:<ann@example.com>", "250").await;
        self.expect(&format!("RCPT TO:<{to}>"), "250").await;
        self.expect("DATA", "354").await;
        let stuffed = String::from_utf8(CONTENT.to_vec()).unwrap().replace("\r\n.a", "\r\n..a");
        self.expect(&format!("{stuffed}."), "250").await;
    }
}

/// EHLO, STARTTLS and the handshake, spoken by hand.
async fn starttls(postfix: &Postfix, with_certificate: bool) -> Client {
    let mut stream = tokio::net::TcpStream::connect(postfix.submission_address()).await.unwrap();
    for line in ["EHLO client.example.com\r\n", "STARTTLS\r\n"] {
        stream.write_all(line.as_bytes()).await.unwrap();
    }
    let mut heard = Vec::new();
    while !heard.ends_with(b"Ready to start TLS\r\n") {
        heard.push(stream.read_u8().await.unwrap());
    }
    Client::new(handshake(postfix, stream, with_certificate).await)
}

async fn handshake(
    postfix: &Postfix,
    stream: tokio::net::TcpStream,
    with_certificate: bool,
) -> TlsStream<tokio::net::TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(postfix.ca_pem()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let settings = if with_certificate {
        let certificates = postfix.certificates();
        let chain = vec![CertificateDer::from_pem_file(certificates.client_pem()).unwrap()];
        let key = PrivateKeyDer::from_pem_file(certificates.client_key()).unwrap();
        settings.with_client_auth_cert(chain, key).unwrap()
    } else {
        settings.with_no_client_auth()
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(settings)).connect(name, stream).await.unwrap()
}

fn runs_nothing_from(folder: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .all(|command| !String::from_utf8_lossy(&command).contains(folder))
}

#[tokio::test]
async fn real_postfix_offers_its_extensions_delivers_byte_for_byte_and_refuses_strangers() {
    let options = PostfixOptions::new().deferred_recipient("later").message_size_limit(1_000_000);
    let Some(postfix) = available(Postfix::start(options)) else { return };
    let mut client = Client::connect(postfix.address()).await;
    assert!(client.hear().await.contains(postfix.name()));
    let offer = client.expect("EHLO client.example.com", "250").await;
    for keyword in ["PIPELINING", "SIZE 1000000", "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING"]
    {
        assert!(offer.contains(keyword), "{keyword} in {offer}");
    }
    assert!(!offer.contains("AUTH"), "no login in clear: {offer}");
    client.send("bob@example.org").await;
    client.expect("MAIL FROM:<ann@example.com>", "250").await;
    client.expect("RCPT TO:<nobody@example.org>", "550 5.1.1").await;
    client.expect("RCPT TO:<later@example.org>", "450 4.2.1").await;
    client.expect("RCPT TO:<x@elsewhere.example>", "554 5.7.1").await;
    client.expect("QUIT", "221").await;

    let delivered = postfix.delivered("bob", 1).await.unwrap();
    assert_eq!(delivered.len(), 1, "{}", postfix.log());
    assert_eq!(content_after_trace(&delivered[0]).escape_ascii().to_string(), CONTENT.escape_ascii().to_string());
}

#[tokio::test]
async fn real_postfix_takes_a_login_under_starttls_and_refuses_a_wrong_one() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new())) else { return };
    let mut client = starttls(&postfix, false).await;
    let offer = client.expect("EHLO client.example.com", "250").await;
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"] {
        assert!(offer.contains(mechanism), "{mechanism} in {offer}");
    }
    client.expect("MAIL FROM:<ann@example.com>", "250").await;
    client.expect("RCPT TO:<bob@example.org>", "554 5.7.1").await;
    client.expect("RSET", "250").await;
    // "\0ann\0wrong", then "\0ann\0correct horse, battery staple"
    client.expect("AUTH PLAIN AGFubgB3cm9uZw==", "535").await;
    client.expect("AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNlLCBiYXR0ZXJ5IHN0YXBsZQ==", "235").await;
    client.send("bob@example.org").await;
    assert_eq!(postfix.delivered("bob", 1).await.unwrap().len(), 1, "{}", postfix.log());
}

#[tokio::test]
async fn real_postfix_takes_a_client_certificate_and_tls_from_the_first_byte() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new())) else { return };
    let mut client = starttls(&postfix, true).await;
    client.expect("EHLO client.example.com", "250").await;
    client.send("bob@example.org").await;

    let stream = tokio::net::TcpStream::connect(postfix.smtps_address()).await.unwrap();
    let mut client = Client::new(handshake(&postfix, stream, true).await);
    client.hear().await;
    client.expect("EHLO client.example.com", "250").await;
    client.send("bob@example.org").await;
    assert_eq!(postfix.delivered("bob", 2).await.unwrap().len(), 2, "{}", postfix.log());
}

#[tokio::test]
async fn real_postfix_hides_what_it_is_told_to_hide_and_two_run_side_by_side() {
    let plain = PostfixOptions::new().hide("chunking").hide("pipelining").smtputf8(false);
    let Some(poor) = available(Postfix::start(plain)) else { return };
    let Some(rich) = available(Postfix::start(PostfixOptions::new())) else { return };
    for (postfix, offered) in [(&poor, false), (&rich, true)] {
        let mut client = Client::connect(postfix.address()).await;
        client.hear().await;
        let offer = client.expect("EHLO client.example.com", "250").await;
        for keyword in ["CHUNKING", "PIPELINING", "SMTPUTF8"] {
            assert_eq!(offer.contains(keyword), offered, "{keyword} in {offer}");
        }
    }
}

#[tokio::test]
async fn real_dovecot_takes_lmtp_over_tcp_and_unix_and_refuses_strangers() {
    let Some(dovecot) = available(Dovecot::start(DovecotOptions::new().mailbox("eve"))) else { return };
    let unix = tokio::net::UnixStream::connect(dovecot.socket()).await.unwrap();
    for mut client in [Client::connect(dovecot.address()).await, Client::new(unix)] {
        assert!(client.hear().await.contains(dovecot.name()));
        client.expect("LHLO client.example.com", "250").await;
        client.expect("MAIL FROM:<ann@example.com>", "250").await;
        client.expect("RCPT TO:<nobody@example.org>", "550 5.1.1").await;
        client.expect("RSET", "250").await;
        client.send("bob@example.org").await;
    }
    let delivered = dovecot.delivered("bob", 2).await.unwrap();
    assert_eq!(delivered.len(), 2, "{}", dovecot.log());
    for message in delivered {
        assert_eq!(content_after_trace(&message).escape_ascii().to_string(), CONTENT.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn real_smtp_sink_takes_anything() {
    let Some(sink) = available(SmtpSink::start(&["-8"])) else { return };
    let mut client = Client::connect(sink.address()).await;
    client.hear().await;
    let offer = client.expect("EHLO client.example.com", "250").await;
    assert!(offer.contains("PIPELINING") && !offer.contains("8BITMIME"), "{offer}");
    client.send("anyone@anywhere.example").await;
}

/// Servers that a panic leaves behind would fill a machine within a day of failing tests.
#[test]
fn real_servers_end_with_a_test_that_panics() {
    let Some(postfix) = available(Postfix::start(PostfixOptions::new())) else { return };
    let Some(dovecot) = available(Dovecot::start(DovecotOptions::new())) else { return };
    let folders = [postfix.ca_pem(), dovecot.socket()].map(|file| {
        let folder = file.ancestors().find(|folder| folder.parent() == Some(&std::env::temp_dir()));
        folder.map(Path::to_path_buf).unwrap()
    });
    let addresses = [postfix.address(), postfix.submission_address(), dovecot.address()];
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _servers = (postfix, dovecot);
        panic!("a test that fails");
    }));
    assert!(ended.is_err());
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} still answers");
    }
    for folder in folders {
        assert!(runs_nothing_from(folder.to_str().unwrap()), "a process of {folder:?} is left");
        assert!(!folder.exists(), "{folder:?} is left");
    }
}
