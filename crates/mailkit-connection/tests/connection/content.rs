//! Content that is read while it is sent, and fails, shrinks, grows or stalls on the way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mailkit_connection::{Cause, Content};
use mailkit_smtp::{Step, client};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use crate::peer::{Captured, Peer, captured, envelope, submission, text};

/// A reader that fails once it has given so much.
struct Failing {
    left: usize,
}

impl AsyncRead for Failing {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let octets = self.left.min(buffer.remaining());
        self.left -= octets;
        match octets {
            0 => Poll::Ready(Err(io::Error::other("the disk is gone"))),
            _ => {
                buffer.put_slice(&vec![b'x'; octets]);
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Sends content that fails, then message 9; returns what was captured and whether message 9 could be sent.
async fn fail_then_send(peer: Peer, content: Content, words: &str) -> (Vec<Captured>, bool) {
    let mut connection = peer.connect().await;
    let envelope = envelope("from1@example.com", &["no@example.org", "to1@example.org"]);
    let began = tokio::time::Instant::now();
    let error = connection.send(&envelope, &Default::default(), content).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "told after {:?}", began.elapsed());
    let Cause::Content(cause) = error.cause() else { panic!("{error:?}") };
    assert_eq!((cause.to_string().as_str(), error.step()), (words, Step::Content));
    assert!(!error.is_ambiguous());
    let report = error.report().unwrap();
    assert_eq!(report.recipients.len(), 2);
    assert!(report.accepted().next().is_none());

    let usable = connection.is_clean();
    let ninth = submission(9, 100);
    let outcome = connection.send(&ninth.envelope, &ninth.options, ninth.content).await;
    assert_eq!(outcome.is_ok(), usable);
    connection.quit().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    (peer.messages(), usable)
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_fails_costs_its_message_and_with_chunking_not_the_connection() {
    for octets in [0, 1, 40_000, 300_000] {
        for peer in [Peer::new(true, true), Peer::new(false, true), Peer::lmtp(true, true)] {
            let content = Content::reader(Failing { left: octets }, None);
            let (messages, usable) = fail_then_send(peer, content, "the disk is gone").await;
            assert_eq!((messages, usable), (vec![captured(9, 100)], true), "{octets}");
        }
        for peer in [Peer::new(true, false), Peer::new(false, false), Peer::lmtp(true, false)] {
            let content = Content::reader(Failing { left: octets }, None);
            let (messages, usable) = fail_then_send(peer, content, "the disk is gone").await;
            // Nothing was captured: the dot was never sent.
            assert_eq!((messages, usable), (Vec::new(), false), "{octets}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_shrank_or_grew_costs_its_message() {
    let of = |size| Content::reader(io::Cursor::new(text(1, 100_000)), Some(size));
    let size = text(1, 100_000).len() as u64;
    for (chunking, left) in [(true, vec![captured(9, 100)]), (false, Vec::new())] {
        let words = format!("the content has only {size} octets where {} were announced", size + 1);
        let (messages, _) = fail_then_send(Peer::new(true, chunking), of(size + 1), &words).await;
        assert_eq!(messages, left);
        let words = format!("the content has more than {0} octets where {0} were announced", size - 1);
        let (messages, _) = fail_then_send(Peer::new(true, chunking), of(size - 1), &words).await;
        assert_eq!(messages, left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_sent_whole_however_it_gives_its_octets() {
    for (pipelining, chunking) in [(true, true), (true, false), (false, true), (false, false)] {
        let peer = Peer::new(pipelining, chunking);
        let mut connection = peer.connect().await;
        let whole = text(1, 200_000);
        let (first, second) = whole.split_at(70_001);
        let reader = io::Cursor::new(first.to_owned()).chain(io::Cursor::new(second.to_owned()));
        let content = Content::reader(reader, Some(whole.len() as u64));
        let report = connection
            .send(&envelope("from1@example.com", &["to1@example.org"]), &Default::default(), content)
            .await
            .unwrap();
        assert!(report.is_accepted() && connection.is_clean());
        assert_eq!(peer.messages(), [captured(1, 200_000)]);
    }
}

/// A reader that gives a line of message 1 each so often.
fn slow(pause: Duration) -> Content {
    let (mut pen, reader) = tokio::io::duplex(64);
    tokio::spawn(async move {
        for line in text(1, 2000).lines() {
            tokio::time::sleep(pause).await;
            if pen.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    Content::reader(reader, None)
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_waited_for() {
    let peer = Peer::new(true, true);
    let mut connection = peer.connect().await;
    let envelope = envelope("from1@example.com", &["to1@example.org"]);
    let outcome = connection.send(&envelope, &Default::default(), slow(Duration::from_secs(1))).await;
    assert!(outcome.unwrap().is_accepted());
    assert_eq!(peer.messages(), [captured(1, 2000)]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_no_fault_of_the_server() {
    for chunking in [true, false] {
        let peer = Peer::new(true, chunking);
        let mut connection = peer.connect().await;
        let envelope = envelope("from1@example.com", &["to1@example.org"]);
        let start = tokio::time::Instant::now();
        let outcome = connection.send(&envelope, &Default::default(), slow(Duration::from_secs(3600))).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause(), Cause::Session(client::Error::ContentStalled(_))), "{error:?}");
        assert_eq!((error.step(), error.is_ambiguous()), (Step::Content, false));
        assert!(start.elapsed() <= Duration::from_secs(181), "the limit of a block");
        assert!(!connection.is_clean() && peer.messages().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn content_for_nobody_is_not_read_to_its_end() {
    for (pipelining, chunking) in [(true, false), (false, true), (false, false)] {
        let peer = Peer::new(pipelining, chunking);
        let mut connection = peer.connect().await;
        // It would fail if it were read.
        let content = Content::reader(Failing { left: 0 }, None);
        let report =
            connection.send(&envelope("from1@example.com", &["no@example.org"]), &Default::default(), content).await;
        assert_eq!(report.unwrap().refused().count(), 1);
        let ninth = submission(9, 100);
        assert!(connection.send(&ninth.envelope, &ninth.options, ninth.content).await.unwrap().is_accepted());
        assert_eq!(peer.messages(), [captured(9, 100)]);
    }
}

#[tokio::test(start_paused = true)]
async fn any_line_ends_arrive_as_crlf_and_dots_as_they_were() {
    for chunking in [true, false] {
        let peer = Peer::new(true, chunking);
        let mut connection = peer.connect().await;
        let envelope = envelope("ann@example.com", &["bob@example.org"]);
        connection.send(&envelope, &Default::default(), ".a\n..\r\n\r.\r\n.").await.unwrap();
        assert_eq!(peer.messages()[0].content, b".a\r\n..\r\n\r\n.\r\n.\r\n".to_vec());
    }
}
