//! Content that may no longer be sent: nothing of it is completed, whatever has left before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};
use mailkit_connection::{Cause, Connection, Content, Error, Submission};
use mailkit_smtp::{Report, Status, client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use crate::peer::{connector, envelope};
use mailkit_connection::Protocol;

/// The server's end of a connection, played by the test.
struct ServerEnd {
    stream: DuplexStream,
    heard: Vec<u8>,
}

impl ServerEnd {
    async fn say(&mut self, words: &str) {
        self.stream.write_all(words.as_bytes()).await.unwrap();
    }

    /// Reads until this has come; gives all that was read.
    async fn hear(&mut self, words: &str) -> String {
        loop {
            let heard = String::from_utf8_lossy(&self.heard).into_owned();
            if heard.contains(words) {
                self.heard.clear();
                return heard;
            }
            assert!(self.stream.read_buf(&mut self.heard).await.unwrap() > 0, "{words:?} never came: {heard}");
        }
    }

    /// Reads to the end of the connection.
    async fn rest(&mut self) -> String {
        self.stream.read_to_end(&mut self.heard).await.unwrap();
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}

/// A connection over a pipe that holds so much, to a server with these extensions.
async fn open(pipe: usize, extensions: &str) -> (Connection, ServerEnd) {
    let (ours, theirs) = duplex(pipe);
    let mut server = ServerEnd { stream: theirs, heard: Vec::new() };
    let greeting = async {
        server.say("220 mx\r\n").await;
        server.hear("EHLO").await;
        server.say(&format!("250-mx\r\n{extensions}250 SIZE\r\n")).await;
        server.heard.clear();
    };
    let connector = connector(Protocol::Smtp);
    let (connection, ()) = tokio::join!(connector.connect_over(ours), greeting);
    (connection.unwrap(), server)
}

/// A message whose right to be sent is `valid`, to one recipient.
fn message(number: usize, octets: usize, valid: &Arc<AtomicBool>) -> Submission {
    let valid = Arc::clone(valid);
    let content = Content::from(vec![b'x'; octets]).only_while(move || valid.load(Ordering::SeqCst));
    Submission::new(envelope("ann@example.com", &[&format!("to{number}@example.org")]), content)
}

/// Sends messages in a row, then closes the connection; gives their outcomes.
fn send(mut connection: Connection, messages: Vec<Submission>) -> tokio::task::JoinHandle<Vec<Result<Report, Error>>> {
    tokio::spawn(async move { connection.send_all(stream::iter(messages)).collect().await })
}

fn assert_unsent(outcome: &Result<Report, Error>) {
    let error = outcome.as_ref().unwrap_err();
    assert!(matches!(error.cause(), Cause::Revoked), "{error:?}");
    assert!(error.is_temporary() && !error.is_ambiguous());
    assert!(error.report().unwrap().recipients.iter().all(|entry| entry.status == Status::Unsent), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn no_octet_of_the_content_leaves_once_the_right_to_send_is_over() {
    for extensions in ["", "250-PIPELINING\r\n"] {
        let valid = Arc::new(AtomicBool::new(true));
        let (connection, mut server) = open(64 * 1024, extensions).await;
        let outcomes = send(connection, vec![message(1, 100, &valid)]);
        let asked = if extensions.is_empty() { "MAIL" } else { "DATA\r\n" };
        server.hear(asked).await;
        valid.store(false, Ordering::SeqCst);
        if extensions.is_empty() {
            server.say("250 ok\r\n").await;
            server.hear("RCPT").await;
            server.say("250 ok\r\n").await;
            server.hear("DATA\r\n").await;
            server.say("354 go\r\n").await;
        } else {
            server.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
        }
        assert_eq!(server.rest().await, "");
        assert_unsent(&outcomes.await.unwrap()[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn content_whose_right_to_be_sent_ends_on_the_way_is_not_completed() {
    for extensions in ["250-PIPELINING\r\n", "250-PIPELINING\r\n250-CHUNKING\r\n"] {
        let valid = Arc::new(AtomicBool::new(true));
        // Octets that were handed in, and wait for a server that does not read, have not left.
        let (connection, mut server) = open(1_000, extensions).await;
        let outcomes = send(connection, vec![message(1, 10_000, &valid)]);
        if extensions.contains("CHUNKING") {
            server.hear("xxx").await;
        } else {
            server.hear("DATA\r\n").await;
            server.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
            server.hear("xxx").await;
        }
        valid.store(false, Ordering::SeqCst);
        let rest = server.rest().await;
        assert!(rest.len() < 5_000 && !rest.ends_with("\r\n"), "{} octets came", rest.len());
        assert_unsent(&outcomes.await.unwrap()[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn small_content_behind_commands_in_one_write_is_asked_for_too() {
    let valid = Arc::new(AtomicBool::new(false));
    let (connection, mut server) = open(64 * 1024, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
    let outcomes = send(connection, vec![message(1, 100, &valid)]);
    assert_eq!(server.rest().await, "");
    assert_unsent(&outcomes.await.unwrap()[0]);
}

#[tokio::test(start_paused = true)]
async fn messages_that_left_whole_before_it_keep_their_answers_and_those_behind_it_are_unsent() {
    let (valid, still) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (connection, mut server) = open(1_000, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
    let messages = vec![message(1, 10, &still), message(2, 10_000, &valid), message(3, 10, &still)];
    let outcomes = send(connection, messages);
    server.hear("RCPT TO:<to2@example.org>\r\nBDAT").await;
    valid.store(false, Ordering::SeqCst);
    let mut rest = Vec::new();
    // The client waits for the answers of the first message.
    while rest.len() < 500 {
        assert!(server.stream.read_buf(&mut rest).await.unwrap() > 0);
    }
    server.say("250 ok\r\n250 ok\r\n250 taken\r\n").await;
    server.rest().await;
    let outcomes = outcomes.await.unwrap();
    assert!(outcomes[0].as_ref().unwrap().is_accepted(), "{outcomes:?}");
    outcomes[1..].iter().for_each(assert_unsent);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_what_left_whole_leaves_only_that_ambiguous() {
    let (valid, still) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (connection, mut server) = open(1_000, "250-PIPELINING\r\n250-CHUNKING\r\n").await;
    let outcomes = send(connection, vec![message(1, 10, &still), message(2, 10_000, &valid)]);
    server.hear("RCPT TO:<to2@example.org>\r\nBDAT").await;
    valid.store(false, Ordering::SeqCst);
    server.rest().await;
    let outcomes = outcomes.await.unwrap();
    assert!(outcomes[0].as_ref().unwrap_err().is_ambiguous());
    assert!(matches!(outcomes[0].as_ref().unwrap_err().cause(), Cause::Session(client::Error::TimedOut(..))));
    assert!(!outcomes[1].as_ref().unwrap_err().is_ambiguous());
}
