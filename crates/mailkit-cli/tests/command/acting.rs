//! What is done with messages by hand: by id, by a filter, and forgetting them.

use serde_json::{Value, json};

use crate::run::{LETTER, mailkit};
use crate::sink_process::SinkProcess;
use crate::store::{Store, line};

/// A queue with two dead messages, to `no0` and `no1`, one to `bob` that is ready, and one that is scheduled by its sender.
fn with_dead() -> (Store, SinkProcess) {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "rcpt=550 5.1.1 no such user,to=no*@*"]);
    let wishes = |number| format!(", \"tags\": [\"t{number}\"], \"tenant\": \"shop{number}\"");
    let lines: String = (0..2).map(|number| line(&format!("no{number}@example.org"), &wishes(number))).collect();
    store.enqueue_lines(&lines).assert_code(0);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    store.enqueue(&[]);
    store.enqueue(&["--send-at", "2099-01-01T00:00:00Z"]);
    assert_eq!((&store.stats()["dead"], &store.stats()["scheduled"]), (&json!(2), &json!(1)));
    (store, sink)
}

#[test]
fn a_filter_changes_what_matches_and_tells_how_many() {
    let (store, _sink) = with_dead();
    let changed = |args: &[&str]| store.queue(&[args, &["--yes", "--json"]].concat()).assert_code(0).json();
    assert_eq!(changed(&["retry", "--recipient", "NO0@example.org"]), json!({"changed": 1}));
    assert_eq!(changed(&["retry", "--recipient", "NO0@example.org"]), json!({"changed": 0}), "it is ready");
    assert_eq!(changed(&["retry", "--state", "dead", "--tag", "t0"]), json!({"changed": 0}));
    assert_eq!(changed(&["cancel", "--tenant", "shop0"]), json!({"changed": 1}));
    assert_eq!(changed(&["release", "--all"]), json!({"changed": 0}));
    let retried = store.queue(&["retry", "--state", "dead", "--yes"]);
    assert_eq!(retried.assert_code(0).assert_says("retry: 1 messages match").out, "1 messages changed\n");
    assert_eq!(changed(&["cancel", "--route", "backup"]), json!({"changed": 0}));
    assert_eq!(changed(&["cancel", "--all"]), json!({"changed": 3}));
    assert_eq!(store.stats()["cancelled"], 4);
}

#[test]
fn a_retry_by_filter_spares_what_waits_for_the_time_of_its_sender() {
    let (store, _sink) = with_dead();
    let changed = |args: &[&str]| store.queue(&[args, &["--yes", "--json"]].concat()).assert_code(0).json();
    assert_eq!(changed(&["retry", "--all"]), json!({"changed": 2}));
    assert_eq!(store.stats()["scheduled"], 1);
    assert_eq!(changed(&["retry", "--state", "scheduled"]), json!({"changed": 1}));
    assert_eq!(store.stats()["scheduled"], 0);
}

#[test]
fn without_a_terminal_a_filter_needs_yes() {
    let (store, _sink) = with_dead();
    store.queue(&["cancel", "--all"]).assert_code(64).assert_says("would change 2 messages").assert_says("--yes");
    assert_eq!(store.stats()["cancelled"], 0);
    assert_eq!(store.queue(&["release", "--all", "--json"]).assert_code(0).json(), json!({"changed": 0}));
    for action in ["retry", "release", "cancel"] {
        store.queue(&[action, "--yes"]).assert_code(64).assert_says("needs messages: give ids, or a filter");
        store.queue(&[action, "01K", "--state", "dead"]).assert_code(64);
        store.queue(&[action, "--all", "--tag", "x"]).assert_code(64);
    }
}

#[test]
fn a_filter_takes_as_many_messages_as_there_are() {
    let store = Store::new();
    let lines: String = (0..1_200).map(|number| line(&format!("u{number}@example.org"), "")).collect();
    store.enqueue_lines(&lines).assert_code(0);
    let cancelled = store.queue(&["cancel", "--state", "ready", "--yes", "--json"]).assert_code(0).json();
    assert_eq!(cancelled, json!({"changed": 1_200}));
}

#[test]
fn an_id_may_be_cut_short_while_no_other_message_begins_like_that() {
    let store = Store::new();
    let lines: String = (0..3)
        .map(|number| {
            line("bob@example.org", &format!(", \"id\": \"01KB9V6Y4T5M3Q8Z7X2W1C0{}\"", ["ZZZ", "D9E", "D9F"][number]))
        })
        .collect();
    store.enqueue_lines(&lines).assert_code(0);
    let shown = store.show("01kb9v6y4t5m3q8z7x2w1c0z");
    assert_eq!(shown["id"], "01KB9V6Y4T5M3Q8Z7X2W1C0ZZZ");
    for command in [&["show"][..], &["cancel"], &["list", "--cursor"]] {
        let run = |text| store.queue(&[command, &[text]].concat());
        let several = "`01KB9V6Y4T5M3Q8Z7X2W1C0D` is ambiguous, several ids begin with it: \
                       01KB9V6Y4T5M3Q8Z7X2W1C0D9F, 01KB9V6Y4T5M3Q8Z7X2W1C0D9E: give more of the id";
        run("01KB9V6Y4T5M3Q8Z7X2W1C0D").assert_code(65).assert_says(several);
        run("01J").assert_code(65).assert_says("no message whose id begins with `01J`");
        for no_id in ["", "01U", "x-", "é"] {
            run(no_id).assert_code(65).assert_says("is not the id of a message, nor the beginning of one");
        }
        run("01KB9V6Y4T5M3Q8Z7X2W1C0D9EA").assert_code(65).assert_says("is not the id of a message");
    }
    store.queue(&["cancel", "01K"]).assert_code(65).assert_says("ambiguous");
    let both = store.queue(&["cancel", "01KB9V6Y4T5M3Q8Z7X2W1C0D9E", "01KB9V6Y4T5M3Q8Z7X2W1C0D9F", "--json"]);
    let both = both.assert_code(0).json();
    assert_eq!((&both["changed"], &both["messages"][1]["state"]), (&json!(2), &json!("cancelled")));
    let rest = store.queue(&["cancel", "01KB9V6Y4T5M3Q8Z7X2W1C0D9E", "01KB9V6Y4T5M3Q8Z7X2W1C0Z", "--json"]);
    rest.assert_code(65).assert_says("message 01KB9V6Y4T5M3Q8Z7X2W1C0D9E is cancelled");
    assert_eq!(rest.json()["changed"], 1, "the others are done all the same");
}

#[test]
fn a_purge_forgets_what_nobody_looks_after_and_the_rest_where_it_is_named() {
    let (store, sink) = with_dead();
    let held = r#", "on_ambiguous": "hold""#;
    let losing = SinkProcess::start(&["--fail", "content=lose"]);
    store.enqueue_lines(&line("held@example.org", held)).assert_code(0);
    store.queue(&["cancel", "--recipient", "bob@example.org", "--yes"]).assert_code(0);
    store.work(&losing.plain(), "--until-empty").assert_code(0);
    store.enqueue(&[]);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    let counts = || {
        let stats = store.stats();
        ["sent", "cancelled", "dead", "held"].map(|state| stats[state].as_u64().unwrap())
    };
    assert_eq!(counts(), [1, 2, 2, 1]);
    let purge = |args: &[&str]| store.queue(&[&["purge", "--json"], args].concat());
    purge(&[]).assert_code(64).assert_says("purge needs --older-than SPAN or --state STATE");
    purge(&["--state", "ready"]).assert_code(64).assert_says("cancel it first");
    assert_eq!(purge(&["--older-than", "7d"]).assert_code(0).json(), json!({"purged": 0}));
    assert_eq!(purge(&["--older-than", "0s"]).assert_code(0).json(), json!({"purged": 3}));
    assert_eq!(counts(), [0, 0, 2, 1]);
    assert_eq!(purge(&["--state", "dead", "--older-than", "1h"]).assert_code(0).json(), json!({"purged": 0}));
    assert_eq!(purge(&["--state", "dead"]).assert_code(0).json(), json!({"purged": 2}));
    assert_eq!(counts(), [0, 0, 0, 1]);
    assert_eq!(purge(&["--state", "held", "--state", "sent"]).assert_code(0).json(), json!({"purged": 1}));
    assert_eq!(counts(), [0; 4]);
}

#[test]
fn a_key_is_free_again_once_its_message_is_cancelled_or_purged_without_having_been_sent() {
    let store = Store::new();
    let keyed = |more: &[&str]| {
        let args = ["enqueue", "--queue", &store.url, "--json", "--idempotency-key", "k"];
        mailkit(args.iter().chain(&LETTER).chain(more)).assert_code(0).json()
    };
    let first = keyed(&[]);
    store.queue(&["cancel", first["id"].as_str().unwrap()]).assert_code(0);
    let second = keyed(&["--cc", "eve@example.org"]);
    assert_eq!((&second["duplicate"], &second["state"]), (&json!(false), &json!("ready")));
    store.queue(&["purge", "--state", "cancelled"]).assert_code(0);
    assert_eq!(keyed(&["--cc", "eve@example.org"])["id"], second["id"]);
    let refusing = SinkProcess::start(&["--fail", "rcpt=550 5.1.1 no such user"]);
    store.work(&refusing.plain(), "--until-empty").assert_code(0);
    let again = keyed(&["--cc", "eve@example.org"]);
    assert_eq!((&again["duplicate"], &again["state"]), (&json!(true), &json!("dead")));
    store.queue(&["purge", "--state", "dead"]).assert_code(0);
    let third = keyed(&["--cc", "eve@example.org"]);
    assert_eq!((&third["duplicate"], third["id"] == second["id"]), (&json!(false), false));
    let sink = SinkProcess::start(&[]);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    store.queue(&["purge", "--state", "sent"]).assert_code(0);
    let last = keyed(&["--cc", "eve@example.org"]);
    assert_eq!(last, json!({"id": third["id"], "duplicate": true, "state": "sent"}));
    assert_eq!(store.list(&[]), Vec::<Value>::new());
}
