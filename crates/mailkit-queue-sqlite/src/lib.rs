//! A durable mail queue in one SQLite file: what it acknowledges is on stable storage.
//!
//! [`SqliteQueue`] implements [`mailkit_queue::Queue`]. One thread writes. It puts all waiting requests into one transaction,
//! so that concurrent enqueues, leases and settlements share one fsync (group commit). Other connections read concurrently.
//! Several processes may share a file. No lock is held while a message is delivered.
//!
//! If the disk is full, the store refuses new messages and leases nothing. It continues once there is space: up to 16 MiB more
//! than the size of the write-ahead log (WAL).
//!
//! Only the owner may read and write the files (mode 0600). If enqueuer and worker are different users, give them a group:
//! create a folder of that group with `chmod 2770`, and in it an empty file of the group with `chmod 660`. The first open
//! makes it a store. The WAL gets its mode and group from the file.
//!
//! A file of up to 16 MiB is checked completely when it is opened. In a larger file only the beginning of each table is
//! checked, and damage elsewhere is found when it is read: `enqueue` may still accept mail into a store that a worker refuses as
//! damaged. [`SqliteQueue::recover`] returns the messages that can be read.
//!
//! A file is not trusted. One with a table, index, view or trigger that this crate does not create is refused as damaged, and
//! no trigger and no view runs on the connections of this crate, even if it is added later. [`close`] interrupts statements
//! that run for more than 5 seconds.
//!
//! A file with an older schema is refused as [incompatible](mailkit_queue::QueueError::Incompatible): there are no migrations
//! before the first release.
//!
//! [`close`]: SqliteQueue::close
//!
//! This crate does not send mail, and keeps no message in memory. It does not detect a WAL that belongs to another file, such as
//! the `-wal` of the previous file after a backup was restored; and it does not detect damage that turns a row into another
//! valid row, since only contents have checksums.

mod apply;
mod batch;
mod change_watch;
mod changes;
mod checkpoint;
#[cfg(test)]
mod close_tests;
mod content;
mod context;
mod controls;
mod delivery;
mod details;
mod enqueue;
mod error;
mod failpoint;
mod fairness;
mod file;
mod file_identity;
mod health;
mod interrupt;
mod keys;
mod lease;
mod limit;
mod maintenance;
mod message;
mod query;
mod readers;
mod recipients;
mod recovery;
mod schema;
mod settle;
#[cfg(test)]
mod storage_tests;
mod store;
mod wakeup;
mod writer;

pub use self::recovery::{RecoveredMessage, Recovery};
pub use self::store::{Builder, SqliteQueue};
