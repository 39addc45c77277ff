//! Maps with the id of a message as the key, and a cheap hash function for it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use mailkit_queue::QueueId;

pub(crate) type ById<T> = HashMap<QueueId, T, BuildHasherDefault<IdHasher>>;

/// Uses the id as its own hash: it ends in 80 random bits, which the store draws and no sender can choose.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half, mixed with the upper one")]
    fn write_u128(&mut self, bits: u128) {
        // Ids of one millisecond may be consecutive. An odd factor from the golden ratio (Fibonacci hashing) spreads
        // them over all bits, including the upper ones, which the table compares first.
        let folded = (bits as u64) ^ (bits >> 64) as u64;
        self.0 = (self.0.rotate_left(5) ^ folded).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn consecutive_ids_are_spread_over_the_whole_table() {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let hashes: Vec<u64> = (0..4096).map(|low| hasher.hash_one(QueueId::from_bits((77 << 80) | low))).collect();
        let indexes: HashSet<u64> = hashes.iter().map(|hash| hash % 4096).collect();
        let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!((indexes.len(), tags.len()), (4096, 128));
    }
}
