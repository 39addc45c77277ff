//! Routes: their concurrency, the choice of one, failures, pauses and recovery.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mailkit_dispatch::{BreakerState, DeliveryFailure, FailureClass, Outcome, RouteSettings};
use mailkit_queue::{Queue, RecipientOutcome, RecipientStatus};
use tokio::time::sleep;

use crate::server::{Server, enqueue, message, queue, start};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn concurrency_grows_with_success_up_to_its_maximum() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 3_000).await;
    let most = NonZeroU32::new(12).unwrap();
    let dispatcher = start(&queue, &[(RouteSettings::new("main").with_max_concurrency(most), &server)]);
    dispatcher.until_empty().await.unwrap();
    assert_eq!(server.peak.load(Ordering::SeqCst), 12);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sheds_load_is_served_with_as_many_connections_as_it_takes() {
    let (queue, server) = (queue(), Server::new());
    server.most.store(8, Ordering::SeqCst);
    server.takes(SECOND / 5);
    enqueue(&queue, 13_000).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(10 * SECOND).await;
    let stats = dispatcher.stats();
    assert_eq!(stats.routes[0].concurrency_limit, 8, "settled within 10 s");
    let (seen, away) = (server.count(), server.turned_away.load(Ordering::SeqCst));
    sleep(45 * SECOND).await;
    let seen = server.count() - seen;
    let away = server.turned_away.load(Ordering::SeqCst) - away;
    assert!(seen > 8 * 45 * 4, "all slots are used: {seen}");
    assert!(away * 50 < seen, "{away} of {seen} were turned away");
    let retried = queue.stats().await.unwrap().scheduled;
    assert!(retried * 50 < seen as u64, "{retried} were rescheduled");
    server.most.store(10, Ordering::SeqCst);
    sleep(240 * SECOND).await;
    assert_eq!(dispatcher.shutdown(SECOND).await, 0);
    assert_eq!(server.peak.load(Ordering::SeqCst), 10, "the learned limit is tested again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_messages_with_421_settles_too() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 10_000).await;
    let counter = std::sync::Arc::downgrade(&server);
    server.replies(move |_| {
        let open = counter.upgrade().map_or(0, |server| server.open.load(Ordering::SeqCst));
        (open > 6).then(|| {
            Outcome::failed(DeliveryFailure::new(FailureClass::TooManyConnections, "421 too many connections"))
        })
    });
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(10 * SECOND).await;
    assert!(dispatcher.stats().routes[0].concurrency_limit <= 6);
    let (before, seen) = (dispatcher.stats().routes[0].outcomes.clone(), server.count());
    sleep(15 * SECOND).await;
    let after = dispatcher.stats().routes[0].outcomes.clone();
    let deferred = after.temporary - before.temporary;
    assert!(deferred * 50 < (server.count() - seen) as u64, "{deferred} deferred");
    dispatcher.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_primary_sends_traffic_to_the_backup_and_gets_it_back() {
    let (queue, primary, backup) = (queue(), Server::new(), Server::new());
    let routes = [(RouteSettings::new("primary"), &primary), (RouteSettings::new("backup"), &backup)];
    let dispatcher = start(&queue, &routes);
    enqueue(&queue, 50).await;
    sleep(SECOND).await;
    assert_eq!((primary.count(), backup.count()), (50, 0));
    primary.set_up(false);
    let feed = tokio::spawn({
        let queue = queue.clone();
        async move {
            for _ in 0..1_200 {
                enqueue(&queue, 1).await;
                sleep(SECOND / 10).await;
            }
        }
    });
    sleep(2 * SECOND).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Open);
    let (on_primary, on_backup) = (primary.count(), backup.count());
    assert!(on_backup > 0, "within 2 s");
    sleep(40 * SECOND).await;
    assert!(primary.count() <= on_primary, "nothing but probes, and they could not connect");
    assert!(backup.count() >= on_backup + 390);
    primary.set_up(true);
    sleep(40 * SECOND).await;
    let on_backup = backup.count();
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
    sleep(10 * SECOND).await;
    assert_eq!(backup.count(), on_backup, "all goes over the primary again");
    feed.await.unwrap();
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.dead), (1_250, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_greeting_makes_the_route_unavailable_whatever_its_text() {
    let (queue, primary, backup) = (queue(), Server::new(), Server::new());
    primary.refuses(FailureClass::Temporary);
    enqueue(&queue, 20).await;
    let routes = [(RouteSettings::new("primary"), &primary), (RouteSettings::new("backup"), &backup)];
    let dispatcher = start(&queue, &routes);
    sleep(2 * SECOND).await;
    assert_eq!((dispatcher.stats().routes[0].breaker, backup.count()), (BreakerState::Open, 20));
}

#[tokio::test(start_paused = true)]
async fn a_route_is_probed_with_one_message_at_a_time() {
    let (queue, server) = (queue(), Server::new());
    server.takes(5 * SECOND);
    server.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "reset"))));
    enqueue(&queue, 200).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(20 * SECOND).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Open);
    let first = server.count();
    for probes in 1..6 {
        sleep(35 * SECOND).await;
        assert!(server.count() - first <= probes + 1, "{} probes in {} s", server.count() - first, 35 * probes);
    }
    assert!(server.count() - first >= 4);
    server.replies(|_| None);
    server.takes(SECOND / 50);
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 200);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_the_breaker_though_they_succeed() {
    let (queue, server, backup) = (queue(), Server::new(), Server::new());
    server.takes(11 * SECOND);
    enqueue(&queue, 60).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("slow"), &server), (RouteSettings::new("backup"), &backup)]);
    dispatcher.until_empty().await.unwrap();
    assert!(backup.count() > 20, "{}", backup.count());
    assert_eq!(server.count() + backup.count(), 60, "none was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_refused_recipient_is_no_failure_of_the_route() {
    let (queue, server) = (queue(), Server::new());
    server.replies(|job| {
        let refused = |address: &mailkit_address::Address| {
            let (status, text) = (RecipientStatus::Permanent, "no such user".to_owned());
            let enhanced = Some("5.1.1".to_owned());
            RecipientOutcome::new(address.clone(), status).with_code(550).with_enhanced(enhanced).with_text(text).into()
        };
        Some(Outcome::new(job.message().recipients().iter().map(refused).collect()))
    });
    enqueue(&queue, 100).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 100);
    assert_eq!(server.count(), 100, "permanent is never tried again");
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn routes_of_one_preference_share_by_weight() {
    let (queue, one, three) = (queue(), Server::new(), Server::new());
    let route = |name, weight| {
        let mut route = RouteSettings::new(name);
        route.preference = Some(1);
        route.weight = NonZeroU32::new(weight).unwrap();
        route
    };
    let dispatcher = start(&queue, &[(route("one", 1), &one), (route("three", 3), &three)]);
    for _ in 0..400 {
        enqueue(&queue, 1).await;
        sleep(SECOND / 50).await;
    }
    dispatcher.until_empty().await.unwrap();
    assert!((60..=140).contains(&one.count()), "{} of 400", one.count());
}

#[tokio::test(start_paused = true)]
async fn a_paused_route_gets_nothing_until_it_is_resumed() {
    let (queue, server) = (queue(), Server::new());
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    assert!(dispatcher.pause("main") && !dispatcher.pause("other"));
    enqueue(&queue, 20).await;
    sleep(20 * SECOND).await;
    assert_eq!(server.count(), 0);
    assert_eq!(queue.stats().await.unwrap().ready, 20, "they wait in the queue");
    assert!(dispatcher.resume("main"));
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 20);
}

#[tokio::test(start_paused = true)]
async fn a_message_for_one_route_waits_for_it_while_others_flow() {
    let (queue, primary, backup) = (queue(), Server::new(), Server::new());
    let limited = RouteSettings::new("primary").with_rate("1/m".parse().unwrap());
    let dispatcher = start(&queue, &[(limited, &primary), (RouteSettings::new("backup"), &backup)]);
    enqueue(&queue, 30).await;
    let mut pinned = message(&["u@example.org"]);
    pinned.route = Some("backup".to_owned());
    let id = queue.enqueue(pinned).await.unwrap().id;
    sleep(10 * SECOND).await;
    assert_eq!(backup.ids(), [id]);
    dispatcher.pause("backup");
    let mut pinned = message(&["u@example.org"]);
    pinned.route = Some("backup".to_owned());
    queue.enqueue(pinned).await.unwrap();
    sleep(120 * SECOND).await;
    assert_eq!(backup.count(), 1);
    dispatcher.resume("backup");
    sleep(5 * SECOND).await;
    assert_eq!(backup.count(), 2);
    dispatcher.shutdown(SECOND).await;
}
