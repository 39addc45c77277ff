//! Servers that are silent, drip, or hardly read: each ends in an error that names the step, within its limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_connection::{Cause, Connection, Connector, ConnectorConfig, Error, Protocol, TimeLimits};
use mailkit_smtp::sasl::Credentials;
use mailkit_smtp::{Step, client};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::peer::{config, envelope, text};
use crate::script::{self, CHUNKING, Do, Drip, Freeze, Hear, Listen, PIPELINING, PLAIN, Say, Sip, connect_by};

const SECOND: Duration = Duration::from_secs(1);

/// A limit of its own for each step, so that an error shows which of them was kept.
fn limits() -> TimeLimits {
    let session = client::TimeLimits {
        greeting: 11 * SECOND,
        ehlo: 12 * SECOND,
        starttls: 13 * SECOND,
        auth: 14 * SECOND,
        mail: 15 * SECOND,
        rcpt: 16 * SECOND,
        data: 17 * SECOND,
        block: 18 * SECOND,
        final_reply: 19 * SECOND,
        quit: 2 * SECOND,
    };
    TimeLimits { connect: 10 * SECOND, tls: 9 * SECOND, session }
}

fn connector() -> Connector {
    Connector::new(config(Protocol::Smtp).with_limits(limits())).unwrap()
}

fn with_login() -> ConnectorConfig {
    let credentials = Credentials::password("ann", "s3cret").unwrap();
    config(Protocol::Smtp).with_limits(limits()).with_credentials(credentials).with_cleartext_auth(true)
}

async fn open(pipe: usize, script: &[Do]) -> Result<Connection, Error> {
    connect_by(&connector(), pipe, script).await
}

/// Checks an error's step, its limit, and how long it took.
fn check(error: &Error, step: Step, limit: Duration, start: Instant) {
    let Cause::Session(client::Error::TimedOut(at, named, _)) = error.cause() else { panic!("{error:?}") };
    assert_eq!((*at, *named, error.step()), (step, limit, step));
    let late = start.elapsed().checked_sub(limit).expect("it gave up too early");
    assert!(late <= SECOND, "{step}: {late:?} too late");
    assert!(error.is_temporary());
    let words = std::error::Error::source(error).unwrap().to_string();
    assert!(words.contains(&format!("no answer within {limit:?} at {step}")), "{words}");
}

/// A session that is not to be opened.
async fn never_opens(connector: &Connector, script: &[Do], step: Step, limit: Duration) {
    let start = Instant::now();
    let error = connect_by(connector, 64 * 1024, script).await.unwrap_err();
    check(&error, step, limit, start);
    assert!(error.report().is_none());
}

fn then<'a>(opening: &'a [Do], more: &'a [Do]) -> Vec<Do> {
    [opening, more].concat()
}

#[tokio::test(start_paused = true)]
async fn a_silent_greeting() {
    never_opens(&connector(), &[Freeze], Step::Greeting, 11 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_dripping_greeting_has_its_limit_as_a_whole() {
    never_opens(&connector(), &[Drip("220-welcome\r\n220-to a very slow server\r\n")], Step::Greeting, 11 * SECOND)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_and_a_dripping_ehlo() {
    never_opens(&connector(), &[Say("220 mx\r\n"), Freeze], Step::Ehlo, 12 * SECOND).await;
    never_opens(&connector(), &[Say("220 mx\r\n"), Drip("250-mx\r\n250-SIZE\r\n250-DSN\r\n")], Step::Ehlo, 12 * SECOND)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_starttls() {
    let opportunistic = ConnectorConfig::new(
        Protocol::Smtp,
        config(Protocol::Smtp).endpoint().clone(),
        mailkit_connection::TlsMode::Opportunistic,
    );
    let connector = Connector::new(opportunistic.with_limits(limits())).unwrap();
    let script = [Say("220 mx\r\n"), Hear("\r\n"), Say("250-mx\r\n250 STARTTLS\r\n"), Listen];
    never_opens(&connector, &script, Step::StartTls, 13 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_login() {
    let connector = Connector::new(with_login()).unwrap();
    let open = [Say("220 mx\r\n"), Hear("\r\n")];
    for more in [
        &[Say("250-mx\r\n250 AUTH PLAIN\r\n"), Listen][..],
        &[Say("250-mx\r\n250 AUTH LOGIN\r\n"), Hear("LOGIN\r\n"), Say("334 VXNlcm5hbWU6\r\n"), Listen],
    ] {
        never_opens(&connector, &then(&open, more), Step::Auth, 14 * SECOND).await;
    }
}

/// A message that comes to nothing.
async fn never_sends(script: &[Do], step: Step, limit: Duration, ambiguous: bool) {
    let mut connection = open(64 * 1024, script).await.unwrap();
    let start = Instant::now();
    let envelope = envelope("ann@example.com", &["bob@example.org", "eve@example.org"]);
    let error = connection.send(&envelope, &Default::default(), text(1, 100)).await.unwrap_err();
    check(&error, step, limit, start);
    assert_eq!(error.is_ambiguous(), ambiguous, "{step}");
    assert_eq!(error.report().unwrap().recipients.len(), 2);
    assert!(!connection.is_clean() && !connection.is_alive(), "{step}");
    // A connection is never used again after that (invariant 12).
    let again = connection.send(&envelope, &Default::default(), "x").await.unwrap_err();
    assert!(!again.is_ambiguous());
    let start = Instant::now();
    connection.quit().await;
    assert!(start.elapsed() <= 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn silence_at_each_step_of_a_message() {
    never_sends(&then(&PLAIN, &[Freeze]), Step::Mail, 15 * SECOND, false).await;
    never_sends(&then(&PLAIN, &[Hear("MAIL"), Say("250 ok\r\n"), Freeze]), Step::Rcpt, 16 * SECOND, false).await;
    let to_data = [Hear("MAIL"), Say("250 ok\r\n"), Hear("bob"), Say("250 ok\r\n"), Hear("eve"), Say("250 ok\r\n")];
    never_sends(&then(&then(&PLAIN, &to_data), &[Freeze]), Step::Data, 17 * SECOND, false).await;
    let to_content = then(&to_data, &[Hear("DATA"), Say("354 go\r\n"), Hear("\r\n.\r\n")]);
    never_sends(&then(&then(&PLAIN, &to_content), &[Freeze]), Step::Content, 19 * SECOND, true).await;
}

#[tokio::test(start_paused = true)]
async fn silence_where_the_client_runs_ahead() {
    never_sends(&then(&PIPELINING, &[Listen]), Step::Mail, 15 * SECOND, false).await;
    never_sends(
        &then(&PIPELINING, &[Hear("DATA"), Say("250 ok\r\n250 ok\r\n"), Freeze]),
        Step::Rcpt,
        16 * SECOND,
        false,
    )
    .await;
    // With BDAT all of it has left by then.
    never_sends(&then(&CHUNKING, &[Listen]), Step::Mail, 15 * SECOND, true).await;
    let nearly = [Hear("LAST"), Say("250 ok\r\n250 ok\r\n250 ok\r\n"), Listen];
    never_sends(&then(&CHUNKING, &nearly), Step::Content, 19 * SECOND, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_dripping_reply_has_its_limit_as_a_whole() {
    never_sends(
        &then(&PLAIN, &[Hear("MAIL"), Drip("250-the sender\r\n250-is very ok\r\n")]),
        Step::Mail,
        15 * SECOND,
        false,
    )
    .await;
    let nearly = [Hear("LAST"), Say("250 ok\r\n250 ok\r\n250 ok\r\n"), Drip("250-taken\r\n250-without any doubt\r\n")];
    never_sends(&then(&CHUNKING, &nearly), Step::Content, 19 * SECOND, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_an_octet_a_second_of_a_large_content() {
    let go = [Hear("DATA\r\n"), Say("250 ok\r\n250 ok\r\n354 go\r\n"), Sip];
    for (opening, ambiguous) in [(then(&PIPELINING, &go), false), (then(&CHUNKING, &[Hear("bob"), Sip]), false)] {
        let mut connection = open(1024, &opening).await.unwrap();
        let start = Instant::now();
        let envelope = envelope("ann@example.com", &["bob@example.org"]);
        let error = connection.send(&envelope, &Default::default(), text(1, 1_000_000)).await.unwrap_err();
        let Cause::Session(client::Error::TimedOut(_, limit, _)) = error.cause() else { panic!("{error:?}") };
        assert_eq!(*limit, 18 * SECOND, "the limit of a block");
        assert!(start.elapsed() <= 19 * SECOND, "{:?}", start.elapsed());
        assert_eq!(error.is_ambiguous(), ambiguous);
    }
}

/// Reads 60 kB each 8 s: slow, but never as slow as a block in 18 s.
async fn read_slowly(mut stream: DuplexStream, octets: usize) {
    stream.write_all(b"220 mx\r\n").await.unwrap();
    stream.read_exact(&mut [0; "EHLO client.example.com\r\n".len()]).await.unwrap();
    stream.write_all(b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n").await.unwrap();
    let (mut read, mut buffer) = (0, vec![0; 1024]);
    while let Ok(more) = timeout(SECOND, stream.read(&mut buffer)).await {
        let before = read / 60_000;
        read += more.unwrap();
        if read / 60_000 > before {
            sleep(8 * SECOND).await;
        }
    }
    assert!(read > octets);
    // MAIL, RCPT, and each chunk of 32 KiB.
    stream.write_all(&b"250 ok\r\n".repeat(2 + octets.div_ceil(32 * 1024))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_large_content_may_take_long_while_it_moves() {
    let (ours, theirs) = duplex(1024);
    tokio::spawn(read_slowly(theirs, 1_000_000));
    let mut connection = connector().connect_over(ours).await.unwrap();
    let start = Instant::now();
    let envelope = envelope("ann@example.com", &["bob@example.org"]);
    let outcome = connection.send(&envelope, &Default::default(), text(1, 1_000_000)).await;
    assert!(outcome.unwrap().is_accepted());
    assert!(start.elapsed() > 120 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn quit_does_not_wait_for_a_silent_peer() {
    let connection = open(64 * 1024, &then(&PLAIN, &[Listen])).await.unwrap();
    let start = Instant::now();
    connection.quit().await;
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_that_does_not_come() {
    let mut connection = open(64 * 1024, &then(&PLAIN, &[Listen])).await.unwrap();
    let start = Instant::now();
    let error = connection.noop().await.unwrap_err();
    check(&error, Step::Mail, 15 * SECOND, start);
    assert!(!connection.is_clean());
}

/// A stream whose end never comes, as with TLS and a peer that does not read.
struct Endless(DuplexStream);

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn quit_does_not_wait_for_a_stream_that_cannot_be_ended() {
    let script = then(&PLAIN, &[Hear("QUIT"), Say("221 bye\r\n"), Freeze]);
    let connection = connector().connect_over(Endless(script::server(4096, &script))).await.unwrap();
    let start = Instant::now();
    connection.quit().await;
    assert!(start.elapsed() <= 5 * SECOND + SECOND / 10, "{:?}", start.elapsed());
}
