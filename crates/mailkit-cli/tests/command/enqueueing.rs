use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::{Ended, LETTER, command, mailkit};
use crate::store::{Store, line};

#[test]
fn one_message_is_answered_by_its_id() {
    let store = Store::new();
    let id = store.enqueue(&[]);
    assert_eq!(id.len(), 26);
    let args = ["enqueue", "--queue", &store.url, "--json"];
    let result = mailkit(args.iter().chain(&LETTER)).assert_code(0).json();
    assert_eq!(Ended::keys(&result), ["duplicate", "id", "state"]);
    assert_eq!((&result["duplicate"], &result["state"]), (&json!(false), &json!("ready")));
    assert_eq!(store.stats()["ready"], 2);
}

#[test]
fn a_key_makes_one_message_and_another_message_under_it_is_65() {
    let store = Store::new();
    let key = ["--idempotency-key", "order-42"];
    let id = store.enqueue(&key);
    let args = ["enqueue", "--queue", &store.url, "--json"];
    let again = mailkit(args.iter().chain(&LETTER).chain(&key)).assert_code(0).json();
    assert_eq!(again, json!({"id": id, "duplicate": true, "state": "ready"}));
    let later = mailkit(args.iter().chain(&LETTER).chain(&key).chain(&["--send-at", "2099-01-01T00:00:00Z"]));
    later.assert_code(65).assert_says("`order-42` was used for another message");
    let other = ["--from", "ann@example.com", "--to", "bob@example.org", "--text", "Another one"];
    let ended = mailkit(args.iter().chain(&other).chain(&key));
    ended.assert_code(65).assert_says("`order-42` was used for another message").assert_says(&id);
    assert_eq!(store.stats()["ready"], 1);
}

#[test]
fn one_key_in_many_commands_at_once_makes_one_message() {
    let store = Store::new();
    let args = ["enqueue", "--queue", &store.url, "--idempotency-key", "k"];
    let start = || command(args.iter().chain(&LETTER)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let all: Vec<_> = (0..8).map(|_| start()).collect();
    let ended: Vec<Ended> = all.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    let first = &ended[0].assert_code(0).out;
    assert!(ended.iter().all(|one| one.code == 0 && one.out == *first), "{ended:#?}");
    assert_eq!(store.stats()["ready"], 1);
}

#[test]
fn good_lines_are_answered_in_their_order_and_bad_ones_told_by_number() {
    let store = Store::new();
    let good: String = (0..30).map(|number| line(&format!("user{number}@example.org"), "")).collect();
    let lines = format!("{}\n{{\"from\": \"ann\"}}\nnonsense\n{good}{{\"form\": 1}}", line("first@example.org", ""));
    let ended = store.enqueue_lines(&lines);
    ended.assert_code(65).assert_says("line 3: from: no domain").assert_says("line 4: not JSON: ");
    ended.assert_says("line 35: form: unknown field `form`").assert_says("31 lines stored, 3 bad");
    let answers: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Ended::keys(&answers[0]), ["duplicate", "id", "line"]);
    let numbers: Vec<_> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [vec![1], (5..35).collect()].concat());
    let shown = store.show(answers[1]["id"].as_str().unwrap());
    assert_eq!(shown["recipients"][0]["address"], "user0@example.org");
    assert_eq!(store.stats()["ready"], 31);
    assert_eq!(store.enqueue_lines("").assert_code(0).out, "");
}

#[test]
fn a_line_is_answered_while_the_next_one_is_not_written_yet() {
    let store = Store::new();
    let mut command = command(["enqueue", "--queue", &store.url, "--ndjson", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut out) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for number in 1..=3 {
        input.write_all(line("bob@example.org", "").as_bytes()).unwrap();
        let mut answer = String::new();
        out.read_line(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("{{\"line\":{number},")), "{answer}");
        assert_eq!(store.stats()["ready"], number);
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn wishes_to_the_queue_are_granted_from_options_and_from_json() {
    let store = Store::new();
    let more = ["--send-at", "2099-12-01T08:00:00+01:00", "--priority", "high", "--idempotency-key", "a"];
    let shown = store.show(&store.enqueue(&more));
    assert_eq!((&shown["state"], &shown["priority"]), (&json!("scheduled"), &json!("high")));
    assert_eq!(shown["next_attempt_at"], "2099-12-01T07:00:00Z");
    assert_eq!(shown["idempotency_key"], "a");
    let wishes = r#", "idempotency_key": "b", "send_at": "2099-12-01T08:00:00Z", "expires_at": "2099-12-02T08:00:00Z",
        "priority": "low", "route": "backup", "tenant": "acme", "tags": ["welcome"], "on_ambiguous": "hold""#;
    let path = store.file("letter.json", &line("bob@example.org", wishes));
    let ended = mailkit(["enqueue", "--queue", &store.url, "--message", &path]);
    let shown = store.show(ended.assert_code(0).out.trim());
    for (name, wanted) in [
        ("state", json!("scheduled")),
        ("next_attempt_at", json!("2099-12-01T08:00:00Z")),
        ("expires_at", json!("2099-12-02T08:00:00Z")),
        ("priority", json!("low")),
        ("route", json!("backup")),
        ("tenant", json!("acme")),
        ("tags", json!(["welcome"])),
        ("on_ambiguous", json!("hold")),
    ] {
        assert_eq!(shown[name], wanted, "{name}");
    }
}

#[test]
fn wishes_that_make_no_sense_are_65_and_all_told_at_once() {
    let store = Store::new();
    let wishes = r#", "idempotency_key": "", "send_at": "soon", "on_ambiguous": "drop", "id": "x", "tags": [""]"#;
    let ended = store.enqueue_lines(&line("bob@example.org", wishes));
    for words in
        ["idempotency_key: empty", "send_at: no date in `soon`", "on_ambiguous: `drop`", "id: `x`", "tags[0]: empty"]
    {
        ended.assert_code(65).assert_says(words);
    }
}

#[test]
fn a_key_a_tenant_a_tag_or_a_trace_that_is_invalid_is_65_and_named_by_its_field() {
    let store = Store::new();
    let wishes = r#", "idempotency_key": "caf\u00e9", "tenant": "a\u0000b", "tags": ["good", "a\nb"], "traceparent": "00-1-2-3""#;
    let ended = store.enqueue_lines(&line("bob@example.org", wishes));
    for words in [
        "idempotency_key: an idempotency key has only printable ASCII characters, and U+00E9 is none",
        "tenant: a tenant may not contain the control character U+0000",
        "tags[1]: a tag may not contain the control character U+000A",
        "traceparent: a traceparent is VERSION-TRACE_ID-PARENT_ID-FLAGS",
    ] {
        ended.assert_code(65).assert_says(words);
    }
    assert_eq!(store.stats()["ready"], 0);
    let long = "k".repeat(256);
    let ended = mailkit([&["enqueue", "--queue", &store.url, "--idempotency-key", &long], &LETTER[..]].concat());
    ended.assert_code(65).assert_says("idempotency_key: an idempotency key has at most 255 octets");
}

#[test]
fn a_queue_that_is_full_is_75_and_keeps_what_it_has() {
    let store = Store::new();
    let config = store.file("mailkit.toml", &format!("[queue]\nurl = \"{}\"\nmax_messages = 2\n", store.url));
    let args = ["enqueue", "--config", &config];
    for _ in 0..2 {
        mailkit(args.iter().chain(&LETTER)).assert_code(0);
    }
    mailkit(args.iter().chain(&LETTER)).assert_code(75).assert_says("the queue is full");
    let path = store.file("letters.ndjson", &line("bob@example.org", "").repeat(3));
    let ended = mailkit(args.iter().chain(&["--ndjson", &path]));
    ended.assert_code(75).assert_says("line 1: the queue is full");
    assert_eq!(ended.out, "");
    assert_eq!(store.stats()["ready"], 2);
}

#[test]
fn a_queue_that_nobody_else_could_see_or_that_there_is_not_is_78() {
    for (url, words) in [
        ("memory:", "a queue in memory ends with this command"),
        ("redis://ann:canary@host", "no store for redis URLs in this version: use sqlite:PATH"),
        ("postgres://ann:canary@host/mail", "no store for postgres URLs"),
        ("mail.db", "no known scheme"),
        ("sqlite:mail.db?qeue=a", "the parameter `qeue`"),
    ] {
        for args in [&["enqueue", "--queue", url][..], &["queue", "stats", "--queue", url]] {
            let letter: &[&str] = if args[0] == "enqueue" { &LETTER } else { &[] };
            let ended = mailkit(args.iter().chain(letter));
            ended.assert_code(78).assert_says(words);
            assert!(!ended.err.contains("canary"), "{ended:?}");
        }
    }
}

#[test]
fn a_message_that_is_wrong_stores_nothing() {
    let store = Store::new();
    let url = &store.url;
    mailkit(["enqueue", "--queue", url, "--from", "ann", "--to", "bob@example.org"]).assert_code(65);
    mailkit(["enqueue", "--queue", url, "--ndjson", "/no/such/file"]).assert_code(66);
    mailkit(["enqueue", "--queue", url, "--ndjson", "-", "--from", "ann@example.com"]).assert_code(64);
    mailkit(["enqueue", "--from", "ann@example.com"]).assert_code(64).assert_says("no queue: give --queue URL");
    store.queue(&["stats"]).assert_code(66).assert_says("store does not exist");
}

#[test]
fn queues_of_other_names_in_one_file_keep_apart() {
    let store = Store::new();
    store.enqueue(&[]);
    let news = format!("{}?queue=news", store.url);
    let count =
        |url: &str| mailkit(["queue", "stats", "--json", "--queue", url]).assert_code(0).json()["ready"].clone();
    mailkit(["enqueue", "--queue", &news].iter().chain(&LETTER)).assert_code(0);
    mailkit(["enqueue", "--queue", &news].iter().chain(&LETTER)).assert_code(0);
    assert_eq!((count(&store.url), count(&news)), (json!(1), json!(2)));
}

/// However many lines there are, few of them are in memory.
#[cfg(target_os = "linux")]
#[test]
fn many_lines_are_never_in_memory_together() {
    let store = Store::new();
    let text = "x".repeat(300_000);
    let path = store.folder.path().join("letters.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for _ in 0..100 {
        file.write_all(line("bob@example.org", &format!(", \"subject\": \"a\", \"html\": \"{text}\"")).as_bytes())
            .unwrap();
    }
    drop(file);
    let args = ["enqueue", "--queue", &store.url, "--ndjson", path.to_str().unwrap()];
    let mut child = command(args).stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = crate::streaming::peak_of(child.id()).unwrap_or_default().max(peak);
        std::thread::yield_now();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(store.stats()["ready"], 100);
    // In KiB. Each line is there several times while it is under way: all together they would need twice that.
    assert!(peak > 0 && peak < 80 * 1024, "{peak} KiB");
}

#[test]
fn a_line_is_an_object_and_is_told_apart_by_its_own_number() {
    let store = Store::new();
    let good = line("bob@example.org", "");
    let lines = format!("\u{feff}{good}[\"ann@example.com\"]\n[{}]\n{{\"from\": 5}}\n\r\n{}", good.trim(), good.trim());
    let ended = store.enqueue_lines(&lines.replace('\n', "\r\n"));
    ended
        .assert_code(65)
        .assert_says("line 2: message: it is no object")
        .assert_says("line 3: message: it is no object");
    ended.assert_says("line 4: from: expected a string, found a number");
    let numbers: Vec<_> =
        ended.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].clone()).collect();
    assert_eq!(numbers, [json!(1), json!(6)], "a byte order mark in front, CRLF and a missing end of line are no harm");
}

#[test]
fn who_leaves_before_all_lines_are_answered_is_told_what_to_do() {
    let store = Store::new();
    let mut enqueue = command(["enqueue", "--queue", &store.url, "--ndjson", "-"]);
    let mut child = enqueue.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    input.write_all(line("bob@example.org", "").as_bytes()).unwrap();
    BufReader::new(output).read_line(&mut String::new()).unwrap();
    input.write_all(line("bob@example.org", "").as_bytes()).unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    ended
        .assert_code(74)
        .assert_says("answers cannot be written")
        .assert_says("enqueue the lines that were not acknowledged");
}

#[test]
fn the_json_that_the_help_shows_is_taken() {
    let help = mailkit(["enqueue", "--help"]).assert_code(0).out.clone();
    let lines = help.lines().skip_while(|line| !line.starts_with("  {")).take_while(|line| line.starts_with("  "));
    let shown: String = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let store = Store::new();
    let attached = store.file("r.pdf", "%PDF");
    let line = shown.replace("r.pdf", &attached).replace("2026-", "2099-");
    store.enqueue_lines(&line).assert_code(0);
    let shown = store.show(store.list(&[])[0]["id"].as_str().unwrap());
    assert_eq!(
        (&shown["state"], &shown["tenant"], &shown["priority"]),
        (&json!("scheduled"), &json!("acme"), &json!("high"))
    );
}
