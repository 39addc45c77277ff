//! How a route that did not respond recovers, and how the threshold adapts to slow servers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mailkit_dispatch::{BreakerState, RouteSettings};
use tokio::time::{Instant, sleep};

use crate::primary_backup::{feed, two, two_with};
use crate::server::{Server, enqueue, queue, start};

const SECOND: Duration = Duration::from_secs(1);

fn primary() -> RouteSettings {
    RouteSettings::new("primary")
}

fn backup() -> RouteSettings {
    RouteSettings::new("backup")
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_never_answered_does_not_prevent_the_next_one() {
    let two = two().await;
    two.primary.takes(600 * SECOND);
    let feed = two.feed(1_200, SECOND / 10);
    sleep(15 * SECOND).await;
    let stuck = two.primary.count();
    sleep(30 * SECOND).await;
    assert_eq!(two.primary.count(), stuck + 1, "the probe is swallowed too");
    two.primary.takes(SECOND / 50);
    sleep(30 * SECOND).await;
    assert_eq!(two.primary.count(), stuck + 1, "the next waits as long after it is given up");
    sleep(10 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Closed);
    assert!(two.primary.count() > stuck + 10);
    let fed = feed.await.unwrap();
    assert!(two.longest_wait(&fed) < 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_lone_route_is_probed_again_although_a_probe_was_never_answered() {
    let (queue, server) = (queue(), Server::new());
    server.set_up(false);
    let dispatcher = start(&queue, &[(primary(), &server)]);
    let feed = feed(&queue, 60, 5 * SECOND);
    sleep(20 * SECOND).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Open);
    server.set_up(true);
    server.takes(600 * SECOND);
    while server.count() == 0 {
        sleep(SECOND).await;
    }
    server.takes(SECOND / 50);
    sleep(45 * SECOND).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
    feed.await.unwrap();
    sleep(30 * SECOND).await;
    assert_eq!((server.count(), dispatcher.stats().routes[0].in_flight), (60, 1));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_at_last_brings_the_mail_back() {
    let two = two().await;
    two.primary.takes(600 * SECOND);
    enqueue(&two.queue, 1).await;
    sleep(15 * SECOND).await;
    two.primary.takes(12 * SECOND);
    let _feed = two.feed(60, SECOND);
    sleep(37 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Open, "it takes longer than 10 s");
    two.primary.takes(SECOND / 50);
    sleep(3 * SECOND).await;
    assert_eq!(two.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_threshold_adapts_to_a_server_that_greets_slowly_also_with_little_mail() {
    for every in [100, 1_500] {
        let two = two_with(primary(), backup());
        two.primary.opens_in(6 * SECOND);
        for _ in 0..20 {
            enqueue(&two.queue, 1).await;
            sleep(every * SECOND).await;
        }
        assert_eq!((two.primary.count(), two.backup.count()), (18, 2), "each {every} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_slow_twice_is_suspected_later_when_it_dies() {
    let two = two().await;
    for most in [2, 2, 11, 11] {
        two.primary.takes(8 * SECOND);
        let start = Instant::now();
        let feed = two.feed(100, SECOND / 10);
        let before = two.backup.count();
        while two.backup.count() == before && start.elapsed() < 20 * SECOND && !feed.is_finished() {
            sleep(SECOND / 100).await;
        }
        assert!(start.elapsed() < most * SECOND, "{:?} of {most} s", start.elapsed());
        two.primary.takes(SECOND / 50);
        feed.await.unwrap();
        sleep(100 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn mail_does_not_wait_for_a_dead_backup_while_the_primary_is_slow() {
    for slow in [3, 9, 12] {
        let two = two_with(primary().with_max_concurrency(NonZeroU32::MIN), backup());
        two.backup.opens_in(300 * SECOND);
        two.backup.set_up(false);
        enqueue(&two.queue, 20).await;
        sleep(SECOND).await;
        two.primary.takes(slow * SECOND);
        let feed = two.feed(600, SECOND / 10);
        sleep(SECOND / 2).await;
        two.primary.takes(SECOND / 50);
        let fed = feed.await.unwrap();
        sleep(20 * SECOND).await;
        let longest = two.longest_wait(&fed);
        assert!(longest <= (slow + 1) * SECOND, "{longest:?} where it took {slow} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_waits_for_a_limit_is_not_awaited() {
    let two_slots = NonZeroU32::new(2).unwrap();
    let two = two_with(primary().with_max_concurrency(two_slots).with_rate("1/4s burst 2".parse().unwrap()), backup());
    two.primary.takes(600 * SECOND);
    enqueue(&two.queue, 1).await;
    sleep(SECOND / 2).await;
    two.primary.takes(SECOND / 50);
    enqueue(&two.queue, 3).await;
    sleep(SECOND * 3).await;
    assert_eq!(two.breaker(), BreakerState::Closed, "what came last was answered, and the next may not leave yet");
    assert_eq!((two.primary.count(), two.backup.count()), (2, 0));
    assert!(two.dispatcher.stats().routes[0].waiting > 0);
}

/// A detached slot responds while the slot of the probe connects: either may come first.
#[tokio::test(start_paused = true)]
async fn a_response_on_a_detached_slot_does_not_delay_a_message_that_waits_for_a_probe() {
    for tenths in (395..420).step_by(3) {
        let two = two().await;
        sleep(3 * SECOND).await;
        two.primary.takes(tenths * SECOND / 10);
        let feed = two.feed(700, SECOND / 10);
        sleep(3 * SECOND).await;
        two.primary.opens_in(100 * SECOND);
        two.primary.takes(SECOND / 50);
        let fed = feed.await.unwrap();
        sleep(SECOND).await;
        assert!(two.longest_wait(&fed) < 2 * SECOND, "{:?} with {tenths}", two.longest_wait(&fed));
    }
}

#[tokio::test(start_paused = true)]
async fn two_dead_routes_of_three_delay_no_message_for_longer_than_both_take_to_be_detected() {
    let (queue, servers) = (queue(), [Server::new(), Server::new(), Server::new()]);
    let routes: Vec<_> = ["a", "b", "c"].into_iter().map(RouteSettings::new).zip(&servers).collect();
    let dispatcher = start(&queue, &routes);
    enqueue(&queue, 20).await;
    dispatcher.until_empty().await.unwrap();
    for server in &servers[..2] {
        server.takes(600 * SECOND);
        server.opens_in(600 * SECOND);
    }
    let fed = feed(&queue, 600, SECOND / 10).await.unwrap();
    sleep(SECOND).await;
    let servers = servers.each_ref().map(Arc::as_ref);
    let longest = crate::primary_backup::longest_wait(&fed, &servers);
    assert!(longest < 4 * SECOND, "{longest:?}");
}
