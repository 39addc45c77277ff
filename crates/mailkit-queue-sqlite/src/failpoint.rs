//! Where a test may end the process: each step that the writer takes with the file.

use crate::error::StoreError;

/// Passes a step. With the feature `failpoints`, the process ends at the step whose number, counted from 1, stands in
/// the environment variable `MAILKIT_FAILPOINT`.
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

/// Passes a step.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "the same as with the feature")]
pub(crate) const fn step(_name: &str) -> Result<(), StoreError> {
    Ok(())
}
