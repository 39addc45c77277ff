//! What bb8 keeps for us: a slot for each connection.
//!
//! A connection that is idle lies in the berth of its slot, where upkeep can reach it too; one that is in use has been
//! taken out. So bb8's queue may hold slots without a connection: they are passed over when they come up.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::link::Link;
use crate::opening::{NotOpened, Shared};
use crate::stats::Reason;

#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    berth: Arc<Berth>,
    /// The connection while it is in use.
    pub(crate) link: Option<Box<Link>>,
}

/// Where an idle connection lies. No lock is held across an await.
#[derive(Debug)]
pub(crate) struct Berth {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Idle(Box<Link>),
    InUse,
    Empty,
}

impl Slot {
    pub(crate) fn new(link: Box<Link>, shared: &Arc<Shared>) -> Self {
        let berth = Arc::new(Berth { shared: Arc::clone(shared), state: Mutex::new(State::Empty) });
        berth.lay(link);
        shared.register(&berth);
        Self { berth, link: None }
    }
}

impl Berth {
    /// Takes the connection out for use; closes one that is not fit for it.
    fn take(&self) -> Option<Box<Link>> {
        let mut link = self.replace(State::InUse)?;
        match link.unfit_to_go() {
            None => Some(link),
            Some(reason) => {
                self.replace(State::Empty);
                link.retire(reason);
                None
            }
        }
    }

    /// Takes the connection out to be closed, if it is idle and `judge` finds a reason.
    pub(crate) fn clear(&self, judge: impl FnOnce(&mut Link) -> Option<Reason>) -> Option<(Box<Link>, Reason)> {
        let mut state = self.state();
        let State::Idle(link) = &mut *state else { return None };
        let reason = judge(link)?;
        let before = std::mem::replace(&mut *state, State::Empty);
        drop(state);
        Some((self.lifted(before)?, reason))
    }

    /// Whether a connection can be laid in: there is none, and none will come back.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(*self.state(), State::Empty)
    }

    /// Lays a connection in.
    pub(crate) fn lay(&self, link: Box<Link>) {
        self.shared.counters.idle.fetch_add(1, Relaxed);
        self.replace(State::Idle(link));
    }

    fn replace(&self, new: State) -> Option<Box<Link>> {
        let before = std::mem::replace(&mut *self.state(), new);
        self.lifted(before)
    }

    fn lifted(&self, state: State) -> Option<Box<Link>> {
        let State::Idle(link) = state else { return None };
        self.shared.counters.idle.fetch_sub(1, Relaxed);
        Some(link)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        if let Some(link) = self.replace(State::Empty) {
            link.retire(Reason::Shutdown);
        }
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Slot;
    type Error = NotOpened;

    async fn connect(&self) -> Result<Slot, NotOpened> {
        let link = self.shared.open(|| self.shared.counters.waiting.load(Relaxed) > 0).await?;
        Ok(Slot::new(link, &self.shared))
    }

    /// Looks without waiting whether the connection is good, and takes it out of the berth.
    async fn is_valid(&self, slot: &mut Slot) -> Result<(), NotOpened> {
        slot.link = slot.berth.take();
        if slot.link.is_some() { Ok(()) } else { Err(NotOpened) }
    }

    /// bb8 asks this when a slot comes back: a good connection is laid back into its berth here.
    fn has_broken(&self, slot: &mut Slot) -> bool {
        let Some(mut link) = slot.link.take() else { return slot.berth.is_empty() };
        if let Some(reason) = link.unfit_to_stay() {
            slot.berth.replace(State::Empty);
            link.retire(reason);
            return true;
        }
        link.came_back();
        slot.berth.lay(link);
        false
    }
}
