//! The same operations on several messages in one call.

use super::{Admission, Command, NewMessage, Walk};
use crate::id::QueueId;

/// The maximum number of items in a batch.
const MAX_ITEMS: usize = 4;

impl Walk {
    fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Vec<T> {
        (0..self.rng.usize(1..=MAX_ITEMS)).filter_map(|_| item(self)).collect()
    }

    pub(super) async fn enqueue_batch(&mut self) {
        let messages = self.items(|walk| Some(walk.new_message()));
        if self.rng.bool() {
            return self.enqueue_all(messages).await;
        }
        let results = self.world.enqueue_many(messages.clone()).await.unwrap();
        assert_eq!(results.len(), messages.len());
        for (message, enqueued) in messages.iter().zip(results) {
            self.check_enqueued(message, enqueued);
        }
    }

    async fn enqueue_all(&mut self, messages: Vec<NewMessage>) {
        let now = self.world.now();
        let mut model = self.model.clone();
        let refused = messages.iter().enumerate().position(|(at, message)| match model.admit(message, now) {
            Admission::Store => {
                model.enqueue(message, QueueId::from_bits(at as u128), now);
                false
            }
            Admission::Duplicate(..) => false,
            Admission::Conflict(_) | Admission::Expired => true,
        });
        match self.world.enqueue_all(messages.clone()).await {
            Ok(enqueued) => {
                assert_eq!((refused, enqueued.len()), (None, messages.len()));
                for (message, enqueued) in messages.iter().zip(enqueued) {
                    self.check_enqueued(message, Ok(enqueued));
                }
            }
            Err(failed) => assert_eq!((failed.index, true), (refused, refused.is_some()), "{failed:?}"),
        }
    }

    pub(super) async fn settle_batch(&mut self) {
        let mut batch = self.items(Self::take_lease);
        // Now and then a token that was settled before, in this batch or another.
        if self.rng.u32(0..3) == 0
            && let (Some(token), Some((_, settlement))) = (self.rng.choice(&self.settled), batch.first())
        {
            batch.insert(self.rng.usize(0..=batch.len()), (*token, settlement.clone()));
        }
        let items: Vec<_> = batch.iter().map(|(token, settlement)| (*token, settlement)).collect();
        let results = self.world.settle_many(&items).await.unwrap();
        assert_eq!(results.len(), batch.len());
        for ((token, settlement), settled) in batch.iter().zip(results) {
            self.check_settled(*token, settlement, settled);
        }
    }

    pub(super) async fn record_commit_points(&mut self) {
        let tokens = self.items(Self::token);
        let results = self.world.record_commit_points(&tokens).await.unwrap();
        assert_eq!(results.len(), tokens.len());
        for (token, recorded) in tokens.into_iter().zip(results) {
            self.check_recorded(token, recorded);
        }
    }

    pub(super) async fn apply_batch(&mut self) {
        let (ids, command) = (self.items(Self::id), self.rng.choice(Command::ALL).unwrap());
        let results = self.world.apply_many(&ids, command).await.unwrap();
        assert_eq!(results.len(), ids.len());
        let now = self.world.now();
        for (id, applied) in ids.into_iter().zip(results) {
            assert_eq!(applied.ok(), self.model.apply(id, command, now));
        }
    }
}
