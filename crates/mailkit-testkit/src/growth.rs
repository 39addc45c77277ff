//! Counts the instructions that work takes, by callgrind: a count does not depend on how busy the machine is.

use std::process::{Command, Stdio};

use crate::REQUIRE_REAL;

/// Linear work has a ratio of 2, and what hash tables and growing lists add to it; n log n has up to 2.3.
const MOST: f64 = 2.8;

/// How the instructions of a program grow when its input is doubled, and doubled again.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// The instructions for an input, and for the double and the fourfold of it.
    pub instructions: [u64; 3],
}

impl Growth {
    /// Runs the command that `command` makes for one, two and four times the input. It has to end with the code `code`.
    ///
    /// Returns `None` where there is no valgrind.
    ///
    /// # Panics
    /// Where valgrind is required and missing, and where the program ends otherwise.
    pub fn measure(code: i32, command: impl Fn(usize) -> Command) -> Option<Self> {
        if Command::new("valgrind").arg("--version").output().is_err() {
            assert!(std::env::var_os(REQUIRE_REAL).is_none(), "valgrind is required and missing");
            return None;
        }
        Some(Self { instructions: [1, 2, 4].map(|times| instructions(code, &command(times))) })
    }

    /// How much more the second doubling costs than the first: 2 where the work is linear, 4 where it grows with the
    /// square of the input.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than two digits")]
    pub fn ratio(&self) -> f64 {
        let [once, twice, fourfold] = self.instructions.map(|count| count as f64);
        (fourfold - twice) / (twice - once)
    }

    /// Whether the work grows linearly.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        self.ratio() < MOST
    }

    /// Whether the work has a bound, whatever the input: no more is read of it.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        let [once, _, fourfold] = self.instructions;
        fourfold < once + once / 10
    }
}

fn instructions(code: i32, command: &Command) -> u64 {
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    counted.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => counted.env(name, value),
            None => counted.env_remove(name),
        };
    }
    let output = counted.output().unwrap_or_else(|error| panic!("valgrind does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = || said.chars().take(4_000).collect::<String>();
    assert_eq!(output.status.code(), Some(code), "{}{}", shown(), String::from_utf8_lossy(&output.stdout));
    let count = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim().parse());
    count.and_then(Result::ok).unwrap_or_else(|| panic!("callgrind has counted nothing: {}", shown()))
}
