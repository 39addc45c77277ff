//! Interrupting running statements when the store is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::Connection;

/// The number of steps of SQLite's virtual machine after which a statement checks the flag: less than a millisecond.
const STEPS: i32 = 20_000;

/// A flag that interrupts long statements on all connections of a store. It is cheap to clone.
///
/// `sqlite3_interrupt` would not do: it ends the statements that run at that moment, and not the next statement of the same job.
/// Statements of fewer than [`STEPS`] steps, such as ROLLBACK and a checkpoint, still complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Interrupts the running statements and all later ones.
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Makes the statements of a connection check the flag.
    pub(crate) fn attach(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let flag = Arc::clone(&self.0);
        conn.progress_handler(STEPS, Some(move || flag.load(Relaxed)))
    }

    /// Returns a guard that sets the flag when it is dropped, unless [`SetOnDrop::keep`] was called.
    pub(crate) fn set_on_drop(&self) -> SetOnDrop {
        SetOnDrop(Some(self.clone()))
    }
}

/// Interrupts the statements of a future that is dropped.
#[derive(Debug)]
pub(crate) struct SetOnDrop(Option<Interrupt>);

impl SetOnDrop {
    /// Drops the guard without an interrupt.
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
