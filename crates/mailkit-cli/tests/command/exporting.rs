use std::time::Duration;

use serde_json::{Value, json};

use crate::run::{Ended, mailkit, mailkit_reading};
use crate::sink_process::SinkProcess;
use crate::store::{Store, line};

#[test]
fn what_is_exported_is_taken_back_with_id_key_and_times() {
    let (old, new) = (Store::new(), Store::new());
    let wishes = r#", "idempotency_key": "k", "subject": "Grüße an Zoë und alle anderen, die es angeht 👋", "send_at": "2099-12-01T08:00:00.5Z", "expires_at": "2099-12-02T08:00:00Z",
        "priority": "high", "route": "a", "tenant": "acme", "tags": ["x", "y"], "on_ambiguous": "hold",
        "envelope": {"from": "bounce@example.com", "dsn": {"notify": ["failure"], "ret": "headers", "envid": "e"}, "require_tls": true},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#;
    let keyed = line("Zoë <bob@example.org>", &wishes.replace('\n', " "));
    old.enqueue_lines(&keyed).assert_code(0);
    old.enqueue(&["--html", "Grüße\n.\n"]);
    let lines = old.queue(&["export"]).assert_code(0).out.clone();
    let taken = mailkit_reading(lines.as_bytes(), ["enqueue", "--queue", &new.url, "--ndjson", "-"]);
    assert_eq!(taken.assert_code(0).out.lines().count(), 2);
    let listed = old.list(&[]);
    assert_eq!(listed.len(), 2);
    for message in &listed {
        let id = message["id"].as_str().unwrap();
        let [mut before, mut after] = [old.show(id), new.show(id)];
        if before["state"] == "ready" {
            // Since when it has been: in this queue since it came.
            (before["next_attempt_at"], after["next_attempt_at"]) = Default::default();
        }
        assert_eq!(before, after);
    }
    // Lines are stored beside one another, and not in their order.
    let sorted = |lines: &str| lines.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&new.queue(&["export"]).out), sorted(&lines));
    // Under its key it is the same message in the new queue, and another one is a conflict.
    let again = new.enqueue_lines(&keyed);
    assert!(again.assert_code(0).out.contains("\"duplicate\":true"), "{again:?}");
    new.enqueue_lines(&keyed.replace("\"Hi\"", "\"Ho\"")).assert_code(65).assert_says("used for another message");
    assert_eq!(new.list(&[]).len(), 2);
}

#[test]
fn an_import_that_was_cut_off_can_be_repeated() {
    let (old, new) = (Store::new(), Store::new());
    let keyed = |number| format!(", \"subject\": \"Größe {number}\", \"idempotency_key\": \"k{number}\"");
    let lines: String = (0..6)
        .map(|number| line("bob@example.org", &if number % 2 == 0 { keyed(number) } else { String::new() }))
        .collect();
    old.enqueue_lines(&lines).assert_code(0);
    let exported = old.queue(&["export"]).assert_code(0).out.clone();
    let first: String = exported.lines().take(3).map(|line| format!("{line}\n")).collect();
    new.enqueue_lines(&first).assert_code(0);
    let duplicates = |ended: &Ended| ended.out.matches("\"duplicate\":true").count();
    let again = new.enqueue_lines(&exported);
    assert_eq!((again.assert_code(0).out.lines().count(), duplicates(&again)), (6, 3));
    assert_eq!(new.stats()["ready"], 6);
    // What was done with a message since is not undone.
    let cancelled = new.list(&[])[0]["id"].as_str().unwrap().to_owned();
    new.queue(&["cancel", &cancelled]).assert_code(0);
    assert_eq!(duplicates(new.enqueue_lines(&exported).assert_code(0)), 6);
    assert_eq!(new.show(&cancelled)["state"], "cancelled");
    // An id is of one message.
    let other = format!(
        "{}, \"id\": \"{cancelled}\", \"idempotency_key\": \"other\"}}\n",
        line("eve@example.org", "").trim().trim_end_matches('}')
    );
    new.enqueue_lines(&other).assert_code(65).assert_says("belongs to another message");
}

#[test]
fn a_message_whose_time_is_over_is_exported_and_ends_dead_where_it_is_seen() {
    let (old, new) = (Store::new(), Store::new());
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(3600);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let keyed = line("bob@example.org", &format!(", \"expires_at\": \"{soon}\", \"idempotency_key\": \"k\""));
    old.enqueue_lines(&keyed).assert_code(0);
    let exported = old.queue(&["export"]).assert_code(0).out.replace(&soon[..19], "2001-01-01T00:00:00");
    new.enqueue_lines(&exported).assert_code(0);
    assert_eq!(new.list(&[]).len(), 1);
    let over = keyed.replace(&soon[..19], "2001-01-01T00:00:00");
    assert!(new.enqueue_lines(&over).assert_code(0).out.contains("\"duplicate\":true"), "it came in in time");
    let refused = new.enqueue_lines(&over.replace("\"k\"", "\"other\"").replace(&soon[..19], "2001-01-01T00:00:00"));
    refused.assert_code(65).assert_says("line 1: expires_at is in the past");
}

#[test]
fn what_was_accepted_is_not_exported_to_be_sent_again() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "rcpt=451 later,to=later@*"]);
    store.enqueue(&["--cc", "later@example.org"]);
    store.enqueue(&[]);
    store.work(&sink.plain(), "--until-idle").assert_code(0);
    let ended = store.queue(&["export"]);
    ended.assert_code(0).assert_says("1 messages in other states were left out");
    let exported: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(exported["envelope"]["to"], json!(["later@example.org"]));
    let sent = store.queue(&["export", "--state", "sent"]).assert_code(0).out.clone();
    assert!(sent.is_empty() || sent.contains("bob@example.org"), "{sent}");
}

#[test]
fn a_damaged_file_is_left_as_it_is_and_gives_what_can_be_read() {
    let store = Store::new();
    let text = "x".repeat(2_000);
    let lines: String =
        (0..200).map(|n| line(&format!("u{n}@example.org"), &format!(", \"subject\": \"{text}\""))).collect();
    store.enqueue_lines(&lines).assert_code(0);
    let path = store.folder.path().join("mail.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (bytes.len() / 2, bytes.len() / 2 + 30_000);
    bytes[from..to].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    store.queue(&["stats"]).assert_code(78).assert_says("mailkit queue export");
    let ended = store.queue(&["export"]);
    ended.assert_code(0).assert_says("could not be read");
    let saved = ended.out.lines().count();
    assert!((100..200).contains(&saved), "{saved}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let new = Store::new();
    new.enqueue_lines(&ended.out).assert_code(0);
    assert_eq!(new.stats()["ready"], saved);
}

#[test]
fn an_export_is_read_where_the_queue_is_of_another_name() {
    let store = Store::new();
    store.enqueue(&[]);
    let news = format!("{}?queue=news", store.url);
    assert_eq!(mailkit(["queue", "export", "--queue", &news]).assert_code(0).out, "");
}

#[cfg(unix)]
#[test]
fn an_export_that_cannot_read_the_log_where_it_is_says_what_to_copy() {
    let store = Store::new();
    store.enqueue(&[]);
    let beside = |name: &str| store.folder.path().join(name);
    std::fs::write(beside("mail.db-wal"), "something").unwrap();
    // As on a medium for reading: SQLite cannot make the index of the log.
    std::os::unix::fs::symlink(beside("none").join("none"), beside("mail.db-shm")).unwrap();
    let ended = store.queue(&["export"]);
    ended.assert_code(78).assert_says("from a medium for reading, copy the file and its -wal to where you can write");
}
