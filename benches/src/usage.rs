//! What a stretch of work costs: time on the clock and time on the processor.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

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
        Usage { wall: self.clock.elapsed(), processor: processor_time().saturating_sub(self.processor) }
    }
}

/// What this process has used so far on all processors, in user and kernel mode.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}
