//! Failpoints: each step of the writer at which a test can end the process.

use crate::error::StoreError;

/// Marks a step of the writer. With the feature `failpoints`, the process ends at the step whose number is in the environment
/// variable `MAILKIT_FAILPOINT`. The first step has the number 1.
#[cfg(feature = "failpoints")]
pub(crate) fn step(_name: &str) -> Result<(), StoreError> {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static LAST: LazyLock<Option<u64>> = LazyLock::new(|| std::env::var("MAILKIT_FAILPOINT").ok()?.parse().ok());
    static PASSED: AtomicU64 = AtomicU64::new(0);
    if *LAST == Some(PASSED.fetch_add(1, Ordering::SeqCst) + 1) {
        std::process::abort();
    }
    Ok(())
}

/// Marks a step of the writer.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "the same as with the feature")]
pub(crate) const fn step(_name: &str) -> Result<(), StoreError> {
    Ok(())
}
