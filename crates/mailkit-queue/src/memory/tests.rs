//! What only the queue in memory has: waiting by the clock of the runtime, and the bounds of its memory.

use std::num::NonZeroU32;

use mailkit_address::Envelope;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::settlement::Next;

fn message() -> NewMessage {
    NewMessage::new(Envelope::null_sender(vec!["bob@example.org".parse().unwrap()]).unwrap(), "Subject: x\r\n\r\n")
}

fn one() -> LeaseRequest {
    LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60))
}

fn queue() -> MemoryQueue {
    MemoryQueue::with(QueueSettings::default(), Clock::tokio())
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_a_scheduled_message_is_due_by_the_paused_clock() {
    let queue = queue();
    let mut later = message();
    later.send_at = Some(queue.clock().now() + Duration::from_millis(700));
    queue.enqueue(later).await.unwrap();
    queue.wait().await;
    let start = Instant::now();
    queue.wait().await;
    assert_eq!(start.elapsed().as_millis(), 700);
    assert_eq!(queue.lease(&one()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_enqueue_wakes_waiting_workers_and_the_next_one_that_waits() {
    let queue = queue();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.wait().await }
    });
    sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    queue.enqueue(message()).await.unwrap();
    waiting.await.unwrap();
    queue.wait().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn mail_that_waits_for_a_skipped_route_does_not_wake_workers_repeatedly() {
    let queue = queue();
    let mut pinned = message();
    pinned.route = Some("away".to_owned());
    queue.enqueue(pinned).await.unwrap();
    queue.wait().await;
    let start = Instant::now();
    for _ in 0..10 {
        let mut request = one();
        request.skip_routes.push("away".to_owned());
        assert!(queue.lease(&request).await.unwrap().is_empty());
        queue.wait().await;
    }
    assert_eq!(start.elapsed(), 10 * LONGEST_WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_message_keeps_its_last_50_attempts() {
    let queue = queue();
    let id = queue.enqueue(message()).await.unwrap().id;
    for attempt in 0..60 {
        let leased = queue.lease(&one()).await.unwrap().pop().unwrap();
        let (route, text) = (Some("main".to_owned()), attempt.to_string());
        let settlement = Settlement { route, counts: true, text, ..Settlement::untouched() };
        assert_eq!(queue.settle(leased.token, &settlement).await.unwrap(), State::Ready);
    }
    let record = queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.attempts, record.history.len()), (60, 50));
    assert_eq!(record.history[0].text, "10");
}

#[tokio::test(start_paused = true)]
async fn finished_messages_beyond_the_limit_are_removed_early_and_dead_ones_last() {
    let settings = QueueSettings { max_messages: 2, ..QueueSettings::default() };
    let queue = MemoryQueue::with(settings, Clock::tokio());
    for next in [Next::Dead, Next::Ready, Next::Ready, Next::Ready] {
        let id = queue.enqueue(message()).await.unwrap().id;
        let leased = queue.lease(&one()).await.unwrap().pop().unwrap();
        queue.settle(leased.token, &Settlement { next, ..Settlement::untouched() }).await.unwrap();
        if next == Next::Ready {
            queue.apply(id, Command::Cancel).await.unwrap();
        }
        advance(Duration::from_secs(1)).await;
    }
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.dead, stats.cancelled), (1, 2));
}
