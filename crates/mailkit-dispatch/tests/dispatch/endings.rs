//! How attempts end, and the states of messages after them.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_dispatch::{
    DeadReason, Deliver, DeliveryFailure, Dispatcher, Event, FailureClass, Jobs, Outcome, Rate, RecipientResult,
    RetrySettings, RouteSettings,
};
use mailkit_queue::{OnAmbiguous, Queue, QueueError, RecipientOutcome, RecipientStatus, State};
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};

use crate::server::{Server, enqueue, message, queue, received, seeded, start, start_with};

const SECOND: Duration = Duration::from_secs(1);

fn said(address: &mailkit_address::Address, status: RecipientStatus, code: u16, text: &str) -> RecipientResult {
    RecipientOutcome::new(address.clone(), status).with_code(code).with_text(text).into()
}

#[tokio::test(start_paused = true)]
async fn only_recipients_that_were_not_accepted_are_tried_again() {
    let (queue, server) = (queue(), Server::new());
    let id = queue.enqueue(message(&["yes@a.example", "later@a.example", "no@a.example"])).await.unwrap().id;
    server.replies(|job| {
        let each = |address: &mailkit_address::Address| match address.local_part() {
            "later" if job.attempt() == 1 => said(address, RecipientStatus::Temporary, 451, "try again"),
            "no" => said(address, RecipientStatus::Permanent, 550, "no"),
            _ => said(address, RecipientStatus::Accepted, 250, "ok"),
        };
        Some(Outcome::new(job.message().recipients().iter().map(each).collect()))
    });
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    let seen: Vec<usize> = server.seen.lock().unwrap().iter().map(|(_, _, recipients)| *recipients).collect();
    assert_eq!(seen, [3, 1]);
    let record = queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Dead, 2));
    let retry = server.times()[1];
    assert!(retry >= 15 * SECOND && retry <= 31 * SECOND, "{retry:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_tried_as_often_as_allowed_with_growing_waits_and_then_dead() {
    let (queue, server) = (queue(), Server::new());
    queue.enqueue(message(&["u@example.org"])).await.unwrap();
    server.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Temporary, "451 later"))));
    let retry = RetrySettings::default().with_attempts(NonZeroU32::new(5).unwrap());
    let dispatcher = start_with(&queue, seeded().with_retry(retry), &[(RouteSettings::new("main"), &server)]);
    let mut events = dispatcher.events();
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    let times = server.times();
    assert_eq!(times.len(), 5);
    for (n, pair) in times.windows(2).enumerate() {
        let (wait, d) = (pair[1] - pair[0], 30.0 * f64::from(1 << n));
        assert!(wait.as_secs_f64() >= d / 2.0 && wait.as_secs_f64() <= d + 1.5, "{wait:?} after attempt {}", n + 1);
    }
    assert_eq!(dispatcher.stats().dead[&DeadReason::Attempts], 1);
    let told: Vec<Event> = received(&mut events);
    let count = |is: fn(&Event) -> bool| told.iter().filter(|event| is(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Attempted { .. })), 5);
    assert_eq!(count(|event| matches!(event, Event::Retried { .. })), 4);
    assert_eq!(count(|event| matches!(event, Event::Dead { reason: DeadReason::Attempts, .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_too_old_for_another_attempt_is_dead() {
    let (queue, server) = (queue(), Server::new());
    queue.enqueue(message(&["u@example.org"])).await.unwrap();
    server.replies(|_| Some(Outcome::failed(DeliveryFailure::new(FailureClass::Temporary, "451 later"))));
    let retry = RetrySettings::default().with_give_up_after(100 * SECOND);
    let dispatcher = start_with(&queue, seeded().with_retry(retry), &[(RouteSettings::new("main"), &server)]);
    let start = Instant::now();
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    assert!(start.elapsed() <= 100 * SECOND);
    assert_eq!(dispatcher.stats().dead[&DeadReason::Age], 1);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_scheduled_message_counts_from_its_time() {
    let (queue, server) = (queue(), Server::new());
    let mut later = message(&["u@example.org"]);
    later.send_at = Some(queue.clock().now() + 500 * SECOND);
    queue.enqueue(later).await.unwrap();
    server.replies(|job| {
        (job.attempt() == 1).then(|| Outcome::failed(DeliveryFailure::new(FailureClass::Temporary, "451 later")))
    });
    let retry = RetrySettings::default().with_give_up_after(100 * SECOND);
    let dispatcher = start_with(&queue, seeded().with_retry(retry), &[(RouteSettings::new("main"), &server)]);
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn greylisting_waits_longer_and_a_server_may_name_its_time() {
    for (class, retry_after, least) in [
        (FailureClass::Greylisted, None, 150 * SECOND),
        (FailureClass::Temporary, Some(1_000 * SECOND), 1_000 * SECOND),
    ] {
        let (queue, server) = (queue(), Server::new());
        queue.enqueue(message(&["u@example.org"])).await.unwrap();
        server.replies(move |job| {
            let failure = DeliveryFailure::new(class, "450 later").with_retry_after(retry_after);
            (job.attempt() == 1).then(|| Outcome::failed(failure))
        });
        let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
        assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1);
        assert!(server.times()[1] >= least, "{:?}", server.times());
    }
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_message_goes_again_and_is_counted_or_is_held() {
    let (queue, server) = (queue(), Server::new());
    let resend = queue.enqueue(message(&["u@example.org"])).await.unwrap().id;
    let mut wary = message(&["u@example.org"]);
    wary.on_ambiguous = OnAmbiguous::Hold;
    let hold = queue.enqueue(wary).await.unwrap().id;
    server.replies(|job| {
        (job.attempt() == 1)
            .then(|| Outcome::failed(DeliveryFailure::new(FailureClass::Ambiguous, "no reply to the content")))
    });
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.held, stats.ambiguous_total), (1, 1, 2));
    assert_eq!(queue.get(resend).await.unwrap().unwrap().attempts, 2);
    assert_eq!(queue.get(hold).await.unwrap().unwrap().state, State::Held);
}

/// Panics or drops its jobs, where the recipient says so.
struct Faulty;

#[async_trait]
impl Deliver for Faulty {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(mut job) = jobs.next().await {
            match job.message().recipients()[0].local_part() {
                "panic" => panic!("a fault made on purpose"),
                "drop" => drop(job),
                "commit" => {
                    job.commit_point().expect("a message to be held has a commit_point").record().await.unwrap();
                    drop(job);
                }
                _ => {
                    let outcome = Outcome::accepted(job.message().recipients(), "ok");
                    job.finish(outcome);
                }
            }
        }
    }
}

fn faulty(queue: &Arc<mailkit_queue::MemoryQueue>) -> Dispatcher {
    let queue: Arc<dyn Queue> = Arc::<mailkit_queue::MemoryQueue>::clone(queue);
    let builder = Dispatcher::builder(queue).settings(seeded());
    builder.route(RouteSettings::new("main"), Arc::new(Faulty)).start().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_on_which_the_sender_panics_again_and_again_dies_while_others_flow() {
    let queue = queue();
    let bad = queue.enqueue(message(&["panic@example.org"])).await.unwrap().id;
    enqueue(&queue, 50).await;
    let dispatcher = faulty(&queue);
    sleep(SECOND).await;
    assert_eq!(queue.stats().await.unwrap().sent, 50);
    dispatcher.until_empty().await.unwrap();
    let record = queue.get(bad).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Dead, 3));
    assert_eq!(dispatcher.stats().dead[&DeadReason::Defect], 1);
    assert_eq!(dispatcher.stats().routes[0].in_flight, 0);
}

/// Panics before it takes a job.
struct Stillborn;

#[async_trait]
impl Deliver for Stillborn {
    async fn deliver(&self, _jobs: &mut Jobs) {
        panic!("a fault made on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_panics_before_it_takes_a_message_has_failed_on_it_and_another_route_takes_over() {
    let (queue, backup) = (queue(), Server::new());
    let dead = queue.enqueue(message(&["u@example.org"])).await.unwrap().id;
    let shared: Arc<dyn Queue> = Arc::<mailkit_queue::MemoryQueue>::clone(&queue);
    let builder = Dispatcher::builder(shared).settings(seeded());
    let builder = builder.route(RouteSettings::new("main"), Arc::new(Stillborn));
    let dispatcher = builder.clone().start().unwrap();
    let ended = timeout(600 * SECOND, dispatcher.until_empty()).await;
    assert_eq!(ended.unwrap().unwrap().dead, 1);
    let record = queue.get(dead).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Dead, 3));
    assert_eq!(dispatcher.stats().dead[&DeadReason::Defect], 1);
    dispatcher.shutdown(SECOND).await;

    enqueue(&queue, 20).await;
    let second: Arc<dyn Deliver> = Arc::<Server>::clone(&backup);
    let dispatcher = builder.route(RouteSettings::new("backup"), second).start().unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(backup.count(), 20);
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 20);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_job_that_shall_be_held_is_so_only_once_its_commit_point_is_recorded() {
    let queue = queue();
    for who in ["drop@example.org", "commit@example.org"] {
        let mut wary = message(&[who]);
        wary.on_ambiguous = OnAmbiguous::Hold;
        queue.enqueue(wary).await.unwrap();
    }
    let dispatcher = faulty(&queue);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.held, stats.dead), (1, 1), "one reached its commit point, the other failed three times");
    assert_eq!(stats.ambiguous_total, 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_point_is_refused_when_the_lease_is_lost() {
    let queue = queue();
    let mut wary = message(&["u@example.org"]);
    wary.on_ambiguous = OnAmbiguous::Hold;
    queue.enqueue(wary).await.unwrap();

    struct Slow;
    #[async_trait]
    impl Deliver for Slow {
        async fn deliver(&self, jobs: &mut Jobs) {
            while let Some(mut job) = jobs.next().await {
                let commit_point = job.commit_point().unwrap();
                if job.attempt() == 1 && job.message().token.fence == 1 {
                    // The process is stopped for longer than the lease: nothing renews it.
                    tokio::time::advance(Duration::from_secs(600)).await;
                }
                match commit_point.record().await {
                    Ok(()) => {
                        let outcome = Outcome::accepted(job.message().recipients(), "ok");
                        job.finish(outcome);
                    }
                    Err(QueueError::LeaseLost(_)) => {
                        job.finish(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "lost its lease")));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    let shared: Arc<dyn Queue> = Arc::<mailkit_queue::MemoryQueue>::clone(&queue);
    let builder = Dispatcher::builder(shared).settings(seeded());
    let dispatcher = builder.route(RouteSettings::new("main"), Arc::new(Slow)).start().unwrap();
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_to_ten_thousand_holds_nobody_up() {
    let (queue, server) = (queue(), Server::new());
    let route = RouteSettings::new("main").with_domain_limits("*", "1000/s".parse::<Rate>().unwrap());
    let addresses: Vec<String> = (0..10_000).map(|number| format!("user@host{number}.example.org")).collect();
    let all: Vec<&str> = addresses.iter().map(String::as_str).collect();
    queue.enqueue(message(&all)).await.unwrap();
    let start_of_all = std::time::Instant::now();
    let dispatcher = start(&queue, &[(route, &server)]);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, server.count()), (1, 1));
    assert!(start_of_all.elapsed() < Duration::from_secs(2), "{:?}", start_of_all.elapsed());
}
