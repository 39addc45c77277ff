//! How many connections are open, and who gets one.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use mailkit_pool::{AcquireError, PoolSettings};
use mailkit_server::Sink;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::setup::{pass, pool_at, pool_to, send, settings, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_never_sees_more_than_the_maximum_whoever_sends() {
    let sink = Sink::builder().keep(0).start().await.unwrap();
    let pool = pool_to(&sink, settings(16));
    let senders = (0..1000).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
            }
        })
    });
    for sender in join_all(senders).await {
        sender.unwrap();
    }
    until("all have been opened", || pool.stats().opening == 0).await;
    let (counters, stats) = (sink.counters(), pool.stats());
    assert_eq!((counters.accepted, counters.most_open), (3000, 16));
    // 100 messages each: the last ones are still open.
    assert!(counters.connections >= 30, "{counters:?}");
    assert_eq!((stats.acquired, stats.in_use, stats.waiting, stats.refused), (3000, 0, 0, 0));
    assert_eq!(stats.opened, counters.connections);
    // One that came up when everybody had been served has carried nothing.
    assert!((3000..=3016).contains(&(stats.opened + stats.reused)), "{stats:?}");
    assert_eq!(stats.waits.iter().sum::<u64>(), 3000);
    pool.close().await;
    until("all have left", || sink.counters().open == 0).await;
}

#[tokio::test]
async fn who_comes_while_a_connection_is_idle_does_not_wait() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(2));
    drop(pool.acquire().await.unwrap());
    for _ in 0..100 {
        let connection = pool.acquire().now_or_never().expect("one is idle").unwrap();
        drop(connection);
    }
    assert_eq!((pool.stats().opened, pool.stats().idle), (1, 1));
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn_as_connections_come_back() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    let first = pool.acquire().await.unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    let wait = |number: u32| {
        let (pool, order) = (&pool, &order);
        async move {
            let connection = pool.acquire().await.unwrap();
            order.lock().unwrap().push(number);
            drop(connection);
        }
    };
    let mut all = std::pin::pin!(join_all((0..20).map(wait)));
    assert!(all.as_mut().now_or_never().is_none());
    assert_eq!(pool.stats().waiting, 20);
    drop(first);
    all.await;
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    let held = pool.acquire().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    until("it waits", || pool.stats().waiting == 1).await;
    pass(Duration::from_secs(6)).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, AcquireError::TimedOut { in_use: 1, last: None, .. }), "{error:?}");
    assert_eq!(error.to_string(), "no connection became free within 5s; 1 are in use: allow more, or send less");
    assert!(error.is_temporary());
    drop(held);
    assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
}

#[tokio::test]
async fn a_closed_pool_parts_from_all_and_gives_nothing_more() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(2));
    let (one, two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(one);
    pool.close().await;
    assert_eq!(sink.counters().open, 1);
    assert!(matches!(pool.acquire().await, Err(AcquireError::Closed)));
    drop(two);
    until("the other has left", || sink.counters().open == 0).await;
    assert_eq!(pool.stats().closed.shutdown, 2);
}

/// Answers all with 250, and returns the last line that was said.
async fn last_words(listener: TcpListener) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let (mut line, mut last) = (String::new(), String::new());
    stream.write_all(b"220 here\r\n").await.unwrap();
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        stream.write_all(b"250 fine\r\n").await.unwrap();
        last = std::mem::take(&mut line);
    }
    last
}

#[tokio::test]
async fn a_pool_that_is_dropped_parts_from_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    let server = tokio::spawn(last_words(listener));
    // Waiting without a limit is no reason to panic.
    let pool = pool_at(&url, PoolSettings { acquire_timeout: Duration::MAX, ..settings(1) });
    drop(pool.acquire().await.unwrap());
    drop(pool);
    assert_eq!(server.await.unwrap(), "QUIT\r\n");
}
