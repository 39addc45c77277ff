//! `cargo xtask fuzz`: runs the targets of `fuzz/` with cargo-fuzz, which it installs where it is missing.
//!
//! cargo-fuzz asks rustc for the address sanitizer and for coverage, which are unstable options. `RUSTC_BOOTSTRAP=1` has a
//! stable rustc take them: nothing that is fuzzed uses unstable features of the language, and nobody runs what is built
//! here but the fuzzer. So no nightly toolchain is needed, and what is fuzzed is what the released compiler makes.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::process::{cargo, show, works};

const DEFAULT_SECONDS: u32 = 60;

/// What installs cargo-fuzz.
const INSTALL: &str = "cargo install cargo-fuzz --locked";

/// What to fuzz and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    target: Option<String>,
    seconds: u32,
}

impl Options {
    /// Reads `[TARGET] [--seconds N]`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self { target: None, seconds: DEFAULT_SECONDS };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--seconds" {
                let value = arguments.next().map_or("", String::as_str);
                options.seconds = match value.parse() {
                    Ok(seconds) if seconds > 0 => seconds,
                    _ => {
                        return Err(Failure::new(format!("--seconds wants a number above 0, not `{value}`")));
                    }
                };
            } else if argument.starts_with('-') || options.target.is_some() {
                return Err(Failure::new(format!("fuzz does not know `{argument}`: it takes [TARGET] [--seconds N]")));
            } else {
                options.target = Some(argument.clone());
            }
        }
        Ok(options)
    }
}

/// Fuzzes the target, or each in turn.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let known = targets(root)?;
    let chosen = match &options.target {
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => {
            return Err(Failure::new(format!("no fuzz target `{target}`; there are: {}", known.join(", "))));
        }
        None => known,
    };
    check_tools(root)?;
    for target in chosen {
        println!("fuzz {target}, {} s", options.seconds);
        show(
            unstable_cargo(root)
                .args(["fuzz", "run", &target, "--"])
                .arg(format!("-max_total_time={}", options.seconds))
                .arg("-max_len=65536"),
        )?;
    }
    Ok(())
}

/// The targets are the files in `fuzz/fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| Failure::new(format!("cannot list {}: {error}", folder.display())))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Looks for what fuzzing needs, and installs cargo-fuzz where it is missing.
fn check_tools(root: &Path) -> Result<(), Failure> {
    if !works(Command::new("c++").arg("--version")) {
        return Err(Failure::new(
            "libFuzzer is C++: install a compiler that is called `c++` (Debian: apt-get install g++)",
        ));
    }
    if works(cargo(root).args(["fuzz", "--version"])) {
        return Ok(());
    }
    println!("cargo-fuzz is missing; it is installed by: {INSTALL}");
    show(cargo(root).args(INSTALL.split(' ').skip(1))).map_err(|failure| {
        Failure::new(format!(
            "{failure}\n  fuzzing needs cargo-fuzz: install it by hand (`{INSTALL}`), and run this again"
        ))
    })
}

/// The cargo that runs this xtask, with unstable options allowed.
fn unstable_cargo(root: &Path) -> Command {
    let mut command = cargo(root);
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Failure> {
        Options::parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn target_and_seconds_in_any_order() {
        let expected = Options { target: Some("reply".into()), seconds: 5 };
        assert_eq!(parse(&["reply", "--seconds", "5"]).unwrap(), expected);
        assert_eq!(parse(&["--seconds", "5", "reply"]).unwrap(), expected);
        assert_eq!(parse(&[]).unwrap(), Options { target: None, seconds: DEFAULT_SECONDS });
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (arguments, named) in
            [(&["--seconds", "0"][..], "`0`"), (&["--seconds"][..], "--seconds"), (&["a", "b"][..], "`b`")]
        {
            assert!(parse(arguments).unwrap_err().to_string().contains(named));
        }
    }
}
