//! Work grows linearly with what the command is given, or has a bound: the table of all parsers and printers stands in
//! front of `crates/mailkit/tests/forms/growth.rs`.

#[path = "growth/configuration.rs"]
mod configuration;
#[path = "growth/message.rs"]
mod message;
#[path = "growth/queue.rs"]
mod queue;

use mailkit_testkit::Growth;

use crate::run::command;
use crate::store::Store;

/// A run of the command, and the size of the input to begin with.
struct Case {
    name: &'static str,
    size: usize,
    /// The exit code.
    code: i32,
    /// Makes the arguments, and the files that they name.
    args: fn(&Store, usize) -> Vec<String>,
    /// It stops reading somewhere, whatever the input.
    bounded: bool,
}

impl Case {
    const fn linear(name: &'static str, size: usize, code: i32, args: fn(&Store, usize) -> Vec<String>) -> Self {
        Self { name, size, code, args, bounded: false }
    }

    const fn bounded(name: &'static str, size: usize, code: i32, args: fn(&Store, usize) -> Vec<String>) -> Self {
        Self { name, size, code, args, bounded: true }
    }
}

#[expect(clippy::print_stdout, reason = "the ratios are for people who run it")]
fn count(cases: &[Case]) {
    let mut worse = Vec::new();
    for case in cases {
        let stores = [(); 5].map(|()| Store::new());
        let growth = Growth::measure(case.code, |times| command((case.args)(&stores[times], times * case.size)));
        let Some(growth) = growth else { return };
        println!("{}: {:.2} {:?}", case.name, growth.ratio(), growth.instructions);
        if !(if case.bounded { growth.is_bounded() } else { growth.is_linear() }) {
            worse.push((case.name, growth));
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

/// N texts that differ, with something between them.
fn join(n: usize, between: &str, text: impl Fn(usize) -> String) -> String {
    (0..n).map(text).collect::<Vec<_>>().join(between)
}

fn texts<const N: usize>(args: [&str; N]) -> Vec<String> {
    args.map(str::to_owned).to_vec()
}

#[test]
fn work_grows_linearly_with_a_message_in_json_or_options() {
    count(message::CASES);
}

#[test]
fn work_grows_linearly_with_a_configuration() {
    count(configuration::CASES);
}

#[test]
fn work_grows_linearly_with_what_a_queue_gets_and_holds() {
    count(queue::CASES);
}
