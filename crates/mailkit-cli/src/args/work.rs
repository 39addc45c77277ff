//! `mailkit work`.

use std::time::Duration;

use clap::Args;

use super::span;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WorkArgs {
    /// The queue, such as sqlite:mailkit.db; instead of the one in --config
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// The server to deliver to, instead of the routes in --config
    // Kept as text: clap would repeat a value that it cannot parse.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Ends when nothing is scheduled, ready or leased
    #[arg(long, conflicts_with = "until_idle")]
    pub(crate) until_empty: bool,
    /// Ends when nothing is ready or leased
    #[arg(long)]
    pub(crate) until_idle: bool,
    /// For how long a message is leased, 5s at least; renewed while this worker lives
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub(crate) lease: Option<Duration>,
    /// How long messages in flight may take to end when the worker is told to stop; 30s if the configuration has no
    /// drain
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub(crate) drain: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  mailkit work --queue sqlite:mailkit.db --server smtps://ann@smtp.example.com
  mailkit work --queue sqlite:mailkit.db --server 'smtp://localhost:2525?tls=none' --until-empty
  mailkit work --config mailkit.toml --lease 2m

It runs until it is told to stop (SIGINT, SIGTERM), lets what is on its way end, gives the rest back to the queue and \
prints the counts; told twice, it stops at once. Any number of workers may share a queue.
With --json it prints what `queue stats --json` does, and \"worker\": {\"attempts\", \"accepted\", \"temporary\", \"permanent\", \
\"ambiguous\", \"network\"} of this one.";
