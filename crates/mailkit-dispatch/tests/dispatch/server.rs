//! A simulated server for tests: its behaviour can be set, and it records the messages that it gets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use mailkit_address::Envelope;
use mailkit_dispatch::{
    Deliver, DeliveryFailure, Dispatcher, Event, Events, FailureClass, Job, Jobs, Outcome, Plan, RouteSettings,
    Settings,
};
use mailkit_queue::{Clock, MemoryQueue, NewMessage, Queue, QueueId, QueueSettings};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

/// What a server does with a message.
pub(crate) type Reply = Box<dyn Fn(&Job) -> Option<Outcome> + Send + Sync>;

/// A server with a limit of connections and a duration of each message.
pub(crate) struct Server {
    pub(crate) up: AtomicBool,
    /// The class of failure with which it refuses connections while it is not up.
    pub(crate) refuses: Mutex<FailureClass>,
    pub(crate) most: AtomicUsize,
    pub(crate) takes: Mutex<Duration>,
    /// How long it takes to open a connection.
    pub(crate) opens_in: Mutex<Duration>,
    /// Connections that are being opened, and the most that were at once.
    pub(crate) opening: AtomicUsize,
    pub(crate) most_opening: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    pub(crate) turned_away: AtomicUsize,
    /// When each message came, which, and its recipients.
    pub(crate) seen: Mutex<Vec<(Instant, QueueId, usize)>>,
    pub(crate) reply: Mutex<Reply>,
}

impl Server {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            up: AtomicBool::new(true),
            refuses: Mutex::new(FailureClass::Connection),
            most: AtomicUsize::new(usize::MAX),
            takes: Mutex::new(Duration::from_millis(20)),
            opens_in: Mutex::new(Duration::from_millis(5)),
            opening: AtomicUsize::new(0),
            most_opening: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            seen: Mutex::new(Vec::new()),
            reply: Mutex::new(Box::new(|_| None)),
        })
    }

    pub(crate) fn replies(&self, reply: impl Fn(&Job) -> Option<Outcome> + Send + Sync + 'static) {
        *self.reply.lock().unwrap() = Box::new(reply);
    }

    pub(crate) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    pub(crate) fn opens_in(&self, time: Duration) {
        *self.opens_in.lock().unwrap() = time;
    }

    pub(crate) fn refuses(&self, class: FailureClass) {
        *self.refuses.lock().unwrap() = class;
        self.set_up(false);
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn ids(&self) -> Vec<QueueId> {
        self.seen.lock().unwrap().iter().map(|(_, id, _)| *id).collect()
    }

    /// When each came, counted from the first.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(at, ..)| *at - seen[0].0).collect()
    }

    /// The most that came in any window of that length, by messages or by recipients.
    pub(crate) fn most_within(&self, window: Duration, by_recipients: bool) -> usize {
        let seen = self.seen.lock().unwrap();
        let weight = |(_, _, recipients): &(Instant, QueueId, usize)| if by_recipients { *recipients } else { 1 };
        (0..seen.len())
            .map(|from| seen[from..].iter().take_while(|(at, ..)| *at - seen[from].0 < window).map(weight).sum())
            .max()
            .unwrap_or(0)
    }
}

/// One connection: closed when it goes.
struct Connection<'a>(&'a Server);

impl<'a> Connection<'a> {
    fn open(server: &'a Server) -> Result<Self, DeliveryFailure> {
        if !server.up.load(Ordering::SeqCst) {
            return Err(DeliveryFailure::new(*server.refuses.lock().unwrap(), "connection refused"));
        }
        let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
        let connection = Self(server);
        if open > server.most.load(Ordering::SeqCst) {
            server.turned_away.fetch_add(1, Ordering::SeqCst);
            return Err(DeliveryFailure::new(FailureClass::Closing, "421 4.3.2 busy"));
        }
        server.peak.fetch_max(open, Ordering::SeqCst);
        Ok(connection)
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Deliver for Server {
    async fn deliver(&self, jobs: &mut Jobs) {
        let opens_in = *self.opens_in.lock().unwrap();
        self.most_opening.fetch_max(self.opening.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(opens_in).await;
        self.opening.fetch_sub(1, Ordering::SeqCst);
        let connection = match Connection::open(self) {
            Ok(connection) => connection,
            Err(failure) => return jobs.connection_failed(failure),
        };
        while let Some(job) = jobs.next().await {
            self.seen.lock().unwrap().push((Instant::now(), job.id(), job.message().recipients().len()));
            let takes = *self.takes.lock().unwrap();
            sleep(takes).await;
            if !self.up.load(Ordering::SeqCst) {
                return job.finish(Outcome::failed(DeliveryFailure::new(FailureClass::Connection, "connection reset")));
            }
            let outcome = (self.reply.lock().unwrap())(&job);
            let outcome = outcome.unwrap_or_else(|| Outcome::accepted(job.message().recipients(), "250 2.0.0 taken"));
            job.finish(outcome);
        }
        drop(connection);
    }
}

pub(crate) fn queue() -> Arc<MemoryQueue> {
    Arc::new(MemoryQueue::with(QueueSettings::default(), Clock::tokio()))
}

/// Settings with a fixed seed.
pub(crate) fn seeded() -> Settings {
    Settings::default().with_seed(Some(42))
}

pub(crate) fn message(recipients: &[&str]) -> NewMessage {
    let recipients = recipients.iter().map(|recipient| recipient.parse().unwrap()).collect();
    NewMessage::new(Envelope::null_sender(recipients).unwrap(), "Subject: x\r\n\r\nx\r\n")
}

pub(crate) async fn enqueue(queue: &MemoryQueue, number: usize) -> Vec<QueueId> {
    let mut ids = Vec::new();
    for number in 0..number {
        let to = format!("user{number}@example.org");
        ids.push(queue.enqueue(message(&[&to])).await.unwrap().id);
    }
    ids
}

/// A dispatcher with these routes, in their order.
pub(crate) fn start(queue: &Arc<MemoryQueue>, routes: &[(RouteSettings, &Arc<Server>)]) -> Dispatcher {
    start_with(queue, seeded(), routes)
}

pub(crate) fn start_with(
    queue: &Arc<MemoryQueue>,
    settings: Settings,
    routes: &[(RouteSettings, &Arc<Server>)],
) -> Dispatcher {
    let queue: Arc<dyn Queue> = Arc::<MemoryQueue>::clone(queue);
    Dispatcher::builder(queue).plan(plan(settings, routes)).start().unwrap()
}

pub(crate) fn plan(settings: Settings, routes: &[(RouteSettings, &Arc<Server>)]) -> Plan {
    let plan = Plan::new().settings(settings);
    routes.iter().fold(plan, |plan, (route, server)| {
        let deliver: Arc<dyn Deliver> = Arc::<Server>::clone(server);
        plan.route(route.clone(), deliver)
    })
}

/// How often each message was seen.
pub(crate) fn tally(ids: &[QueueId]) -> BTreeMap<QueueId, usize> {
    ids.iter().fold(BTreeMap::new(), |mut tally, id| {
        *tally.entry(*id).or_default() += 1;
        tally
    })
}

/// The events that have been emitted since the last call.
pub(crate) fn received(events: &mut Events) -> Vec<Event> {
    let next = || unconstrained(events.next()).now_or_never().flatten()?.ok();
    std::iter::from_fn(next).collect()
}
