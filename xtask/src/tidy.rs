//! `cargo xtask tidy`: rules of the tree that no compiler or lint checks.

mod arrows;
mod language;
mod sources;
mod trees;

use std::path::Path;

use crate::failure::Failure;

/// Checks all rules and reports every breach, not only the first.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut breaches = arrows::check(root)?;
    breaches.extend(sources::check(root)?);
    breaches.extend(language::check(root)?);
    breaches.extend(trees::check(root)?);
    if breaches.is_empty() {
        return Ok(());
    }
    for breach in &breaches {
        println!("{breach}");
    }
    Err(Failure::new(format!("{} to put right, listed above", breaches.len())))
}
