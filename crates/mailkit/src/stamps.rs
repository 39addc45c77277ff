//! The stamps of a message, from the system.

use std::cell::RefCell;
use std::io;

use mailkit_mime::{StampSource, Stamps};
use time::OffsetDateTime;

use crate::Message;

/// The system's clock and randomness, in UTC.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl StampSource for System {
    type Message = Message;

    fn stamps(&mut self) -> io::Result<Stamps> {
        let now = OffsetDateTime::now_utc();
        let random = POOL.with_borrow_mut(Pool::take)?;
        // A process that forks leaves its pool to both: the time keeps their messages apart.
        let unique = random ^ now.unix_timestamp_nanos().unsigned_abs();
        Ok(Stamps::new(now, unique))
    }
}

/// How many numbers are fetched at a time: one by one they would cost more than a short message does.
const FETCHED: usize = 64;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; FETCHED * 16], left: 0 }) };
}

/// Random numbers of the system, each of which is given out once.
struct Pool {
    bytes: [u8; FETCHED * 16],
    left: usize,
}

impl Pool {
    fn take(&mut self) -> io::Result<u128> {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes).map_err(io::Error::other)?;
            self.left = FETCHED;
        }
        self.left -= 1;
        let number = self.bytes.as_chunks().0.get(self.left).copied().unwrap_or_default();
        Ok(u128::from_le_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_comes_twice_though_the_pool_is_filled_anew() {
        let mut seen = HashSet::new();
        for _ in 0..3 * FETCHED + 1 {
            assert!(seen.insert(System.stamps().unwrap().unique()));
        }
    }

    #[test]
    fn what_the_pool_gives_out_is_random() {
        let mut pool = Pool { bytes: [0; FETCHED * 16], left: 0 };
        let numbers: HashSet<_> = (0..3 * FETCHED).map(|_| pool.take().unwrap()).collect();
        assert_eq!(numbers.len(), 3 * FETCHED);
    }
}
