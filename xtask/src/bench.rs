//! `cargo xtask bench`: the benchmarks, which live in `benches/` and always run in release mode.

use std::path::Path;

use crate::failure::Failure;
use crate::process::{cargo, show};

/// Builds and runs the benchmark program; the arguments go to it as they are.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    if arguments.first().is_some_and(|part| part == "queue") {
        // It kills processes of the command.
        show(cargo(root).args(["build", "--release", "--locked", "--quiet", "--package", "mailkit-cli"]))?;
    }
    show(
        cargo(root)
            .args(["run", "--release", "--locked", "--quiet", "--package", "mailkit-benches", "--"])
            .args(arguments),
    )
}
