//! What a stretch of work costs: time on the clock and time on the processor.

use std::fs;
use std::time::{Duration, Instant};

/// Linux counts processor time in hundredths of a second for every program (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The start of a stretch.
pub(crate) struct Stopwatch {
    clock: Instant,
    processor: Duration,
}

/// What a stretch took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Time on the clock.
    pub(crate) wall: Duration,
    /// Time of this process on all processors, in user and kernel mode.
    pub(crate) processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { clock: Instant::now(), processor: processor_time() }
    }

    pub(crate) fn stop(self) -> Usage {
        Usage { wall: self.clock.elapsed(), processor: processor_time() - self.processor }
    }
}

/// Fields 14 and 15 of `/proc/self/stat`; zero where there is none.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}
