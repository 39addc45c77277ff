//! A server that stops responding, and one that is only slow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mailkit_dispatch::{BreakerState, DeliveryFailure, Event, FailureClass, Outcome, RouteSettings};
use mailkit_queue::Queue;
use tokio::time::{Instant, sleep};

use crate::primary_backup::two;
use crate::server::{Server, enqueue, message, queue, received, start, tally};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn mail_goes_over_the_backup_within_2_s_while_the_primary_accepts_and_never_answers() {
    let two = two().await;
    two.primary.takes(600 * SECOND);
    let start = Instant::now();
    let feed = two.feed(1_000, SECOND / 10);
    while two.backup.count() == 0 {
        sleep(SECOND / 100).await;
    }
    assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
    assert_eq!(two.breaker(), BreakerState::HalfOpen, "the messages in flight show whether it works");
    let stuck = two.primary.count() - 20;
    sleep(12 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Open, "no server needs so long");
    assert_eq!(two.primary.count() - 20, stuck, "it got nothing more");
    sleep(30 * SECOND).await;
    assert_eq!(two.primary.count() - 20, stuck + 1, "one probe, and no second one while it is in flight");
    two.primary.takes(SECOND / 50);
    feed.await.unwrap();
    let stats = two.dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (1_020, 0));
    let seen = tally(&[two.primary.ids(), two.backup.ids()].concat());
    assert!(seen.len() == 1_020 && seen.values().all(|times| *times == 1), "each once, those in flight too");
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_recovers_gets_its_mail_back_though_what_it_swallowed_never_ends() {
    let two = two().await;
    two.primary.takes(100_000 * SECOND);
    enqueue(&two.queue, 3).await;
    sleep(20 * SECOND).await;
    two.primary.takes(SECOND / 50);
    let feed = two.feed(100, 3 * SECOND);
    sleep(60 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Closed);
    let on_backup = two.backup.count();
    feed.await.unwrap();
    assert_eq!(two.backup.count(), on_backup, "all goes over the primary again");
    assert_eq!(two.dispatcher.stats().routes[0].in_flight, 3);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_dies_again_is_suspected_as_quickly_as_before() {
    let two = two().await;
    for round in 1..3 {
        two.primary.takes(8 * SECOND);
        let start = Instant::now();
        let feed = two.feed(100, SECOND / 10);
        let before = two.backup.count();
        while two.backup.count() == before {
            sleep(SECOND / 100).await;
        }
        assert!(start.elapsed() < 2 * SECOND, "{:?} in round {round}", start.elapsed());
        two.primary.takes(SECOND / 50);
        feed.await.unwrap();
        assert_eq!(two.breaker(), BreakerState::Closed);
        sleep(300 * SECOND).await;
    }
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 220);
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_dead_server_never_answered_do_not_open_the_breaker_again_when_they_fail() {
    let two = two().await;
    two.primary.takes(100 * SECOND);
    two.primary.replies(|job| {
        let cut = DeliveryFailure::new(FailureClass::Connection, "timed out");
        (job.attempt() == 1 && job.message().recipients()[0].local_part() == "user0").then(|| Outcome::failed(cut))
    });
    enqueue(&two.queue, 1).await;
    sleep(SECOND).await;
    two.primary.opens_in(100 * SECOND);
    let mut away = message(&["away@example.org"]);
    away.route = Some("primary".to_owned());
    two.queue.enqueue(away).await.unwrap();
    sleep(12 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Open);
    two.primary.takes(SECOND / 50);
    two.primary.opens_in(SECOND / 50);
    sleep(40 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Closed);
    sleep(45 * SECOND).await;
    two.primary.set_up(false);
    sleep(10 * SECOND).await;
    two.primary.set_up(true);
    assert_eq!(two.breaker(), BreakerState::Closed);
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 22);
}

#[tokio::test(start_paused = true)]
async fn no_message_waits_for_a_primary_that_swallows_connections() {
    let two = two().await;
    sleep(5 * SECOND).await;
    two.primary.opens_in(30 * SECOND);
    two.primary.set_up(false);
    let before = two.primary.most_opening.swap(0, Ordering::SeqCst);
    assert!(before > 0);
    let feed = two.feed(700, SECOND / 2);
    sleep(SECOND * 200).await;
    let most = two.primary.most_opening.swap(0, Ordering::SeqCst);
    assert!(most <= 5, "{most} were opened at once");
    sleep(SECOND * 100).await;
    assert_eq!(two.primary.most_opening.load(Ordering::SeqCst), 1, "one probe at a time");
    let (down_for, gone) = (two.backup.count(), two.primary.count());
    assert_eq!(gone, 20, "nothing was handed out for a connection that is not there");
    two.primary.opens_in(SECOND / 10);
    two.primary.set_up(true);
    let fed = feed.await.unwrap();
    two.dispatcher.until_empty().await.unwrap();
    assert!(two.primary.count() > 20 && two.backup.count() > down_for);
    let seen: Vec<_> = [&two.primary, &two.backup].iter().flat_map(|s| s.seen.lock().unwrap().clone()).collect();
    for (id, at) in fed {
        let came = seen.iter().find(|(_, seen, _)| *seen == id).unwrap().0;
        assert!(came - at < 2 * SECOND, "{id} waited for {:?}", came - at);
    }
    assert_eq!(two.dispatcher.stats().routes[1].outcomes.failures.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_3_s_for_every_message_is_not_suspected_once_that_is_known() {
    let two = two().await;
    let mut events = two.dispatcher.events();
    two.primary.takes(3 * SECOND);
    for round in 0..50 {
        enqueue(&two.queue, 2).await;
        sleep(2 * SECOND).await;
        enqueue(&two.queue, 1).await;
        sleep(5 * SECOND).await;
        assert!(two.backup.count() <= 2, "{} in round {round}", two.backup.count());
    }
    assert_eq!(two.backup.count(), 2, "those that came while nobody knew: the first time may be an accident");
    let changes: Vec<_> = received(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            Event::RouteChanged { breaker, .. } => Some(breaker),
            _ => None,
        })
        .collect();
    let (silent, back) = (BreakerState::HalfOpen, BreakerState::Closed);
    assert_eq!(changes, [silent, back, silent, back]);
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 170);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_responds_again_gets_its_mail_back_at_once() {
    let two = two().await;
    two.primary.takes(5 * SECOND);
    enqueue(&two.queue, 1).await;
    sleep(SECOND).await;
    two.primary.takes(SECOND / 50);
    sleep(2 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::HalfOpen);
    enqueue(&two.queue, 1).await;
    sleep(SECOND).await;
    assert_eq!(two.backup.count(), 1);
    sleep(SECOND * 11 / 10).await;
    assert_eq!(two.breaker(), BreakerState::Closed);
    enqueue(&two.queue, 50).await;
    sleep(SECOND).await;
    assert_eq!((two.primary.count(), two.backup.count()), (71, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_response_that_ends_in_a_broken_connection_opens_the_breaker() {
    let two = two().await;
    two.primary.takes(4 * SECOND);
    two.primary.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "reset"))));
    enqueue(&two.queue, 1).await;
    sleep(5 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Open);
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 21);
    assert_eq!(two.backup.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn content_that_cannot_be_read_is_neither_a_response_nor_a_failure_of_the_route() {
    let two = two().await;
    two.primary.takes(3 * SECOND);
    two.primary.replies(|job| {
        let unread = DeliveryFailure::new(FailureClass::Content, "the store is unavailable");
        (job.attempt() == 1).then(|| Outcome::failed(unread))
    });
    enqueue(&two.queue, 5).await;
    sleep(SECOND).await;
    two.primary.takes(600 * SECOND);
    enqueue(&two.queue, 1).await;
    sleep(SECOND * 5 / 2).await;
    assert_eq!(two.dispatcher.stats().routes[0].in_flight, 1, "five ended");
    assert_eq!(two.breaker(), BreakerState::HalfOpen, "and the server said nothing");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_pinned_to_a_suspected_route_stays_there() {
    let two = two().await;
    two.primary.takes(4 * SECOND);
    for _ in 0..8 {
        let mut pinned = message(&["u@example.org"]);
        pinned.route = Some("primary".to_owned());
        two.queue.enqueue(pinned).await.unwrap();
    }
    let start = Instant::now();
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 28);
    assert!(start.elapsed() < 10 * SECOND, "{:?}: none was rescheduled", start.elapsed());
    assert_eq!(two.backup.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn if_no_route_responds_mail_waits_for_all_of_them() {
    let two = two().await;
    two.primary.takes(6 * SECOND);
    two.backup.takes(6 * SECOND);
    enqueue(&two.queue, 2).await;
    sleep(2 * SECOND).await;
    enqueue(&two.queue, 2).await;
    sleep(2 * SECOND).await;
    let start = Instant::now();
    enqueue(&two.queue, 2).await;
    assert_eq!(two.dispatcher.until_empty().await.unwrap().sent, 26);
    assert!(start.elapsed() < 10 * SECOND, "{:?}: none was rescheduled", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lone_route_is_waited_for_however_long_its_server_takes() {
    let (queue, server) = (queue(), Server::new());
    server.takes(Duration::from_secs(60));
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    enqueue(&queue, 3).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
    drop(dispatcher);
}
