//! A server that refuses is not hammered, and those who wait are told why.

use std::time::Duration;

use futures_util::future::join_all;
use mailkit_pool::{AcquireError, Pool};
use mailkit_server::Sink;
use tokio::net::TcpListener;

use crate::setup::{pass, pool_at, pool_to, rule, send, settings, until};

fn wrong_password(sink: &Sink) -> Pool {
    pool_at(&format!("smtp://ann:wrong@{}?tls=none&allow-cleartext-auth=yes", sink.addr()), settings(16))
}

#[tokio::test]
async fn a_refused_login_is_tried_once_and_all_who_wait_are_told_why() {
    let sink = Sink::builder().user("ann", "right").start().await.unwrap();
    let pool = wrong_password(&sink);
    for outcome in join_all((0..200).map(|_| pool.acquire())).await {
        let error = outcome.unwrap_err();
        assert!(matches!(&error, AcquireError::Refused { retry_in, .. } if *retry_in <= Duration::from_secs(1)));
        let reply = error.connection().unwrap().reply().unwrap();
        assert_eq!(reply.code().get(), 535, "{error}");
    }
    // Those who come later are told at once.
    assert!(matches!(pool.acquire().await, Err(AcquireError::Refused { .. })));
    assert_eq!(sink.counters().connections, 1);
    assert!(pool.stats().refused_for.is_some());
}

#[tokio::test]
async fn the_pause_after_a_refusal_doubles_and_ends_with_the_first_success() {
    let sink = Sink::builder().fail(rule("greeting=554 5.7.1 not you,times=4")).start().await.unwrap();
    let pool = pool_to(&sink, settings(2));
    for (tries, pause) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
        let error = pool.acquire().await.unwrap_err();
        let AcquireError::Refused { retry_in, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_in.as_secs_f32().ceil() as u64, pause);
        assert_eq!(sink.counters().connections, tries);
        pass(Duration::from_secs(pause)).await;
    }
    assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
    assert_eq!(pool.stats().refused_for, None);
    assert_eq!(pool.stats().failed, 4);
}

#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_served_over_those_it_took() {
    let sink = Sink::builder().max_connections(3).start().await.unwrap();
    let pool = pool_to(&sink, settings(8));
    let letters = (0..400).map(|_| send(&pool, "Hi\r\n"));
    for outcome in join_all(letters).await {
        assert!(outcome.unwrap().is_accepted());
    }
    let stats = pool.stats();
    assert_eq!(sink.counters().accepted, 400);
    // Eight may have been opened side by side, each that was used up may have been replaced, and no more were tried.
    assert!(sink.counters().connections <= 20, "{:?} {stats:?}", sink.counters());
}

#[tokio::test]
async fn a_server_that_is_away_is_a_reason_and_is_found_again_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let pool = pool_at(&format!("smtp://{address}?tls=none"), settings(4));
    for outcome in join_all((0..50).map(|_| pool.acquire())).await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, AcquireError::Failed { .. }), "{error:?}");
        assert!(error.is_temporary());
        assert_eq!(error.to_string(), "no connection");
    }
    let sink = Sink::builder().listen(address).start().await.unwrap();
    // What had begun before has failed by then; and the longest pause after failures of the network.
    until("nothing is being opened", || pool.stats().opening == 0).await;
    pass(Duration::from_secs(5)).await;
    assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
    assert_eq!(sink.counters().accepted, 1);
}

#[tokio::test]
async fn a_server_that_stays_silent_is_waited_for_as_long_as_opening_may_take() {
    let sink = Sink::builder().fail(rule("greeting=hang")).start().await.unwrap();
    let pool = pool_at(&format!("smtp://{}?tls=none&timeout=20", sink.addr()), settings(1));
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    until("it is being opened", || pool.stats().opening == 1 && sink.counters().open > 0).await;
    pass(Duration::from_secs(8)).await;
    until("the clock is seen", || pool.stats().waiting == 1).await;
    assert!(!waiting.is_finished());
    for _ in 0..4 {
        pass(Duration::from_secs(20)).await;
        tokio::task::yield_now().await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, AcquireError::Failed { .. }), "{error:?}");
}
