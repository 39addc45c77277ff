//! The dispatcher against the queue in memory, with servers made up here and a clock that is paused.

mod flow;
mod server;
