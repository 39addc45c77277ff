//! The commands: each calls the library and prints.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod enqueue;
pub(crate) mod queue;
pub(crate) mod render;
pub(crate) mod send;
pub(crate) mod sink;
pub(crate) mod work;
