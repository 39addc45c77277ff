//! The task that leases messages where there is room, and the one that renews leases.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mailkit_queue::{LeaseRequest, QueueError};
use tokio::time::{Instant, sleep, sleep_until};

use crate::assign::{Batch, Room, earliest};
use crate::desk::Desk;
use crate::event::Event;
use crate::lease_term::LeaseTerm;
use crate::state::Phase;

/// How many messages are leased at once at the most.
const BATCH: usize = 512;
/// How many are looked at to find some for a route that others do not fill.
const SAMPLE: usize = 16;
/// How often.
const SELDOM: Duration = Duration::from_secs(1);
/// The first wait when the store is away, and the longest.
const AWAY: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Leases messages until the dispatcher drains.
pub(crate) async fn lease(desk: Arc<Desk>) {
    let mut away = *AWAY.start();
    let mut last_sample: Option<Instant> = None;
    loop {
        let Some((room, duration)) = look(&desk) else { return };
        if let Some(at) = last_sample.map(|at| at + SELDOM).filter(|at| room.seldom && *at > Instant::now()) {
            wait_for_room(&desk, earliest(Some(at), room.look_again)).await;
            continue;
        }
        let most = if room.seldom { room.messages.min(SAMPLE) } else { room.messages.min(BATCH) };
        let Some(most) = u32::try_from(most).ok().and_then(NonZeroU32::new) else {
            wait_for_room(&desk, room.look_again).await;
            continue;
        };
        if room.seldom {
            last_sample = Some(Instant::now());
        }
        let mut request = LeaseRequest::new(most, duration);
        request.skip_routes = room.skip;
        // After a clock that jumped, or a sleep of the whole machine, leasing would end our own leases; and it may have to
        // wait for others who write.
        let renewed = renew_from(&desk, duration, duration / 4).await;
        if !begin(&desk) {
            return;
        }
        let leased = match renewed {
            Ok(()) => lease_batch(&desk, &request).await,
            Err(error) => Err(error),
        };
        let is_empty = leased.as_ref().is_ok_and(|batch| batch.messages.is_empty());
        let trouble = take_in(&desk, leased).err();
        match trouble {
            None => {
                away = *AWAY.start();
                desk.store_is_back();
                if is_empty {
                    wait_for_mail(&desk, room.look_again).await;
                } else {
                    // Ways run on this thread too.
                    tokio::task::yield_now().await;
                }
            }
            Some(error) => {
                desk.store_trouble(&error);
                // Woken or not: it is tried again.
                let _ = tokio::time::timeout(away, desk.changed.notified()).await;
                away = (away * 2).min(*AWAY.end());
            }
        }
    }
}

/// Where there is room; nothing once no more is to be leased.
fn look(desk: &Arc<Desk>) -> Option<(Room, Duration)> {
    let mut state = desk.state();
    if state.phase != Phase::Running {
        return None;
    }
    // A route that waited to open a way may do so now.
    let now = Instant::now();
    for place in 0..state.routes.len() {
        if state.routes[place].resumes(now) {
            tracing::info!(route = &*state.routes[place].name, "the route is tried again after a limit of its account");
        }
        if state.routes[place].reopens(now) {
            desk.staff(&mut state, place, now);
        }
    }
    let clock = desk.clock();
    for silent in state.listen(now) {
        for place in state.redistribute(silent, now, clock) {
            desk.staff(&mut state, place, now);
        }
    }
    // Where the store is away, leasing is how one learns that it is back.
    let room = match state.away {
        true => Room { messages: 1, ..Room::default() },
        false => state.room(now),
    };
    state.leaser_waits = room.messages == 0;
    let lease = state.settings.lease;
    desk.close(state);
    Some((room, lease))
}

/// Says that messages are on their way here, which a shutdown waits for; not once no more are to be leased.
fn begin(desk: &Desk) -> bool {
    let mut state = desk.state();
    state.leasing = state.phase == Phase::Running;
    state.leasing
}

async fn lease_batch(desk: &Desk, request: &LeaseRequest) -> Result<Batch, QueueError> {
    let requested_at = desk.read_clocks();
    let messages = desk.queue.lease(request).await?;
    Ok(Batch { messages, requested_at, duration: request.duration })
}

fn take_in(desk: &Arc<Desk>, leased: Result<Batch, QueueError>) -> Result<(), QueueError> {
    let (now, clock) = (Instant::now(), desk.clock());
    let mut state = desk.state();
    state.leasing = false;
    if state.phase != Phase::Running {
        desk.progress.notify_waiters();
    }
    for place in state.accept(leased?, now, clock) {
        desk.staff(&mut state, place, now);
    }
    desk.close(state);
    Ok(())
}

async fn wait_for_room(desk: &Desk, until: Option<Instant>) {
    let changed = desk.changed.notified();
    match until {
        Some(until) => {
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => {
                    desk.progress.notify_waiters();
                }
            }
        }
        None => changed.await,
    }
}

async fn wait_for_mail(desk: &Desk, until: Option<Instant>) {
    tokio::select! {
        () = desk.queue.wait() => {}
        () = wait_for_room(desk, until) => {}
    }
}

/// Renews leases when half of their time is over, until all is settled.
pub(crate) async fn renew(desk: Arc<Desk>) {
    loop {
        let duration = {
            let state = desk.state();
            if state.phase == Phase::Stopped {
                return;
            }
            state.settings.lease
        };
        // Seen at every quarter, a lease is renewed before three quarters of its time are over.
        sleep(duration / 4).await;
        if let Err(error) = renew_from(&desk, duration, duration / 2).await {
            desk.store_trouble(&error);
        }
    }
}

/// Renews the leases that run for no longer than so much more.
async fn renew_from(desk: &Arc<Desk>, duration: Duration, left: Duration) -> Result<(), QueueError> {
    let requested_at = desk.read_clocks();
    let old: Vec<_> = {
        let state = desk.state();
        let old = state.leases.values().filter(|term| term.left(requested_at) <= left);
        old.map(|term| term.token).collect()
    };
    if old.is_empty() {
        return Ok(());
    }
    let lost = desk.queue.renew(&old, duration).await?;
    let mut state = desk.state();
    state.lost(&lost);
    for token in &old {
        if let Some(term) = state.leases.get_mut(&token.id).filter(|term| term.token == *token) {
            *term = LeaseTerm::new(*token, requested_at, duration);
        }
    }
    drop(state);
    desk.store_is_back();
    Ok(())
}

impl Desk {
    /// Notes that the store did not do what it was asked, and stops all where that is for good.
    pub(crate) fn store_trouble(&self, error: &QueueError) {
        let words = words(error);
        let mut state = self.state();
        match error {
            QueueError::Failed(_) | QueueError::Damaged(_) if state.phase != Phase::Stopped => {
                tracing::error!(words, "the queue's store has failed: nothing more is sent");
                state.phase = Phase::Stopped;
                state.away = true;
                state.tell(|| Event::StoreFailed { words });
                for route in &mut state.routes {
                    route.wake_all();
                }
                self.changed.notify_one();
                self.progress.notify_waiters();
            }
            QueueError::Unavailable(_) if !state.away => {
                tracing::warn!(words, "the queue's store is away: nothing is sent until it is back");
                state.away = true;
                state.tell(|| Event::StoreAway { words });
            }
            QueueError::Unavailable(_) => {}
            _ => tracing::warn!(words, "the queue refused something"),
        }
        self.close(state);
    }

    /// Notes that the store did what it was asked.
    pub(crate) fn store_is_back(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.away || state.phase == Phase::Stopped {
            return;
        }
        tracing::info!("the queue's store is back");
        state.away = false;
        state.tell(|| Event::StoreBack);
        self.staff_all(&mut state);
        self.changed.notify_one();
        self.close(state);
    }
}

/// An error and what led to it.
fn words(error: &QueueError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
