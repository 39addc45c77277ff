//! The fixture of the rules: a queue, its clock, messages and settlements.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mailkit_address::{Address, Envelope};

use super::clock::TestClock;
use crate::clock::{Clock, Timestamp};
use crate::error::QueueError;
use crate::id::QueueId;
use crate::lease::{LeaseRequest, Leased};
use crate::message::{Idempotency, NewMessage};
use crate::query::Filter;
use crate::queue::Queue;
use crate::record::Record;
use crate::settings::QueueSettings;
use crate::settlement::{AttemptOutcome, Next, RecipientOutcome, RecipientStatus, Settlement};
use crate::state::State;

type Made = (Arc<dyn Queue>, Box<dyn Any + Send>);
type Making = Pin<Box<dyn Future<Output = Made> + Send>>;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Creates queues.
#[derive(Clone)]
pub(super) struct Maker(Arc<dyn Fn(QueueSettings, Clock) -> Making + Send + Sync>);

impl Maker {
    pub(super) fn new<F, G>(make: impl Fn(QueueSettings, Clock) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = (Arc<dyn Queue>, G)> + Send + 'static,
        G: Send + 'static,
    {
        Self(Arc::new(move |settings, clock| {
            let making = make(settings, clock);
            Box::pin(async move {
                let (queue, guard) = making.await;
                (queue, Box::new(guard) as Box<dyn Any + Send>)
            })
        }))
    }

    pub(super) async fn world(&self) -> World {
        self.world_with(QueueSettings::default()).await
    }

    pub(super) async fn world_with(&self, settings: QueueSettings) -> World {
        let time = TestClock::new();
        let (queue, guard) = (self.0)(settings, time.clock()).await;
        World { queue, time, _guard: guard }
    }
}

/// An empty queue and its clock.
pub(super) struct World {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) time: TestClock,
    _guard: Box<dyn Any + Send>,
}

impl Deref for World {
    type Target = dyn Queue;

    fn deref(&self) -> &Self::Target {
        &*self.queue
    }
}

impl World {
    pub(super) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.time.advance(by);
    }

    /// Enqueues a message that must be new.
    pub(super) async fn put(&self, message: NewMessage) -> QueueId {
        let enqueued = self.queue.enqueue(message).await.unwrap();
        assert!(!enqueued.duplicate, "a new message");
        enqueued.id
    }

    /// Leases up to `max` messages for a minute.
    pub(super) async fn take(&self, max: u32) -> Vec<Leased> {
        self.queue.lease(&request(max)).await.unwrap()
    }

    /// Leases one message, which must exist.
    pub(super) async fn take_one(&self) -> Leased {
        self.take(1).await.pop().expect("a message to lease")
    }

    /// Leases all ready messages, which must be these in this order.
    pub(super) async fn expect(&self, ids: &[QueueId]) -> Vec<Leased> {
        let leased = self.take(100).await;
        assert_eq!(names(&leased), ids);
        leased
    }

    /// Leases, and must get no message. After this the queue is up to date.
    pub(super) async fn expect_none(&self) {
        let leased = self.take(100).await;
        assert_eq!(names(&leased), [], "nothing to lease");
    }

    pub(super) async fn settle(&self, leased: Leased, settlement: Settlement) -> State {
        self.queue.settle(leased.token, &settlement).await.unwrap()
    }

    pub(super) async fn record(&self, id: QueueId) -> Record {
        self.queue.get(id).await.unwrap().expect("the message")
    }

    pub(super) async fn state(&self, id: QueueId) -> State {
        self.record(id).await.state
    }

    pub(super) async fn statuses(&self, id: QueueId) -> Vec<RecipientStatus> {
        self.record(id).await.recipients.iter().map(|recipient| recipient.status).collect()
    }

    pub(super) async fn ambiguous_total(&self) -> u64 {
        self.queue.stats().await.unwrap().ambiguous_total
    }

    pub(super) async fn all(&self) -> Vec<Record> {
        let (mut filter, mut records) = (Filter::new().with_limit(Filter::MAX_LIMIT), Vec::new());
        loop {
            let page = self.queue.list(&filter).await.unwrap();
            records.extend(page.records);
            filter.cursor = page.next;
            if page.next.is_none() {
                return records;
            }
        }
    }

    /// Creates a message in that state. The queue must have no ready message. The lease of a leased message is dropped.
    pub(super) async fn put_into(&self, state: State) -> QueueId {
        let mut message = message();
        if state == State::Scheduled {
            message.send_at = Some(self.now() + MINUTE);
        }
        let id = self.put(message).await;
        let all = |status| vec![outcome("bob@example.org", status)];
        match state {
            State::Scheduled | State::Ready => {}
            State::Leased => drop(self.take_one().await),
            State::Sent => drop(self.settle(self.take_one().await, tried(all(ACCEPTED), Next::Dead)).await),
            State::Dead => drop(self.settle(self.take_one().await, tried(all(PERMANENT), Next::Dead)).await),
            State::Held => drop(self.settle(self.take_one().await, tried(all(AMBIGUOUS), Next::Held)).await),
            State::Cancelled => drop(self.queue.apply(id, crate::query::Command::Cancel).await.unwrap()),
        }
        assert_eq!(self.state(id).await, state);
        id
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("time", &self.time).finish_non_exhaustive()
    }
}

pub(super) const ACCEPTED: RecipientStatus = RecipientStatus::Accepted;
pub(super) const AMBIGUOUS: RecipientStatus = RecipientStatus::Ambiguous;
pub(super) const PENDING: RecipientStatus = RecipientStatus::Pending;
pub(super) const PERMANENT: RecipientStatus = RecipientStatus::Permanent;
pub(super) const TEMPORARY: RecipientStatus = RecipientStatus::Temporary;

/// A message to Bob.
pub(super) fn message() -> NewMessage {
    message_to(&["bob@example.org"])
}

pub(super) fn message_to(recipients: &[&str]) -> NewMessage {
    let from: Address = "ann@example.com".parse().unwrap();
    let envelope = Envelope::new(from, recipients.iter().map(|text| text.parse().unwrap()).collect()).unwrap();
    NewMessage::new(envelope, "Subject: hello\r\n\r\nHello.\r\n")
}

pub(super) fn with_key(key: &str, fingerprint: u8) -> NewMessage {
    let mut message = message();
    message.idempotency = Some(Idempotency::new(key.parse().unwrap(), [fingerprint; 32]));
    message
}

pub(super) fn of_tenant(tenant: &str) -> NewMessage {
    let mut message = message();
    message.tenant = Some(tenant.parse().unwrap());
    message
}

pub(super) fn request(max: u32) -> LeaseRequest {
    LeaseRequest::new(NonZeroU32::new(max).unwrap(), MINUTE)
}

pub(super) fn names(leased: &[Leased]) -> Vec<QueueId> {
    leased.iter().map(|leased| leased.id()).collect()
}

pub(super) fn outcome(address: &str, status: RecipientStatus) -> RecipientOutcome {
    RecipientOutcome {
        address: address.parse().unwrap(),
        status,
        code: Some(250),
        enhanced: Some("2.1.5".to_owned()),
        text: "so it is".to_owned(),
    }
}

/// An attempt on the route `main`.
pub(super) fn tried(recipients: Vec<RecipientOutcome>, next: Next) -> Settlement {
    let (outcome, class) = (AttemptOutcome::Partial, Some("temporary".to_owned()));
    let (route, text) = (Some("main".to_owned()), "as said".to_owned());
    Settlement { route, counts: true, outcome, class, text, recipients, next }
}

/// Whether an error says that the lease was lost.
pub(super) fn is_lost(error: &QueueError, id: QueueId) -> bool {
    matches!(error, QueueError::LeaseLost(lost) if *lost == id)
}
