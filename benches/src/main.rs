//! `cargo xtask bench`: mailkit against its floor and its rivals, in one run.

mod floor;
mod loopback;
mod mime;
mod rtt;
mod usage;
mod work;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures mailkit against its floor and its rivals, in one run")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Plain loopback against smtp-sink: send and send_all against pre-rendered bytes.
    Loopback(loopback::Options),
    /// Messages built and rendered beside mail-builder and lettre; a large file streamed in little memory.
    Mime(mime::Options),
    /// A round trip of 20 ms through a delaying proxy: send and send_all, with and without CHUNKING.
    Rtt(rtt::Options),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().part {
        Part::Loopback(options) => loopback::run(&options),
        Part::Mime(options) => mime::run(&options),
        Part::Rtt(options) => rtt::run(&options),
    }
}
