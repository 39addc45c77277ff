//! An outbox under load, and futures that are dropped at any time, over real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up fails the test")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use mailkit::queue::{Priority, State};
use mailkit::{EnqueueOptions, Mailer, MemoryQueue, Message, Outbox, PoolSettings, Queue, QueueId, Route, ServerUrl};
use mailkit_server::Sink;

const MILLISECOND: Duration = Duration::from_millis(1);
/// Far above what any of these takes: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);

fn route(sink: &Sink) -> Route {
    let pool = PoolSettings { max_size: NonZeroU32::new(4).unwrap(), ..PoolSettings::default() };
    Route::new("only", &format!("smtp://{}?tls=none", sink.addr())).unwrap().pool(pool)
}

async fn sink() -> Sink {
    Sink::builder().keep(10_000).start().await.unwrap()
}

async fn outbox(route: Route) -> Outbox {
    Outbox::builder().queue(MemoryQueue::new()).route(route).start().await.unwrap()
}

fn letter(from: &str) -> Message {
    let builder = Message::builder().from(format!("{from}@example.com")).to("bob@example.org");
    builder.subject("Hello").text("How are you?").build().unwrap()
}

async fn enqueue(outbox: &Outbox, number: usize, from: &str, options: &EnqueueOptions) -> Vec<QueueId> {
    let mut ids = Vec::new();
    for _ in 0..number {
        ids.push(outbox.enqueue(&letter(from), options.clone()).await.unwrap().id);
    }
    ids
}

async fn ended(outbox: &Outbox) {
    tokio::time::timeout(LIMIT, outbox.dispatcher().until_empty()).await.unwrap().unwrap();
}

/// Waits until so many have arrived.
async fn arrived(sink: &Sink, number: usize) {
    let begun = Instant::now();
    while sink.counters().accepted < number as u64 {
        assert!(begun.elapsed() < LIMIT, "{} of {number}", sink.counters().accepted);
        tokio::time::sleep(MILLISECOND).await;
    }
}

/// From whom each message came, in the order of arrival.
fn senders(sink: &Sink) -> Vec<String> {
    sink.captured().iter().map(|mail| mail.reverse_path.to_string()).collect()
}

/// Which messages arrived before their time, the first being 0. A message may be held up on its way: it may arrive late, and
/// close to the next, but never early.
fn early(sink: &Sink, begun: SystemTime, time: impl Fn(u32) -> Duration) -> Vec<u32> {
    let mut times: Vec<SystemTime> = sink.captured().iter().map(|mail| mail.received_at).collect();
    times.sort_unstable();
    let is_early = |(number, at): &(u32, SystemTime)| *at + 5 * MILLISECOND < begun + time(*number);
    (0..).zip(times).filter(is_early).map(|(number, _)| number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_never_sees_more_than_the_smooth_rate_and_sees_nearly_that() {
    let sink = sink().await;
    let outbox = outbox(route(&sink).rate("100/s".parse().unwrap())).await;
    let begun = SystemTime::now();
    enqueue(&outbox, 100, "ann", &EnqueueOptions::new()).await;
    ended(&outbox).await;
    assert_eq!(early(&sink, begun, |number| 10 * MILLISECOND * number), [0; 0]);
    // A machine that is busy may take its time.
    let took = begun.elapsed().unwrap();
    assert!(took < 10_000 * MILLISECOND, "{took:?}");
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_never_sees_more_than_the_hard_quota() {
    let sink = sink().await;
    let outbox = outbox(route(&sink).quota("10/500ms messages".parse().unwrap())).await;
    let begun = SystemTime::now();
    enqueue(&outbox, 35, "ann", &EnqueueOptions::new()).await;
    ended(&outbox).await;
    assert_eq!(early(&sink, begun, |number| 500 * MILLISECOND * (number / 10)), [0; 0]);
    assert_eq!(sink.captured().len(), 35);
    outbox.shutdown(LIMIT).await;
    sink.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_sends_little_does_not_wait_behind_one_that_sends_much() {
    let sink = sink().await;
    let outbox = outbox(route(&sink).rate("500/s burst 50".parse().unwrap())).await;
    enqueue(&outbox, 2_000, "greedy", &EnqueueOptions::new().tenant("greedy")).await;
    let before = sink.counters().accepted as usize;
    enqueue(&outbox, 20, "modest", &EnqueueOptions::new().tenant("modest")).await;
    arrived(&sink, before + 400).await;
    outbox.shutdown(Duration::ZERO).await;
    let senders = senders(&sink);
    let modest: Vec<usize> = (0..senders.len()).filter(|place| senders[*place].contains("modest")).collect();
    assert_eq!(modest.len(), 20, "{modest:?} behind {before}");
    sink.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn high_priority_overtakes_bulk_that_is_waiting() {
    let sink = sink().await;
    let outbox = outbox(route(&sink).rate("500/s burst 50".parse().unwrap())).await;
    enqueue(&outbox, 2_000, "bulk", &EnqueueOptions::new().priority(Priority::Low)).await;
    let before = sink.counters().accepted as usize;
    enqueue(&outbox, 10, "urgent", &EnqueueOptions::new().priority(Priority::High)).await;
    arrived(&sink, before + 200).await;
    outbox.shutdown(Duration::ZERO).await;
    let senders = senders(&sink);
    let urgent: Vec<usize> = (0..senders.len()).filter(|place| senders[*place].contains("urgent")).collect();
    assert!(urgent.len() == 10 && urgent[9] <= before + 110, "{urgent:?} behind {before}");
    sink.shutdown().await;
}

/// Polls a future so often at the most, and drops it.
async fn dropped_after<F: Future>(polls: usize, future: F) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if future.as_mut().now_or_never().is_some() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailer_whose_futures_are_dropped_loses_no_connection_of_its_pool() {
    let sink = sink().await;
    let config = ServerUrl::parse(&format!("smtp://{}?tls=none", sink.addr())).unwrap().into_config().unwrap();
    let pool = PoolSettings { max_size: NonZeroU32::new(3).unwrap(), min_idle: 0, ..PoolSettings::default() };
    let mailer = Mailer::with_pool(config, pool).unwrap();
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let (mailer, polls) = (mailer.clone(), fastrand::usize(..20));
            tokio::spawn(async move {
                let letters: Vec<Message> = (0..4).map(|_| letter("ann")).collect();
                match number % 3 {
                    0 => dropped_after(polls, mailer.send(&letters[0])).await,
                    1 => dropped_after(polls, mailer.send_all(stream::iter(&letters)).count()).await,
                    _ => dropped_after(polls, mailer.connect()).await,
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
    }
    let letters: Vec<Message> = (0..30).map(|_| letter("ann")).collect();
    let all = futures_util::future::join_all(letters.iter().map(|letter| mailer.send(letter)));
    let outcomes = tokio::time::timeout(LIMIT, all).await.unwrap();
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_accepted()));
    let begun = Instant::now();
    while mailer.stats().unwrap().in_use + mailer.stats().unwrap().closing > 0 {
        assert!(begun.elapsed() < LIMIT, "{:?}", mailer.stats());
        tokio::task::yield_now().await;
    }
    dropped_after(1, mailer.close()).await;
    mailer.close().await;
    assert_eq!(mailer.stats().unwrap().open(), 0);
    sink.shutdown().await;
}

/// Enqueues, and drops futures of an outbox that works. Returns the messages that are known to be stored.
async fn disturb(outbox: &Outbox) -> Vec<QueueId> {
    let known = enqueue(outbox, 20, "ann", &EnqueueOptions::new()).await;
    for _ in 0..10 {
        dropped_after(fastrand::usize(..3), outbox.enqueue(&letter("ann"), EnqueueOptions::new())).await;
        dropped_after(fastrand::usize(..3), outbox.dispatcher().until_empty()).await;
    }
    dropped_after(fastrand::usize(..30), outbox.shutdown(LIMIT)).await;
    known
}

/// What became of a message that is stored.
async fn state(queue: &dyn Queue, id: QueueId) -> State {
    queue.get(id).await.unwrap().expect("it is there").state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_that_is_dropped_can_be_called_again_and_leaves_no_lease() {
    let sink = sink().await;
    for _ in 0..20 {
        let outbox = outbox(route(&sink)).await;
        let known = disturb(&outbox).await;
        tokio::time::timeout(LIMIT, outbox.shutdown(LIMIT)).await.unwrap();
        let stats = outbox.queue().stats().await.unwrap();
        assert_eq!((stats.leased, stats.scheduled, stats.ambiguous_total), (0, 0, 0));
        for id in known {
            let state = state(&**outbox.queue(), id).await;
            assert!(matches!(state, State::Ready | State::Sent), "{id} is {state:?}");
        }
    }
    sink.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_that_is_dropped_in_its_shutdown_loses_no_message() {
    let (sink, queue) = (sink().await, MemoryQueue::new());
    let mut known = Vec::new();
    for _ in 0..20 {
        let outbox = Outbox::builder().queue(queue.clone()).route(route(&sink)).start().await.unwrap();
        known.extend(disturb(&outbox).await);
    }
    let outbox = Outbox::builder().queue(queue.clone()).route(route(&sink)).start().await.unwrap();
    // Leases of those that were dropped run out after a minute: that is not waited for.
    let worked_off = async {
        while queue.stats().await.unwrap().ready > 0 {
            tokio::time::sleep(MILLISECOND).await;
        }
    };
    tokio::time::timeout(LIMIT, worked_off).await.unwrap();
    outbox.shutdown(LIMIT).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.dead, stats.held), (0, 0));
    for id in known {
        let state = state(&queue, id).await;
        let is_kept = matches!(state, State::Sent | State::Leased | State::Scheduled | State::Ready);
        assert!(is_kept, "{id} is {state:?}");
    }
    assert!(sink.counters().accepted >= stats.sent);
    sink.shutdown().await;
}
