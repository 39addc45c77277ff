//! The thread that writes. It puts all waiting jobs into one transaction with one fsync (group commit).

use std::sync::Arc;

use mailkit_queue::QueueError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, WriterCache};
use crate::checkpoint;
use crate::context::Context;
use crate::error::{Fault, Refusable, StoreError};
use crate::failpoint::step;
use crate::file_identity::FileIdentity;

/// The maximum number of jobs in one transaction.
const MAX_JOBS: usize = 256;

/// A job for the writer.
trait Job: Send {
    /// Runs the job within the transaction.
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;
    /// Answers the caller with the result of the job, or with the error of the transaction.
    fn finish(self: Box<Self>, transaction: Result<(), QueueError>);
}

struct Call<W, T> {
    work: W,
    result: Option<Result<T, QueueError>>,
    reply: oneshot::Sender<Result<T, QueueError>>,
}

impl<W, T> Job for Call<W, T>
where
    W: FnMut(&mut Batch<'_>) -> Refusable<T> + Send,
    T: Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        self.result = Some((self.work)(batch)?);
        Ok(())
    }

    fn finish(self: Box<Self>, transaction: Result<(), QueueError>) {
        let result = match (transaction, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error),
            (Ok(()), None) => return,
        };
        // The caller may have been dropped. The job was done all the same.
        self.reply.send(result).ok();
    }
}

enum Request {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), QueueError>>),
}

/// A handle to the thread that writes.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
    fault: Fault,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(conn: Connection, context: Context, identity: Arc<FileIdentity>) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel(MAX_JOBS);
        let fault = context.fault.clone();
        let worker =
            WriterThread { file: Transactor { conn, context, cache: WriterCache::default(), identity }, waiting };
        std::thread::Builder::new().name("mailkit-sqlite".into()).spawn(move || worker.run())?;
        Ok(Self { requests, fault })
    }

    /// Runs a job, and returns when its transaction is on stable storage.
    ///
    /// A job that refuses its request with the inner `Err` must not have written anything. A job runs a second time if its
    /// transaction was rolled back because of another job.
    pub(crate) async fn call<T, W>(&self, work: W) -> Result<T, QueueError>
    where
        W: FnMut(&mut Batch<'_>) -> Refusable<T> + Send + 'static,
        T: Send + 'static,
    {
        self.fault.check()?;
        let (reply, result) = oneshot::channel();
        self.send(Request::Job(Box::new(Call { work, result: None, reply })), result).await
    }

    /// Runs a job like [`call`](Self::call), and blocks the thread.
    pub(crate) fn call_blocking<T, W>(&self, work: W) -> Result<T, QueueError>
    where
        W: FnMut(&mut Batch<'_>) -> Refusable<T> + Send + 'static,
        T: Send + 'static,
    {
        self.fault.check()?;
        let (reply, result) = oneshot::channel();
        if self.requests.blocking_send(Request::Job(Box::new(Call { work, result: None, reply }))).is_ok()
            && let Ok(result) = result.blocking_recv()
        {
            return result;
        }
        self.fault.check()?;
        Err(StoreError::Closed.into())
    }

    /// Runs a job without waiting for it. It is dropped if the channel is full.
    pub(crate) fn hint<W>(&self, work: W)
    where
        W: FnMut(&mut Batch<'_>) -> Refusable<()> + Send + 'static,
    {
        let (reply, _) = oneshot::channel();
        // A full or closed channel is accepted, as documented.
        self.requests.try_send(Request::Job(Box::new(Call { work, result: None, reply }))).ok();
    }

    /// Ends the thread after all earlier jobs and a last checkpoint.
    pub(crate) async fn close(&self) -> Result<(), QueueError> {
        let (reply, result) = oneshot::channel();
        self.send(Request::Close(reply), result).await
    }

    async fn send<T>(
        &self,
        request: Request,
        result: oneshot::Receiver<Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        if self.requests.send(request).await.is_ok()
            && let Ok(result) = result.await
        {
            return result;
        }
        self.fault.check()?;
        Err(StoreError::Closed.into())
    }
}

struct WriterThread {
    file: Transactor,
    waiting: mpsc::Receiver<Request>,
}

impl WriterThread {
    fn run(mut self) {
        while let Some(request) = self.waiting.blocking_recv() {
            match request {
                Request::Job(job) => {
                    if let Some(reply) = self.transact(job) {
                        return self.file.close(reply);
                    }
                }
                Request::Close(reply) => return self.file.close(reply),
            }
        }
    }

    /// Runs one transaction with all waiting jobs. Returns a request to close that was received meanwhile.
    fn transact(&mut self, first: Box<dyn Job>) -> Option<oneshot::Sender<Result<(), QueueError>>> {
        let mut close = None;
        let waiting = &mut self.waiting;
        let next = std::iter::once(first).chain(std::iter::from_fn(|| match waiting.try_recv() {
            Ok(Request::Job(job)) => Some(job),
            Ok(Request::Close(reply)) => {
                close = Some(reply);
                None
            }
            Err(_) => None,
        }));
        self.file.transact(next.take(MAX_JOBS));
        close
    }
}

/// The connection that writes, with the cache of its file.
struct Transactor {
    conn: Connection,
    context: Context,
    cache: WriterCache,
    identity: Arc<FileIdentity>,
}

impl Transactor {
    fn transact(&mut self, next: impl Iterator<Item = Box<dyn Job>>) {
        let (jobs, outcome) = self.attempt(next);
        match outcome {
            Err(error) if error.is_full() => {
                if let Err(error) = checkpoint::make_room(&self.conn) {
                    self.context.fault.note(error);
                }
                // A job without space must not fail the others, so each has a transaction of its own.
                for job in jobs {
                    let (job, outcome) = self.attempt(std::iter::once(job));
                    finish(job, outcome, &self.context.fault);
                }
            }
            outcome => finish(jobs, outcome, &self.context.fault),
        }
        if self.context.fault.check().is_ok()
            && let Err(error) = checkpoint::when_due(&self.conn, &mut self.cache)
        {
            self.context.fault.note(error);
        }
    }

    /// Copies the acknowledged data into the file if the WAL was removed. This process still has the WAL open.
    fn checkpoint_removed_log(&self) {
        if !self.identity.is_only_log_missing() {
            return;
        }
        match checkpoint::removed_log(&self.conn) {
            Ok(()) => tracing::warn!("the write-ahead log was removed: its data was copied into the queue's file"),
            Err(error) => tracing::error!(%error, "the write-ahead log was removed: its data is lost"),
        }
    }

    /// Tries one transaction. Returns its jobs also after an error, so that they are answered.
    fn attempt(&mut self, mut next: impl Iterator<Item = Box<dyn Job>>) -> (Vec<Box<dyn Job>>, Result<(), StoreError>) {
        let mut jobs = Vec::new();
        let outcome = self.begin().and_then(|()| self.work(&mut jobs, &mut next));
        if outcome.is_ok() {
            return (jobs, outcome);
        }
        if jobs.is_empty() {
            // No transaction could be started. All waiting jobs have waited for that, and get the error.
            jobs.extend(next);
        }
        self.cache.clear();
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            // Its changes would become part of the next transaction.
            self.context.fault.note(StoreError::RollbackFailed(error));
        }
        if let Err(StoreError::FileReplaced(_)) = outcome {
            self.checkpoint_removed_log();
        }
        (jobs, outcome)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if self.context.fault.check().is_err() {
            return Err(StoreError::Closed);
        }
        if self.context.interrupt.is_set() {
            return Err(StoreError::Interrupted);
        }
        step("begin")?;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.cache.refresh(&self.conn)
    }

    fn work(
        &mut self,
        jobs: &mut Vec<Box<dyn Job>>,
        next: &mut impl Iterator<Item = Box<dyn Job>>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new(&self.conn, &self.context, &mut self.cache);
        for mut job in next {
            let outcome = step("work").and_then(|()| job.run(&mut batch));
            jobs.push(job);
            outcome?;
        }
        batch.write_back()?;
        let wakes_workers = batch.wakes_workers();
        step("commit")?;
        // If the index of the WAL was removed, this commit would overwrite data that other processes have acknowledged.
        self.identity.check()?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        step("committed")?;
        // Checked before the jobs are answered: data in a removed file is not stored.
        self.identity.check()?;
        if wakes_workers {
            self.context.wakeup.notify();
        }
        Ok(())
    }

    fn checkpoint_all(&mut self) -> Result<(), StoreError> {
        if let Err(error) = self.identity.check() {
            self.checkpoint_removed_log();
            return Err(error);
        }
        checkpoint::all(&mut self.conn)
    }

    /// Runs the last checkpoint, so that the file can be copied without its WAL, and closes the connection.
    fn close(mut self, reply: oneshot::Sender<Result<(), QueueError>>) {
        let outcome = match self.context.fault.check() {
            Ok(()) => self.checkpoint_all().map_err(|error| self.context.fault.note(error)),
            Err(error) => Err(error),
        };
        drop(self.conn);
        // The caller may have been dropped.
        reply.send(outcome.map_err(QueueError::from)).ok();
    }
}

fn finish(jobs: Vec<Box<dyn Job>>, outcome: Result<(), StoreError>, fault: &Fault) {
    let stopped = fault.check();
    let outcome = match (outcome, stopped) {
        (Err(_), Err(stopped)) => Err(stopped),
        (outcome, _) => outcome.map_err(|error| fault.note(error)),
    };
    for job in jobs {
        job.finish(outcome.clone().map_err(QueueError::from));
    }
}
