//! The settings and shared state of the writer.

use mailkit_queue::{Clock, QueueSettings};

use crate::error::Fault;
use crate::interrupt::Interrupt;
use crate::wakeup::Wakeup;

/// The settings and shared state of the writer.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) settings: QueueSettings,
    pub(crate) clock: Clock,
    /// The id of the queue in the file.
    pub(crate) queue: i64,
    pub(crate) fault: Fault,
    pub(crate) wakeup: Wakeup,
    pub(crate) interrupt: Interrupt,
}
