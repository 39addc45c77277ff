//! Futures that are dropped at any time harm nobody else.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use mailkit_server::Sink;

use crate::setup::{envelope, pool_to, send, settings, until};

#[tokio::test]
async fn an_acquire_that_is_dropped_leaks_no_place_and_its_connection_is_kept() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(2));
    for _ in 0..50 {
        let mut one = Box::pin(pool.acquire());
        assert!(one.as_mut().now_or_never().is_none() || pool.stats().opened > 0);
        drop(one);
        tokio::task::yield_now().await;
    }
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert_eq!((pool.stats().in_use, pool.stats().waiting), (2, 0));
    assert!(sink.counters().most_open <= 2);
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_messages_cancelled_at_random_none_arrives_mixed_or_twice_and_the_others_arrive() {
    let sink = Sink::builder().keep(10_000).start().await.unwrap();
    let pool = pool_to(&sink, settings(8));
    let finished = Arc::new(Mutex::new(HashSet::new()));
    let letter = |number: usize| {
        let tail = "x".repeat(fastrand::usize(..20_000));
        format!("Subject: {number}\r\n\r\n{tail}\r\nend of {number}\r\n")
    };
    let tasks = (0..600).map(|number| {
        let (pool, finished, text) = (pool.clone(), Arc::clone(&finished), letter(number));
        let polls = fastrand::usize(..12);
        tokio::spawn(async move {
            let sending = async {
                let mut connection = pool.acquire().await.unwrap();
                let report = connection.send(&envelope(), &Default::default(), text).await.unwrap();
                assert!(report.is_accepted());
                finished.lock().unwrap().insert(number);
            };
            if number % 3 == 0 {
                return sending.await;
            }
            let mut sending = std::pin::pin!(sending);
            for _ in 0..polls {
                if sending.as_mut().now_or_never().is_some() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    until("nothing is in use", || pool.stats().in_use == 0 && pool.stats().closing == 0).await;
    assert!(send(&pool, "Subject: 600\r\n\r\nend of 600\r\n").await.unwrap().is_accepted());
    let mut arrived = HashSet::new();
    for captured in sink.captured() {
        let text = String::from_utf8(captured.content.to_vec()).unwrap();
        let number: usize = text.lines().next().unwrap().trim_start_matches("Subject: ").parse().unwrap();
        assert!(text.ends_with(&format!("end of {number}\r\n")) && text.matches("Subject").count() == 1);
        assert!(arrived.insert(number), "{number} came twice");
    }
    let finished = finished.lock().unwrap();
    assert!(finished.is_subset(&arrived));
    assert!((0..600).step_by(3).all(|number| finished.contains(&number)));
    assert!(sink.counters().most_open <= 8, "{:?}", sink.counters());
}
