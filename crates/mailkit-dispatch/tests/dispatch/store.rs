//! A store that goes away and comes back, leases that are renewed, and an orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mailkit_dispatch::{Dispatcher, Event, RouteSettings, Settings};
use mailkit_queue::{
    Action, Clock, Content, Enqueued, Filter, Lease, LeaseRequest, LeaseToken, Leased, MemoryQueue, NewMessage, Page,
    Queue, QueueError, QueueId, QueueSettings, QuotaReceipt, QuotaSpend, Record, SettleError, Settlement, State, Stats,
    Timestamp,
};
use tokio::time::{sleep, timeout};

use crate::server::{Server, enqueue, plan, queue, seeded, start};

const SECOND: Duration = Duration::from_secs(1);

/// A queue whose store can be taken away.
struct Shaky {
    inner: Arc<MemoryQueue>,
    /// 0: there, 1: away, 2: failed, 3: leases cannot be renewed, 4: failed, but for looking.
    trouble: AtomicU8,
}

impl Shaky {
    fn check(&self) -> Result<(), QueueError> {
        match self.trouble.load(Ordering::SeqCst) {
            0 | 3 => Ok(()),
            1 => Err(QueueError::Unavailable("away".into())),
            _ => Err(QueueError::Failed("broken".into())),
        }
    }
}

#[async_trait]
impl Queue for Shaky {
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError> {
        self.check()?;
        self.inner.enqueue(message).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError> {
        self.check()?;
        self.inner.lease(request).await
    }
    async fn wait(&self) {
        self.inner.wait().await;
    }
    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError> {
        self.check()?;
        if self.trouble.load(Ordering::SeqCst) == 3 {
            return Err(QueueError::Unavailable("not now".into()));
        }
        self.inner.renew(leases, duration).await
    }
    async fn mark(&self, lease: LeaseToken) -> Result<(), QueueError> {
        self.check()?;
        self.inner.mark(lease).await
    }
    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<State, Box<SettleError>> {
        match self.check() {
            Ok(()) => self.inner.settle(lease, settlement).await,
            Err(error) => Err(Box::new(SettleError::new(error, lease, settlement))),
        }
    }
    async fn spend(&self, quotas: &[QuotaSpend]) -> Result<Result<QuotaReceipt, Timestamp>, QueueError> {
        self.check()?;
        self.inner.spend(quotas).await
    }
    async fn refund(&self, receipt: QuotaReceipt) -> Result<(), QueueError> {
        self.check()?;
        self.inner.refund(receipt).await
    }
    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError> {
        self.inner.get(id).await
    }
    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError> {
        self.inner.content(id).await
    }
    async fn list(&self, filter: &Filter) -> Result<Page, QueueError> {
        self.inner.list(filter).await
    }
    async fn act(&self, id: QueueId, action: Action) -> Result<State, QueueError> {
        self.inner.act(id, action).await
    }
    async fn purge(&self, older_than: Duration) -> Result<u64, QueueError> {
        self.inner.purge(older_than).await
    }
    async fn stats(&self) -> Result<Stats, QueueError> {
        if self.trouble.load(Ordering::SeqCst) != 4 {
            self.check()?;
        }
        self.inner.stats().await
    }
    fn clock(&self) -> &Clock {
        self.inner.clock()
    }
}

fn shaky(server: &Arc<Server>, settings: Settings) -> (Arc<Shaky>, Dispatcher) {
    let shaky = Arc::new(Shaky { inner: queue(), trouble: AtomicU8::new(0) });
    let queue: Arc<dyn Queue> = Arc::<Shaky>::clone(&shaky);
    let plan = plan(settings, &[(RouteSettings::new("main"), server)]);
    let dispatcher = Dispatcher::builder(queue).plan(plan).start().unwrap();
    (shaky, dispatcher)
}

#[tokio::test(start_paused = true)]
async fn outcomes_survive_a_store_that_is_away_for_less_than_a_lease() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    let mut events = dispatcher.events();
    enqueue(&shaky.inner, 500).await;
    sleep(SECOND / 4).await;
    shaky.trouble.store(1, Ordering::SeqCst);
    sleep(20 * SECOND).await;
    let sent = server.count();
    assert!(sent > 0 && sent < 500, "nothing is sent that could not be written down: {sent}");
    assert!(dispatcher.stats().store_away && dispatcher.stats().unsettled > 0);
    shaky.trouble.store(0, Ordering::SeqCst);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (500, 0));
    assert_eq!(server.count(), 500, "none was sent twice");
    let told: Vec<Event> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let away = told.iter().filter(|event| matches!(event, Event::StoreAway { .. })).count();
    let back = told.iter().filter(|event| matches!(event, Event::StoreBack)).count();
    assert_eq!((away, back), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_starts_without_its_store_waits_for_it() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    shaky.trouble.store(1, Ordering::SeqCst);
    enqueue(&shaky.inner, 5).await;
    sleep(60 * SECOND).await;
    assert_eq!(server.count(), 0);
    shaky.trouble.store(0, Ordering::SeqCst);
    sleep(6 * SECOND).await;
    assert_eq!(server.count(), 5);
    drop(dispatcher);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_failed_stops_all_and_nothing_hangs() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, seeded());
    enqueue(&shaky.inner, 500).await;
    sleep(SECOND / 4).await;
    shaky.trouble.store(2, Ordering::SeqCst);
    assert!(dispatcher.until_empty().await.is_err());
    sleep(5 * SECOND).await;
    let sent = server.count();
    sleep(60 * SECOND).await;
    assert_eq!(server.count(), sent);
    assert!(dispatcher.shutdown(SECOND).await > 0);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_for_as_long_as_a_message_takes() {
    let server = Server::new();
    server.takes(300 * SECOND);
    let (shaky, dispatcher) = shaky(&server, Settings { lease: 10 * SECOND, ..seeded() });
    enqueue(&shaky.inner, 12).await;
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total), (12, 0));
    assert_eq!(server.count(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_does_not_have_a_dispatcher_take_its_own_leases_away() {
    let (jumped, tokio, server) = (Arc::new(AtomicU64::new(0)), Clock::tokio(), Server::new());
    let hours = Arc::clone(&jumped);
    let clock = Clock::new(move || tokio.now() + 3_600 * SECOND * hours.load(Ordering::SeqCst) as u32);
    let queue = Arc::new(MemoryQueue::with(QueueSettings::default(), clock));
    server.takes(2 * SECOND);
    enqueue(&queue, 4).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(server.count(), 4, "all are on their way");
    jumped.store(1, Ordering::SeqCst);
    enqueue(&queue, 4).await;
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((stats.sent, stats.ambiguous_total, server.count()), (8, 0, 8), "none was sent twice");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_what_is_on_its_way_and_leaves_the_rest_untouched() {
    let (queue, server) = (queue(), Server::new());
    server.takes(2 * SECOND);
    enqueue(&queue, 100).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(3 * SECOND).await;
    assert_eq!(dispatcher.shutdown(10 * SECOND).await, 0);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.sent as usize, stats.leased, stats.scheduled), (server.count(), 0, 0));
    assert_eq!(stats.ready as usize, 100 - server.count());
    let records = queue.list(&Filter { state: Some(State::Ready), ..Filter::default() }).await.unwrap().records;
    assert!(records.iter().all(|record| record.attempts == 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_done_at_the_deadline_is_given_up_and_counted() {
    let (queue, server) = (queue(), Server::new());
    server.takes(60 * SECOND);
    enqueue(&queue, 3).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(dispatcher.shutdown(5 * SECOND).await, 3);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.scheduled, stats.leased, stats.ambiguous_total), (3, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_is_told_when_nothing_is_sent_any_more() {
    let server = Server::new();
    let (broken, dispatcher) = shaky(&server, seeded());
    enqueue(&broken.inner, 500).await;
    sleep(SECOND / 4).await;
    broken.trouble.store(4, Ordering::SeqCst);
    let told = timeout(60 * SECOND, dispatcher.until_empty()).await;
    assert!(matches!(told, Ok(Err(QueueError::Failed(_)))), "{told:?}");

    let (shaky, dispatcher) = shaky(&server, seeded());
    enqueue(&shaky.inner, 1).await;
    dispatcher.shutdown(Duration::ZERO).await;
    let told = timeout(60 * SECOND, dispatcher.until_empty()).await;
    assert!(matches!(told, Ok(Err(QueueError::Failed(_)))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_late_word_under_a_lost_lease_leaves_the_next_lease_alone() {
    let server = Server::new();
    let (shaky, dispatcher) = shaky(&server, Settings { lease: 4 * SECOND, ..seeded() });
    server.takes(10 * SECOND);
    enqueue(&shaky.inner, 1).await;
    sleep(SECOND / 2).await;
    shaky.trouble.store(3, Ordering::SeqCst);
    sleep(5 * SECOND).await;
    assert_eq!(server.count(), 2, "the lease ran out, and the message was leased again");
    shaky.trouble.store(0, Ordering::SeqCst);
    let stats = dispatcher.until_empty().await.unwrap();
    assert_eq!((server.count(), stats.sent, stats.ambiguous_total), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_all_time_is_as_good_as_none() {
    let (queue, server) = (queue(), Server::new());
    server.takes(60 * SECOND);
    enqueue(&queue, 3).await;
    let dispatcher = start(&queue, &[(RouteSettings::new("main"), &server)]);
    sleep(SECOND).await;
    assert_eq!(dispatcher.shutdown(Duration::MAX).await, 0);
    assert_eq!(queue.stats().await.unwrap().sent, 3);
}
