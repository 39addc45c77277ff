//! The queue's benchmark in short: what has to hold on any machine holds. Speed is not looked at.

use std::process::Command;

use serde_json::Value;

fn run(more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mailkit-benches"))
        .args(["queue", "--json", "--rounds", "1", "--senders", "8"])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The targets that have these words in their name.
fn targets<'a>(shown: &'a Value, words: &str) -> Vec<&'a Value> {
    let targets = shown["targets"].as_array().unwrap().iter();
    targets.filter(|target| target["name"].as_str().unwrap().contains(words)).collect()
}

#[test]
fn one_key_makes_one_message_and_a_long_queue_is_measured_in_little_memory() {
    let shown = run(&["--only", "once,backlog", "--backlog", "2000"]);
    assert_eq!(shown["once"]["enqueues"], 200);
    assert_eq!(targets(&shown, "one key")[0]["met"], true, "{shown}");
    for what in ["enqueue_us", "lease_us", "settle_us"] {
        assert!(shown["backlog"][what].as_array().unwrap().iter().all(|cost| cost.as_f64().unwrap() > 0.0));
    }
    assert_eq!(targets(&shown, "memory")[0]["met"], true, "{shown}");
    assert_eq!(targets(&shown, "long to short").len(), 3);
}

#[test]
fn nothing_is_lost_or_doubled_without_a_reason_by_a_few_kills() {
    let shown = run(&["--only", "kills", "--kills", "6"]);
    // The command was not built with this package alone.
    if shown["kills"].is_null() {
        eprintln!("skipped: the command `mailkit` is not built");
        return;
    }
    assert!(shown["kills"]["kills"].as_u64().unwrap() >= 6);
    assert_eq!(targets(&shown, "").len(), 9);
    // So few kills may all have come at quiet moments.
    let is_sure = |target: &&&Value| target["name"] != "messages in flight at a kill";
    assert!(targets(&shown, "").iter().filter(is_sure).all(|target| target["met"] == true), "{shown}");
}

#[test]
fn real_postfix_and_mailkit_deliver_all_messages_in_turns() {
    let shown = run(&["--only", "relay", "--messages", "40"]);
    if shown["relay"].is_null() {
        assert!(std::env::var_os("MAILKIT_REQUIRE_REAL").is_none(), "Postfix is not there");
        return;
    }
    for who in ["mailkit", "postfix"] {
        assert!(shown["relay"][who][0].as_f64().unwrap() > 0.0, "{shown}");
    }
    assert_eq!(targets(&shown, "durable end to end").len(), 1);
}
