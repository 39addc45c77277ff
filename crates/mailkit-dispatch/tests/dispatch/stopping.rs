//! An orderly shutdown: messages in flight, and subscribers to events.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_dispatch::{Deliver, Dispatcher, Jobs, RouteSettings};
use mailkit_queue::{MemoryQueue, Queue};
use tokio::time::{Instant, sleep, timeout};

use crate::server::{Server, enqueue, queue, seeded, start};

const SECOND: Duration = Duration::from_secs(1);

/// A server that never answers: before the content, or behind it.
struct Hangs {
    content_begins: bool,
}

#[async_trait]
impl Deliver for Hangs {
    async fn deliver(&self, jobs: &mut Jobs) {
        while let Some(mut job) = jobs.next().await {
            let lease = job.lease_check();
            assert!(!self.content_begins || lease.is_valid());
            std::future::pending::<()>().await;
        }
    }
}

fn hangs(queue: &Arc<MemoryQueue>, content_begins: bool) -> Dispatcher {
    let queue: Arc<dyn Queue> = Arc::<MemoryQueue>::clone(queue);
    let builder = Dispatcher::builder(queue).settings(seeded());
    builder.route(RouteSettings::new("main"), Arc::new(Hangs { content_begins })).start().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_content_has_not_begun_to_leave_goes_back_at_once_as_it_was() {
    let queue = queue();
    let dispatcher = hangs(&queue, false);
    let ids = enqueue(&queue, 3).await;
    sleep(SECOND).await;
    let stopped = Instant::now();
    assert_eq!(dispatcher.shutdown(90 * SECOND).await, 0);
    assert!(stopped.elapsed() < 3 * SECOND, "{:?}", stopped.elapsed());
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.ambiguous_total), (3, 0, 0));
    let record = queue.get(ids[0]).await.unwrap().unwrap();
    assert_eq!((record.attempts, record.history.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_content_has_begun_to_leave_gets_the_whole_time_and_may_have_been_delivered() {
    let queue = queue();
    let dispatcher = hangs(&queue, true);
    enqueue(&queue, 3).await;
    sleep(SECOND).await;
    let stopped = Instant::now();
    assert_eq!(dispatcher.shutdown(90 * SECOND).await, 3);
    assert!(stopped.elapsed() >= 90 * SECOND);
    assert_eq!(queue.stats().await.unwrap().ambiguous_total, 3);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_streams_of_events_behind_the_last_event() {
    let (queue, server) = (queue(), Server::new());
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    let mut events = dispatcher.events();
    enqueue(&queue, 3).await;
    dispatcher.until_empty().await.unwrap();
    dispatcher.shutdown(SECOND).await;
    let mut count = 0;
    let end = timeout(SECOND, async {
        while let Some(item) = events.next().await {
            item.unwrap();
            count += 1;
        }
    });
    end.await.unwrap();
    assert_eq!(count, 6);
    assert_eq!(dispatcher.events().next().await, None, "nor does a later one wait for ever");
}
