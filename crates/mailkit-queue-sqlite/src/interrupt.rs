//! Ending the statements that run when the store is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::Connection;

/// After how many steps of SQLite's virtual machine a statement looks whether it is interrupted: less than a millisecond.
const STEPS: i32 = 20_000;

/// Ends every statement that runs too long on the connections of a store, once it is set; cheap to clone.
///
/// A flag and not `sqlite3_interrupt`, which reaches only what runs at that moment and not the next statement of the same
/// piece of work. Statements of fewer than [`STEPS`] steps, such as ROLLBACK and a checkpoint, still run to their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends the statements that run, and those that are begun later.
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Has the statements of a connection look at it.
    pub(crate) fn attach(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let flag = Arc::clone(&self.0);
        conn.progress_handler(STEPS, Some(move || flag.load(Relaxed)))
    }

    /// Sets it when it is dropped, unless [`SetOnDrop::keep`] was called.
    pub(crate) fn set_on_drop(&self) -> SetOnDrop {
        SetOnDrop(Some(self.clone()))
    }
}

/// Interrupts what a future has begun, when that future is dropped.
#[derive(Debug)]
pub(crate) struct SetOnDrop(Option<Interrupt>);

impl SetOnDrop {
    /// Leaves the statements alone.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.set();
        }
    }
}
