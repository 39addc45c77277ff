//! A durable mail queue in one SQLite file: what it acknowledges is on stable storage.
//!
//! [`SqliteQueue`] keeps the contract of [`mailkit_queue::Queue`]. One thread writes, and puts all that waits for it into
//! one transaction: concurrent enqueues, leases and settlements share one fsync. Readers work beside it. Several
//! processes may share a file: a message belongs to who leased it, and no lock is held while it is delivered.
//!
//! On a disk that is full it refuses what is new and leases nothing, and goes on when there is room: up to 16 MiB more than
//! the log beside the file has taken.
//!
//! The files are for their owner alone (mode 0600). Where enqueuer and worker are different users, give them a group: a
//! folder of it with `chmod 2770`, and in it an empty file of it with `chmod 660`, which is made a store when it is opened
//! first. The log gets mode and group from there.
//!
//! A file of up to 16 MiB is checked whole when it is opened, a larger one at its beginnings, and the rest where it is met:
//! `enqueue` may still accept into a store that a worker refuses as damaged. [`SqliteQueue::recover`] brings out what can
//! be read.
//!
//! A file from elsewhere is not trusted: one with a table, index, view or trigger that this crate does not make is refused
//! as damaged, and on the connections of this crate no trigger and no view runs, whoever puts one there later. [`close`]
//! interrupts statements that run for more than 5 seconds.
//!
//! [`close`]: SqliteQueue::close
//!
//! What it does not do: it does not send, and keeps no message in memory. What it cannot know: that a log belongs to
//! another file, as after a backup is put back while `-wal` of the file before still lies beside it; and damage in a row
//! that makes another valid row of it, since contents alone have checksums.

mod apply;
mod batch;
mod change_watch;
mod checkpoint;
#[cfg(test)]
mod close_tests;
mod content;
mod context;
mod delivery;
mod details;
mod enqueue;
mod error;
mod failpoint;
mod fairness;
mod file;
mod file_identity;
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
