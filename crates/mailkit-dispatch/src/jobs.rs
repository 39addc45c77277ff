//! The jobs of one way: a stream that gives a message whenever one may leave.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use mailkit_queue::Leased;
use tokio::time::{Instant, Sleep};

use crate::deliver::Trouble;
use crate::desk::Desk;
use crate::flight::Flight;
use crate::job::Job;
use crate::paying::{Paid, Paying};
use crate::pick::Picked;
use crate::state::{Phase, State};

/// Gives the jobs of one way, each when it may leave.
///
/// It ends when there was nothing to do for a while, when the route shall have fewer ways, when it was closed or paused,
/// and when the dispatcher shuts down. Until then, a job that is not there yet is waited for.
#[must_use = "it gives jobs when it is polled"]
pub struct Jobs {
    desk: Arc<Desk>,
    place: usize,
    way: u64,
    paying: Option<Paying>,
    paid: Option<Paid>,
    sleep: Pin<Box<Sleep>>,
    /// Since when there was nothing to do.
    idle_since: Option<Instant>,
}

/// What a way is told.
enum Told {
    Job(Flight),
    Pay(Box<Leased>),
    Wait(Option<Instant>),
    End,
}

impl Jobs {
    pub(crate) fn new(desk: Arc<Desk>, place: usize, way: u64) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(Instant::now()));
        Self { desk, place, way, paying: None, paid: None, sleep, idle_since: None }
    }

    /// The next job; nothing when there are no more.
    pub async fn next(&mut self) -> Option<Job> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Says that the way could not be opened, or broke with no job on it.
    ///
    /// A route that cannot be reached at all has its messages tried by that, one for each call.
    pub fn broken(&mut self, trouble: Trouble) {
        self.desk.broken(self.place, self.way, trouble);
    }

    fn ask(&mut self, context: &mut Context<'_>) -> Told {
        let desk = Arc::clone(&self.desk);
        let now = Instant::now();
        let mut state = desk.state();
        let told = self.ask_state(&mut state, now, context);
        if state.leaser_waits && !matches!(told, Told::End) && state.has_room(self.place, now) {
            state.leaser_waits = false;
            desk.changed.notify_one();
        }
        desk.close(state);
        told
    }

    fn ask_state(&self, state: &mut State, now: Instant, context: &mut Context<'_>) -> Told {
        let clogged = state.is_clogged();
        let linger = state.settings.linger;
        self.opened(state, now);
        let Some(route) = state.routes.get_mut(self.place) else { return Told::End };
        route.parked.retain(|(way, _)| *way != self.way);
        if !self.goes_on(state) {
            return Told::End;
        }
        let picked = match clogged {
            true => Picked::Wait(None),
            false => state.pick(self.place, now, self.desk.clock()),
        };
        match picked {
            Picked::Go(message) => Told::Job(self.depart(state, message, now)),
            Picked::Pay(message) => Told::Pay(message),
            Picked::Wait(until) => {
                let route = &mut state.routes[self.place];
                // A way is free: what waits here waits for a limit.
                route.silence.turn_came();
                route.note_limited(until.is_some(), now);
                let linger_over = self.idle_since.is_some_and(|since| now - since >= linger);
                let is_probe = route.ways.get(&self.way).is_some_and(|way| way.probe) && !route.breaker.is_closed();
                if until.is_none() && (linger_over || is_probe) {
                    return Told::End;
                }
                route.parked.push((self.way, context.waker().clone()));
                Told::Wait(until)
            }
        }
    }

    /// Whether the way may carry another message.
    fn goes_on(&self, state: &State) -> bool {
        let Some(route) = state.routes.get(self.place) else { return false };
        let Some(way) = route.ways.get(&self.way) else { return false };
        let is_wanted = match route.breaker.is_closed() {
            true => route.working() <= route.window.size() as usize,
            false => way.probe && !way.carried,
        };
        is_wanted && state.phase == Phase::Running && !way.left && !route.is_held()
    }

    /// The way is open: it asks for the first time. Where jobs are on their way already, only an answer to one is a word of
    /// the server: one that greets may never answer.
    fn opened(&self, state: &mut State, now: Instant) {
        let Some(route) = state.routes.get_mut(self.place) else { return };
        let Some(way) = route.ways.get_mut(&self.way).filter(|way| !way.open) else { return };
        way.open = true;
        route.opening -= 1;
        if !route.carries() && state.hear(self.place, now) {
            self.desk.changed.notify_one();
        }
    }

    fn depart(&self, state: &mut State, message: Box<Leased>, now: Instant) -> Flight {
        let route = &mut state.routes[self.place];
        route.in_flight += 1;
        route.note_limited(false, now);
        if let Some(way) = route.ways.get_mut(&self.way) {
            way.jobs += 1;
            way.carried = true;
        }
        if !route.breaker.is_closed() {
            route.breaker.probe(now);
        }
        route.silence.turn_came();
        route.silence.awaits(now);
        Flight { message, route: self.place, way: self.way, taken: now, receipt: None, departed: None, check: None }
    }

    /// Sleeps until a limit lets something go, or the way has been idle for too long. Ready when it shall look again.
    fn poll_sleep(&mut self, until: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let wake_at = match until {
            Some(until) => {
                self.idle_since = None;
                until
            }
            None => *self.idle_since.get_or_insert(now) + self.desk.state().settings.linger,
        };
        let set = self.sleep.deadline();
        // Setting a timer costs more than looking once too often when an earlier one fires.
        if wake_at < set || set <= now || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(wake_at);
        }
        self.sleep.as_mut().poll(context)
    }

    /// Lets a message that has paid go, once smooth limits let it; where that takes too long, it gets its money back.
    fn poll_paid(&mut self, context: &mut Context<'_>) -> Poll<Option<Job>> {
        let desk = Arc::clone(&self.desk);
        let Some(paid) = self.paid.take() else { return Poll::Ready(None) };
        let now = Instant::now();
        let mut state = desk.state();
        let goes_on = self.goes_on(&state);
        let at = state.look(self.place, &paid.message, now);
        match at {
            _ if !goes_on || now > paid.until || at.is_some_and(|at| at > paid.until) => {
                drop(state);
                desk.refund(Some(paid.receipt));
                desk.return_message(self.place, paid.message);
                Poll::Ready(None)
            }
            Some(at) => {
                drop(state);
                self.paid = Some(paid);
                match self.poll_sleep(Some(at), context) {
                    Poll::Ready(()) => self.poll_paid(context),
                    Poll::Pending => Poll::Pending,
                }
            }
            None => {
                state.count_cells(self.place, &paid.message, now);
                let mut flight = self.depart(&mut state, paid.message, now);
                desk.close(state);
                flight.receipt = Some(paid.receipt);
                Poll::Ready(Some(Job::new(desk, flight)))
            }
        }
    }
}

impl Stream for Jobs {
    type Item = Job;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Job>> {
        let this = &mut *self;
        loop {
            if let Some(paying) = &mut this.paying {
                let Poll::Ready(paid) = paying.poll(context) else { return Poll::Pending };
                this.paying = None;
                this.paid = paid;
            }
            if this.paid.is_some() {
                match this.poll_paid(context) {
                    Poll::Ready(Some(job)) => return Poll::Ready(Some(job)),
                    Poll::Ready(None) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            match this.ask(context) {
                Told::Job(flight) => {
                    this.idle_since = None;
                    return Poll::Ready(Some(Job::new(Arc::clone(&this.desk), flight)));
                }
                Told::Pay(message) => this.paying = Some(Paying::new(Arc::clone(&this.desk), this.place, message)),
                Told::End => return Poll::Ready(None),
                Told::Wait(until) => {
                    if this.poll_sleep(until, context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some(paid) = self.paid.take() {
            self.desk.refund(Some(paid.receipt));
            self.desk.return_message(self.place, paid.message);
        }
        drop(self.paying.take());
        if std::thread::panicking() {
            self.desk.panicked(self.place, self.way);
        }
        self.desk.way_ended(self.place, self.way);
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("way", &self.way).finish_non_exhaustive()
    }
}
