//! The queue as its user has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_queue::{
    Clock, Command, Content, Enqueued, Filter, Lease, LeaseRequest, LeaseToken, Leased, LimitRequest, NewMessage, Page,
    Permit, Queue, QueueError, QueueId, QueueSettings, Record, SettleError, Settlement, State, Stats, Timestamp,
};
use rusqlite::{Connection, OptionalExtension};

use crate::batch::NO_QUEUE;
use crate::change_watch::ChangeWatch;
use crate::context::Context;
use crate::error::{Fault, StoreError};
use crate::file::{self, OpenMode};
use crate::file_identity::FileIdentity;
use crate::interrupt::Interrupt;
use crate::readers::Readers;
use crate::wakeup::Wakeup;
use crate::writer::Writer;

/// How long closing waits for statements that run: what mailkit asks of a file takes milliseconds.
const CLOSING: Duration = Duration::from_secs(5);

/// A queue in one SQLite file; cheap to clone, and every clone is the same queue.
///
/// It needs a tokio runtime with time. One thread writes: whatever waits for it goes into one transaction and shares one
/// fsync. Any number of processes may have the same file open.
///
/// Where the file, or the log beside it (`-wal`, `-shm`), is removed, moved or replaced meanwhile, the store stops: what
/// goes into it would be gone. What was acknowledged before is kept where the log alone was removed: it is brought into the
/// file before anybody is told. A file that was moved needs its log: move `NAME-wal` along before it is opened again. What
/// nobody can bring back is a file that was removed, and a log in whose place another process has made a new one already.
/// A file with a second name (a hard link) is not opened to write: each name would have a log of its own.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::time::Duration;
/// use mailkit_address::Envelope;
/// use mailkit_queue::{LeaseRequest, NewMessage, Queue};
/// use mailkit_queue_sqlite::SqliteQueue;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("mailkit.db");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let queue = SqliteQueue::open(path).await?;
/// let envelope = Envelope::null_sender(vec!["bob@example.org".parse()?])?;
/// let enqueued = queue.enqueue(NewMessage::new(envelope, "Subject: hello\r\n\r\nHello.\r\n")).await?;
///
/// let leased = queue.lease(&LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60))).await?;
/// assert_eq!(leased[0].lease.id(), enqueued.id);
/// queue.close().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqliteQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    writer: Writer,
    readers: Readers,
    change_watch: ChangeWatch,
    identity: Arc<FileIdentity>,
}

/// Opens a [`SqliteQueue`] otherwise than by default.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct Builder {
    path: PathBuf,
    name: String,
    settings: QueueSettings,
    clock: Clock,
    mode: OpenMode,
}

impl Builder {
    /// Which of the queues in the file; `default` if nothing is said.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Other bounds.
    pub const fn settings(mut self, settings: QueueSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Another clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens only a store that is there: for whoever looks at a queue. A queue of another name in it is empty, and is not
    /// made either.
    pub const fn existing(mut self) -> Self {
        self.mode = OpenMode::Existing;
        self
    }

    /// Opens the store, and makes it where there is none, in a file that its owner alone may read. The path is that of a
    /// file, whatever it looks like; a link is followed.
    ///
    /// # Errors
    /// [`QueueError::Damaged`] for a file that is damaged, not a store of mailkit's, or of a later version: not an octet of
    /// it is changed. [`QueueError::Missing`] where there is no folder for it, or no store and none may be made;
    /// [`QueueError::Unusable`] where none can be: at a path that is a folder, that may not be written, or of a file with
    /// a second name (a hard link). [`QueueError::Unavailable`] where it may be opened later, as on a full disk.
    pub async fn open(self) -> Result<SqliteQueue, QueueError> {
        let interrupt = Interrupt::default();
        let abandoned = interrupt.set_on_drop();
        let opened = tokio::task::spawn_blocking(move || self.open_blocking(interrupt)).await;
        abandoned.keep();
        Ok(opened.map_err(|panic| StoreError::Io(std::io::Error::other(panic)))??)
    }

    fn open_blocking(self, interrupt: Interrupt) -> Result<SqliteQueue, StoreError> {
        let (mut identity, conn) = file::open(&self.path, self.mode, &interrupt)?;
        let queue = match self.mode {
            OpenMode::Create => queue_row(&conn, &self.name)?,
            OpenMode::Existing => find_queue(&conn, &self.name)?.unwrap_or(NO_QUEUE),
        };
        identity.track_log_files()?;
        let identity = Arc::new(identity);
        let (fault, wakeup) = (Fault::default(), Wakeup::default());
        let readers = Readers::new(Arc::clone(&identity), fault.clone(), interrupt.clone());
        let context = Context { settings: self.settings, clock: self.clock, queue, fault, wakeup, interrupt };
        let writer = Writer::start(conn, context.clone(), Arc::clone(&identity))?;
        let change_watch = ChangeWatch::default();
        Ok(SqliteQueue { shared: Arc::new(Shared { context, writer, readers, change_watch, identity }) })
    }
}

impl SqliteQueue {
    /// Opens the store at a path with the usual bounds, by the system's clock; makes it where there is none.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, QueueError> {
        Self::builder(path).open().await
    }

    /// For a store that is opened otherwise.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder {
            path: path.as_ref().to_owned(),
            name: "default".to_owned(),
            settings: QueueSettings::default(),
            clock: Clock::system(),
            mode: OpenMode::Create,
        }
    }

    /// Finishes what was begun, and leaves all of the store in its one file where nobody else has it open: who still reads
    /// or writes keeps the log beside it, which then belongs to the file. Every call after this fails.
    ///
    /// A statement that still runs after 5 seconds is interrupted; its caller gets [`QueueError::Unavailable`].
    ///
    /// A store that is dropped instead loses nothing: what is in the log beside the file is found when it is opened.
    ///
    /// # Errors
    /// The store's own.
    pub async fn close(&self) -> Result<(), QueueError> {
        self.shared.readers.close();
        let queue = self.clone();
        let closing = async {
            // It may have to wait for a statement. That it panicked says that the runtime ends.
            tokio::task::spawn_blocking(move || queue.change_watch().close()).await.ok();
            self.shared.writer.close().await
        };
        tokio::pin!(closing);
        let interrupt = &self.shared.context.interrupt;
        let outcome = match tokio::time::timeout(CLOSING, &mut closing).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!("a statement on the queue's file still runs: it is interrupted");
                interrupt.set();
                closing.await
            }
        };
        // Who still reads now is not waited for.
        interrupt.set();
        outcome
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    pub(crate) fn change_watch(&self) -> &ChangeWatch {
        &self.shared.change_watch
    }

    pub(crate) fn wakeup(&self) -> &Wakeup {
        &self.shared.context.wakeup
    }

    pub(crate) fn settings(&self) -> &QueueSettings {
        &self.shared.context.settings
    }

    pub(crate) fn queue(&self) -> i64 {
        self.shared.context.queue
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.context.clock.now()
    }

    pub(crate) fn open_reader(&self) -> Result<Connection, StoreError> {
        file::open_reader(&self.shared.identity, &self.shared.context.interrupt)
    }
}

/// The row of a queue.
fn find_queue(conn: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    conn.query_row("SELECT id FROM queue WHERE name = ?", [name], |row| row.get(0)).optional()
}

/// The row of a queue, which is made where there is none.
fn queue_row(conn: &Connection, name: &str) -> Result<i64, StoreError> {
    if let Some(found) = find_queue(conn, name)? {
        return Ok(found);
    }
    conn.execute("INSERT OR IGNORE INTO queue (name) VALUES (?)", [name])?;
    find_queue(conn, name)?.ok_or_else(|| StoreError::Corrupt("a queue was just put there".into()))
}

#[async_trait]
impl Queue for SqliteQueue {
    /// Content beyond 64 KiB, or not in memory, is read on a thread that may block, and stored chunk by chunk.
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, QueueError> {
        self.store_message(message).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Leased>, QueueError> {
        self.lease_messages(request).await
    }

    async fn wait(&self) {
        self.wait_for_mail().await;
    }

    async fn renew(&self, leases: &[LeaseToken], duration: Duration) -> Result<Vec<LeaseToken>, QueueError> {
        self.renew_leases(leases, duration).await
    }

    async fn record_commit_point(&self, lease: LeaseToken) -> Result<(), QueueError> {
        self.write_commit_point(lease).await
    }

    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<State, Box<SettleError>> {
        self.settle_lease(lease, settlement).await
    }

    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Result<Permit, Timestamp>, QueueError> {
        self.acquire_permit(requests).await
    }

    async fn release(&self, permit: Permit) -> Result<(), QueueError> {
        self.release_permit(permit).await
    }

    async fn get(&self, id: QueueId) -> Result<Option<Record>, QueueError> {
        self.read_record(id).await
    }

    async fn content(&self, id: QueueId) -> Result<Option<Content>, QueueError> {
        self.read_content(id).await
    }

    async fn list(&self, filter: &Filter) -> Result<Page, QueueError> {
        self.read_page(filter).await
    }

    async fn apply(&self, id: QueueId, command: Command) -> Result<State, QueueError> {
        self.apply_command(id, command).await
    }

    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        self.purge_finished(states, older_than).await
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        self.read_stats().await
    }

    fn clock(&self) -> &Clock {
        &self.shared.context.clock
    }
}
