//! The project's own commands: `cargo xtask test`, `tidy`, `bench` and `fuzz`.
//!
//! Nothing here ships. Dependencies are few so that `cargo xtask` starts fast.

#![expect(clippy::print_stdout, reason = "progress on standard output is what these commands are for")]

mod bench;
mod failure;
mod fuzz;
mod gate;
mod process;
mod setup;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--unit] [--no-setup]        the gate: set-up, fmt, clippy, tidy, tests, doc tests, docs
                                    --unit: only what needs no installed mail server
                                    --no-setup: install nothing
  tidy                              the rules of the tree that no compiler checks
  bench [PART] [ARGUMENTS...]       compares pooled, short-lived and rival clients in release mode, or
                                    measures a part: pool, queue, loopback, rtt, mime
  fuzz [TARGET] [--seconds N]       fuzzes one target, or each in turn (default: 60 s each)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let root = root()?;
    match arguments.split_first() {
        Some((command, rest)) => match command.as_str() {
            "test" => gate::run(&root, gate::Options::parse(rest)?),
            "tidy" => tidy::run(&root),
            "bench" => bench::run(&root, rest),
            "fuzz" => fuzz::run(&root, &fuzz::Options::parse(rest)?),
            "help" | "--help" | "-h" => {
                print!("{USAGE}");
                Ok(())
            }
            unknown => Err(Failure::new(format!("no command `{unknown}`\n\n{USAGE}"))),
        },
        None => Err(Failure::new(format!("which command?\n\n{USAGE}"))),
    }
}

/// The workspace folder: the one above this package.
fn root() -> Result<PathBuf, Failure> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    match here.parent() {
        Some(root) if root.join("Cargo.toml").is_file() => Ok(root.to_path_buf()),
        _ => Err(Failure::new(format!(
            "no workspace above {}: build xtask from the tree that it shall check",
            here.display()
        ))),
    }
}
