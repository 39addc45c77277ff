//! The public type of the queue.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkit_queue::{
    Acquired, Changes, Clock, Command, ConsumerName, Content, Control, ControlKey, ControlPut, ControlValue, Cursor,
    EnqueueAllError, Enqueued, Expected, Filter, Health, LeaseRequest, LeaseToken, Leased, LimitRequest, NewMessage,
    Page, Permit, Queue, QueueError, QueueId, QueueSettings, Record, Settlement, State, Stats, Timestamp, Verification,
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

/// The time that closing waits for running statements. The statements of mailkit take milliseconds.
const CLOSING: Duration = Duration::from_secs(5);

/// A queue in one SQLite file. It is cheap to clone, and all clones are the same queue.
///
/// It needs a tokio runtime with time. One thread writes, and puts all waiting requests into one transaction with one fsync. Any
/// number of processes may have the same file open.
///
/// The store stops if its file, the write-ahead log (WAL, `-wal`) or the index of the WAL (`-shm`) is removed, moved or replaced
/// while it is open, since data that is written then would be lost. If only the WAL was removed, a checkpoint first copies the
/// acknowledged data into the file. A file that was moved needs its WAL: move `NAME-wal` with it before it is opened again. Data
/// is lost if the file was removed, or if another process has created a new WAL already.
///
/// A file with a second hard link is not opened for writing: each name would have its own WAL.
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
/// assert_eq!(leased[0].id(), enqueued.id);
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

/// Opens a [`SqliteQueue`] with other options than the default.
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
    /// Sets the name of the queue in the file. The default is `default`.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the limits.
    pub const fn settings(mut self, settings: QueueSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens an existing store only, for commands that only read. A queue with another name is empty and is not created.
    pub const fn existing(mut self) -> Self {
        self.mode = OpenMode::Existing;
        self
    }

    /// Opens the store. If it does not exist, it is created in a file that only its owner may read. The path always names a file,
    /// never a URL or memory, and symbolic links are followed.
    ///
    /// # Errors
    /// [`QueueError::Damaged`] if the file is damaged or was not created by mailkit, and [`QueueError::Incompatible`] if it has the
    /// schema of another version: the file is not changed. [`QueueError::Missing`] if its folder does not exist, or if the store
    /// does not exist and must not be created. [`QueueError::Unusable`] if the path is a folder or may not be written, or if the
    /// file has a second hard link. [`QueueError::Unavailable`] if it may succeed later, for example when the disk is full.
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
    /// Opens the store at a path with the default limits and the system's clock. It is created if it does not exist.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, QueueError> {
        Self::builder(path).open().await
    }

    /// Returns a builder, to open the store with other options.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder {
            path: path.as_ref().to_owned(),
            name: "default".to_owned(),
            settings: QueueSettings::default(),
            clock: Clock::system(),
            mode: OpenMode::Create,
        }
    }

    /// Completes the waiting requests, runs a last checkpoint and closes the file. Every later call fails.
    ///
    /// If no other process has the file open, all data is in the file afterwards. Otherwise the WAL stays and belongs to the
    /// file. A statement that still runs after 5 seconds is interrupted; its caller gets [`QueueError::Unavailable`].
    ///
    /// A store that is dropped instead loses nothing: the next open reads the WAL.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn close(&self) -> Result<(), QueueError> {
        self.shared.readers.close();
        let queue = self.clone();
        let closing = async {
            // It may have to wait for a statement. It panics only when the runtime shuts down.
            tokio::task::spawn_blocking(move || queue.change_watch().close()).await.ok();
            self.shared.writer.close().await
        };
        tokio::pin!(closing);
        let interrupt = &self.shared.context.interrupt;
        let outcome = match tokio::time::timeout(CLOSING, &mut closing).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!("a statement on the queue's file still runs after 5 seconds and is interrupted");
                interrupt.set();
                closing.await
            }
        };
        // Statements of readers are not waited for.
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

    pub(crate) fn fault(&self) -> &Fault {
        &self.shared.context.fault
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

/// The id of a queue. `None` if it has no row.
fn find_queue(conn: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    conn.query_row("SELECT id FROM queue WHERE name = ?", [name], |row| row.get(0)).optional()
}

/// The id of a queue. Its row is created if it does not exist.
fn queue_row(conn: &Connection, name: &str) -> Result<i64, StoreError> {
    if let Some(found) = find_queue(conn, name)? {
        return Ok(found);
    }
    conn.execute("INSERT OR IGNORE INTO queue (name) VALUES (?)", [name])?;
    find_queue(conn, name)?.ok_or_else(|| StoreError::Corrupt("the row of a queue is missing".into()))
}

#[async_trait]
impl Queue for SqliteQueue {
    /// Content beyond 64 KiB, or not in memory, is read on a blocking thread and stored in chunks.
    async fn enqueue_many(&self, messages: Vec<NewMessage>) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.store_messages(messages).await
    }

    async fn enqueue_all(&self, messages: Vec<NewMessage>) -> Result<Vec<Enqueued>, EnqueueAllError> {
        self.store_all_messages(messages).await
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

    async fn record_commit_points(&self, leases: &[LeaseToken]) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.write_commit_points(leases).await
    }

    async fn settle_many(
        &self,
        settlements: &[(LeaseToken, &Settlement)],
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        self.settle_leases(settlements).await
    }

    async fn acquire(&self, requests: &[LimitRequest]) -> Result<Acquired, QueueError> {
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

    async fn apply_many(
        &self,
        ids: &[QueueId],
        command: Command,
    ) -> Result<Vec<Result<State, QueueError>>, QueueError> {
        self.apply_command(ids, command).await
    }

    async fn purge(&self, states: &[State], older_than: Duration) -> Result<u64, QueueError> {
        self.purge_finished(states, older_than).await
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        self.read_stats().await
    }

    async fn control_get(&self, key: &ControlKey) -> Result<Option<Control>, QueueError> {
        self.read_control(key).await
    }

    async fn control_put(
        &self,
        key: &ControlKey,
        value: Option<ControlValue>,
        expected: Expected,
        ttl: Option<Duration>,
    ) -> Result<ControlPut, QueueError> {
        self.write_control(key, value, expected, ttl).await
    }

    async fn control_list(
        &self,
        prefix: &str,
        after: Option<&ControlKey>,
        limit: usize,
    ) -> Result<Vec<(ControlKey, Control)>, QueueError> {
        self.read_controls(prefix, after, limit).await
    }

    async fn controls_version(&self) -> Result<u64, QueueError> {
        self.read_controls_version().await
    }

    async fn register_consumer(&self, name: &ConsumerName) -> Result<Cursor, QueueError> {
        self.add_consumer(name).await
    }

    async fn store_cursor(&self, name: &ConsumerName, cursor: Cursor) -> Result<(), QueueError> {
        self.write_cursor(name, cursor).await
    }

    async fn drop_consumer(&self, name: &ConsumerName) -> Result<(), QueueError> {
        self.remove_consumer(name).await
    }

    /// Up to ten million changes are kept for the slowest consumer.
    async fn changes(&self, after: Cursor, max: usize) -> Result<Changes, QueueError> {
        self.read_changes(after, max).await
    }

    async fn check(&self) -> Result<Health, QueueError> {
        self.describe()
    }

    /// While it reads, what others write stays in the log beside the file, which grows.
    async fn verify(&self, repair: bool) -> Result<Verification, QueueError> {
        self.verify_file(repair).await
    }

    async fn close(&self) -> Result<(), QueueError> {
        Self::close(self).await
    }

    fn clock(&self) -> &Clock {
        &self.shared.context.clock
    }
}
