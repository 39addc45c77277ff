//! `mailkit queue stats`: how many messages there are.

use std::io;

use mailkit::queue::{Health, Queue, Stats};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let (stats, health) = (queue.stats().await?, queue.check().await?);
    if output.json {
        return Ok(output.object(&Shown { counts: Counts::new(&stats), store: Store::new(&health) })?);
    }
    print(&stats, output)?;
    let shared = if health.shared { "shared" } else { "not shared" };
    let Health { kind, version, durability, .. } = &health;
    Ok(output.line(format_args!("{:<10} {kind} {version}, durability {durability}, {shared}", "store"))?)
}

/// What `--json` prints; its names are fixed.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    counts: Counts,
    store: Store<'a>,
}

/// What kind of store the queue has.
#[derive(Serialize)]
struct Store<'a> {
    kind: &'a str,
    version: &'a str,
    durability: &'static str,
    /// Whether other processes can work on the same queue.
    shared: bool,
}

impl<'a> Store<'a> {
    fn new(health: &'a Health) -> Self {
        let Health { kind, version, durability, shared, .. } = health;
        Self { kind, version, durability: durability.as_str(), shared: *shared }
    }
}

/// The counts as `--json` prints them; its names are fixed.
#[derive(Serialize)]
pub(crate) struct Counts {
    scheduled: u64,
    ready: u64,
    leased: u64,
    sent: u64,
    dead: u64,
    held: u64,
    cancelled: u64,
    /// 0 where none is ready.
    oldest_ready_seconds: f64,
    ambiguous_total: u64,
}

impl Counts {
    pub(crate) fn new(stats: &Stats) -> Self {
        Self {
            scheduled: stats.scheduled,
            ready: stats.ready,
            leased: stats.leased,
            sent: stats.sent,
            dead: stats.dead,
            held: stats.held,
            cancelled: stats.cancelled,
            oldest_ready_seconds: (stats.oldest_ready.unwrap_or_default().as_secs_f64() * 1000.0).round() / 1000.0,
            ambiguous_total: stats.ambiguous_total,
        }
    }
}

/// A line for each state.
pub(crate) fn print(stats: &Stats, output: &mut Output) -> io::Result<()> {
    for (name, count) in [
        ("scheduled", stats.scheduled),
        ("ready", stats.ready),
        ("leased", stats.leased),
        ("sent", stats.sent),
        ("dead", stats.dead),
        ("held", stats.held),
        ("cancelled", stats.cancelled),
        ("ambiguous", stats.ambiguous_total),
    ] {
        output.line(format_args!("{name:<10} {count:>9}"))?;
    }
    if let Some(oldest) = stats.oldest_ready {
        output.line(format_args!("the oldest has been ready for {:.1} s", oldest.as_secs_f64()))?;
    }
    Ok(())
}
