//! The durable outbox: against Postfix as a relay, before a long backlog, and while its processes are killed.

mod backlog;
mod delivery;
mod kills;
mod once;
mod relay;

use std::path::PathBuf;

use mailkit::PoolSettings;
use serde::Serialize;

use self::backlog::Backlog;
use self::kills::Verdict;
use self::once::Once;
use self::relay::Relayed;
use crate::about::About;
use crate::target::{self, Target};
use crate::work::Failure;

pub(crate) use self::backlog::{LookOptions, look};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these questions.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Question>,
    /// Messages of 4 KiB that go through mailkit and through Postfix in one round.
    #[arg(long, default_value_t = 3000)]
    messages: u64,
    /// Rounds of both, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Enqueuers at once, and sessions of smtp-source.
    #[arg(long, default_value_t = 64)]
    senders: usize,
    /// Connections to the server at the most.
    #[arg(long, default_value = "16")]
    connections: std::num::NonZeroU32,
    /// Messages that one connection carries at the most.
    #[arg(long, default_value = "1000")]
    messages_per_connection: std::num::NonZeroU32,
    /// Messages of the long queue.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
    /// How often a process is killed.
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// The program that is killed; it lies beside this one unless this says otherwise.
    #[arg(long)]
    mailkit: Option<PathBuf>,
    /// Where stores are made, in a folder that is removed; the system's folder for temporary files, as for Postfix's
    /// queue, unless this says otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Question {
    /// How fast it is from the first enqueue to the last settlement, beside Postfix as a relay.
    Relay,
    /// What a long queue costs.
    Backlog,
    /// Whether one key makes one message.
    Once,
    /// What is lost or doubled when processes are killed.
    Kills,
}

/// All that comes out of a run.
#[derive(Debug, Serialize)]
struct Shown {
    about: About,
    relay: Option<Relayed>,
    backlog: Option<Backlog>,
    once: Option<Once>,
    kills: Option<Verdict>,
    targets: Vec<Target>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(options.folder.clone().unwrap_or_else(std::env::temp_dir))?;
    let folder = folder.path();
    let asked = |question| options.only.is_empty() || options.only.contains(&question);
    let relay = if asked(Question::Relay) { relay::measure(options, folder)? } else { None };
    let once = asked(Question::Once).then(|| once::measure(folder)).transpose()?;
    let kills = if asked(Question::Kills) { kills::measure(options, folder)? } else { None };
    let backlog = asked(Question::Backlog).then(|| backlog::measure(options, folder)).transpose()?;
    let mut targets = Vec::new();
    targets.extend(relay.iter().flat_map(Relayed::targets));
    targets.extend(backlog.iter().flat_map(Backlog::targets));
    targets.extend(once.iter().flat_map(Once::targets));
    targets.extend(kills.iter().flat_map(Verdict::targets));
    let shown = Shown { about: About::gather(), relay, backlog, once, kills, targets };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        shown.print();
    }
    Ok(())
}

impl Shown {
    fn print(&self) {
        let tables = [
            self.relay.as_ref().map(Relayed::table),
            self.backlog.as_ref().map(Backlog::table),
            self.once.as_ref().map(Once::table),
            self.kills.as_ref().map(Verdict::table),
        ];
        for table in tables.into_iter().flatten() {
            table.print();
        }
        target::table(&self.targets).print();
    }
}

impl Options {
    /// What a user would set for bulk: more connections, and more messages over each.
    fn pool(&self) -> PoolSettings {
        let messages_per_connection = self.messages_per_connection;
        PoolSettings { max_size: self.connections, messages_per_connection, ..PoolSettings::default() }
    }
}

/// A runtime as `#[tokio::main]` makes it.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
