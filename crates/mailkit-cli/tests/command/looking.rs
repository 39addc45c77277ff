//! Commands that only look: what they print, and that they make nothing.

use serde_json::json;

use crate::run::{LETTER, mailkit};
use crate::store::{Store, line};

/// Every command that looks at a queue or acts on it.
const COMMANDS: [&[&str]; 10] = [
    &["stats"],
    &["check"],
    &["check", "--repair"],
    &["list"],
    &["show", "01K"],
    &["export"],
    &["retry", "01K"],
    &["release", "--all", "--yes"],
    &["cancel", "01K"],
    &["purge", "--older-than", "1d"],
];

#[test]
fn a_store_that_is_not_there_is_66_and_is_not_made() {
    let store = Store::new();
    for command in COMMANDS {
        store.queue(command).assert_code(66).assert_says("there is no file ").assert_says("mail.db");
    }
    let url = format!("sqlite:{}/none/mail.db", store.folder.path().display());
    for command in COMMANDS {
        let ended = mailkit(["queue", "--queue", &url].iter().chain(command));
        ended.assert_code(66).assert_says("there is no folder ").assert_says("none");
    }
    mailkit(["enqueue", "--queue", &url].iter().chain(&LETTER)).assert_code(66).assert_says("there is no folder ");
    assert_eq!(std::fs::read_dir(store.folder.path()).unwrap().count(), 0);
    // An empty file is no store yet.
    store.file("mail.db", "");
    store.queue(&["stats"]).assert_code(66).assert_says("mail.db is empty");
    assert_eq!(std::fs::read_dir(store.folder.path()).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_where_no_store_can_be_is_78_and_named() {
    let store = Store::new();
    store.file("file", "");
    let folder = store.folder.path().display().to_string();
    std::os::unix::fs::symlink(format!("{folder}/loop"), format!("{folder}/loop")).unwrap();
    let long = format!("{folder}/{}", "x".repeat(300));
    for path in
        [&folder, "/sys/mail.db", &format!("{folder}/file/mail.db"), &format!("{folder}/loop"), &long, "/dev/null"]
    {
        let url = format!("sqlite:{path}");
        let commands: [&[&str]; 3] =
            [&["enqueue"], &["queue", "stats"], &["work", "--server", "smtp://127.0.0.1:1", "--until-empty"]];
        for command in commands {
            let letter: &[&str] = if command[0] == "enqueue" { &LETTER } else { &[] };
            let ended = mailkit(command.iter().chain(letter).chain(&["--queue", &url]));
            // Where nothing is made, there may simply be nothing.
            let may_miss = command[0] == "queue" && path.starts_with("/sys");
            ended.assert_code(if may_miss { 66 } else { 78 }).assert_says(path);
        }
    }
}

#[test]
fn a_list_has_a_header_and_subjects_that_are_read_and_cut() {
    let store = Store::new();
    let eml = "From: ann@example.com\nTo: bob@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?q?_an_alle?=\n\nHi\n";
    mailkit(["enqueue", "--queue", &store.url, "--eml", &store.file("a.eml", eml)]).assert_code(0);
    let wide = line("bob@example.org", &format!(", \"subject\": \"{}\\u202e\"", "日本語".repeat(30)));
    store.enqueue_lines(&wide).assert_code(0);
    let listed = store.queue(&["list"]).assert_code(0).out.clone();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3);
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(columns(lines[0]), ["ID", "CREATED", "STATE", "TO", "SUBJECT"]);
    let subjects = lines[0].find("SUBJECT").unwrap();
    assert_eq!(&lines[2][subjects..], "Grüße an alle");
    // Each of these letters takes two columns, and the ellipsis one.
    let subject: String = lines[1][subjects..].chars().collect();
    assert_eq!((subject.chars().count(), subject.ends_with('…'), listed.contains('\u{202e}')), (30, true, false));
    assert_eq!(store.list(&[])[1]["subject"], "Grüße an alle");
    let empty = Store::new();
    let id = empty.enqueue(&[]);
    empty.queue(&["cancel", &id]).assert_code(0);
    empty.queue(&["purge", "--state", "cancelled"]).assert_code(0);
    assert_eq!(empty.queue(&["list"]).assert_code(0).out, "");
}

#[test]
fn a_list_is_filtered_by_tenant_route_and_time() {
    let store = Store::new();
    let of = |number: u8| format!(", \"tenant\": \"shop{number}\", \"route\": \"r{number}\"");
    store.enqueue_lines(&format!("{}{}", line("a@example.org", &of(1)), line("b@example.org", &of(2)))).assert_code(0);
    let count = |more: &[&str]| store.list(more).len();
    assert_eq!((count(&["--tenant", "shop1"]), count(&["--route", "r2"]), count(&["--tenant", "x"])), (1, 1, 0));
    assert_eq!(count(&["--tenant", "shop1", "--route", "r2"]), 0);
    assert_eq!((count(&["--since", "2001-01-01T00:00:00Z"]), count(&["--until", "2001-01-01T00:00:00Z"])), (2, 0));
    assert_eq!(count(&["--since", "2099-01-01T00:00:00+01:00"]), 0);
    store.queue(&["list", "--since", "yesterday"]).assert_code(64);
    assert_eq!(store.list(&["--tenant", "shop1"])[0]["tenant"], json!("shop1"));
}
