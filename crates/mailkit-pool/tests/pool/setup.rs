//! A server, a pool, and a clock that can be moved while both go on.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use mailkit_address::{Address, Envelope};
use mailkit_connection::{Connector, Error, ServerUrl};
use mailkit_pool::{Pool, PoolSettings};
use mailkit_server::{FailRule, Sink};
use mailkit_smtp::Report;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// No connection is kept ready, so that tests see only what they ask for.
pub(crate) fn settings(max_size: u32) -> PoolSettings {
    PoolSettings { max_size: NonZeroU32::new(max_size).unwrap(), min_idle: 0, ..PoolSettings::default() }
}

pub(crate) fn pool_at(url: &str, settings: PoolSettings) -> Pool {
    let config = ServerUrl::parse(url).unwrap().into_config().unwrap();
    Pool::new(Connector::new(config).unwrap(), settings).unwrap()
}

pub(crate) fn pool_to(sink: &Sink, settings: PoolSettings) -> Pool {
    pool_at(&format!("smtp://{}?tls=none", sink.addr()), settings)
}

pub(crate) fn rule(text: &str) -> FailRule {
    text.parse().unwrap()
}

pub(crate) fn envelope() -> Envelope {
    let address = |text| Address::parse(text).unwrap();
    Envelope::new(address("ann@example.com"), vec![address("bob@example.org")]).unwrap()
}

/// Sends a small message over a connection of the pool.
pub(crate) async fn send(pool: &Pool, text: &str) -> Result<Report, Error> {
    let mut connection = pool.acquire().await.unwrap();
    connection.send(&envelope(), &Default::default(), text.to_owned()).await
}

/// Lets the clock jump.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Lets the others go on until something is true.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::task::yield_now().await;
    }
}
