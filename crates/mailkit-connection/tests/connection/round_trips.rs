//! Round trips, counted by the peer: it answers only when the client has fallen silent.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::peer::{Peer, captured, envelope, submission, text};

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn patient(mut peer: Peer) -> Peer {
    peer.think = ROUND_TRIP;
    peer
}

/// Sends one message to so many recipients on a warm connection; returns what it took.
async fn trips(peer: Peer, recipients: usize) -> u32 {
    let peer = patient(peer);
    let mut connection = peer.connect().await;
    let to: Vec<String> = (0..recipients).map(|n| format!("to{n}@example.org")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let envelope = envelope("ann@example.com", &to);
    let mut taken = Vec::new();
    for n in 0..2 {
        let (before, start) = (peer.waits(), tokio::time::Instant::now());
        let report = connection.send(&envelope, &Default::default(), text(n, 10_000)).await.unwrap();
        assert!(report.is_accepted() && connection.is_clean());
        let waits = peer.waits() - before;
        assert_eq!(report.round_trips, waits, "the report says what the peer has counted");
        let late = start.elapsed() - ROUND_TRIP * waits;
        assert!(late < ROUND_TRIP / 2, "no other wait than for the peer: {late:?}");
        taken.push(waits);
    }
    assert_eq!(taken[0], taken[1], "the second message takes what the first took");
    taken[0]
}

#[tokio::test(start_paused = true)]
async fn with_chunking_a_message_takes_one_round_trip() {
    assert_eq!(trips(Peer::new(true, true), 1).await, 1);
    assert_eq!(trips(Peer::new(true, true), 20).await, 1);
}

#[tokio::test(start_paused = true)]
async fn with_pipelining_alone_a_message_takes_two_round_trips() {
    assert_eq!(trips(Peer::new(true, false), 1).await, 2);
    assert_eq!(trips(Peer::new(true, false), 20).await, 2);
}

#[tokio::test(start_paused = true)]
async fn with_neither_a_message_takes_three_and_one_for_each_recipient() {
    assert_eq!(trips(Peer::new(false, false), 1).await, 4);
    assert_eq!(trips(Peer::new(false, false), 5).await, 8);
}

#[tokio::test(start_paused = true)]
async fn lmtp_takes_as_many_as_smtp() {
    assert_eq!(trips(Peer::lmtp(true, true), 3).await, 1);
    assert_eq!(trips(Peer::lmtp(true, false), 3).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_takes_no_more_round_trips_than_a_small_one() {
    for (chunking, expected) in [(true, 1), (false, 2)] {
        let peer = patient(Peer::new(true, chunking));
        let mut connection = peer.connect().await;
        let before = peer.waits();
        let envelope = envelope("ann@example.com", &["bob@example.org"]);
        connection.send(&envelope, &Default::default(), text(1, 1_000_000)).await.unwrap();
        // The peer answers chunks while later ones are on their way; that costs the client no waiting.
        assert!(peer.waits() - before <= expected, "{} waits", peer.waits() - before);
    }
}

/// Sends 64 messages as a stream; returns the round trips they took together.
async fn stream_of_64(peer: Peer) -> u32 {
    let peer = patient(peer);
    let mut connection = peer.connect().await;
    let before = peer.waits();
    let outcomes: Vec<_> = connection.send_all(stream::iter((0..64).map(|n| submission(n, 4096)))).collect().await;
    assert_eq!(outcomes.len(), 64);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let report = outcome.unwrap();
        assert!(report.is_accepted());
        assert_eq!(report.recipients[0].address.to_string(), format!("to{n}@example.org"));
    }
    assert!(connection.is_clean());
    assert_eq!(peer.messages(), (0..64).map(|n| captured(n, 4096)).collect::<Vec<_>>());
    peer.waits() - before
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_chunking_takes_less_than_a_third_of_a_round_trip_for_each_message() {
    let waits = stream_of_64(Peer::new(true, true)).await;
    assert!(waits <= 19, "{waits} round trips for 64 messages");
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_pipelining_alone_takes_one_round_trip_for_each_message() {
    let waits = stream_of_64(Peer::new(true, false)).await;
    // One more for the first, behind which nothing can ride.
    assert!(waits <= 65, "{waits} round trips for 64 messages");
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_neither_takes_what_single_messages_take() {
    assert_eq!(stream_of_64(Peer::new(false, false)).await, 64 * 4);
}
