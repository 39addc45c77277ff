//! Contents that may only leave while their sender agrees: asked at the moment at which octets go to the transport.

use std::collections::VecDeque;
use std::sync::Arc;

/// Whether a message may still be sent.
pub(crate) type SendCheck = Arc<dyn Fn() -> bool + Send + Sync>;

/// The contents with a check that are on their way, by their places in the stream of octets that leaves.
#[derive(Default)]
pub(crate) struct CheckedContents {
    queue: VecDeque<CheckedContent>,
}

struct CheckedContent {
    /// Where its first octet stands.
    first: u64,
    /// Where the next thing behind it begins; `None` while more of it comes.
    end: Option<u64>,
    check: SendCheck,
}

impl CheckedContents {
    /// A content begins at this place.
    pub(crate) fn begin(&mut self, first: u64, check: SendCheck) {
        self.queue.push_back(CheckedContent { first, end: None, check });
    }

    /// The last content that began has no more behind this place.
    pub(crate) fn end(&mut self, end: u64) {
        if let Some(last) = self.queue.back_mut() {
            last.end.get_or_insert(end);
        }
    }

    /// Forgets the contents that have left whole.
    pub(crate) fn forget(&mut self, sent: u64) {
        while self.queue.front().is_some_and(|content| content.end.is_some_and(|end| end <= sent)) {
            self.queue.pop_front();
        }
    }

    /// Whether the octets from `sent` to `queued` may leave: whether every content that has some of them agrees.
    pub(crate) fn may_send(&mut self, sent: u64, queued: u64) -> bool {
        self.forget(sent);
        self.queue.iter().take_while(|content| content.first < queued).all(|content| (content.check)())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_content_is_asked_for_whenever_octets_of_it_are_about_to_leave_and_at_no_other_time() {
        let (valid, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (is_valid, count) = (Arc::clone(&valid), Arc::clone(&asked));
        let mut contents = CheckedContents::default();
        contents.begin(
            100,
            Arc::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                is_valid.load(Ordering::Relaxed)
            }),
        );
        assert!(contents.may_send(0, 100) && asked.load(Ordering::Relaxed) == 0);
        assert!(contents.may_send(0, 101) && asked.load(Ordering::Relaxed) == 1);
        contents.end(200);
        valid.store(false, Ordering::Relaxed);
        assert!(!contents.may_send(199, 200) && !contents.may_send(50, 300));
        assert!(contents.may_send(200, 300) && asked.load(Ordering::Relaxed) == 3);
    }
}
