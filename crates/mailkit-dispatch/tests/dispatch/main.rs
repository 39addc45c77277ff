//! The dispatcher against the queue in memory, with servers made up here and a clock that is paused.

mod endings;
mod flow;
mod limits;
mod routes;
mod server;
mod simulation;
mod store;
