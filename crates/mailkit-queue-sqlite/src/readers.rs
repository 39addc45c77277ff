//! The connections that read, concurrently with the one that writes.

use std::sync::{Arc, Mutex, PoisonError};

use mailkit_queue::QueueError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{Fault, Severity, Shared, StoreError};
use crate::file;
use crate::file_identity::FileIdentity;
use crate::interrupt::Interrupt;

/// The maximum number of connections.
const MAX_READERS: usize = 4;

/// A pool of connections that read. It is cheap to clone, and all clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    slots: Arc<Semaphore>,
    fault: Fault,
    open: Open,
    identity: Arc<FileIdentity>,
    interrupt: Interrupt,
}

/// The function that opens a connection.
type Open = fn(&FileIdentity, &Interrupt) -> Result<Connection, StoreError>;

impl Readers {
    pub(crate) fn new(identity: Arc<FileIdentity>, fault: Fault, interrupt: Interrupt) -> Self {
        Self::opened_by(file::open_reader, identity, fault, interrupt)
    }

    /// The connections to a file that may be damaged.
    pub(crate) fn of_damaged(identity: Arc<FileIdentity>) -> Self {
        Self::opened_by(file::open_damaged, identity, Fault::default(), Interrupt::default())
    }

    fn opened_by(open: Open, identity: Arc<FileIdentity>, fault: Fault, interrupt: Interrupt) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_READERS));
        Self(Arc::new(Pool { idle: Mutex::default(), slots, fault, open, identity, interrupt }))
    }

    /// Reads on a blocking thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let result = readers.run(read);
            drop(slot);
            result
        });
        let result = reading.await.map_err(|panic| StoreError::Io(std::io::Error::other(panic)))?;
        Ok(result?)
    }

    /// Reads on this thread.
    pub(crate) fn run<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, Shared> {
        self.0.fault.check()?;
        let idle = self.idle().pop();
        let open = || (self.0.open)(&self.0.identity, &self.0.interrupt);
        let conn = idle.map_or_else(open, Ok).map_err(|error| self.note(error))?;
        let result = read(&conn).map_err(|error| self.note(error))?;
        let mut idle = self.idle();
        if idle.len() < MAX_READERS && !self.0.slots.is_closed() {
            idle.push(conn);
        }
        Ok(result)
    }

    /// Closes the idle connections. The others are closed when they are returned.
    pub(crate) fn close(&self) {
        self.0.slots.close();
        self.idle().clear();
    }

    /// Stops the store if the file is damaged. Other errors of a reader do not.
    fn note(&self, error: StoreError) -> Shared {
        if error.severity() == Severity::Damaged { self.0.fault.note(error) } else { error.into() }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
