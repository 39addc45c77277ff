//! `cargo xtask bench`: mailkit against its floor and its rivals, in one run.

#![expect(clippy::print_stdout, reason = "this is what a benchmark is for")]

mod about;
mod dispatch;
mod floor;
mod loopback;
mod measures;
mod mime;
mod network;
mod pool;
mod queue;
mod report;
mod rtt;
mod target;
mod usage;
mod work;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures mailkit against its floor and its rivals, in one run")]
struct Arguments {
    /// What is measured: `pool`, unless it is said.
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Pooled against short-lived connections, mailkit against lettre, near and far: a table, JSON and a report.
    Pool(pool::Options),
    /// The outbox with its queue in memory against send_all alone.
    Dispatch(dispatch::Options),
    /// Plain loopback against smtp-sink: send and send_all against pre-rendered bytes.
    Loopback(loopback::Options),
    /// Messages built and rendered beside mail-builder and lettre; a large file streamed in little memory.
    Mime(mime::Options),
    /// The durable outbox: beside Postfix as a relay, before a long backlog, and while its processes are killed.
    Queue(queue::Options),
    /// A round trip of 20 ms through a delaying proxy: send and send_all, with and without CHUNKING.
    Rtt(rtt::Options),
    /// The capture server that `pool` starts in a process of its own.
    #[command(hide = true)]
    Serve(pool::ServerOptions),
    /// Looks at the stores of `queue` in a process of its own.
    #[command(hide = true)]
    Look(queue::LookOptions),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().part.unwrap_or_else(|| Part::Pool(defaults())) {
        Part::Pool(options) => pool::run(&options),
        Part::Dispatch(options) => dispatch::run(&options),
        Part::Loopback(options) => loopback::run(&options),
        Part::Mime(options) => mime::run(&options),
        Part::Queue(options) => queue::run(&options),
        Part::Rtt(options) => rtt::run(&options),
        Part::Serve(options) => pool::serve(&options),
        Part::Look(options) => queue::look(&options),
    }
}

/// The options of a part where none is given: clap holds them.
fn defaults<T: clap::Args>() -> T {
    let command = T::augment_args(clap::Command::new("defaults"));
    T::from_arg_matches(&command.get_matches_from(["defaults"])).unwrap_or_else(|error| error.exit())
}
