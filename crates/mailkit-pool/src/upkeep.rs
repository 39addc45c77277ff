//! Upkeep: closes what was idle for too long or has grown too old, and keeps some connections ready.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::link::Link;
use crate::manager::Slot;
use crate::opening::Shared;
use crate::pool::Inner;
use crate::stats::Reason;

/// How often it looks within the shortest time that it has to keep: a connection stays a quarter longer at the most.
const ROUNDS: u32 = 4;

/// It looks no more often than this, for the processor's sake.
const SHORTEST: Duration = Duration::from_millis(100);

/// It looks at least so often, so that a connection which the server closed does not linger.
const LONGEST: Duration = Duration::from_secs(10);

/// Starts the upkeep, which ends with the pool.
pub(crate) fn start(pool: &Arc<Inner>) {
    let settings = &pool.shared.settings;
    let pause = (settings.idle_timeout.min(settings.max_lifetime) / ROUNDS).clamp(SHORTEST, LONGEST);
    tokio::spawn(run(Arc::downgrade(pool), pause));
}

/// Parts from all connections that are idle.
pub(crate) async fn part_from_all(shared: &Shared) {
    let berths = shared.berths();
    let idle = berths.iter().filter_map(|berth| berth.clear(|_| Some(Reason::Shutdown)));
    join_all(idle.map(|(link, reason)| link.part(reason))).await;
}

async fn run(pool: Weak<Inner>, pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(pool) = pool.upgrade().filter(|pool| !pool.shared.is_closed()) else { return };
        sweep(&pool.shared);
        while wants_more(&pool.shared) {
            let Ok(link) = pool.shared.open(|| true).await else { break };
            add(&pool, link);
        }
    }
}

fn sweep(shared: &Shared) {
    let mut spare = shared.counters.idle.load(Relaxed).saturating_sub(shared.settings.min_idle);
    for berth in shared.berths() {
        let cleared = berth.clear(|link| {
            let unneeded = spare > 0 && link.idle_since.elapsed() >= shared.settings.idle_timeout;
            link.unfit_to_go().or(unneeded.then_some(Reason::Idle))
        });
        if let Some((link, reason)) = cleared {
            spare = spare.saturating_sub(1);
            link.retire(reason);
        }
    }
}

/// Whether a connection is to be opened that nobody has asked for. A server that has refused is left to callers.
fn wants_more(shared: &Shared) -> bool {
    let counters = &shared.counters;
    let ready = counters.idle.load(Relaxed) + counters.opening.load(Relaxed);
    let open = counters.usable.load(Relaxed) + counters.opening.load(Relaxed) + counters.closing.load(Relaxed);
    ready < shared.settings.min_idle && open < shared.settings.max_size.get() && shared.gate.allows_spare()
}

/// Lays the connection into a slot that has lost its own, or into a new one.
fn add(pool: &Inner, link: Box<Link>) {
    if let Some(berth) = pool.shared.berths().iter().find(|berth| berth.is_empty()) {
        return berth.lay(link);
    }
    if pool.bb8.add(Slot::new(link, &pool.shared)).is_err() {
        // In the meantime callers have opened as many as there may be; this one is dropped.
        tracing::debug!("a pooled connection was opened for nobody");
    }
}
