//! Cancelling at each await in turn, then using the connection again: two messages are never mixed up.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use futures_util::{StreamExt as _, stream};
use mailkit_connection::{Cause, Connection};
use mailkit_smtp::client::BeginError;

use crate::peer::{Captured, Peer, captured, envelope, submission, text};

/// No message here takes more awaits; one that does hangs.
const MOST: usize = 100_000;

/// Polls a future so many times, letting everything else run between two polls. Says whether it was done.
async fn poll_times<F: Future>(times: usize, future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// What a first attempt does before it is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attempt {
    Send,
    SendAll,
}

const OCTETS: usize = 60;

async fn attempt(kind: Attempt, connection: &mut Connection, times: usize) -> bool {
    match kind {
        Attempt::Send => {
            let envelope = envelope("from1@example.com", &["to1@example.org"]);
            poll_times(times, connection.send(&envelope, &Default::default(), text(1, OCTETS))).await
        }
        Attempt::SendAll => {
            let messages = stream::iter((1..3).map(|n| submission(n, OCTETS)));
            poll_times(times, connection.send_all(messages).for_each(|_| std::future::ready(()))).await
        }
    }
}

/// Drops an attempt after each number of polls in turn, and then sends message 9 on the same connection.
async fn cancel_everywhere(peer: impl Fn() -> Peer, kind: Attempt, pipe: usize) {
    let (mut refused, mut went) = (0, 0);
    for times in 0..MOST {
        let mut peer = peer();
        peer.pipe = pipe;
        let mut connection = peer.connect().await;
        let whole = attempt(kind, &mut connection, times).await;
        if times % 3 == 0 {
            // What is under way may come to its end while nobody looks.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
        let envelope = envelope("from9@example.com", &["to9@example.org"]);
        let outcome = connection.send(&envelope, &Default::default(), text(9, OCTETS)).await;
        match outcome {
            Ok(report) => {
                went += 1;
                assert!(report.is_accepted(), "{times}: {report:?}");
                assert_eq!(report.recipients.len(), 1, "{times}");
                assert_eq!(report.recipients[0].address.to_string(), "to9@example.org", "{times}");
                assert!(connection.is_clean(), "{times}");
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error.cause(), Cause::Begin(BeginError::NotReady)), "{times}: {error:?}");
                assert!(!connection.is_clean() && !error.is_ambiguous() && !whole, "{times}");
            }
        }
        let accepted = connection.is_clean();
        connection.quit().await;
        settle().await;
        check(&peer.messages(), times, accepted);
        if whole {
            assert!(refused > 0 || kind == Attempt::SendAll, "no attempt was dropped in its middle");
            assert!(went > 0);
            return;
        }
    }
    panic!("it hangs");
}

async fn settle() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

/// Each message was captured at most once, whole, in order, and message 9 as its report says.
fn check(messages: &[Captured], times: usize, ninth: bool) {
    let mut expected: Vec<usize> = vec![1, 2, 3, 9];
    for message in messages {
        let at = expected.iter().position(|n| *message == captured(*n, OCTETS));
        let at = at.unwrap_or_else(|| panic!("{times}: mixed up, or captured twice: {message:?}"));
        expected.drain(..=at);
    }
    let was = messages.iter().filter(|message| message.from == "<from9@example.com>").count();
    assert_eq!(was, usize::from(ninth), "{times}: {messages:?}");
}

macro_rules! scenarios {
    ($($name:ident: $peer:expr, $kind:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            for pipe in [1, 7, 64] {
                cancel_everywhere(|| $peer, Attempt::$kind, pipe).await;
            }
        }
    )*};
}

scenarios! {
    send_with_chunking: Peer::new(true, true), Send;
    send_with_pipelining: Peer::new(true, false), Send;
    send_with_neither: Peer::new(false, false), Send;
    send_with_chunking_alone: Peer::new(false, true), Send;
    send_by_lmtp: Peer::lmtp(true, false), Send;
    send_by_lmtp_with_chunking: Peer::lmtp(true, true), Send;
    send_all_with_chunking: Peer::new(true, true), SendAll;
    send_all_with_pipelining: Peer::new(true, false), SendAll;
    send_all_with_neither: Peer::new(false, false), SendAll;
    send_all_by_lmtp: Peer::lmtp(true, true), SendAll;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sign_of_life_does_not_answer_the_next_message() {
    for times in 0..200 {
        let mut peer = Peer::new(true, true);
        peer.pipe = 3;
        let mut connection = peer.connect().await;
        let whole = poll_times(times, connection.noop()).await;
        let sent = connection
            .send(&envelope("from9@example.com", &["to9@example.org"]), &Default::default(), text(9, OCTETS))
            .await;
        assert_eq!(sent.is_ok(), !peer.messages().is_empty(), "{times}");
        check(&peer.messages(), times, sent.is_ok());
        if whole {
            assert!(sent.is_ok());
            return;
        }
    }
    panic!("it hangs");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_opening_closes_what_it_has_opened() {
    use crate::peer::connector;
    use mailkit_connection::Protocol;
    use tokio::io::{AsyncReadExt as _, duplex};

    for times in 0..50 {
        let (ours, mut theirs) = duplex(8);
        poll_times(times, connector(Protocol::Smtp).connect_over(ours)).await;
        let mut heard = Vec::new();
        assert!(theirs.read_to_end(&mut heard).await.is_ok(), "it hangs");
    }
}
