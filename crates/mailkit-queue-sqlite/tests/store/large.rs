//! Large messages are stored and read in chunks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use mailkit_queue::{Chunks, Content, ContentSource, Idempotency, NewMessage, Queue, QueueError, State};
use rusqlite::Connection;

use crate::{lease, message, open};

/// A source of chunks of 10,000 octets. It can fail at the end.
struct Stream {
    chunks: u64,
    fails: bool,
    opened: AtomicU64,
}

impl Stream {
    fn content(chunks: u64, fails: bool) -> (Arc<Self>, Content) {
        let stream = Arc::new(Self { chunks, fails, opened: AtomicU64::new(0) });
        (Arc::clone(&stream), Content::stored(stream, None))
    }

    fn chunk(at: u64) -> Bytes {
        vec![b'a' + u8::try_from(at % 26).unwrap(); 10_000].into()
    }
}

impl ContentSource for Stream {
    fn open(&self) -> io::Result<Chunks> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let end = self.fails.then(|| Err(io::Error::other("the disk is gone")));
        Ok(Box::new((0..self.chunks).map(|at| Ok(Self::chunk(at))).chain(end)))
    }
}

fn with(content: Content) -> NewMessage {
    let mut message = message("");
    message.content = content;
    message
}

fn chunks(path: &std::path::Path) -> (u64, u64) {
    let conn = Connection::open(path).unwrap();
    let count = |table| conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    (count("chunk"), count("staging"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_is_stored_and_read_in_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let id = queue.enqueue(with(Stream::content(100, false).1)).await.unwrap().id;
    assert_eq!(chunks(&path), (8, 0), "1,000,000 octets in chunks of 128 KiB");
    let leased = lease(&queue).await.pop().unwrap();
    assert_eq!((leased.content.size(), leased.content.in_memory()), (Some(1_000_000), None));
    let chunks: Vec<_> = leased.content.chunks().unwrap().collect::<Result<_, _>>().unwrap();
    assert!(chunks.iter().all(|chunk| chunk.len() <= 128 << 10));
    let whole: Vec<u8> = (0..100).flat_map(Stream::chunk).collect();
    assert!(chunks.concat() == whole);
    assert!(queue.content(id).await.unwrap().unwrap().to_bytes().unwrap() == whole, "it can be read again");
    assert_eq!(queue.get(id).await.unwrap().unwrap().size, 1_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_few_octets_is_stored_like_any_small_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    queue.enqueue(with(Stream::content(3, false).1)).await.unwrap();
    assert_eq!(chunks(&path), (0, 0));
    assert_eq!(lease(&queue).await[0].content.in_memory().unwrap().len(), 30_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_that_breaks_off_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let error = queue.enqueue(with(Stream::content(100, true).1)).await.unwrap_err();
    assert!(matches!(error, QueueError::Content(_)), "{error:?}");
    queue.enqueue(message("after it")).await.unwrap();
    assert_eq!(chunks(&path), (0, 0));
    assert_eq!(queue.stats().await.unwrap().ready, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_whose_key_is_known_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("mailkit.db")).await;
    let key = Idempotency::new("order-42".parse().unwrap(), [7; 32]);
    let enqueue = |content| {
        let mut message = with(content);
        message.idempotency = Some(key.clone());
        queue.enqueue(message)
    };
    let (first, (stream, again)) = (Stream::content(100, false).1, Stream::content(100, false));
    let id = enqueue(first).await.unwrap().id;
    let found = enqueue(again).await.unwrap();
    assert_eq!((found.id, found.duplicate, stream.opened.load(Ordering::SeqCst)), (id, true, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_a_large_message_removes_its_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let id = queue.enqueue(with(Stream::content(100, false).1)).await.unwrap().id;
    queue.apply(id, mailkit_queue::Command::Cancel).await.unwrap();
    assert_eq!(queue.purge(&[State::Sent, State::Dead, State::Cancelled], std::time::Duration::ZERO).await.unwrap(), 1);
    assert_eq!(chunks(&path), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphaned_chunks_of_a_dead_process_are_removed_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let conn = Connection::open(&path).unwrap();
    let leave = "INSERT INTO staging VALUES (900, 5); INSERT INTO chunk VALUES (900, 0, 1, 'x');
                 INSERT INTO staging VALUES (901, 9000000000000); INSERT INTO chunk VALUES (901, 0, 1, 'x')";
    conn.execute_batch(leave).unwrap();
    queue.purge(&[State::Sent, State::Dead, State::Cancelled], std::time::Duration::ZERO).await.unwrap();
    assert_eq!(chunks(&path), (1, 1), "one that is being written stays");
}

/// Chunks with a callback before one of them.
struct Interrupted<F>(u64, F);

impl<F: Fn() + Clone + Send + Sync + 'static> ContentSource for Interrupted<F> {
    fn open(&self) -> io::Result<Chunks> {
        let (at, happen) = (self.0, self.1.clone());
        let before = move |chunk: &u64| {
            if *chunk == at {
                happen()
            }
        };
        let end = (at == 100).then_some(100);
        Ok(Box::new((0..100).chain(end).inspect(before).map(|chunk| Ok(Stream::chunk(chunk)))))
    }
}

/// Four whole chunks of the store with a callback after the last one.
struct EndsLate<F>(F);

impl<F: Fn() + Clone + Send + Sync + 'static> ContentSource for EndsLate<F> {
    fn open(&self) -> io::Result<Chunks> {
        let end = std::iter::once_with(self.0.clone()).filter_map(|()| None);
        Ok(Box::new((0..4).map(|_| Ok(Bytes::from(vec![b'x'; 128 << 10]))).chain(end)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_whose_chunks_were_removed_as_orphaned_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let hours = Arc::new(AtomicU64::new(0));
    let elapsed = Arc::clone(&hours);
    let clock = mailkit_queue::Clock::new(move || {
        mailkit_queue::Timestamp::from_millis(elapsed.load(Ordering::SeqCst).try_into().unwrap())
    });
    let queue = mailkit_queue_sqlite::SqliteQueue::builder(&path).clock(clock).open().await.unwrap();
    // In the middle, after the last whole chunk of the store, and after the last chunk.
    for at in [50, 100, 101] {
        let (worker, runtime, hours) = (queue.clone(), tokio::runtime::Handle::current(), Arc::clone(&hours));
        let wait = move || {
            hours.fetch_add(2 * 60 * 60 * 1000, Ordering::SeqCst);
            runtime.block_on(lease(&worker));
        };
        let content = match at {
            101 => Content::stored(Arc::new(EndsLate(wait)), None),
            at => Content::stored(Arc::new(Interrupted(at, wait)), None),
        };
        let error = queue.enqueue(with(content)).await.unwrap_err();
        assert!(matches!(&error, QueueError::Content(why) if why.to_string().contains("an hour passed")), "{error:?}");
        queue.enqueue(message("after it")).await.unwrap();
        assert_eq!(chunks(&path), (0, 0), "nothing is left behind");
    }
    let contents = lease(&queue).await;
    assert_eq!(contents.len(), 1, "those after it were leased by the next wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_are_removed_in_several_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let settings = mailkit_queue::QueueSettings::new().with_retention(std::time::Duration::ZERO);
    let queue = mailkit_queue_sqlite::SqliteQueue::builder(&path).settings(settings).open().await.unwrap();
    for _ in 0..3 {
        let id = queue.enqueue(message("x")).await.unwrap().id;
        queue.apply(id, mailkit_queue::Command::Cancel).await.unwrap();
    }
    // The store believes that each has 50 MiB.
    Connection::open(&path).unwrap().execute("UPDATE message SET size = 52428800", []).unwrap();
    for left in [1, 0] {
        assert!(lease(&queue).await.is_empty());
        assert_eq!(queue.stats().await.unwrap().cancelled, left);
    }
    assert_eq!(queue.purge(&[State::Sent, State::Dead, State::Cancelled], std::time::Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_has_large_messages_and_one_that_is_refused_leaves_no_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let queue = open(&path).await;
    let large = || with(Stream::content(30, false).1);
    let results = queue.enqueue_many(vec![large(), with(Stream::content(30, true).1), message("small")]).await.unwrap();
    let [Ok(_), Err(QueueError::Content(_)), Ok(_)] = results.as_slice() else { panic!("{results:?}") };
    let [first, _] = lease(&queue).await.try_into().unwrap();
    assert_eq!(first.content.to_bytes().unwrap().len(), 300_000);
    let kept = chunks(&path).0;

    let keyed = |fingerprint| {
        let mut message = large();
        message.idempotency = Some(Idempotency::new("key".parse().unwrap(), [fingerprint; 32]));
        message
    };
    let failed = queue.enqueue_all(vec![large(), keyed(1), keyed(2)]).await.unwrap_err();
    assert!(matches!(failed.error, QueueError::Conflict { .. }), "{failed:?}");
    assert_eq!(failed.index, Some(2));
    // The chunks are removed by the writer after the call.
    queue.enqueue(message("another")).await.unwrap();
    assert_eq!(chunks(&path), (kept, 0));
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased), (1, 2));
}
