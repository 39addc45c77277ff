//! Which connections are kept, and which are parted from.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mailkit_connection::Submission;
use mailkit_pool::PoolSettings;
use mailkit_server::Sink;

use crate::setup::{MINUTE, envelope, pass, pool_to, rule, send, settings, until};

#[tokio::test]
async fn a_refused_message_costs_no_connection() {
    let sink = Sink::builder().fail(rule("rcpt=550 5.1.1 no such user,times=1")).start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    assert!(!send(&pool, "one\r\n").await.unwrap().is_accepted());
    assert!(send(&pool, "two\r\n").await.unwrap().is_accepted());
    assert_eq!((sink.counters().connections, pool.stats().reused), (1, 1));
}

#[tokio::test]
async fn one_that_the_server_closed_while_it_was_idle_is_replaced_in_silence() {
    // The server's time limit for a command is 5 minutes; it says 421 and hangs up.
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, PoolSettings { idle_timeout: 60 * MINUTE, max_lifetime: 60 * MINUTE, ..settings(1) });
    assert!(send(&pool, "one\r\n").await.unwrap().is_accepted());
    pass(6 * MINUTE).await;
    until("the server has hung up", || sink.counters().open == 0).await;
    assert!(send(&pool, "two\r\n").await.unwrap().is_accepted());
    assert_eq!(sink.counters().connections, 2);
    assert_eq!(pool.stats().closed.dead, 1);
}

#[tokio::test]
async fn one_that_was_idle_for_long_is_asked_for_a_sign_of_life_and_kept() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    assert!(send(&pool, "one\r\n").await.unwrap().is_accepted());
    let turns = sink.counters().turns;
    assert!(send(&pool, "two\r\n").await.unwrap().is_accepted());
    assert_eq!(sink.counters().turns, turns + 1);
    pass(Duration::from_secs(31)).await;
    assert!(send(&pool, "three\r\n").await.unwrap().is_accepted());
    assert_eq!((sink.counters().turns, sink.counters().connections), (turns + 3, 1));
}

#[tokio::test]
async fn one_that_nobody_needs_is_parted_from_after_the_idle_timeout_and_some_are_kept() {
    let sink = Sink::builder().start().await.unwrap();
    let pool = pool_to(&sink, PoolSettings { min_idle: 1, ..settings(3) });
    let all = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    drop(all);
    assert_eq!(pool.stats().idle, 3);
    for _ in 0..8 {
        pass(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    until("two have left", || sink.counters().open == 1).await;
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.closed.idle, stats.opened), (1, 2, 3));
    // What bb8 still holds of those two is passed over.
    let both = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert_eq!(pool.stats().in_use, 2);
    drop(both);
}

#[tokio::test]
async fn one_that_is_too_old_is_replaced_and_one_is_kept_ready() {
    let sink = Sink::builder().start().await.unwrap();
    let limits = PoolSettings { min_idle: 1, max_lifetime: 2 * MINUTE, ..settings(3) };
    let pool = pool_to(&sink, limits);
    drop(pool.acquire().await.unwrap());
    for _ in 0..13 {
        pass(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    until("another was opened", || pool.stats().opened == 2 && pool.stats().idle == 1).await;
    assert_eq!(pool.stats().closed.lifetime, 1);
    until("the old one has left", || sink.counters().open == 1).await;
    let taken = pool.acquire().await.unwrap();
    assert_eq!(pool.stats().opened, 2);
    drop(taken);
}

#[tokio::test]
async fn one_carries_so_many_messages_and_is_parted_from() {
    let sink = Sink::builder().start().await.unwrap();
    let limits = PoolSettings { messages_per_connection: NonZeroU32::new(3).unwrap(), ..settings(1) };
    let pool = pool_to(&sink, limits);
    for _ in 0..7 {
        assert!(send(&pool, "Hi\r\n").await.unwrap().is_accepted());
    }
    assert_eq!((sink.counters().connections, sink.counters().most_open), (3, 1));
    assert_eq!(pool.stats().closed.used_up, 2);
}

#[tokio::test]
async fn the_servers_own_limit_of_messages_is_kept_to() {
    let sink = Sink::builder().extensions(|offered| offered.limits.mail_max = Some(2)).start().await.unwrap();
    let pool = pool_to(&sink, settings(1));
    let mut letters = stream::iter((0..5).map(|_| Submission::new(envelope(), "Hi\r\n")));
    let mut carried = Vec::new();
    while carried.iter().sum::<usize>() < 5 {
        let mut connection = pool.acquire().await.unwrap();
        carried.push(connection.send_all(&mut letters).count().await);
    }
    assert_eq!(carried, [2, 2, 1]);
    assert_eq!(sink.counters().accepted, 5);
}
