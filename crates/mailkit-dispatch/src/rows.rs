//! The messages that wait for a route, in the order in which they may go.

use std::collections::VecDeque;

use mailkit_queue::{Leased, Priority, QueueId};

/// A row for each priority. Within one, messages keep the order of the queue, in which tenants take turns.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: [VecDeque<Box<Leased>>; Priority::ALL.len()],
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.rows.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.iter().all(VecDeque::is_empty)
    }

    pub(crate) fn push(&mut self, message: Box<Leased>) {
        self.rows[message.priority as usize].push_back(message);
    }

    /// Puts a message back where it was taken from.
    pub(crate) fn push_front(&mut self, message: Box<Leased>) {
        self.rows[message.priority as usize].push_front(message);
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Leased> {
        self.rows.get(place.row)?.get(place.index).map(|message| &**message)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<Box<Leased>> {
        self.rows.get_mut(place.row)?.remove(place.index)
    }

    /// The first place from here on that has a message.
    pub(crate) fn settle(&self, mut place: Place) -> Option<Place> {
        while place.index >= self.rows.get(place.row)?.len() {
            place = Place { row: place.row + 1, index: 0 };
        }
        Some(place)
    }

    pub(crate) fn first(&self) -> Option<&Leased> {
        self.rows.iter().find_map(VecDeque::front).map(|message| &**message)
    }

    pub(crate) fn pop(&mut self) -> Option<Box<Leased>> {
        self.rows.iter_mut().find_map(VecDeque::pop_front)
    }

    pub(crate) fn forget(&mut self, id: QueueId) {
        for row in &mut self.rows {
            row.retain(|message| message.lease.id() != id);
        }
    }
}

/// A place in the rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    row: usize,
    index: usize,
}

impl Place {
    pub(crate) const fn next(self) -> Self {
        Self { index: self.index + 1, ..self }
    }
}
