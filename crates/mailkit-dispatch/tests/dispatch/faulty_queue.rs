//! A queue whose calls fail before or after they take effect, or return late.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_queue::{
    Acquired, Clock, Command, Content, EnqueueAllError, Enqueued, Filter, LeaseRequest, LeaseToken, Leased,
    LimitRequest, MemoryQueue, NewMessage, Page, Permit, Queue, QueueError, QueueId, Record, Settlement, State, Stats,
};
use tokio::time::sleep;

/// A call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Enqueue,
    Lease,
    Renew,
    RecordCommitPoint,
    /// The number of settlements in the call.
    Settle(usize),
    Acquire,
    Release,
    Stats,
}

/// How a call fails.
pub(crate) enum Fault {
    Before(QueueError),
    /// It is done, and the answer is lost.
    After(QueueError),
    /// It is done, and the answer comes late.
    Late(Duration),
}

type Faults = Box<dyn Fn(Call) -> Option<Fault> + Send + Sync>;

pub(crate) struct Wrapped {
    pub(crate) inner: Arc<MemoryQueue>,
    faults: Faults,
}

impl Wrapped {
    pub(crate) fn new(
        inner: &Arc<MemoryQueue>,
        faults: impl Fn(Call) -> Option<Fault> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), faults: Box::new(faults) })
    }

    async fn around<T>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        match (self.faults)(call) {
            None => answer.await,
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => {
                let _ = answer.await;
                Err(error)
            }
            Some(Fault::Late(wait)) => {
                let answer = answer.await;
                sleep(wait).await;
                answer
            }
        }
    }
}

#[async_trait]
impl Queue for Wrapped {
    async fn enqueue_many(&self, messages: Vec<NewMessage>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.around(Call::Enqueue, self.inner.enqueue_many(messages)).await
    }
    async fn enqueue_all(&self, messages: Vec<NewMessage>) -> Result<Vec<Enqueued>, EnqueueAllError> {
        self.inner.enqueue_all(messages).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError> {
        self.around(Call::Lease, self.inner.lease(request)).await
    }
    async fn wait(&self) {
        self.inner.wait().await;
    }
    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError> {
        self.around(Call::Renew, self.inner.renew(leases, duration)).await
    }
    async fn record_commit_points(&self, leases: &[LeaseToken]) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.around(Call::RecordCommitPoint, self.inner.record_commit_points(leases)).await
    }
    async fn settle_many(
        &self,
        settlements: &[(LeaseToken, &Settlement)],
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        self.around(Call::Settle(settlements.len()), self.inner.settle_many(settlements)).await
    }
    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Acquired, QueueError> {
        self.around(Call::Acquire, self.inner.acquire(requests)).await
    }
    async fn release(&self, permit: Permit) -> Result<(), QueueError> {
        self.around(Call::Release, self.inner.release(permit)).await
    }
    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError> {
        self.inner.get(id).await
    }
    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError> {
        self.inner.content(id).await
    }
    async fn list(&self, filter: &Filter) -> Result<Page, QueueError> {
        self.inner.list(filter).await
    }
    async fn apply_many(
        &self,
        ids: &[QueueId],
        command: Command,
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        self.inner.apply_many(ids, command).await
    }
    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        self.inner.purge(states, older_than).await
    }
    async fn stats(&self) -> Result<Stats, QueueError> {
        self.around(Call::Stats, self.inner.stats()).await
    }
    fn clock(&self) -> &Clock {
        self.inner.clock()
    }
}
