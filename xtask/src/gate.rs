//! `cargo xtask test`: the one command that says whether the tree is good.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process::{cargo, show, words, works};
use crate::{setup, tidy};

/// Tells `mailkit-testkit` that a missing server is a failure, not a reason to skip.
const REQUIRE_REAL: &str = "MAILKIT_REQUIRE_REAL";

/// How much of the gate to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Options {
    unit: bool,
    no_setup: bool,
}

impl Options {
    /// Reads `[--unit] [--no-setup]`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--unit" => options.unit = true,
                "--no-setup" => options.no_setup = true,
                unknown => {
                    return Err(Failure::new(format!(
                        "test does not know `{unknown}`: it takes [--unit] [--no-setup]"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// Runs every step in turn and stops at the first that fails.
pub(crate) fn run(root: &Path, options: Options) -> Result<(), Failure> {
    let start = Instant::now();
    step("set-up", || set_up(options))?;
    command_step("formatting", cargo(root).args(["fmt", "--all", "--check"]))?;
    command_step(
        "clippy",
        cargo(root).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    // What a peer sent is never indexed: an index out of range would be the peer's way to end the program.
    command_step(
        "clippy on the protocol",
        cargo(root).args(["clippy", "--package", "mailkit-smtp", "--lib", "--all-features", "--locked", "--"]).args([
            "-D",
            "warnings",
            "-D",
            "clippy::indexing_slicing",
        ]),
    )?;
    // Features only add: the connection must stand without those that the rest of the workspace turns on.
    command_step(
        "fewest features",
        cargo(root).args(["check", "--package", "mailkit-connection", "--locked"]).args([
            "--no-default-features",
            "--features",
            "ring",
        ]),
    )?;
    // `aws-lc-rs` is left out: it is C and takes minutes, for one line of ours.
    command_step(
        "roots of the platform",
        cargo(root).args(["check", "--package", "mailkit-connection", "--locked"]).args([
            "--no-default-features",
            "--features",
            "ring,platform-roots",
        ]),
    )?;
    step("tidy", || tidy::run(root))?;
    command_step("tests", &mut tests(root, options))?;
    command_step("doc tests", cargo(root).args(["test", "--workspace", "--locked", "--doc"]))?;
    command_step(
        "docs",
        cargo(root).args(["doc", "--workspace", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    println!("\nall steps passed in {}", seconds(start.elapsed()));
    if options.unit {
        println!("tests with real servers were left out (--unit)");
    }
    Ok(())
}

fn set_up(options: Options) -> Result<(), Failure> {
    setup::components()?;
    match options {
        Options { unit: true, .. } => Ok(()),
        Options { no_setup: true, .. } => setup::check_servers(),
        _ => setup::servers(),
    }
}

/// The tests by cargo-nextest where it is installed, else by `cargo test`.
fn tests(root: &Path, options: Options) -> Command {
    let mut command = cargo(root);
    if !options.unit {
        command.env(REQUIRE_REAL, "1");
    }
    if works(cargo(root).args(["nextest", "--version"])) {
        command.args(["nextest", "run", "--workspace", "--locked"]);
        if options.unit {
            command.args(["-E", "not test(/(^|::)real_/)"]);
        }
    } else {
        command.args(["test", "--workspace", "--locked", "--lib", "--bins", "--tests"]);
        if options.unit {
            command.args(["--", "--skip", "real_"]);
        }
    }
    command
}

fn command_step(name: &str, command: &mut Command) -> Result<(), Failure> {
    step(name, || {
        println!("{}", words(command));
        show(command)
    })
}

fn step(name: &str, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("\n==> {name}");
    let start = Instant::now();
    let result = work();
    let time = seconds(start.elapsed());
    match result {
        Ok(()) => {
            println!("<== {name}: ok, {time}");
            Ok(())
        }
        Err(failure) => {
            println!("<== {name}: failed, {time}");
            Err(Failure::new(format!("the step \"{name}\" failed: {failure}")))
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_is_named() {
        let failure = Options::parse(&["--units".to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("`--units`"));
    }

    #[test]
    fn real_servers_are_required_unless_only_unit_tests_run() {
        let environment = |unit| -> Vec<String> {
            tests(Path::new("."), Options { unit, no_setup: true })
                .get_envs()
                .map(|(name, _)| name.to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(environment(false), [REQUIRE_REAL]);
        assert!(environment(true).is_empty());
    }
}
