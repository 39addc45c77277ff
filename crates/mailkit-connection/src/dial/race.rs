//! The race between addresses (RFC 8305 §5).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

/// Starts an attempt each `delay`, and one at once whenever an attempt fails. Gives the first that
/// succeeds and aborts the others; `failed` keeps what the rest answered, also when this future is dropped.
pub(super) async fn first<T, F>(
    addresses: Vec<SocketAddr>,
    delay: Duration,
    connect: impl Fn(SocketAddr) -> F,
    failed: &mut Vec<(SocketAddr, io::Error)>,
) -> Option<(SocketAddr, T)>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    loop {
        if let Some(address) = waiting.next() {
            let attempt = connect(address);
            running.spawn(async move { (address, attempt.await) });
        }
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            ended = running.join_next() => match ended? {
                Ok((address, Ok(stream))) => return Some((address, stream)),
                Ok((address, Err(error))) => failed.push((address, error)),
                // Only a panic in `connect` or the runtime's end gets here: the address has no answer.
                Err(_) => {}
            },
            () = sleep(delay), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const DELAY: Duration = Duration::from_millis(250);

    fn addresses(last_octets: impl IntoIterator<Item = u8>) -> Vec<SocketAddr> {
        last_octets.into_iter().map(|octet| ([192, 0, 2, octet], 25).into()).collect()
    }

    /// An address ending in N answers after N seconds; one ending in 200 and more refuses at once.
    async fn answer(address: SocketAddr) -> io::Result<()> {
        let SocketAddr::V4(v4) = address else { unreachable!("the tests use IPv4") };
        match v4.ip().octets()[3] {
            200.. => Err(io::ErrorKind::ConnectionRefused.into()),
            seconds => {
                sleep(Duration::from_secs(seconds.into())).await;
                Ok(())
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_holds_the_next_one_up_by_the_delay_only() {
        let start = Instant::now();
        let mut failed = Vec::new();
        let won = first(addresses([100, 1]), DELAY, answer, &mut failed).await;
        assert_eq!(won, Some((([192, 0, 2, 1], 25).into(), ())));
        assert_eq!(start.elapsed(), DELAY + Duration::from_secs(1));
        assert!(failed.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_attempt_at_once() {
        let start = Instant::now();
        let mut failed = Vec::new();
        let won = first(addresses([200, 201, 1]), DELAY, answer, &mut failed).await;
        assert!(won.is_some());
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!(failed.iter().map(|(address, _)| *address).collect::<Vec<_>>(), addresses([200, 201]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_fastest_wins_even_if_started_last() {
        let won = first(addresses([9, 8, 1]), DELAY, answer, &mut Vec::new()).await;
        assert_eq!(won.map(|(address, ())| address), addresses([1]).pop());
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_refuse_every_answer_is_kept() {
        let mut failed = Vec::new();
        assert_eq!(first(addresses([200, 201]), DELAY, answer, &mut failed).await, None);
        assert_eq!(failed.len(), 2);
        assert_eq!(first(addresses([]), DELAY, answer, &mut Vec::new()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_known_after_the_race_was_dropped() {
        let mut failed = Vec::new();
        let race = first(addresses([200, 100]), DELAY, answer, &mut failed);
        assert!(tokio::time::timeout(Duration::from_secs(3), race).await.is_err());
        assert_eq!(failed.len(), 1);
    }
}
