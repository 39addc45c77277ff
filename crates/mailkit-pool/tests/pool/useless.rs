//! Connections that are opened and of no use: whatever makes them so, the server is not asked again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt as _;
use mailkit_pool::{AcquireError, Pool, PoolSettings};
use mailkit_server::Sink;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::setup::{MINUTE, envelope, pass, pool_at, pool_to, rule, send, settings, until};

/// A server that says one text to whoever connects, and the next one at each line that it hears; it hangs up behind the
/// last. An empty text says nothing. Counts its connections.
async fn server(texts: &'static [&'static str]) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                for (at, text) in texts.iter().enumerate() {
                    if at > 0 && !matches!(lines.next_line().await, Ok(Some(_))) {
                        return;
                    }
                    if writer.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, connections)
}

/// Sends again and again for a minute, a tenth of a second after each failure. Nobody is told that the pool is busy.
async fn persist(pool: &Pool) -> u32 {
    let mut answered = 0;
    for _ in 0..600 {
        match pool.acquire().await {
            Ok(mut connection) => {
                let outcome = connection.send(&envelope(), &Default::default(), "Hi\r\n").await;
                answered += u32::from(outcome.is_ok_and(|report| report.is_accepted()));
            }
            Err(AcquireError::Refused { .. } | AcquireError::Failed { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        pass(Duration::from_millis(100)).await;
    }
    answered
}

#[tokio::test]
async fn a_server_whose_connections_are_of_no_use_is_asked_as_seldom_as_one_that_refuses() {
    const EHLO: &str = "250-mx\r\n250 PIPELINING\r\n";
    let servers: &[(&str, &'static [&'static str])] = &[
        ("greets twice at once", &["220 mx\r\n220 mx\r\n", EHLO, "", ""]),
        ("greets again behind EHLO", &["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n220 mx\r\n", ""]),
        ("says 421 behind EHLO", &["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n421 too busy\r\n"]),
        ("hangs up behind EHLO", &["220 mx\r\n", EHLO]),
        ("hangs up behind the greeting", &["220 mx\r\n"]),
        ("hangs up at once", &[]),
        ("hangs up at MAIL", &["220 mx\r\n", EHLO, ""]),
        ("says 421 to MAIL", &["220 mx\r\n", EHLO, "421 not now\r\n"]),
        ("answers MAIL by nonsense", &["220 mx\r\n", EHLO, "hello?\r\n", ""]),
        ("answers MAIL by 354", &["220 mx\r\n", EHLO, "354 go\r\n", ""]),
        ("hangs up at the content", &["220 mx\r\n", EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", ""]),
    ];
    for (what, texts) in servers {
        let (address, connections) = server(texts).await;
        let pool = pool_at(&format!("smtp://{address}?tls=none"), settings(4));
        assert_eq!(persist(&pool).await, 0, "{what}");
        let connections = connections.load(Relaxed);
        // Of the network, 250 ms to 5 s; in answer to one that hangs up before it greets, it is asked whether it waits for TLS.
        assert!((1..=40).contains(&connections), "it {what}: {connections} connections in a minute");
    }
}

#[tokio::test]
async fn those_who_wait_side_by_side_do_not_ask_a_server_of_no_use_more_often() {
    let (address, connections) = server(&["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", ""]).await;
    let pool = pool_at(&format!("smtp://{address}?tls=none"), settings(4));
    for _ in 0..100 {
        let sends = (0..8).map(|_| async {
            if let Ok(mut connection) = pool.acquire().await {
                connection.send(&envelope(), &Default::default(), "Hi\r\n").await.unwrap_err();
            }
        });
        futures_util::future::join_all(sends).await;
        pass(Duration::from_millis(100)).await;
    }
    // In 10 s there are pauses of 1, 2, 4 and 8 s; as many as the pool is large may have been opened side by side.
    assert!(connections.load(Relaxed) <= 16, "{connections:?}");
}

#[tokio::test]
async fn a_server_that_is_of_use_again_is_used_at_once_behind_the_pause_and_the_pauses_begin_anew() {
    for step in ["mail=close", "mail=421 4.3.2 closing", "content=close", "content=lose"] {
        let sink = Sink::builder().fail(rule(&format!("{step},times=3"))).start().await.unwrap();
        let pool = pool_to(&sink, settings(1));
        for (tries, seconds) in [(1, 1), (2, 2), (3, 4)] {
            let mut connection = pool.acquire().await.unwrap();
            // Whoever sends is told what happened; the next one, that the server is left alone.
            let _ = connection.send(&envelope(), &Default::default(), "Hi\r\n").await;
            drop(connection);
            let error = pool.acquire().await.unwrap_err();
            let AcquireError::Refused { retry_in, .. } = error else { panic!("{error:?}") };
            assert_eq!(retry_in.as_secs_f32().ceil() as u64, seconds, "{step}");
            assert_eq!(sink.counters().connections, tries);
            pass(Duration::from_secs(seconds)).await;
        }
        for _ in 0..2 {
            assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
        }
        assert_eq!(sink.counters().connections, 4);
        assert_eq!(pool.stats().refused_for, None);
    }
}

#[tokio::test]
async fn a_server_that_closes_behind_each_message_is_not_left_alone() {
    let texts = &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "", "", "250 kept\r\n"];
    let (address, connections) = server(texts).await;
    let pool = pool_at(&format!("smtp://{address}?tls=none"), settings(1));
    for _ in 0..10 {
        let report = send(&pool, "Subject: x\r\n\r\n").await.unwrap();
        assert!(report.is_accepted());
    }
    assert_eq!(connections.load(Relaxed), 10);
}

#[tokio::test]
async fn a_message_that_is_given_up_is_no_failure_of_the_server() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    for _ in 0..20 {
        let mut connection = pool.acquire().await.unwrap();
        let options = Default::default();
        let envelope = envelope();
        let mut sending = Box::pin(connection.send(&envelope, &options, "Hi\r\n"));
        // It is dropped when it has begun.
        assert!((&mut sending).now_or_never().is_none());
    }
    assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
    assert_eq!(pool.stats().failed, 0);
}

#[tokio::test]
async fn one_kept_ready_that_dies_unused_is_replaced_less_and_less_often_and_refuses_nobody() {
    let sink = Sink::builder().start().await.unwrap();
    let limits = PoolSettings { min_idle: 1, idle_timeout: Duration::from_millis(400), ..settings(2) };
    let pool = pool_to(&sink, limits);
    drop(pool.acquire().await.unwrap());
    // The server hangs up on whoever is idle for 5 minutes.
    for _ in 0..200 {
        pass(MINUTE).await;
        tokio::task::yield_now().await;
        until("it has hung up, or not", || sink.counters().open <= 1).await;
    }
    let opened = pool.stats().opened;
    assert!(opened > 1, "it is still kept ready");
    assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted(), "nobody is refused for that");
}
