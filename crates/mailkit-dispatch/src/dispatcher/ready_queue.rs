//! The ready queue of a route: leased messages in the order in which they may be sent.

use std::collections::VecDeque;

use mailkit_queue::{Leased, Priority, QueueId};

/// A FIFO per priority. Within a priority, messages keep the order of the store, which is fair among tenants.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    by_priority: [VecDeque<Box<Leased>>; Priority::ALL.len()],
}

impl ReadyQueue {
    pub(crate) fn len(&self) -> usize {
        self.by_priority.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_priority.iter().all(VecDeque::is_empty)
    }

    pub(crate) fn push(&mut self, message: Box<Leased>) {
        self.by_priority[message.priority as usize].push_back(message);
    }

    /// Returns a message to the front.
    pub(crate) fn push_front(&mut self, message: Box<Leased>) {
        self.by_priority[message.priority as usize].push_front(message);
    }

    pub(crate) fn get(&self, position: Position) -> Option<&Leased> {
        self.by_priority.get(position.priority)?.get(position.index).map(|message| &**message)
    }

    pub(crate) fn remove(&mut self, position: Position) -> Option<Box<Leased>> {
        self.by_priority.get_mut(position.priority)?.remove(position.index)
    }

    /// The first position from here on that has a message.
    pub(crate) fn next_from(&self, mut position: Position) -> Option<Position> {
        while position.index >= self.by_priority.get(position.priority)?.len() {
            position = Position { priority: position.priority + 1, index: 0 };
        }
        Some(position)
    }

    pub(crate) fn first(&self) -> Option<&Leased> {
        self.by_priority.iter().find_map(VecDeque::front).map(|message| &**message)
    }

    pub(crate) fn pop(&mut self) -> Option<Box<Leased>> {
        self.by_priority.iter_mut().find_map(VecDeque::pop_front)
    }

    pub(crate) fn forget(&mut self, id: QueueId) {
        for priority in &mut self.by_priority {
            priority.retain(|message| message.id() != id);
        }
    }
}

/// A position in the ready queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    priority: usize,
    index: usize,
}

impl Position {
    pub(crate) const fn next(self) -> Self {
        Self { index: self.index + 1, ..self }
    }
}
