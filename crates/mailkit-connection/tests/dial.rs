//! Opening sockets on loopback: which address wins, and what the failures keep.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use mailkit_connection::{
    ConnectorConfig, DialError, DialStep, Endpoint, Host, Peer, Protocol, Proxy, ProxyKind, TimeLimits, TlsMode, dial,
    speaks_tls,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn config(host: &str, port: u16) -> ConnectorConfig {
    let host = Host::parse(host).unwrap();
    ConnectorConfig::new(Protocol::Smtp, Endpoint::Tcp { host, port }, TlsMode::None)
}

/// A port that nobody listens on, and that nobody else is given while the socket is held.
fn dead_port() -> (impl Sized, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn localhost_reaches_a_server_that_listens_on_ipv4_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"220 here\r\n").await.unwrap();
    });
    // ::1 comes first and refuses (or does not exist here).
    let mut dialed = dial(&config("localhost", address.port())).await.unwrap();
    assert_eq!(dialed.peer, Peer::Tcp(address));
    let mut greeting = String::new();
    dialed.transport.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "220 here\r\n");
    server.await.unwrap();
}

#[tokio::test]
async fn when_every_address_refuses_each_answer_is_kept() {
    let (_held, port) = dead_port();
    let error = dial(&config("localhost", port)).await.unwrap_err();
    let DialError::AllFailed { attempts, .. } = &error else {
        panic!("{error:?}");
    };
    let tried: Vec<SocketAddr> = attempts.iter().map(|(address, _)| *address).collect();
    assert_eq!(tried, [SocketAddr::new("::1".parse().unwrap(), port), SocketAddr::new([127, 0, 0, 1].into(), port)]);
    assert!(attempts.iter().any(|(_, error)| error.kind() == ErrorKind::ConnectionRefused));
    assert_eq!((error.step(), error.is_temporary()), (DialStep::Connect, true));
    let words = error.to_string();
    assert!(words.starts_with(&format!("no connection to localhost:{port}: [::1]:{port} ")), "{words}");
    assert!(words.contains(&format!("127.0.0.1:{port} refused")), "{words}");
}

#[tokio::test]
async fn an_unknown_host_is_its_own_failure() {
    let error = dial(&config("mail.invalid", 25)).await.unwrap_err();
    assert!(matches!(error, DialError::HostUnknown { .. }), "{error:?}");
    assert_eq!((error.step(), error.is_temporary()), (DialStep::Resolve, false));
    assert_eq!(error.to_string(), "the host mail.invalid is unknown: check its spelling");
}

#[cfg(unix)]
#[tokio::test]
async fn lmtp_goes_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let config =
        |path: &std::path::Path| ConnectorConfig::new(Protocol::Lmtp, Endpoint::Unix(path.to_owned()), TlsMode::None);

    let error = dial(&config(&path)).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no socket "), "{error}");

    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let dialed = dial(&config(&path)).await.unwrap();
    assert_eq!(dialed.peer, Peer::Unix(path.clone()));

    drop(listener);
    let error = dial(&config(&path)).await.unwrap_err();
    assert!(error.to_string().starts_with("nobody listens on the socket "), "{error}");
    assert!(error.is_temporary());
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_connecting_covers_a_silent_proxy() {
    // The kernel takes the connection; nobody ever answers on it.
    let silent = StdListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for kind in [ProxyKind::Http, ProxyKind::Socks5] {
        let proxy = Proxy::new(kind, Host::parse("127.0.0.1").unwrap(), port);
        let limits = TimeLimits { connect: Duration::from_secs(7), ..TimeLimits::default() };
        let start = tokio::time::Instant::now();
        let error = dial(&config("mail.example.com", 25).with_proxy(proxy).with_limits(limits)).await.unwrap_err();
        assert!(matches!(error, DialError::TimedOut { step: DialStep::Connect, .. }), "{error:?}");
        assert_eq!(start.elapsed(), Duration::from_secs(7));
        assert_eq!(error.to_string(), "mail.example.com:25: no connection within 7s; check for a firewall in between");
    }
}

/// Accepts connections and lets `serve` answer each.
async fn serve<F>(answer: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket));
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_answers_in_tls_speaks_tls_even_if_by_alert() {
    let port = serve(|mut socket| async move {
        let mut hello = [0; 5];
        socket.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello[..2], [22, 3], "a TLS handshake record");
        // Fatal: handshake_failure.
        socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    assert!(speaks_tls(&config("127.0.0.1", port)).await);
}

#[tokio::test]
async fn a_server_that_greets_in_plain_text_or_closes_does_not_speak_tls() {
    let greets = serve(|mut socket| async move {
        let _ = socket.write_all(b"220 mail.example.com ESMTP\r\n").await;
        let _ = socket.read(&mut [0; 512]).await;
    })
    .await;
    assert!(!speaks_tls(&config("127.0.0.1", greets)).await);

    let closes = serve(|_socket| async {}).await;
    assert!(!speaks_tls(&config("127.0.0.1", closes)).await);

    let (_held, dead) = dead_port();
    assert!(!speaks_tls(&config("127.0.0.1", dead)).await);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_three_seconds() {
    let silent = StdListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let start = tokio::time::Instant::now();
    assert!(!speaks_tls(&config("127.0.0.1", port)).await);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}
