//! SOCKS5 and HTTP CONNECT against small proxies that pass bytes on, in whole and byte by byte.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::sync::Arc;

use mailkit_connection::{
    ConnectorConfig, DialError, Endpoint, Host, Peer, Protocol, Proxy, ProxyError, TlsMode, dial,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const GREETING: &[u8] = b"220 mail.example.com ESMTP\r\n";

/// A server that greets and then says everything back.
async fn server() -> u16 {
    serve(|mut socket| async move {
        socket.write_all(GREETING).await.unwrap();
        let (mut read, mut write) = socket.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> u16
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

/// A proxy that says `answer` to whatever it is asked, once the request's header is there.
async fn http_proxy_saying(answer: impl Into<Vec<u8>>) -> u16 {
    let answer = Arc::new(answer.into());
    serve(move |mut socket| {
        let answer = Arc::clone(&answer);
        async move {
            let _ = request_header(&mut socket).await;
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

async fn request_header(socket: &mut TcpStream) -> String {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(header).unwrap()
}

/// A real HTTP proxy: it checks the login, connects, answers (in one write or byte by byte) and passes on.
async fn http_proxy(server: u16, trickle: bool) -> u16 {
    serve(move |mut socket| async move {
        let header = request_header(&mut socket).await;
        assert_eq!(
            header,
            "CONNECT mail.example.com:2525 HTTP/1.1\r\nHost: mail.example.com:2525\r\n\
             Proxy-Authorization: Basic YW5uOnMzY3JldA==\r\n\r\n"
        );
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        // The greeting leaves in one write with the answer: whoever reads too much loses it.
        let mut answer = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 here\r\n\r\n".to_vec();
        let mut greeting = vec![0; GREETING.len()];
        upstream.read_exact(&mut greeting).await.unwrap();
        answer.extend(greeting);
        if trickle {
            socket.set_nodelay(true).unwrap();
            for byte in answer {
                socket.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        } else {
            socket.write_all(&answer).await.unwrap();
        }
        let _ = copy_bidirectional(&mut socket, &mut upstream).await;
    })
    .await
}

/// A real SOCKS5 proxy (RFC 1928, RFC 1929) that wants `ann` and `s3cret`.
async fn socks_proxy(server: u16) -> u16 {
    serve(move |mut socket| async move {
        let mut methods = [0; 4];
        socket.read_exact(&mut methods).await.unwrap();
        assert_eq!(methods, [5, 2, 0, 2]);
        socket.write_all(&[5, 2]).await.unwrap();

        let mut login = [0; 12];
        socket.read_exact(&mut login).await.unwrap();
        if &login != b"\x01\x03ann\x06s3cret" {
            socket.write_all(&[1, 1]).await.unwrap();
            return;
        }
        socket.write_all(&[1, 0]).await.unwrap();

        let mut request = [0; 23];
        socket.read_exact(&mut request).await.unwrap();
        assert_eq!(&request, b"\x05\x01\x00\x03\x10mail.example.com\x09\xdd");
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        socket.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 9, 0xdd]).await.unwrap();
        let _ = copy_bidirectional(&mut socket, &mut upstream).await;
    })
    .await
}

fn through(proxy: &str) -> ConnectorConfig {
    let host = Host::parse("mail.example.com").unwrap();
    ConnectorConfig::new(Protocol::Smtp, Endpoint::Tcp { host, port: 2525 }, TlsMode::None)
        .with_proxy(Proxy::parse(proxy).unwrap())
}

async fn refusal(proxy: &str) -> ProxyError {
    match dial(&through(proxy)).await {
        Err(DialError::Proxy { source, proxy }) => {
            assert!(!proxy.contains("s3cret"), "{proxy}");
            source
        }
        other => panic!("{other:?}"),
    }
}

async fn speaks_with_the_server(proxy: &str) {
    let mut dialed = dial(&through(proxy)).await.unwrap();
    assert!(
        matches!(&dialed.peer, Peer::Proxied { target, .. } if target == "mail.example.com:2525"),
        "{:?}",
        dialed.peer
    );
    let mut greeting = vec![0; GREETING.len()];
    dialed.transport.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, GREETING);
    dialed.transport.write_all(b"EHLO me\r\n").await.unwrap();
    let mut echo = [0; 9];
    dialed.transport.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"EHLO me\r\n");
}

#[tokio::test]
async fn http_connect_loses_no_byte_of_the_greeting() {
    let server = server().await;
    for trickle in [false, true] {
        let port = http_proxy(server, trickle).await;
        speaks_with_the_server(&format!("http://ann:s3cret@127.0.0.1:{port}")).await;
    }
}

#[tokio::test]
async fn socks5_logs_in_and_leaves_the_name_to_the_proxy() {
    let port = socks_proxy(server().await).await;
    speaks_with_the_server(&format!("socks5://ann:s3cret@127.0.0.1:{port}")).await;
}

/// A SOCKS5 proxy that answers each message of the client's, one octet at a time, and then hangs up.
async fn socks_saying(answers: &'static [&'static [u8]]) -> u16 {
    serve(move |mut socket| async move {
        socket.set_nodelay(true).unwrap();
        for answer in answers {
            let _ = socket.read(&mut [0; 1024]).await;
            for octet in *answer {
                let _ = socket.write_all(&[*octet]).await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_a_socks5_proxy_says_against_the_rules_or_refuses_is_told() {
    let login = "ann:s3cret@";
    let cases: [(&str, &[&[u8]], &str); 12] = [
        ("", &[&[5, 0xff]], "the proxy wants a login"),
        ("", &[&[5, 2]], "the proxy wants a login"),
        (login, &[&[5, 0xff]], "the proxy wants another login than by user and password"),
        (login, &[&[5, 1]], "the proxy does not speak SOCKS5 (it wants the method 1, which was not offered)"),
        (login, &[&[4, 0]], "the proxy does not speak SOCKS5 (it answers with the version 4)"),
        (login, &[&[5, 2], &[5, 0]], "the proxy does not speak SOCKS5 (its login has the version 5)"),
        (login, &[&[5, 2], &[1, 255]], "the proxy refused the user and password"),
        (login, &[&[5, 0], &[5, 2, 0]], "the proxy does not connect to mail.example.com:2525: connection not allowed"),
        ("", &[&[5, 0], &[5, 0xf0, 0, 1]], "the proxy does not connect to mail.example.com:2525: code 240"),
        ("", &[&[5, 0], &[5, 0, 0, 9]], "the proxy does not speak SOCKS5 (it names an address of the kind 9)"),
        ("", &[&[5, 0], &[5, 0, 0, 3, 255, 1, 2]], "the proxy closed the connection instead of answering"),
        ("", &[&[5, 0], &[5, 0, 0, 4, 1, 2]], "the proxy closed the connection instead of answering"),
    ];
    for (login, answers, expected) in cases {
        let port = socks_saying(answers).await;
        let error = refusal(&format!("socks5://{login}127.0.0.1:{port}")).await;
        assert!(error.to_string().starts_with(expected), "{answers:?}: {error}");
    }
    for login in [format!("ann:{}@", "x".repeat(256)), format!("{}:s3cret@", "a".repeat(256))] {
        let port = socks_saying(&[]).await;
        let error = refusal(&format!("socks5://{login}127.0.0.1:{port}")).await;
        assert!(matches!(error, ProxyError::LoginTooLong), "{error:?}");
    }
}

#[tokio::test]
async fn socks5_takes_addresses_of_every_kind_and_replies_in_pieces() {
    for (host, address, named) in [
        ("127.0.0.9", &[1, 127, 0, 0, 9][..], &[3, 3, b'a', b'.', b'b', 0, 25][..]),
        ("[::1]", &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[4; 19]),
        ("mx.example.com", b"\x03\x0emx.example.com", &[3, 0, 0, 0]),
    ] {
        let port = serve(move |mut socket| async move {
            let mut methods = [0; 3];
            socket.read_exact(&mut methods).await.unwrap();
            socket.write_all(&[5, 0]).await.unwrap();
            let mut request = vec![0; 5 + address.len()];
            socket.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [&[5, 1, 0], address, &[0, 25]].concat());
            // In pieces, and the greeting at once behind the last.
            for octet in [5, 0, 0].iter().chain(named) {
                socket.write_all(&[*octet]).await.unwrap();
                tokio::task::yield_now().await;
            }
            socket.write_all(GREETING).await.unwrap();
        })
        .await;
        let endpoint = Endpoint::Tcp { host: Host::parse(host).unwrap(), port: 25 };
        let proxy = Proxy::parse(&format!("socks5://127.0.0.1:{port}")).unwrap();
        let config = ConnectorConfig::new(Protocol::Smtp, endpoint, TlsMode::None).with_proxy(proxy);
        let mut dialed = dial(&config).await.unwrap();
        let mut greeting = vec![0; GREETING.len()];
        dialed.transport.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, GREETING);
    }
}

/// A proxy that answers nothing, or an octet now and then, does not hold the caller beyond the limit for connecting.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_hangs_is_given_up() {
    for answer in [&b""[..], b"\x05", b"HTTP/1.1 "] {
        for scheme in ["socks5", "http"] {
            let port = serve(move |mut socket| async move {
                let _ = socket.write_all(answer).await;
                let _ = socket.read_to_end(&mut Vec::new()).await;
            })
            .await;
            match dial(&through(&format!("{scheme}://127.0.0.1:{port}"))).await {
                Err(DialError::TimedOut { .. } | DialError::Proxy { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_or_missing_proxy_login_is_told() {
    let port = socks_proxy(0).await;
    let error = refusal(&format!("socks5://ann:wr0ng!@127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::LoginRefused), "{error:?}");

    let port = http_proxy_saying("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::LoginRequired), "{error:?}");
    let error = refusal(&format!("http://ann:s3cret@127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::LoginRefused), "{error:?}");
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_quoted() {
    let port = http_proxy_saying("HTTP/1.0 403 Port 2525 is forbidden here\r\n\r\n").await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(
        error.to_string(),
        "the proxy does not connect to mail.example.com:2525: 403 Port 2525 is forbidden here"
    );
    assert!(!error.is_temporary());

    let port = http_proxy_saying("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    assert!(refusal(&format!("http://127.0.0.1:{port}")).await.is_temporary());
}

#[tokio::test]
async fn a_proxy_that_repeats_the_login_is_quoted_without_it() {
    let port = http_proxy_saying("HTTP/1.1 403 no s3cret for YW5uOnMzY3JldA==\r\n\r\n").await;
    match refusal(&format!("http://ann:s3cret@127.0.0.1:{port}")).await {
        ProxyError::Refused { reply, .. } => assert_eq!(reply, "403 no *** for ***"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let port = http_proxy_saying("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n").await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert!(matches!(&error, ProxyError::Refused { reply, .. } if reply == "403 No"), "{error:?}");
}

#[tokio::test]
async fn what_is_no_proxy_is_called_so() {
    let port = http_proxy_saying("220 mail.example.com ESMTP\r\n").await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::NotAProxy { expected: "HTTP", .. }), "{error:?}");

    let port = serve(|mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let error = refusal(&format!("socks5://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::NotAProxy { expected: "SOCKS5", .. }), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_at_16_kib() {
    let mut endless = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    endless.resize(64 * 1024, b'a');
    let port = http_proxy_saying(endless).await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::TooLong), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_closes_is_told() {
    let port = http_proxy_saying("HTTP/1.1 200 O").await;
    let error = refusal(&format!("http://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::Closed), "{error:?}");
    assert!(error.is_temporary());

    let port = serve(|mut socket| async move {
        let _ = socket.read(&mut [0; 3]).await;
    })
    .await;
    let error = refusal(&format!("socks5://127.0.0.1:{port}")).await;
    assert!(matches!(error, ProxyError::Closed | ProxyError::Io(_)), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_repeats_its_login_does_not_bring_it_into_the_error() {
    // `Basic` and the password alone, also across the place where the words are cut.
    for login in ["YW5uOnMzY3JldC1wdw==", "s3cret-pw", "S3CRET-PW"] {
        for before in [0, 180, 185, 190, 194, 199] {
            let answer = format!("HTTP/1.1 403 {}{login}\u{202e}\r\n\r\n", "x".repeat(before));
            let port = http_proxy_saying(answer).await;
            let proxy = Proxy::parse(&format!("http://ann:s3cret-pw@127.0.0.1:{port}")).unwrap();
            let endpoint = Endpoint::Tcp { host: Host::parse("mail.example.com").unwrap(), port: 25 };
            let config = ConnectorConfig::new(Protocol::Smtp, endpoint, TlsMode::None).with_proxy(proxy);
            let error = dial(&config).await.unwrap_err();
            let shown = format!("{error:#} {error:?}").to_lowercase();
            for piece in ["yw5uonmz", "s3cret", "cret-pw", "s3cr"] {
                assert!(!shown.contains(piece), "{login} {before}: {shown}");
            }
            assert!(!shown.contains('\u{202e}'));
        }
    }
}
