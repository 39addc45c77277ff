//! `mailkit demo`.

use clap::Args;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How many messages are sent
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) messages: u32,
    /// How many connections are kept open
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) connections: u16,
}

const EXAMPLES: &str = "\
Examples:
  mailkit demo
  mailkit demo --messages 20000 --connections 16 --json

Starts a sink with TLS and a login on a free port of this machine, sends messages of mixed sizes to it, and checks that \
each arrived once and intact. Nothing leaves the machine.";
