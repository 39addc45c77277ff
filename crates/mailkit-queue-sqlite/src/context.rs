//! What the writer goes by.

use mailkit_queue::{Clock, QueueSettings};

use crate::error::Fault;
use crate::interrupt::Interrupt;
use crate::wakeup::Wakeup;

/// What the writer goes by.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) settings: QueueSettings,
    pub(crate) clock: Clock,
    /// The queue's row in the file.
    pub(crate) queue: i64,
    pub(crate) fault: Fault,
    pub(crate) wakeup: Wakeup,
    pub(crate) interrupt: Interrupt,
}
