//! Work grows linearly with input from outside, or has a bound: the instructions that each parser and printer takes are
//! counted, by callgrind, for an input and for the double and the fourfold of it.
//!
//! Each parser and printer, and the case that counts it. `messages`, `smtp` and `settings` are beside this file;
//! `command` is `crates/mailkit-cli/tests/command/growth/`.
//!
//! | Input | Cases |
//! |---|---|
//! | Header of a finished message (`.eml`) | messages: `header: …` (fields, continuation lines, addresses, encoded words) |
//! | Address lists, comments, groups | messages: `addresses: …`, `header: addresses` |
//! | Content types and their parameters | messages: `content type: parameters` |
//! | Builder: texts, subjects, file names, recipients, attachments | messages: `builder: …`, `text read from a source` |
//! | Conversion for servers that take 7-bit content | messages: `conversion: …` |
//! | DKIM: signer, key files, choice of the signing domain | messages: `DKIM: …` |
//! | Replies, EHLO lines | smtp: `replies`, `extensions` |
//! | Client machine: recipients, LMTP replies | smtp: `client: refused recipients`, `client: LMTP …` |
//! | Client's login: rounds, challenges, SCRAM, CRAM-MD5 | smtp: `client: rounds of 334`, `client: long challenges`, `client: SCRAM, …` |
//! | Secrets in a server's replies | smtp: `client: what a server repeats of a login` |
//! | Commands and their parameters (MAIL, RCPT, BDAT, EHLO) | smtp: `commands: parameters` |
//! | Server machine: commands, content, chunks, logins | smtp: `server: …` |
//! | Replies of proxies | bounded: 16 KiB for each header of HTTP (`proxy/http.rs`), 262 octets in SOCKS5 (RFC 1928 §6) |
//! | Addresses that a resolver finds | a set: each is looked at once (`resolve.rs`) |
//! | URLs of servers, proxies, queues | settings: `URLs of …` |
//! | Rates, quotas, shares, `convert`, message ids | settings: `rates, quotas, shares, ids` |
//! | Spans of time | command, configuration: `configuration: spans of time` |
//! | Address patterns, and recipients held against them | settings: `patterns of addresses`, `allowed recipients` |
//! | `sink --fail SPEC` | settings: `rules of a sink` |
//! | Configuration (TOML), variables in it | command, configuration: `configuration: …` |
//! | Message in JSON | command, message: `JSON: …` |
//! | Message by options | command, message: `options: …` |
//! | Lines of JSON (`enqueue --ndjson`) | command, queue: `NDJSON: …` |
//! | Rows of a queue's file: `queue list`, `show`, `export` | command, queue: `queue: …` |
//! | Ids on the command line | command, queue: `queue: ids …` |

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "growth/messages.rs"]
mod messages;
#[path = "growth/settings.rs"]
mod settings;
#[path = "growth/smtp.rs"]
mod smtp;

use std::process::Command;

use mailkit_testkit::Growth;

/// Names the case and the size for a run of this program that does nothing else.
const VARIABLE: &str = "MAILKIT_GROWTH";

/// A parser or printer, and the size of the input to begin with.
struct Case {
    name: &'static str,
    size: usize,
    work: fn(usize),
    /// It stops reading somewhere, whatever the input.
    bounded: bool,
}

impl Case {
    const fn linear(name: &'static str, size: usize, work: fn(usize)) -> Self {
        Self { name, size, work, bounded: false }
    }

    const fn bounded(name: &'static str, size: usize, work: fn(usize)) -> Self {
        Self { name, size, work, bounded: true }
    }
}

/// Does the work that the environment names.
#[test]
fn one_case() {
    let Ok(case) = std::env::var(VARIABLE) else { return };
    let (size, name) = case.split_once(' ').unwrap();
    let mut cases = [messages::CASES, smtp::CASES, settings::CASES].into_iter().flatten();
    let case = cases.find(|case| case.name == name).unwrap();
    (case.work)(size.parse().unwrap());
}

#[expect(clippy::print_stdout, reason = "the ratios are for people who run it")]
fn count(cases: &[Case]) {
    let mut worse = Vec::new();
    for case in cases {
        let growth = Growth::measure(0, |times| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "growth::one_case", "--test-threads=1"]);
            command.env(VARIABLE, format!("{} {}", times * case.size, case.name));
            command
        });
        let Some(growth) = growth else { return };
        println!("{}: {:.2} {:?}", case.name, growth.ratio(), growth.instructions);
        if !(if case.bounded { growth.is_bounded() } else { growth.is_linear() }) {
            worse.push((case.name, growth));
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

#[test]
fn work_grows_linearly_with_a_message() {
    count(messages::CASES);
}

#[test]
fn work_grows_linearly_with_what_a_peer_says() {
    count(smtp::CASES);
}

#[test]
fn work_grows_linearly_with_a_setting() {
    count(settings::CASES);
}
