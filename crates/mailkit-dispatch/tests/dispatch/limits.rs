//! No limit is exceeded, and mail under a limit does not delay other mail.

use std::time::Duration;

use mailkit_dispatch::{
    DeliveryFailure, Dispatcher, FailureClass, Limits, Outcome, RouteSettings, Settings, SettingsError,
};
use mailkit_queue::{Priority, Queue, State};

use crate::faulty_queue::{Call, Fault, Wrapped};
use crate::server::{Server, enqueue, message, plan, queue, seeded, start, start_with};

const SECOND: Duration = Duration::from_secs(1);

fn main_route() -> RouteSettings {
    RouteSettings::new("main")
}

#[tokio::test(start_paused = true)]
async fn a_smooth_rate_is_reached_and_never_exceeded() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 141).await;
    let dispatcher = start(&queue, &[(main_route().with_rate("14/s".parse().unwrap()), &server)]);
    dispatcher.until_empty().await.unwrap();
    assert!(server.most_within(SECOND, false) <= 15, "T · rate + 1");
    assert!(server.most_within(SECOND / 14, false) <= 1, "no burst");
    let took = *server.times().last().unwrap();
    assert!(took < Duration::from_millis(10_400), "141 messages at 14 a second took {took:?}");
    assert!(dispatcher.stats().routes[0].throttled > 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn recipients_count_where_the_rate_says_so() {
    let (queue, server) = (queue(), Server::new());
    for number in 0..20 {
        let to: Vec<String> = (0..=number % 4).map(|n| format!("u{n}@example.org")).collect();
        queue.enqueue(message(&to.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap();
    }
    let dispatcher = start(&queue, &[(main_route().with_rate("10/s recipients".parse().unwrap()), &server)]);
    dispatcher.until_empty().await.unwrap();
    for seconds in 1..4u32 {
        let most = server.most_within(seconds * SECOND, true);
        assert!(most <= 10 * seconds as usize + 4, "{most} recipients in {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hard_quota_holds_in_every_window() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 35).await;
    let dispatcher = start(&queue, &[(main_route().with_quota("10/10s messages".parse().unwrap()), &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!(stats.sent, 35);
    assert_eq!(server.most_within(10 * SECOND, false), 10);
    let took = *server.times().last().unwrap();
    assert!(took < 40 * SECOND, "{took:?}");
    let record = queue.list(&Default::default()).await.unwrap().records;
    assert!(record.iter().all(|record| record.attempts == 1), "waiting for a limit is no attempt");
}

#[tokio::test(start_paused = true)]
async fn a_message_with_more_recipients_than_a_quota_allows_is_dead_at_once() {
    let (queue, server) = (queue(), Server::new());
    let id = queue.enqueue(message(&["a@b.example", "c@b.example", "d@b.example"])).await.unwrap().id;
    enqueue(&queue, 2).await;
    let dispatcher = start(&queue, &[(main_route().with_quota("2/1h recipients".parse().unwrap()), &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.dead), (2, 1));
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, State::Dead);
}

#[tokio::test(start_paused = true)]
async fn a_slow_domain_delays_no_other() {
    let (queue, server) = (queue(), Server::new());
    for number in 0..300 {
        let to = format!("u{number}@{}", if number < 200 { "slow.example" } else { "fast.example" });
        queue.enqueue(message(&[&to])).await.unwrap();
    }
    let slow: Limits = "1/s".parse::<mailkit_dispatch::Rate>().unwrap().into();
    let dispatcher = start(&queue, &[(main_route().with_domain_limits("Slow.EXAMPLE", slow), &server)]);
    tokio::time::sleep(3 * SECOND).await;
    assert!(server.count() >= 102, "{}", server.count());
    assert!(server.count() <= 105, "{}", server.count());
    dispatcher.until_empty().await.unwrap();
    let took = *server.times().last().unwrap();
    assert!(took < 240 * SECOND, "200 messages at one a second took {took:?}");
    assert!(queue.list(&Default::default()).await.unwrap().records.iter().all(|record| record.attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn each_domain_has_its_own_share_of_a_limit_for_all() {
    let (queue, server) = (queue(), Server::new());
    for number in 0..40 {
        queue.enqueue(message(&[&format!("u@d{}.example", number % 4)])).await.unwrap();
    }
    let each: Limits = "2/s".parse::<mailkit_dispatch::Rate>().unwrap().into();
    let dispatcher = start(&queue, &[(main_route().with_domain_limits("*", each), &server)]);
    dispatcher.until_empty().await.unwrap();
    let took = *server.times().last().unwrap();
    assert!(took >= Duration::from_millis(4_500) && took < 7 * SECOND, "10 to each of 4 domains took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_tenant_leaves_the_others_alone() {
    let (queue, server) = (queue(), Server::new());
    for number in 0..60 {
        let mut message = message(&["u@example.org"]);
        message.tenant = Some(if number % 2 == 0 { "greedy" } else { "modest" }.parse().unwrap());
        queue.enqueue(message).await.unwrap();
    }
    let mut settings = seeded();
    settings.tenants.insert("greedy".to_owned(), "1/s".parse::<mailkit_dispatch::Rate>().unwrap().into());
    let dispatcher = start_with(&queue, settings, &[(main_route(), &server)]);
    tokio::time::sleep(2 * SECOND).await;
    assert!((32..=34).contains(&server.count()), "{}", server.count());
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 60);
}

#[tokio::test(start_paused = true)]
async fn high_priority_overtakes_bulk_that_waits_for_a_limit() {
    let (queue, server) = (queue(), Server::new());
    for _ in 0..100 {
        let mut bulk = message(&["u@example.org"]);
        bulk.priority = Priority::Low;
        queue.enqueue(bulk).await.unwrap();
    }
    let dispatcher = start(&queue, &[(main_route().with_rate("2/s".parse().unwrap()), &server)]);
    tokio::time::sleep(5 * SECOND).await;
    let mut urgent = message(&["boss@example.org"]);
    urgent.priority = Priority::High;
    let (id, before) = (queue.enqueue(urgent).await.unwrap().id, server.count());
    tokio::time::sleep(3 * SECOND).await;
    let place = server.ids().iter().position(|seen| *seen == id).expect("sent within 3 s");
    assert!(place <= before + 4, "{} bulk messages went first", place - before);
    dispatcher.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_changed_while_running_holds_from_then_on() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 100).await;
    let dispatcher = start(&queue, &[(main_route().with_rate("2/s".parse().unwrap()), &server)]);
    tokio::time::sleep(5 * SECOND).await;
    let before = server.count();
    assert!((10..=11).contains(&before), "{before}");
    let faster = main_route().with_rate("20/s".parse().unwrap());
    dispatcher.update(plan(seeded(), &[(faster, &server)])).unwrap();
    dispatcher.until_empty().await.unwrap();
    assert!(server.most_within(SECOND, false) <= 21);
    let took = *server.times().last().unwrap();
    assert!(took < 11 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_that_contradict_each_other_are_refused_and_change_nothing() {
    let (queue, server) = (queue(), Server::new());
    let dispatcher = start(&queue, &[(main_route(), &server)]);
    let refused = |settings: Settings, routes: &[RouteSettings]| {
        let routes: Vec<_> = routes.iter().map(|route| (route.clone(), &server)).collect();
        dispatcher.update(plan(settings, &routes)).unwrap_err()
    };
    let mut late = seeded();
    late.retry.first = late.retry.max * 2;
    let short = |milliseconds| seeded().with_lease(Duration::from_millis(milliseconds));
    assert_eq!(refused(seeded(), &[]), SettingsError::NoRoute);
    assert_eq!(refused(seeded(), &[main_route(), main_route()]), SettingsError::DuplicateRoute("main".to_owned()));
    assert!(matches!(refused(late, &[main_route()]), SettingsError::FirstRetryAfterMax { .. }));
    for milliseconds in [0, 5, 4_999, 86_400_001] {
        let error = refused(short(milliseconds), &[main_route()]);
        assert!(matches!(error, SettingsError::Span { setting: "lease", .. }), "{milliseconds}");
    }
    let nowhere = main_route().with_domain_limits("no domain", "1/s".parse::<mailkit_dispatch::Rate>().unwrap());
    assert!(matches!(refused(seeded(), &[nowhere]), SettingsError::InvalidDomain { .. }));
    enqueue(&queue, 3).await;
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 3);
}

#[tokio::test(start_paused = true)]
async fn a_route_may_have_any_number_of_slots_from_one() {
    for most in 1..=6 {
        let (queue, server) = (queue(), Server::new());
        let mut route = main_route();
        route.max_concurrency = std::num::NonZeroU32::new(most).unwrap();
        enqueue(&queue, 30).await;
        let dispatcher = start(&queue, &[(route, &server)]);
        assert_eq!(dispatcher.until_empty().await.unwrap().sent, 30);
        assert!(dispatcher.stats().routes[0].concurrency_limit <= most);
    }
}

#[tokio::test(start_paused = true)]
async fn dispatchers_that_share_a_queue_share_its_quota() {
    let (queue, server) = (queue(), Server::new());
    enqueue(&queue, 24).await;
    let route = main_route().with_quota("8/10s recipients".parse().unwrap());
    let one = start(&queue, &[(route.clone(), &server)]);
    let other = start(&queue, &[(route, &server)]);
    one.until_empty().await.unwrap();
    assert_eq!((server.count(), server.most_within(10 * SECOND, true)), (24, 8));
    assert!([one.stats(), other.stats()].iter().all(|stats| stats.routes[0].outcomes.accepted > 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_acquires_a_quota_while_its_route_closes_goes_elsewhere() {
    let (queue, primary, backup) = (queue(), Server::new(), Server::new());
    primary.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Login, "535 no"))));
    let slow = Wrapped::new(&queue, |call| (call == Call::Acquire).then_some(Fault::Late(SECOND * 3 / 10)));
    let routes = [
        (main_route().with_quota("100/1h messages".parse().unwrap()), &primary),
        (RouteSettings::new("backup"), &backup),
    ];
    let dispatcher = Dispatcher::builder(slow).plan(plan(seeded(), &routes)).start().unwrap();
    enqueue(&queue, 1).await;
    tokio::time::sleep(SECOND / 5).await;
    enqueue(&queue, 1).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!((primary.count(), backup.count()), (1, 2));
    dispatcher.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_found_no_connection_has_its_quota_released() {
    let (queue, server) = (queue(), Server::new());
    let first = std::sync::atomic::AtomicBool::new(true);
    server.replies(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        is_first.then(|| Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "reset")))
    });
    enqueue(&queue, 1).await;
    let dispatcher = start(&queue, &[(main_route().with_quota("1/1h messages".parse().unwrap()), &server)]);
    dispatcher.until_empty().await.unwrap();
    assert!(server.times()[1] < 60 * SECOND, "{:?}", server.times());
}
