//! What has arrived before a command leaves cannot answer it; what worked at a login is remembered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mailkit_connection::{Cause, Connector, Protocol};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::sasl::Credentials;
use mailkit_smtp::{Status, client};
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, DuplexStream, ReadBuf};

use crate::peer::{config, connector, envelope};
use crate::script::{CHUNKING, Freeze, Hear, Listen, PLAIN, Say, connect, server};

/// A stream that gives a line at a time, as TLS gives a record at a time.
struct Lines(BufReader<DuplexStream>);

impl AsyncRead for Lines {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let pending = ready!(Pin::new(&mut self.0).poll_fill_buf(context))?;
        let length = pending.iter().position(|byte| *byte == b'\n').map_or(pending.len(), |end| end + 1);
        buffer.put_slice(&pending[..length]);
        Pin::new(&mut self.0).consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_read_before_the_next_command_leaves() {
    let mut script = PLAIN.to_vec();
    script.extend([Hear("MAIL"), Say("250 ok\r\n250 extra\r\n"), Hear("RCPT"), Say("250 ok\r\n"), Listen]);
    let stream = Lines(BufReader::new(server(4096, &script)));
    let mut connection = connector(Protocol::Smtp).connect_over(stream).await.unwrap();
    let error =
        connection.send(&envelope("a@example.com", &["b@example.org"]), &TransactionOptions::default(), "x").await;
    let error = error.unwrap_err();
    assert!(matches!(error.cause(), Cause::Session(client::Error::Unsolicited(..))), "{error:?}");
    assert_eq!(error.report().unwrap().recipients[0].status, Status::Unsent);
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_worked_is_tried_first_the_next_time() {
    let credentials = Credentials::password("ann", "s3cret-pw").unwrap();
    let settings = config(Protocol::Smtp).with_credentials(credentials).with_cleartext_auth(true);
    let connector = Connector::new(settings).unwrap();
    let offered = Say("250-mx\r\n250 AUTH CRAM-MD5 PLAIN\r\n");
    let begin = [Say("220 mx\r\n"), Hear("EHLO client.example.com\r\n"), offered];
    let (refuse, accept) = (Say("504 5.5.4 no\r\n"), Say("235 in\r\n"));
    let first =
        [&begin[..], &[Hear("AUTH CRAM-MD5\r\n"), refuse, Hear("AUTH PLAIN "), Hear("\r\n"), accept, Listen]].concat();
    connector.connect_over(server(4096, &first)).await.unwrap();
    let next = [&begin[..], &[Hear("AUTH PLAIN "), Hear("\r\n"), accept, Listen]].concat();
    connector.clone().connect_over(server(4096, &next)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_farewell_shows_is_not_lost_where_the_server_does_not_close() {
    // The surplus reply counted as that to RCPT, so that the refusal of the content is left over for QUIT.
    let answers = "250 ok\r\n250 extra\r\n250 ok\r\n";
    for (bye, in_doubt) in [("552 full\r\n221 bye\r\n", true), ("221 bye\r\n", false)] {
        let mut script = CHUNKING.to_vec();
        script.extend([Hear("LAST\r\n"), Say(answers), Hear("QUIT\r\n"), Say(bye), Freeze]);
        let mut connection = connect(&script).await.unwrap();
        let envelope = envelope("a@example.com", &["b@example.org"]);
        let report = connection.send(&envelope, &TransactionOptions::default(), "x").await.unwrap();
        assert!(report.recipients[0].status.is_accepted(), "{report:?}");
        let begun = tokio::time::Instant::now();
        let limit = Duration::from_secs(2);
        assert_eq!(connection.quit_and_check(limit).await.is_some(), in_doubt, "{bye}");
        assert!(begun.elapsed() <= limit + Duration::from_millis(1), "{:?}", begun.elapsed());
    }
}
