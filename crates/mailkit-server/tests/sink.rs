//! A sink seen by clients that type raw commands over real loopback sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailkit_server::{Sink, SinkBuilder, SinkError, SinkTls};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const MOMENT: Duration = Duration::from_secs(10);

/// A client that types.
struct Typist<S> {
    stream: BufReader<S>,
}

impl Typist<TcpStream> {
    /// Connects, and takes the greeting.
    async fn connect(sink: &Sink) -> Self {
        let mut typist = Self::silent(sink).await;
        assert_eq!(typist.hear().await, "220 localhost ESMTP");
        typist
    }

    async fn silent(sink: &Sink) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(sink.addr()).await.unwrap()) }
    }

    /// Runs the handshake, trusting the sink's own authority alone.
    async fn secure(self, sink: &Sink) -> Typist<TlsStream<TcpStream>> {
        self.trust(CertificateDer::from_pem_file(sink.ca_path().unwrap()).unwrap()).await
    }

    /// Runs the handshake, trusting this authority alone.
    async fn trust(self, authority: CertificateDer<'static>) -> Typist<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, self.stream.into_inner()).await.unwrap();
        Typist { stream: BufReader::new(stream) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Typist<S> {
    async fn type_in(&mut self, words: &str) {
        self.stream.get_mut().write_all(words.as_bytes()).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
    }

    /// One reply: its last line.
    async fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            timeout(MOMENT, self.stream.read_line(&mut line)).await.expect("a reply in time").unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Types lines, and takes a reply to each.
    async fn say(&mut self, lines: &[&str]) -> Vec<String> {
        let mut heard = Vec::new();
        for line in lines {
            self.type_in(&format!("{line}\r\n")).await;
            heard.push(self.hear().await);
        }
        heard
    }

    /// The codes of the replies to lines that were typed.
    async fn codes(&mut self, lines: &[&str]) -> Vec<u16> {
        self.say(lines).await.iter().map(|reply| reply[..3].parse().unwrap()).collect()
    }

    /// Everything up to the end of the connection; fails if it does not end.
    async fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A connection that is torn may end in an error as well.
        let _ = timeout(MOMENT, self.stream.read_to_end(&mut rest)).await.expect("an end");
        String::from_utf8(rest).unwrap()
    }
}

const MESSAGE: [&str; 6] = [
    "EHLO me",
    "MAIL FROM:<ann@example.com>",
    "RCPT TO:<bob@example.org>",
    "RCPT TO:<eve@example.net>",
    "DATA",
    "Subject: hi\r\n\r\n..dot\r\n.",
];

async fn start(builder: SinkBuilder) -> Sink {
    builder.start().await.unwrap()
}

#[tokio::test]
async fn what_was_typed_is_captured_before_the_client_hears_of_it() {
    let sink = start(Sink::builder()).await;
    let mut client = Typist::connect(&sink).await;
    assert_eq!(client.codes(&MESSAGE).await, [250, 250, 250, 250, 354, 250]);
    let captured = sink.captured();
    assert_eq!(captured.len(), 1);
    assert_eq!(captured[0].reverse_path.to_string(), "<ann@example.com>");
    assert_eq!(
        captured[0].recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["<bob@example.org>", "<eve@example.net>"]
    );
    assert_eq!(captured[0].content, "Subject: hi\r\n\r\n.dot\r\n");
    assert_eq!((captured[0].size, captured[0].tls, captured[0].user.as_deref()), (21, false, None));
    assert_eq!(client.codes(&["QUIT"]).await, [221]);
    assert_eq!(client.rest().await, "");
    let counters = sink.counters();
    assert_eq!((counters.connections, counters.most_open, counters.transactions), (1, 1, 1));
    assert_eq!((counters.accepted, counters.recipients, counters.octets, counters.refused), (1, 2, 21, 0));
    assert_eq!(sink.take_captured().len(), 1);
    assert!(sink.captured().is_empty());
    sink.shutdown().await;
}

#[tokio::test]
async fn only_the_last_messages_are_kept_and_all_are_shown_to_the_callback() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let builder = Sink::builder().keep(2).on_message(move |message| {
        count.fetch_add(message.content.len(), Ordering::Relaxed);
    });
    let sink = start(builder).await;
    let mut client = Typist::connect(&sink).await;
    for content in ["1", "22", "333"] {
        client.codes(&MESSAGE[..4]).await;
        client.type_in(&format!("BDAT {} LAST\r\n{content}", content.len())).await;
        assert!(client.hear().await.starts_with("250"));
    }
    assert_eq!(seen.load(Ordering::Relaxed), 6);
    assert_eq!(sink.captured().iter().map(|message| message.size).collect::<Vec<_>>(), [2, 3]);
}

#[cfg(unix)]
#[tokio::test]
async fn captured_mail_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep").join("maildir");
    let sink = start(Sink::builder().maildir(&folder)).await;
    let mut client = Typist::connect(&sink).await;
    client.codes(&MESSAGE).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut folders = vec![parent.path().join("deep"), folder.clone()];
    folders.extend(["tmp", "new", "cur"].map(|part| folder.join(part)));
    for folder in folders {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&folder.join("envelopes.jsonl")), 0o600);
    let captured: Vec<_> = std::fs::read_dir(folder.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(captured.len(), 1);
    assert_eq!(mode(&captured[0]), 0o600);
}

#[tokio::test]
async fn a_maildir_has_each_message_octet_for_octet_and_its_envelope_beside() {
    let folder = tempfile::tempdir().unwrap();
    let sink = start(Sink::builder().maildir(folder.path())).await;
    let mut client = Typist::connect(&sink).await;
    client.codes(&MESSAGE).await;
    // Larger than what is held in memory.
    let large = "0123456789abcde\n".repeat(200_000);
    client.codes(&["MAIL FROM:<>", "RCPT TO:<bob@example.org>"]).await;
    client.type_in(&format!("BDAT {} LAST\r\n{large}", large.len())).await;
    assert!(client.hear().await.starts_with("250"));
    // Refused at the end: nothing of it stays.
    client.codes(&["MAIL FROM:<>", "RCPT TO:<bob@example.org>"]).await;
    client.type_in(&format!("BDAT {}\r\n{large}RSET\r\n", large.len())).await;
    assert_eq!([client.hear().await, client.hear().await], ["250 2.0.0 ok", "250 2.0.0 ok"]);

    let mut contents: Vec<String> = std::fs::read_dir(folder.path().join("new"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    contents.sort_by_key(String::len);
    assert_eq!(contents, ["Subject: hi\r\n\r\n.dot\r\n".to_owned(), large]);
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    let lines = std::fs::read_to_string(folder.path().join("envelopes.jsonl")).unwrap();
    let envelopes: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(envelopes.len(), 2);
    assert_eq!(envelopes[0]["from"], "ann@example.com");
    assert_eq!(envelopes[0]["to"], serde_json::json!(["bob@example.org", "eve@example.net"]));
    assert_eq!((&envelopes[1]["from"], &envelopes[1]["size"]), (&"".into(), &3_200_000.into()));
    assert!(folder.path().join(envelopes[1]["file"].as_str().unwrap()).is_file());
    assert!(sink.captured().is_empty());
}

#[tokio::test]
async fn starttls_leads_to_a_login_and_both_are_captured() {
    let sink = start(Sink::builder().tls(SinkTls::StartTls).user("ann", "secret")).await;
    let mut client = Typist::connect(&sink).await;
    assert_eq!(client.codes(&["EHLO me", "MAIL FROM:<a@example.com>"]).await, [250, 530]);
    assert_eq!(client.codes(&["AUTH PLAIN AGFubgBzZWNyZXQ=", "STARTTLS"]).await, [538, 220]);
    let mut client = client.secure(&sink).await;
    assert_eq!(client.codes(&["EHLO me", "AUTH PLAIN AGFubgB3cm9uZw=="]).await, [250, 535]);
    assert_eq!(client.codes(&["AUTH PLAIN AGFubgBzZWNyZXQ="]).await, [235]);
    assert_eq!(client.codes(&MESSAGE[1..]).await, [250, 250, 250, 354, 250]);
    let captured = sink.captured();
    assert_eq!((captured[0].tls, captured[0].user.as_deref()), (true, Some("ann")));
    assert!(sink.ca_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let path = sink.ca_path().unwrap().to_owned();
    sink.shutdown().await;
    assert!(client.rest().await.starts_with("421"));
    assert!(!path.exists());
}

#[tokio::test]
async fn tls_can_come_first_with_a_certificate_that_is_given() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let sink = start(Sink::builder().tls(SinkTls::Implicit).certificate(&certificate, &key)).await;
    assert_eq!(sink.ca_path(), None);
    let mut client = Typist::silent(&sink).await.trust(made.cert.der().clone()).await;
    assert_eq!(client.hear().await, "220 localhost ESMTP");

    let own = start(Sink::builder().tls(SinkTls::Implicit)).await;
    let mut client = Typist::silent(&own).await.secure(&own).await;
    assert_eq!(client.hear().await, "220 localhost ESMTP");
    assert_eq!(client.codes(&MESSAGE).await, [250, 250, 250, 250, 354, 250]);
    assert!(own.captured()[0].tls);

    let error = Sink::builder().tls(SinkTls::Implicit).certificate(&key, &certificate).start().await.unwrap_err();
    assert!(matches!(error, SinkError::Certificate(..) | SinkError::Tls(_)), "{error}");
}

#[tokio::test]
async fn a_login_may_go_in_clear_on_loopback_only() {
    let sink = start(Sink::builder().user("ann", "secret")).await;
    let mut client = Typist::connect(&sink).await;
    assert_eq!(client.codes(&["EHLO me", "AUTH PLAIN AGFubgBzZWNyZXQ="]).await, [250, 235]);

    let everywhere = Sink::builder().listen("0.0.0.0:0".parse().unwrap()).user("ann", "secret");
    assert!(matches!(everywhere.start().await, Err(SinkError::LoginInClear(_))));
}

#[tokio::test]
async fn a_rule_can_refuse_at_every_step() {
    for (rule, expected) in [
        ("greeting=554 go away", &[][..]),
        ("ehlo=451", &[451]),
        ("mail=451 4.7.1 greylisted,from=ann@*", &[250, 451]),
        ("rcpt=550,to=bob@*", &[250, 250, 550, 250, 354, 250]),
        ("data=452 full", &[250, 250, 250, 250, 452]),
        ("content=554 spam,to=eve@*", &[250, 250, 250, 250, 354, 554]),
        ("content=554 spam,to=nobody@*", &[250, 250, 250, 250, 354, 250]),
        ("mail=421", &[250, 421]),
    ] {
        let sink = start(Sink::builder().fail(rule.parse().unwrap())).await;
        let mut client = Typist::silent(&sink).await;
        let greeting = client.hear().await;
        assert_eq!(greeting.starts_with("554"), expected.is_empty(), "{rule}");
        assert_eq!(client.codes(&MESSAGE[..expected.len()]).await, expected, "{rule}");
        let accepted = expected.len() == 6 && expected.last() == Some(&250);
        assert_eq!(sink.captured().len(), usize::from(accepted), "{rule}");
        assert_eq!(sink.counters().refused, u64::from(!rule.contains("nobody")), "{rule}");
        sink.shutdown().await;
    }
}

#[tokio::test]
async fn a_rule_for_data_strikes_with_bdat_as_well() {
    let sink = start(Sink::builder().fail("data=452".parse().unwrap())).await;
    let mut client = Typist::connect(&sink).await;
    client.codes(&MESSAGE[..4]).await;
    client.type_in("BDAT 1\r\nxBDAT 1 LAST\r\nx").await;
    assert!(client.hear().await.starts_with("452") && client.hear().await.starts_with("452"));
    assert!(sink.captured().is_empty());
}

#[tokio::test]
async fn a_rule_can_tear_the_connection_before_or_behind_the_capture() {
    for (rule, captured) in [("content=close", 0), ("content=lose", 1), ("rcpt=close", 0)] {
        let sink = start(Sink::builder().fail(rule.parse().unwrap())).await;
        let mut client = Typist::connect(&sink).await;
        client.type_in("EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nBDAT 2 LAST\r\nhi").await;
        assert!(!client.rest().await.contains("accepted"), "{rule}");
        assert_eq!(sink.captured().len(), captured, "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_can_leave_the_client_without_an_answer() {
    let sink = start(Sink::builder().fail("rcpt=hang".parse().unwrap())).await;
    let mut client = Typist::connect(&sink).await;
    client.codes(&MESSAGE[..2]).await;
    client.type_in("RCPT TO:<b@example.com>\r\n").await;
    let heard = timeout(Duration::from_millis(100), client.hear()).await;
    assert!(heard.is_err());
    drop(client);
    let deadline = Instant::now() + MOMENT;
    while sink.counters().open > 0 {
        assert!(Instant::now() < deadline, "the connection is still held");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lmtp_refuses_recipient_by_recipient_and_captures_for_the_others() {
    let sink = start(Sink::builder().lmtp().fail("content=452 full,to=eve@*".parse().unwrap())).await;
    let mut client = Typist::silent(&sink).await;
    assert_eq!(client.hear().await, "220 localhost LMTP");
    assert_eq!(client.codes(&["LHLO me"]).await, [250]);
    assert_eq!(client.codes(&MESSAGE[1..]).await, [250, 250, 250, 354, 250]);
    assert_eq!(client.hear().await, "452 4.0.0 full");
    let captured = sink.captured();
    assert_eq!(captured[0].recipients.iter().map(ToString::to_string).collect::<Vec<_>>(), ["<bob@example.org>"]);
}

#[tokio::test]
async fn a_lost_reply_in_lmtp_leaves_the_message_with_every_recipient_that_was_not_refused() {
    let rules = ["content=lose,to=bob@*", "content=452 full,to=eve@*"].map(|rule| rule.parse().unwrap());
    let builder = rules.into_iter().fold(Sink::builder().lmtp(), SinkBuilder::fail);
    let sink = start(builder).await;
    let mut client = Typist::silent(&sink).await;
    client.type_in("LHLO me\r\n").await;
    client.type_in(&format!("{}\r\nBDAT 2 LAST\r\nhi", MESSAGE[1..4].join("\r\n"))).await;
    assert!(!client.rest().await.contains("full"));
    assert_eq!(sink.captured()[0].recipients.len(), 1);
    assert_eq!(sink.captured()[0].recipients[0].to_string(), "<bob@example.org>");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_begin_its_handshake_is_hung_up_on() {
    let sink = start(Sink::builder().tls(SinkTls::Implicit)).await;
    let client = TcpStream::connect(sink.addr()).await.unwrap();
    let mut client = Typist { stream: BufReader::new(client) };
    let read = timeout(Duration::from_secs(400), client.stream.read_to_string(&mut String::new())).await;
    assert_eq!(read.expect("an end").unwrap(), 0);
}

#[tokio::test]
async fn clients_beyond_the_limit_are_told_to_come_again() {
    let sink = start(Sink::builder().max_connections(1)).await;
    let first = Typist::connect(&sink).await;
    let second = Typist::silent(&sink).await;
    assert!(second.rest().await.starts_with("421 too many connections"));
    drop(first);
    assert_eq!(sink.counters().most_open, 2);
}

#[tokio::test(start_paused = true)]
async fn latency_delays_each_batch_and_not_each_command() {
    let latency = Duration::from_millis(60);
    let sink = start(Sink::builder().latency(latency)).await;
    let began = tokio::time::Instant::now();
    let mut client = Typist::connect(&sink).await;
    // Two writes within one round trip: the second is not held up by the first.
    client.type_in("EHLO me\r\nMAIL FROM:<a@example.com>\r\n").await;
    client.type_in("RCPT TO:<b@example.com>\r\nBDAT 2 LAST\r\nhi").await;
    for _ in 0..4 {
        assert!(client.hear().await.starts_with("250"));
    }
    let took = began.elapsed();
    assert!(took >= 2 * latency, "{took:?}");
    assert!(took < 3 * latency, "{took:?}");
}

#[tokio::test]
async fn without_chunking_and_pipelining_neither_is_offered() {
    let sink = start(Sink::builder().pipelining(false).chunking(false).size_limit(5)).await;
    let mut client = Typist::connect(&sink).await;
    client.type_in("EHLO me\r\n").await;
    let mut offered = String::new();
    while !offered.contains("250 ") {
        client.stream.read_line(&mut offered).await.unwrap();
    }
    assert!(offered.contains("SIZE 5") && offered.contains("8BITMIME"), "{offered}");
    assert!(!offered.contains("PIPELINING") && !offered.contains("CHUNKING"), "{offered}");
    assert_eq!(client.codes(&MESSAGE[1..]).await, [250, 250, 250, 354, 552]);
}

#[tokio::test]
async fn a_client_that_sends_before_it_reads_does_not_block_the_sink() {
    let sink = start(Sink::builder().keep(0)).await;
    let mut client = Typist::connect(&sink).await;
    let mut flood = "EHLO me\r\n".to_owned();
    for _ in 0..20_000 {
        flood.push_str("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nBDAT 2 LAST\r\nhi");
    }
    flood.push_str("QUIT\r\n");
    let (mut reader, mut writer) = client.stream.get_mut().split();
    let mut replies = Vec::new();
    let (written, read) =
        tokio::join!(writer.write_all(flood.as_bytes()), timeout(MOMENT * 3, reader.read_to_end(&mut replies)));
    written.unwrap();
    read.expect("an end").unwrap();
    assert!(String::from_utf8(replies).unwrap().ends_with("221 2.0.0 bye\r\n"));
    assert_eq!(sink.counters().accepted, 20_000);
}

#[tokio::test]
async fn turns_are_counted_across_connections() {
    let sink = start(Sink::builder()).await;
    let mut client = Typist::connect(&sink).await;
    client.codes(&MESSAGE[..2]).await;
    client.codes(&["QUIT"]).await;
    assert_eq!(client.rest().await, "");
    assert_eq!(sink.counters().turns, 3);
}

#[tokio::test]
async fn a_stopping_sink_says_so_and_a_dropped_one_hangs_up() {
    let sink = start(Sink::builder()).await;
    let client = Typist::connect(&sink).await;
    let addr = sink.addr();
    sink.shutdown().await;
    assert!(client.rest().await.starts_with("421 the server stops"));
    assert!(TcpStream::connect(addr).await.is_err());

    let sink = start(Sink::builder()).await;
    let client = Typist::connect(&sink).await;
    drop(sink);
    assert_eq!(client.rest().await, "");
}
