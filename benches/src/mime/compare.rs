//! Contenders beside each other: rounds in which each has its turn.
//!
//! A ratio is taken in each round, and what is printed is their median: so a stretch in which the machine was busy
//! with something else spoils the rounds in it and no others.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use super::contenders::{Contender, Load, Stamping, render};
use crate::measures::median;
use crate::work::Failure;

/// What is compared; the first contender is what the others are held against.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    pub(super) load: &'a Load,
    pub(super) stamping: Stamping,
    pub(super) contenders: &'a [Contender],
    /// Messages in a turn.
    pub(super) times: usize,
}

/// What one message of a turn cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Nanoseconds on the clock.
    clock: f64,
    /// Nanoseconds on a processor, in user and kernel mode.
    processor: f64,
    /// Pages that the kernel had to find memory for.
    faults: f64,
    /// Of the message.
    bytes: usize,
}

/// Has glibc keep blocks of up to 32 MiB instead of handing each back to the kernel.
///
/// It does so by itself once a program has freed one such block. Without this, who comes first behind another's free
/// would pay for fresh pages that the next finds ready.
pub(super) fn settle_the_allocator() {
    const LARGEST_KEPT: usize = 32 << 20;
    drop(black_box(Vec::<u8>::with_capacity(LARGEST_KEPT - (1 << 16))));
}

impl Comparison<'_> {
    /// Prints what each contender takes, and how much faster the first is, as medians over the rounds.
    pub(super) fn print(&self, title: &str, rounds: usize) -> Result<(), Failure> {
        let mut costs = vec![Vec::new(); self.contenders.len()];
        for round in 0..rounds {
            for turn in 0..self.contenders.len() {
                // Each comes behind each other as often, first as often as last.
                let at = (if round % 2 == 0 { turn } else { self.contenders.len() - 1 - turn } + round / 2)
                    % self.contenders.len();
                if let (Some(&contender), Some(costs)) = (self.contenders.get(at), costs.get_mut(at)) {
                    costs.push(self.turn(contender)?);
                }
            }
        }
        println!("{title}");
        println!(
            "{:<14} {:>10} {:>10} {:>8} {:>9} {:>9} {:>18} {:>14}",
            "", "clock ns", "cpu ns", "MB/s", "bytes", "faults", "faster by: clock", "cpu"
        );
        let [first, ..] = costs.as_slice() else { return Ok(()) };
        for (contender, costs) in self.contenders.iter().zip(&costs) {
            let of = |what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
            let faster = |what: fn(&Cost) -> f64| {
                median(costs.iter().zip(first).map(|(other, own)| what(other) / what(own)).collect())
            };
            let bytes = costs.last().map_or(0, |cost| cost.bytes);
            let processor = of(|cost| cost.processor);
            let rate = self.load.weight(bytes) as f64 / processor * 1e3;
            println!(
                "{:<14} {:>10.0} {processor:>10.0} {rate:>8.0} {bytes:>9} {:>9.1} {:>18.2} {:>14.2}",
                contender.name(),
                of(|cost| cost.clock),
                of(|cost| cost.faults),
                faster(|cost| cost.clock),
                faster(|cost| cost.processor),
            );
        }
        println!();
        Ok(())
    }

    /// A turn of one contender. Its first messages are not counted: they find caches as another left them.
    fn turn(&self, contender: Contender) -> Result<Cost, Failure> {
        self.repeat(contender, self.times.div_ceil(4))?;
        let (start, before) = (Instant::now(), Counters::read());
        let bytes = self.repeat(contender, self.times)?;
        let (after, clock) = (Counters::read(), start.elapsed());
        let each = |total: f64| total / self.times as f64;
        Ok(Cost {
            clock: each(clock.as_nanos() as f64),
            processor: each((after.processor - before.processor) as f64),
            faults: each((after.faults - before.faults) as f64),
            bytes,
        })
    }

    /// Renders so many messages and gives the size of the last.
    fn repeat(&self, contender: Contender, times: usize) -> Result<usize, Failure> {
        let mut bytes = 0;
        for _ in 0..times {
            let owned = match (contender, self.load) {
                (Contender::Lettre, Load::Attachment(bytes)) => bytes.to_vec(),
                _ => Vec::new(),
            };
            let rendered = render(contender, black_box(self.load), self.stamping, owned)?;
            bytes = black_box(rendered).len();
        }
        Ok(bytes)
    }
}

/// What the kernel counts for this thread.
#[derive(Clone, Copy, Debug)]
struct Counters {
    /// Nanoseconds on a processor: by its clock, as the figures in `/proc` move in steps of whole ticks.
    processor: i64,
    /// Zero where the kernel does not tell.
    faults: u64,
}

impl Counters {
    fn read() -> Self {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let faults = fields.split_whitespace().nth(7).and_then(|field| field.parse().ok());
        let processor = clock_gettime(ClockId::ThreadCPUTime);
        Self { processor: processor.tv_sec * 1_000_000_000 + processor.tv_nsec, faults: faults.unwrap_or_default() }
    }
}
