//! `cargo xtask bench`: the benchmarks, which live in `benches/` and always run in release mode.

use std::path::Path;

use crate::failure::Failure;
use crate::process::{cargo, show};

/// Builds and runs the benchmark program; the arguments go to it as they are.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    show(
        cargo(root)
            .args(["run", "--release", "--locked", "--quiet", "--package", "mailkit-benches", "--"])
            .args(arguments),
    )
}
