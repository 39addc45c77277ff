//! The arguments: one file for each command.

mod attachment;
mod check;
mod config;
mod demo;
mod dkim;
mod enqueue;
mod message;
mod queue;
mod render;
mod secrets;
mod send;
mod sink;
mod span;
mod work;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tracing::Level;

pub(crate) use attachment::AttachValue;
pub(crate) use check::CheckArgs;
pub(crate) use config::{ConfigArgs, ConfigCommand};
pub(crate) use demo::DemoArgs;
pub(crate) use dkim::DkimArgs;
pub(crate) use enqueue::EnqueueArgs;
pub(crate) use message::{MessageArgs, Priority};
pub(crate) use queue::{ActArgs, ExportArgs, ListArgs, PurgeArgs, QueueArgs, QueueCheckArgs, QueueCommand};
pub(crate) use render::RenderArgs;
pub(crate) use send::SendArgs;
pub(crate) use sink::SinkArgs;
pub(crate) use work::WorkArgs;

use crate::exit::Exit;

/// Gets mail out reliably: sends it, queues it, looks at servers, captures what programs send.
#[derive(Parser)]
#[command(name = "mailkit", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 every recipient accepted; 64 usage; 65 bad message or address; 66 no such input file or queue; 68 host unknown; \
69 refused for good for some recipient; 74 network broke or timed out (or nobody can know if the message was \
delivered); 75 refused for now, or the queue is full or out of reach; 76 the peer broke the protocol; 77 login, certificate or TLS refused; \
78 bad configuration, or a queue's store that is damaged or cannot be where it should.

Start with: mailkit demo";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sends a message now, waits, and prints a line for each recipient
    Send(SendArgs),
    /// Writes the finished message (RFC 5322, CRLF line ends)
    Render(RenderArgs),
    /// Stores messages in a queue: acknowledged means that they will be delivered
    Enqueue(EnqueueArgs),
    /// Delivers from a queue until it is told to stop
    Work(WorkArgs),
    /// Looks at a queue, and acts on its messages
    Queue(QueueArgs),
    /// Connects to a server, reports what it offers, and says what to fix
    Check(CheckArgs),
    /// Checks the configuration
    Config(ConfigArgs),
    /// Captures mail, for looking at what a program sends
    Sink(SinkArgs),
    /// Sends thousands of messages on this machine, with nothing to set up
    Demo(DemoArgs),
}

impl Command {
    /// Whether a configuration changes what it does; other commands read one only where it is named.
    pub(crate) const fn is_configured(&self) -> bool {
        matches!(
            self,
            Self::Send(_) | Self::Enqueue(_) | Self::Work(_) | Self::Queue(_) | Self::Check(_) | Self::Config(_)
        )
    }

    /// What is logged without `-v` and `-q`: a sink is there for its log, and a worker tells of each attempt.
    pub(crate) const fn log_level(&self) -> Level {
        match self {
            Self::Sink(_) | Self::Work(_) => Level::INFO,
            _ => Level::WARN,
        }
    }
}

/// What every command understands.
#[derive(Args)]
pub(crate) struct Global {
    /// Prints the result as JSON
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Logs more (-vv still more)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Says only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// The form of the log on standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(crate) log_format: LogFormat,
    /// When to use colors; auto means on a terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: Color,
    /// The configuration: queue, routes, limits, signatures. Else $MAILKIT_CONFIG, ./mailkit.toml or
    /// /etc/mailkit/mailkit.toml, where there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to color what goes to a stream; `NO_COLOR` is honoured (no-color.org).
    pub(crate) fn wanted(self, stream: &impl io::IsTerminal) -> bool {
        match self {
            Self::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Reads the command line; help, version and usage errors are printed here and end in an exit code.
pub(crate) fn read() -> Result<Cli, Exit> {
    let words: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&words).map_err(|error| {
        // clap repeats the words that it does not understand, and one of them may be a URL with a password.
        let rendered = error.render();
        let show = |terminal: bool| {
            let text = if terminal { rendered.ansi().to_string() } else { rendered.to_string() };
            secrets::hide(text, &words)
        };
        if error.use_stderr() {
            // Nobody is left to hear that standard error is closed.
            let _ = io::stderr().write_all(show(io::stderr().is_terminal()).as_bytes());
            return Exit::Usage;
        }
        let text = show(io::stdout().is_terminal());
        let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        if written.is_ok() { Exit::Done } else { Exit::Network }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  mailkit "), "{}", command.get_name());
        }
    }
}
