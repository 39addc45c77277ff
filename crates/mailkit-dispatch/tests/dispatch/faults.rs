//! The subject of a failure decides whether a message goes to another route, waits or ends.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mailkit_address::{Address, Envelope};
use mailkit_dispatch::{
    BreakerState, DeadReason, DeliveryFailure, Dispatcher, Disposition, FailureClass, Job, Outcome, RecipientResult,
    RetrySettings, RouteSettings, Settings, Subject,
};
use mailkit_queue::{
    AttemptOutcome, MemoryQueue, NewMessage, Queue, QueueId, RecipientOutcome, RecipientStatus, Record, State,
};
use tokio::time::{Instant, sleep};

use crate::server::{Server, enqueue, message, plan, queue, seeded, start, start_with};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A primary and its backup.
fn two() -> (Arc<MemoryQueue>, Arc<Server>, Arc<Server>) {
    (queue(), Server::new(), Server::new())
}

fn run(queue: &Arc<MemoryQueue>, primary: &Arc<Server>, backup: &Arc<Server>) -> Dispatcher {
    start(queue, &[(RouteSettings::new("primary"), primary), (RouteSettings::new("backup"), backup)])
}

fn failed(fault: impl Into<Disposition>, message: &str) -> Option<Outcome> {
    Some(Outcome::failed(DeliveryFailure::new(fault, message)))
}

const fn refused_sender(is_permanent: bool) -> Disposition {
    Disposition { subject: Subject::Sender, class: FailureClass::SenderRefused, is_permanent }
}

fn from(sender: &str) -> NewMessage {
    let mut message = message(&["bob@example.org"]);
    let envelope = Envelope::new(sender.parse::<Address>().unwrap(), message.envelope.recipients().to_vec());
    message.envelope = envelope.unwrap();
    message
}

fn is_from(job: &Job, sender: &str) -> bool {
    job.message().envelope.reverse_path().address().is_some_and(|address| address.to_string() == sender)
}

async fn record(queue: &MemoryQueue, id: QueueId) -> Record {
    queue.get(id).await.unwrap().unwrap()
}

fn twice() -> Settings {
    let attempts = NonZeroU32::new(2).unwrap();
    seeded().with_retry(RetrySettings::default().with_attempts(attempts))
}

#[tokio::test(start_paused = true)]
async fn mail_goes_over_the_backup_at_once_when_the_primary_refuses_it_for_a_reason_of_the_route() {
    for class in [
        FailureClass::Login,
        FailureClass::Closing,
        FailureClass::Connection,
        FailureClass::TooManyConnections,
        FailureClass::AccountLimit,
    ] {
        let (queue, primary, backup) = two();
        primary.replies(move |_| failed(class, "mail: 530 5.7.0 Authentication required"));
        let ids = enqueue(&queue, 20).await;
        let dispatcher = run(&queue, &primary, &backup);
        let start = Instant::now();
        let stats = dispatcher.until_empty().await.unwrap();
        assert_eq!((stats.sent, stats.dead), (20, 0), "{class}");
        assert!(start.elapsed() < 5 * SECOND, "{class}: {:?}", start.elapsed());
        let first = record(&queue, ids[0]).await;
        let history: Vec<_> = first.history.iter().map(|attempt| (&*attempt.route, attempt.outcome)).collect();
        assert_eq!((first.attempts, history.len()), (1, 2), "a failure of the route is no attempt: {history:?}");
        assert_eq!(first.history[0].class.as_deref(), Some(class.as_str()));
        assert_eq!(history[1], ("backup", AttemptOutcome::Accepted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_route_that_fails_is_waited_for_and_mail_leaves_when_it_is_repaired() {
    for class in [FailureClass::Login, FailureClass::Closing, FailureClass::Connection, FailureClass::AccountLimit] {
        let (queue, server) = (queue(), Server::new());
        server.replies(move |_| failed(class, "mail: 530 no"));
        enqueue(&queue, 20).await;
        let dispatcher = start_with(&queue, twice(), &[(RouteSettings::new("main"), &server)]);
        sleep(12 * HOUR).await;
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.unfinished(), stats.dead), (20, 0), "{class}");
        assert!(server.count() < 20 * 60 * 12 * 2, "{class}: it is no flood: {}", server.count());
        server.replies(|_| None);
        assert_eq!(dispatcher.until_empty().await.unwrap().sent, 20, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_route_is_dead_when_it_is_too_old() {
    let (queue, server) = (queue(), Server::new());
    server.replies(|_| failed(FailureClass::Login, "mail: 530 no"));
    enqueue(&queue, 1).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(71 * HOUR).await;
    assert_eq!(queue.stats().await.unwrap().dead, 0);
    sleep(2 * HOUR).await;
    assert_eq!(dispatcher.stats().dead[&DeadReason::Age], 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_sender_is_dead_at_once_on_a_lone_route_and_stops_nobody_else() {
    for bad in ["typo@example.com", "<>"] {
        let (queue, server) = (queue(), Server::new());
        let is_bad = move |job: &Job| match bad {
            "<>" => job.message().envelope.reverse_path().address().is_none(),
            _ => is_from(job, bad),
        };
        server.replies(move |job| is_bad(job).then(|| failed(refused_sender(true), "mail: 550 5.7.1 no")).flatten());
        let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
        let mut refused = Vec::new();
        for _ in 0..30 {
            let new = if bad == "<>" { message(&["bob@example.org"]) } else { from(bad) };
            refused.push(queue.enqueue(new).await.unwrap().id);
        }
        queue.enqueue(from("ann@example.com")).await.unwrap();
        let stats = dispatcher.until_empty().await.unwrap();
        assert_eq!((stats.sent, stats.dead), (1, 30));
        assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
        let record = record(&queue, refused[0]).await;
        assert_eq!((record.state, record.recipients[0].status), (State::Dead, RecipientStatus::Permanent));
        assert!(record.recipients[0].text.contains("550 5.7.1"), "{:?}", record.recipients[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_one_route_refuses_goes_over_the_next_at_once() {
    for is_permanent in [true, false] {
        let (queue, primary, backup) = two();
        primary.replies(move |_| failed(refused_sender(is_permanent), "mail: 450 no"));
        let id = queue.enqueue(from("ann@example.com")).await.unwrap().id;
        let dispatcher = run(&queue, &primary, &backup);
        let start = Instant::now();
        assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1);
        assert!(start.elapsed() < 2 * SECOND && record(&queue, id).await.attempts == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_every_route_refuses_for_good_is_dead_at_once_and_for_now_is_tried_again() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(refused_sender(true), "mail: 550 one"));
    backup.replies(|_| failed(refused_sender(true), "mail: 550 two"));
    let id = queue.enqueue(from("ann@example.com")).await.unwrap().id;
    let dispatcher = run(&queue, &primary, &backup);
    let start = Instant::now();
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    assert!(start.elapsed() < 2 * SECOND);
    let text = record(&queue, id).await.recipients[0].text.clone();
    assert!(text.contains("550 one") && text.contains("550 two"), "{text}");

    backup.replies(|job| (job.attempt() < 3).then(|| failed(refused_sender(false), "mail: 450 two")).flatten());
    let id = queue.enqueue(from("ann@example.com")).await.unwrap().id;
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1);
    assert_eq!(record(&queue, id).await.attempts, 3, "each route cycle is an attempt");
}

#[tokio::test(start_paused = true)]
async fn a_route_is_unavailable_when_it_refuses_several_different_senders_in_a_row() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(refused_sender(true), "mail: 550 no"));
    let dispatcher = run(&queue, &primary, &backup);
    for number in 0..40 {
        queue.enqueue(from(&format!("user{number}@example.com"))).await.unwrap();
    }
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 40);
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Open);
    assert!(primary.count() < 20, "{}", primary.count());
    primary.replies(|_| None);
    sleep(60 * SECOND).await;
    enqueue(&queue, 1).await;
    sleep(5 * SECOND).await;
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_lacks_a_capability_is_passed_over_without_a_failure() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(FailureClass::Capability, "the server does not offer 8BITMIME"));
    let ids = enqueue(&queue, 40).await;
    let dispatcher = run(&queue, &primary, &backup);
    let start = Instant::now();
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 40);
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    let stats = dispatcher.stats();
    assert_eq!((stats.routes[0].breaker, stats.routes[0].outcomes.attempts), (BreakerState::Closed, 0));
    let record = record(&queue, ids[0]).await;
    assert_eq!((record.attempts, record.history.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_route_can_carry_is_dead_at_once_and_the_error_names_what_is_missing() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(FailureClass::Capability, "the server does not offer 8BITMIME"));
    backup.replies(|_| failed(FailureClass::Capability, "the server takes 100 octets at the most"));
    let id = enqueue(&queue, 1).await[0];
    let dispatcher = run(&queue, &primary, &backup);
    let start = Instant::now();
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    assert!(start.elapsed() < 2 * SECOND);
    let recipient = record(&queue, id).await.recipients[0].clone();
    assert_eq!((recipient.status, recipient.code), (RecipientStatus::Permanent, None));
    for part in ["no route", "primary", "8BITMIME", "backup", "100 octets"] {
        assert!(recipient.text.contains(part), "{part}: {}", recipient.text);
    }
    // A message for one route alone asks no other.
    backup.replies(|_| None);
    let mut pinned = message(&["bob@example.org"]);
    pinned.route = Some("primary".to_owned());
    let id = queue.enqueue(pinned).await.unwrap().id;
    dispatcher.until_empty().await.unwrap();
    assert_eq!(record(&queue, id).await.state, State::Dead);
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_route_that_may_carry_it_and_leaves_by_whichever_can_first() {
    for gains in [true, false] {
        let (queue, primary, backup) = two();
        primary.replies(|_| failed(FailureClass::Capability, "the server does not offer 8BITMIME"));
        let dispatcher = run(&queue, &primary, &backup);
        dispatcher.pause("backup");
        let ids = enqueue(&queue, 20).await;
        sleep(HOUR).await;
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.unfinished(), stats.dead), (20, 0));
        assert!(primary.count() < 20 * 4 * 60 + 40, "it is no busy loop: {} in an hour", primary.count());
        assert_eq!(record(&queue, ids[0]).await.attempts, 0);
        if gains {
            primary.replies(|_| None);
        } else {
            dispatcher.resume("backup");
        }
        let start = Instant::now();
        assert_eq!(dispatcher.until_empty().await.unwrap().sent, 20);
        assert!(start.elapsed() < 35 * SECOND, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn new_settings_make_every_route_eligible_again() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(FailureClass::Capability, "the server does not offer 8BITMIME"));
    let dispatcher = run(&queue, &primary, &backup);
    dispatcher.pause("backup");
    enqueue(&queue, 1).await;
    sleep(SECOND).await;
    let only = Server::new();
    dispatcher.update(plan(seeded(), &[(RouteSettings::new("primary"), &only)])).unwrap();
    sleep(31 * SECOND).await;
    assert_eq!(queue.stats().await.unwrap().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_has_reached_its_limit_suspends_its_route_and_not_the_breaker() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(FailureClass::AccountLimit, "content: 550 5.4.5 Daily user sending limit exceeded"));
    let dispatcher = run(&queue, &primary, &backup);
    for _ in 0..60 {
        enqueue(&queue, 1).await;
        sleep(SECOND).await;
    }
    assert_eq!((dispatcher.stats().routes[0].breaker, queue.stats().await.unwrap().sent), (BreakerState::Closed, 60));
    assert!(primary.count() <= 5, "{}", primary.count());
    primary.replies(|_| None);
    let asked = primary.count();
    sleep(HOUR).await;
    enqueue(&queue, 10).await;
    sleep(5 * SECOND).await;
    assert_eq!(primary.count(), asked + 10, "the next day it takes mail again");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_converted_only_when_every_route_has_passed_it_over() {
    let (queue, primary, backup) = two();
    let convertible = |job: &Job| {
        job.may_go_elsewhere().then(|| {
            let mut failure = DeliveryFailure::new(FailureClass::Capability, "the server does not offer 8BITMIME");
            failure.can_convert = true;
            Outcome::failed(failure)
        })
    };
    primary.replies(convertible);
    backup.replies(|_| failed(FailureClass::Capability, "the server does not offer 8BITMIME"));
    enqueue(&queue, 10).await;
    let dispatcher = run(&queue, &primary, &backup);
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 10);
    assert_eq!((primary.count(), backup.count()), (20, 10));
    // One that says so although it is the last is not believed for ever.
    primary.replies(|_| {
        let mut failure = DeliveryFailure::new(FailureClass::Capability, "8BITMIME");
        failure.can_convert = true;
        Some(Outcome::failed(failure))
    });
    enqueue(&queue, 1).await;
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_one_route_cannot_address_goes_over_another_and_the_rest_is_not_held_up() {
    let (queue, primary, backup) = two();
    let id = queue.enqueue(message(&["bob@example.org", "joerg@example.org"])).await.unwrap().id;
    let lacks = |job: &Job| {
        let each = |address: &Address| {
            let (is_bob, address) = (address.local_part() == "bob", address.clone());
            let status = if is_bob { RecipientStatus::Accepted } else { RecipientStatus::Temporary };
            let (code, text) = (is_bob.then_some(250), "the server does not offer SMTPUTF8".to_owned());
            let outcome = RecipientOutcome::new(address, status).with_code(code).with_text(text);
            RecipientResult::new(outcome).with_fault((!is_bob).then(|| FailureClass::Capability.into()))
        };
        Some(Outcome::new(job.message().recipients().iter().map(each).collect()))
    };
    primary.replies(lacks);
    let dispatcher = run(&queue, &primary, &backup);
    let start = Instant::now();
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 1);
    assert!(start.elapsed() < 2 * SECOND);
    assert_eq!(record(&queue, id).await.history[0].outcome, AttemptOutcome::Partial);

    backup.replies(lacks);
    let id = queue.enqueue(message(&["bob@example.org", "joerg@example.org"])).await.unwrap().id;
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 1);
    let recipients = record(&queue, id).await.recipients;
    let statuses: Vec<_> = recipients.iter().map(|recipient| recipient.status).collect();
    assert_eq!(statuses, [RecipientStatus::Accepted, RecipientStatus::Permanent]);
    assert!(recipients[1].text.contains("SMTPUTF8"));

    let mut pinned = message(&["bob@example.org", "joerg@example.org"]);
    pinned.route = Some("primary".to_owned());
    let id = queue.enqueue(pinned).await.unwrap().id;
    assert_eq!(dispatcher.until_empty().await.unwrap().dead, 2);
    assert_eq!(record(&queue, id).await.attempts, 1, "somebody got it: that is an attempt");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_one_recipient_asks_for_stops_nobody_else_where_the_server_takes_others() {
    let (queue, server) = (queue(), Server::new());
    server.replies(|job| {
        let each = |address: &Address| {
            let (is_relayed, address) = (address.local_part() == "joe", address.clone());
            let status = if is_relayed { RecipientStatus::Temporary } else { RecipientStatus::Accepted };
            let (code, text) = (Some(if is_relayed { 530 } else { 250 }), "text".to_owned());
            let outcome = RecipientOutcome::new(address, status).with_code(code).with_text(text);
            RecipientResult::new(outcome).with_fault(is_relayed.then(|| FailureClass::Login.into()))
        };
        Some(Outcome::new(job.message().recipients().iter().map(each).collect()))
    });
    let id = queue.enqueue(message(&["bob@example.org", "joe@example.net"])).await.unwrap().id;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    let stats = dispatcher.stats();
    assert_eq!(stats.routes[0].breaker, BreakerState::Closed);
    let record = record(&queue, id).await;
    assert_eq!((record.state, record.attempts), (State::Scheduled, 0));
}

#[tokio::test(start_paused = true)]
async fn sizes_and_parameters_refused_for_many_senders_do_not_stop_the_route() {
    let (queue, primary, backup) = two();
    let unsupported = Disposition { subject: Subject::Sender, class: FailureClass::Unsupported, is_permanent: true };
    primary.replies(move |_| failed(unsupported, "mail: 552 message size exceeds fixed maximum message size"));
    let dispatcher = run(&queue, &primary, &backup);
    for number in 0..40 {
        queue.enqueue(from(&format!("user{number}@example.com"))).await.unwrap();
    }
    assert_eq!(dispatcher.until_empty().await.unwrap().sent, 40);
    assert_eq!(dispatcher.stats().routes[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_refuses_a_sender_permanently_is_tried_rarely_while_the_other_is_unavailable() {
    let (queue, primary, backup) = two();
    primary.replies(|_| failed(refused_sender(true), "mail: 550 no"));
    let dispatcher = run(&queue, &primary, &backup);
    dispatcher.pause("backup");
    for _ in 0..20 {
        queue.enqueue(from("ann@example.com")).await.unwrap();
    }
    sleep(24 * HOUR).await;
    assert_eq!(queue.stats().await.unwrap().unfinished(), 20);
    assert!(primary.count() <= 20 * 16, "{} in a day", primary.count());
    dispatcher.resume("backup");
    sleep(60 * SECOND).await;
    assert_eq!(queue.stats().await.unwrap().sent, 20);
}
