//! TLS handshakes with a rustls server in memory: what is settled, and what each failure is called.
#![cfg(feature = "ring")]
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod certificates;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use certificates::{Authority, self_signed_authority, server, server_with};
use mailkit_connection::{
    BoxedTransport, ServerUrl, TlsBlame, TlsClient, TlsError, TlsInfo, TlsSettings, secure, speaks_tls,
};
use rcgen::date_time_ymd;
use rustls::ServerConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const NAME: &str = "mail.example.com";
const LIMIT: Duration = Duration::from_secs(5);

fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).unwrap()
}

fn trusting(authority: &Authority) -> TlsClient {
    TlsClient::new(&only(authority)).unwrap()
}

fn only(authority: &Authority) -> TlsSettings {
    TlsSettings::default().add_roots_pem(authority.pem.as_str()).only_added_roots()
}

/// A server that greets inside the session and then closes it.
async fn connect(client: &TlsClient, server: Arc<ServerConfig>) -> Result<(BoxedTransport, TlsInfo), TlsError> {
    let (ours, theirs) = duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(mut session) = TlsAcceptor::from(server).accept(theirs).await {
            let _ = session.write_all(b"220 ready\r\n").await;
            let _ = session.shutdown().await;
        }
    });
    secure(Box::new(ours), client, name(), LIMIT).await
}

async fn refusal(client: &TlsClient, server: Arc<ServerConfig>) -> TlsError {
    match connect(client, server).await {
        Ok((_, info)) => panic!("the handshake succeeded: {info:?}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_trusted_server_is_connected_to_by_tls_1_3_and_its_chain_is_shown() {
    let authority = Authority::new();
    let (mut session, info) = connect(&trusting(&authority), server(&authority.issue(NAME), None)).await.unwrap();
    assert_eq!(info.version, "TLSv1.3");
    assert!(info.cipher.starts_with("TLS_"), "{}", info.cipher);
    assert_eq!(info.peer_certificates.len(), 1);
    assert!(!info.resumed);

    let mut greeting = String::new();
    session.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "220 ready\r\n");
}

#[tokio::test]
async fn tls_1_2_still_works() {
    let authority = Authority::new();
    let old = server_with(&authority.issue(NAME), None, &[&rustls::version::TLS12]);
    let (_, info) = connect(&trusting(&authority), old).await.unwrap();
    assert_eq!(info.version, "TLSv1.2");
    assert!(info.cipher.starts_with("TLS_ECDHE_"), "{}", info.cipher);
}

#[tokio::test]
async fn the_second_connection_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    let client = trusting(&authority);
    let server = server(&authority.issue(NAME), None);
    for expected in [false, true] {
        // A clone shares the sessions.
        let (mut session, info) = connect(&client.clone(), Arc::clone(&server)).await.unwrap();
        assert_eq!(info.resumed, expected);
        assert_eq!(info.peer_certificates.len(), 1);
        // TLS 1.3 sends its tickets behind the handshake: they arrive with the first read.
        session.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn an_expired_certificate_is_called_expired() {
    let authority = Authority::new();
    let expired = authority.issue_with(NAME, |params| params.not_after = date_time_ymd(2001, 1, 1));
    let error = refusal(&trusting(&authority), server(&expired, None)).await;
    assert!(matches!(error, TlsError::Expired { ago: Some(_), .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.starts_with("the certificate of mail.example.com has expired (") && words.ends_with(" days ago)"),
        "{words}"
    );
    assert_eq!((error.blame(), error.is_temporary()), (TlsBlame::Certificate, false));
}

#[tokio::test]
async fn a_certificate_of_the_future_points_at_the_clock() {
    let authority = Authority::new();
    let early = authority.issue_with(NAME, |params| params.not_before = date_time_ymd(2999, 1, 1));
    let error = refusal(&trusting(&authority), server(&early, None)).await;
    assert!(matches!(error, TlsError::NotYetValid { wait: Some(_), .. }), "{error:?}");
    assert!(error.to_string().contains("clock"), "{error}");
}

#[tokio::test]
async fn a_wrong_name_shows_the_expected_and_the_presented_names() {
    let authority = Authority::new();
    let error = refusal(&trusting(&authority), server(&authority.issue("other.example.net"), None)).await;
    assert_eq!(error.to_string(), "the certificate is not for mail.example.com, but for other.example.net");
}

#[tokio::test]
async fn an_unknown_issuer_says_how_to_trust_it() {
    let stranger = Authority::named("Stranger").issue(NAME);
    let error = refusal(&trusting(&Authority::new()), server(&stranger, None)).await;
    assert!(matches!(error, TlsError::UnknownIssuer { .. }), "{error:?}");
    assert!(error.to_string().contains("use ca=FILE to trust its issuer"), "{error}");
}

#[tokio::test]
async fn an_authority_made_anew_under_its_old_name_is_told_apart() {
    let renewed = Authority::new().issue(NAME);
    let error = refusal(&trusting(&Authority::new()), server(&renewed, None)).await;
    assert!(matches!(error, TlsError::IssuerChanged { .. }), "{error:?}");
}

#[tokio::test]
async fn only_the_added_roots_are_trusted_where_that_is_asked_for() {
    let authority = Authority::new();
    let added = TlsSettings::default().add_roots_pem(authority.pem.as_str());
    let own = authority.issue(NAME);
    assert!(connect(&TlsClient::new(&added).unwrap(), server(&own, None)).await.is_ok());
    let error = TlsClient::new(&TlsSettings::default().only_added_roots()).unwrap_err();
    assert!(matches!(error, TlsError::NoRoots), "{error:?}");
}

#[tokio::test]
async fn an_authority_as_server_is_accepted_exactly_if_added_by_hand() {
    let own = self_signed_authority(NAME);
    let added = TlsClient::new(&TlsSettings::default().add_roots_pem(own.certificate.as_str())).unwrap();
    assert!(connect(&added, server(&own, None)).await.is_ok());

    let error = refusal(&trusting(&Authority::new()), server(&own, None)).await;
    assert!(matches!(error, TlsError::AuthorityAsServer { .. }), "{error:?}");

    let elsewhere = self_signed_authority("other.example.net");
    let added = TlsClient::new(&TlsSettings::default().add_roots_pem(elsewhere.certificate.as_str())).unwrap();
    let error = refusal(&added, server(&elsewhere, None)).await;
    assert!(matches!(error, TlsError::NameMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn any_certificate_is_accepted_behind_the_dangerous_door_only() {
    let authority = Authority::new();
    let expired = authority.issue_with("other.example.net", |params| params.not_after = date_time_ymd(2001, 1, 1));
    let careless = TlsSettings::default().dangerous().accept_any_certificate();
    assert!(careless.accepts_any_certificate());
    let client = TlsClient::new(&careless).unwrap();
    assert!(connect(&client, server(&expired, None)).await.is_ok());
}

#[tokio::test]
async fn a_plain_text_server_is_quoted() {
    let (ours, mut theirs) = duplex(4096);
    theirs.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
    let outcome = secure(Box::new(ours), &trusting(&Authority::new()), name(), LIMIT).await;
    let error = outcome.err().unwrap();
    assert!(matches!(&error, TlsError::NotTls { said } if said == "220 mail.example.com ESMTP"), "{error:?}");
    assert!(error.to_string().contains("use smtp://"), "{error}");
}

#[tokio::test]
async fn a_greeting_that_trickles_is_still_no_tls() {
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        for byte in b"220 mail.example.com ESMTP\r\n" {
            let _ = theirs.write_all(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    });
    let outcome = secure(Box::new(ours), &trusting(&Authority::new()), name(), LIMIT).await;
    let error = outcome.err().unwrap();
    assert!(matches!(&error, TlsError::NotTls { said } if said.starts_with('2')), "{error:?}");
}

#[tokio::test]
async fn a_missing_client_certificate_is_asked_for_in_both_versions() {
    let authority = Authority::new();
    let own = authority.issue(NAME);

    let tls13 = server_with(&own, Some(&authority), &[&rustls::version::TLS13]);
    let (mut session, _) = connect(&trusting(&authority), tls13).await.unwrap();
    let late = session.read_to_end(&mut Vec::new()).await.unwrap_err();
    let error = TlsError::from_io(&late).unwrap();
    assert!(matches!(error, TlsError::ClientCertificateRequired), "{error:?}");
    assert!(error.to_string().contains("cert=FILE&key=FILE"), "{error}");

    let tls12 = server_with(&own, Some(&authority), &[&rustls::version::TLS12]);
    let error = refusal(&trusting(&authority), tls12).await;
    assert_eq!(error.blame(), TlsBlame::Certificate, "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let authority = Authority::new();
    let me = authority.issue("client.example.org");
    let settings = only(&authority).client_identity_pem(me.certificate, me.key);
    let client = TlsClient::new(&settings).unwrap();
    let (mut session, _) = connect(&client, server(&authority.issue(NAME), Some(&authority))).await.unwrap();
    let mut greeting = String::new();
    session.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "220 ready\r\n");
}

#[tokio::test]
async fn a_server_that_closes_is_told_from_one_that_is_silent() {
    let (ours, theirs) = duplex(4096);
    drop(theirs);
    let client = trusting(&Authority::new());
    let error = secure(Box::new(ours), &client, name(), LIMIT).await.err().unwrap();
    assert!(matches!(error, TlsError::Closed), "{error:?}");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_port_that_speaks_tls_from_the_first_byte_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = server(&Authority::new().issue("other.example.net"), None);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let _ = TlsAcceptor::from(Arc::clone(&own)).accept(socket).await;
        }
    });
    let url = ServerUrl::parse(&format!("smtp://127.0.0.1:{port}")).unwrap();
    assert!(speaks_tls(&url.into_config().unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_at_the_limit() {
    let (ours, _theirs) = duplex(4096);
    let client = trusting(&Authority::new());
    let start = tokio::time::Instant::now();
    let error = secure(Box::new(ours), &client, name(), LIMIT).await.err().unwrap();
    assert!(matches!(error, TlsError::TimedOut { limit: LIMIT }), "{error:?}");
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drips_a_byte_a_second_ends_at_the_limit_as_well() {
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        // The header of a record of 16 KiB, and then its bytes, too slowly.
        let _ = theirs.write_all(&[22, 3, 3, 0x40, 0]).await;
        while theirs.write_all(&[2]).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let client = trusting(&Authority::new());
    let error = secure(Box::new(ours), &client, name(), LIMIT).await.err().unwrap();
    assert!(matches!(error, TlsError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_handshake_refused_by_alert_names_the_alert() {
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        let mut hello = [0; 512];
        let _ = theirs.read(&mut hello).await;
        // Fatal: protocol_version.
        let _ = theirs.write_all(&[21, 3, 3, 0, 2, 2, 70]).await;
    });
    let client = trusting(&Authority::new());
    let error = secure(Box::new(ours), &client, name(), LIMIT).await.err().unwrap();
    assert!(matches!(error, TlsError::Version), "{error:?}");
}

#[test]
fn files_that_are_missing_or_hold_nothing_of_use_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let failure = |settings: TlsSettings| TlsClient::new(&settings).unwrap_err();
    let authority = Authority::new();
    let (one, other) = (authority.issue("one"), authority.issue("other"));

    let missing = folder.path().join("missing.pem");
    let error = failure(TlsSettings::default().add_roots_file(&missing));
    assert_eq!(error.to_string(), format!("there is no file {}", missing.display()));
    assert!(error.source().is_some());
    assert_eq!(error.blame(), TlsBlame::Caller);

    let empty = file("empty.pem", "nothing here\n");
    let error = failure(TlsSettings::default().add_roots_file(&empty));
    assert!(error.to_string().starts_with(&format!("no certificate in {}", empty.display())), "{error}");

    let garbage = file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let error = failure(TlsSettings::default().add_roots_file(&garbage));
    assert!(matches!(error, TlsError::BadCertificate { .. }), "{error:?}");

    let certificate = file("cert.pem", &one.certificate);
    let error = failure(TlsSettings::default().client_identity_files(&certificate, &certificate));
    assert!(matches!(&error, TlsError::NoKey { origin } if *origin == certificate.display().to_string()), "{error:?}");

    let key = file("key.pem", &other.key);
    let error = failure(TlsSettings::default().client_identity_files(&certificate, &key));
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error:?}");
    assert!(error.to_string().contains("key.pem") && error.to_string().contains("cert.pem"), "{error}");
}

#[test]
fn settings_never_show_a_key() {
    let me = Authority::new().issue("client.example.org");
    let shown = format!("{:?}", TlsSettings::default().client_identity_pem(me.certificate, me.key));
    assert!(!shown.contains("PRIVATE") && !shown.contains("45, 45, 45"), "{shown}");
}
