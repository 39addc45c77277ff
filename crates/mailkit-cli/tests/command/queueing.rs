//! `mailkit queue`: what is shown, and what may be done.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::{Ended, LETTER, command, mailkit};
use crate::sink_process::SinkProcess;
use crate::store::{Store, line};

/// The name of no message.
const NOBODY: &str = "01K0000000000000000000000A";

#[test]
fn the_json_objects_have_exactly_these_names() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "rcpt=550 5.1.1 no such user,to=nobody@*"]);
    let id = store.enqueue(&["--cc", "nobody@example.org"]);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    let names = [
        "ambiguous_total",
        "cancelled",
        "dead",
        "held",
        "leased",
        "oldest_ready_seconds",
        "ready",
        "scheduled",
        "sent",
        "store",
    ];
    assert_eq!(Ended::keys(&store.stats()), names);
    assert_eq!(store.stats()["dead"], 1);
    let about = &store.stats()["store"];
    assert_eq!(Ended::keys(about), ["durability", "kind", "shared", "version"]);
    assert_eq!(
        (&about["kind"], &about["durability"], &about["shared"]),
        (&json!("sqlite"), &json!("fsync"), &json!(true))
    );
    assert!(!about["version"].as_str().unwrap().is_empty());
    let listed = store.list(&[]).remove(0);
    let names = [
        "attempts",
        "created_at",
        "from",
        "id",
        "next_attempt_at",
        "priority",
        "recipients",
        "route",
        "state",
        "subject",
        "tags",
        "tenant",
    ];
    assert_eq!(Ended::keys(&listed), names);
    assert_eq!(listed["recipients"], json!(["bob@example.org", "nobody@example.org"]));
    assert_eq!((&listed["from"], &listed["subject"]), (&json!("ann@example.com"), &json!("Hello")));
    let shown = store.show(&id);
    assert!(
        names.iter().all(|name| !shown[name].is_null() || ["next_attempt_at", "route", "tenant"].contains(name)),
        "{shown}"
    );
    assert!(shown["message_id"].as_str().unwrap().ends_with("@example.com>"));
    assert_eq!(shown["idempotency_key"], Value::Null);
    let wanted = json!({"address": "nobody@example.org", "status": "permanent", "code": 550, "enhanced": "5.1.1",
        "text": "no such user"});
    assert_eq!(shown["recipients"][1], wanted);
    let attempt = &shown["history"][0];
    assert_eq!(Ended::keys(attempt), ["at", "class", "outcome", "recipients", "route", "text"]);
    assert_eq!((&attempt["route"], attempt["recipients"].as_array().unwrap().len()), (&json!("primary"), 2));
}

#[test]
fn a_list_is_newest_first_filtered_and_comes_in_pages() {
    let store = Store::new();
    let lines: String = (0..5)
        .map(|number| line(&format!("u{number}@example.org"), &format!(", \"tags\": [\"t{}\"]", number % 2)))
        .collect();
    store.enqueue_lines(&lines).assert_code(0);
    store.enqueue(&["--send-at", "2099-01-01T00:00:00Z"]);
    let ids = |more: &[&str]| -> Vec<String> {
        store.list(more).iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&[]);
    assert_eq!(all.len(), 6);
    let first = store.queue(&["list", "--json", "--limit", "2"]);
    first.assert_code(0).assert_says(&format!("--cursor {}", all[1]));
    assert_eq!(ids(&["--limit", "3", "--cursor", &all[1]]), all[2..5]);
    assert_eq!(ids(&["--state", "scheduled"]), all[..1]);
    assert_eq!(store.list(&["--tag", "t0"]).len(), 3);
    assert_eq!(store.list(&["--recipient", "U3@example.org"]).len(), 1);
    assert!(store.queue(&["list"]).assert_code(0).out.lines().nth(1).unwrap().starts_with(&all[0]));
    store.queue(&["list", "--state", "lost"]).assert_code(64);
}

#[test]
fn an_unknown_id_and_what_the_state_does_not_allow_are_65_and_change_nothing() {
    let store = Store::new();
    let id = store.enqueue(&[]);
    for action in ["show", "retry", "release", "cancel"] {
        store.queue(&[action, NOBODY]).assert_code(65).assert_says("no message 01K");
        store.queue(&[action, "nonsense"]).assert_code(65).assert_says("is not the id of a message");
    }
    for action in ["retry", "release"] {
        store.queue(&[action, &id]).assert_code(65).assert_says("is ready: ");
    }
    assert_eq!(store.show(&id)["state"], "ready");
    let cancelled = store.queue(&["cancel", &id, "--json"]).assert_code(0).json();
    assert_eq!(cancelled, json!({"changed": 1, "id": id, "state": "cancelled"}));
    store.queue(&["cancel", &id]).assert_code(65);
}

#[test]
fn a_dead_message_is_retried_for_those_who_have_not_got_it() {
    let store = Store::new();
    let refusing = SinkProcess::start(&["--fail", "rcpt=550 5.1.1 no such user,to=late@*"]);
    let id = store.enqueue(&["--cc", "late@example.org"]);
    store.work(&refusing.plain(), "--until-empty").assert_code(0);
    assert_eq!(store.show(&id)["state"], "dead");
    assert!(store.queue(&["retry", &id]).assert_code(0).out.contains("ready"));
    let sink = SinkProcess::start(&[]);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    assert_eq!(sink.envelopes()[0]["to"], json!(["late@example.org"]));
    assert_eq!(store.show(&id)["state"], "sent");
}

#[test]
fn a_held_message_waits_for_a_person_and_one_that_is_resent_is_counted() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "content=lose,times=2"]);
    let wishes = r#", "on_ambiguous": "hold""#;
    store.enqueue_lines(&line("held@example.org", wishes)).assert_code(0);
    store.work(&sink.plain(), "--until-empty").assert_code(0);
    let held = store.list(&["--state", "held"]).remove(0)["id"].as_str().unwrap().to_owned();
    assert_eq!(store.show(&held)["recipients"][0]["status"], "ambiguous");
    let config = format!("[retry]\nfirst = \"10ms\"\n[[route]]\nname = \"a\"\nserver = \"{}\"\n", sink.plain());
    let config = store.file("mailkit.toml", &config);
    store.enqueue(&[]);
    let work = || mailkit(["work", "--queue", &store.url, "--config", &config, "--until-empty", "-q"]);
    work().assert_code(0);
    assert_eq!((&store.stats()["ambiguous_total"], &store.stats()["held"]), (&json!(2), &json!(1)));
    // Each was kept by the sink, and one of them came again, under the same Message-ID.
    let mut ids: Vec<_> = sink.messages().iter().map(|message| message_id(message)).collect();
    assert_eq!(ids.len(), 3);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    store.queue(&["release", &held]).assert_code(0);
    work().assert_code(0);
    assert_eq!(store.show(&held)["state"], "sent");
}

fn message_id(message: &str) -> String {
    message.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned()
}

#[test]
fn a_file_of_an_older_schema_is_78_with_the_commands_to_run_and_left_byte_for_byte() {
    let store = Store::new();
    store.enqueue(&[]);
    let path = store.folder.path().join("mail.db");
    let mut content = std::fs::read(&path).unwrap();
    // The version of the schema is at offset 60 of the header.
    content[60..64].copy_from_slice(&1_u32.to_be_bytes());
    std::fs::write(&path, &content).unwrap();
    for args in
        [&["queue", "stats"][..], &["queue", "export"], &["enqueue"], &["work", "--server", "smtp://127.0.0.1:1"]]
    {
        let letter: &[&str] = if args[0] == "enqueue" { &LETTER } else { &[] };
        let ended = mailkit(args.iter().chain(letter).chain(&["--queue", &store.url]));
        ended.assert_code(78).assert_says("written by another version of mailkit");
        ended
            .assert_says("mailkit queue export --queue sqlite:FILE")
            .assert_says("mailkit enqueue --queue sqlite:FILE");
    }
    assert_eq!(std::fs::read(path).unwrap(), content);
}

#[test]
fn a_file_that_is_not_ours_is_78_and_left_byte_for_byte() {
    let store = Store::new();
    for content in ["no database at all\n", "SQLite format 3\0 and then nothing that makes sense"] {
        let path = store.file("mail.db", content);
        for args in [&["queue", "stats"][..], &["enqueue"], &["work", "--server", "smtp://127.0.0.1:1"]] {
            let letter: &[&str] = if args[0] == "enqueue" { &LETTER } else { &[] };
            mailkit(args.iter().chain(letter).chain(&["--queue", &store.url])).assert_code(78).assert_says("damaged");
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
        assert_eq!(std::fs::read_dir(store.folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_configuration_that_is_missing_is_66_and_a_bad_one_78_with_its_line() {
    for command in [&["queue", "stats"][..], &["work"], &["enqueue"]] {
        mailkit(command.iter().chain(&["--config", "/no/such.toml"])).assert_code(66).assert_says("/no/such.toml");
    }
    let store = Store::new();
    let config = store.file("mailkit.toml", "[queue]\nurl = \"memory:\"\nlaese = \"1s\"\n");
    mailkit(["work", "--config", &config]).assert_code(78).assert_says("line 3: unknown field `laese`");
}

#[test]
fn a_reader_that_has_enough_hears_no_complaint() {
    let store = Store::new();
    // More than a pipe takes before anybody reads.
    let subject = format!(", \"subject\": \"{}\"", "x".repeat(900));
    let lines: String = (0..200).map(|number| line(&format!("user{number}@example.org"), &subject)).collect();
    store.enqueue_lines(&lines).assert_code(0);
    for what in [&["list", "--limit", "500"][..], &["export"]] {
        let mut queue = command(["queue", "--queue", &store.url].iter().chain(what));
        let mut child = queue.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let ended: Ended = child.wait_with_output().unwrap().into();
        assert_eq!((ended.assert_code(74).out.as_str(), ended.err.as_str()), ("", ""));
    }
}
