//! Safeguards for staging, and the archive copy: they apply when mail is sent.

use serde_json::{Value, json};

use crate::run::{Ended, mailkit, send};
use crate::sink_process::SinkProcess;
use crate::store::Store;

/// A configuration of the store with one route, and with more above it.
fn config(store: &Store, sink: &SinkProcess, more: &str) -> String {
    let text = format!(
        "{more}\n[queue]\nurl = \"{}\"\n[[route]]\nname = \"main\"\nserver = \"{}\"\n",
        store.url,
        sink.plain()
    );
    store.file("staging.toml", &text)
}

fn work(config: &str) -> Ended {
    let ended = mailkit(["work", "--config", config, "--until-empty", "--json"]);
    ended.assert_code(0);
    ended
}

/// The recipients of all envelopes that arrived.
fn arrived(sink: &SinkProcess) -> Vec<Value> {
    sink.envelopes().iter().map(|envelope| envelope["to"].clone()).collect()
}

#[test]
fn mail_that_waited_already_is_redirected_and_says_whom_it_was_for() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let large = store.file("large", &"A line of the text.\n".repeat(20_000));
    let small = store.enqueue(&["--cc", "eve@example.net"]);
    store.enqueue(&["--attach", &large]);
    work(&config(&store, &sink, "redirect_all_to = \"dev@example.com\"\narchive_to = \"archive@example.com\""));
    assert_eq!(arrived(&sink), [json!(["dev@example.com"]), json!(["dev@example.com"])], "and nothing is archived");
    for message in sink.messages() {
        assert!(
            message.contains("X-Mailkit-Original-To: bob@example.org"),
            "{}",
            message.get(..500).unwrap_or(&message)
        );
    }
    let shown = store.show(&small);
    let recipients: Vec<_> =
        shown["recipients"].as_array().unwrap().iter().map(|entry| (&entry["address"], &entry["status"])).collect();
    let accepted = json!("accepted");
    assert_eq!(recipients, [(&json!("bob@example.org"), &accepted), (&json!("eve@example.net"), &accepted)], "{shown}");
}

#[test]
fn who_is_not_allowed_gets_nothing_and_the_message_is_dead_for_that_reason() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let mixed = store.enqueue(&["--cc", "ann@example.com"]);
    let alone = store.enqueue(&[]);
    let ended = work(&config(&store, &sink, "allow_recipients = [\"*@example.com\"]"));
    assert_eq!(arrived(&sink), [json!(["ann@example.com"])]);
    for (id, count) in [(&mixed, 2), (&alone, 1)] {
        let shown = store.show(id);
        let recipients = shown["recipients"].as_array().unwrap();
        assert_eq!((&shown["state"], recipients.len()), (&json!("dead"), count));
        let bob = recipients.iter().find(|entry| entry["address"] == "bob@example.org").unwrap();
        assert_eq!((&bob["status"], &bob["code"]), (&json!("permanent"), &Value::Null));
        assert!(bob["text"].as_str().unwrap().starts_with("not_allowed"), "{bob}");
    }
    assert!(ended.err.contains("not_allowed"), "{ended:?}");
}

#[test]
fn with_both_only_those_that_are_not_allowed_are_redirected() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    store.enqueue(&["--cc", "ann@example.com"]);
    work(&config(&store, &sink, "redirect_all_to = \"dev@example.net\"\nallow_recipients = \"*@example.com\""));
    assert_eq!(arrived(&sink), [json!(["ann@example.com", "dev@example.net"])]);
    assert!(
        sink.messages()[0].starts_with("X-Mailkit-Original-To: bob@example.org\r\n")
            || sink.messages()[0].contains("\nX-Mailkit-Original-To: bob@example.org")
    );
}

#[test]
fn a_message_that_is_sent_at_once_is_safeguarded_too() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let file = store.file("c.toml", "redirect_all_to = \"dev@example.com\"\n");
    let result = send(&sink.plain(), &["--config", &file, "--json"]).assert_code(0).json();
    assert_eq!(result["recipients"][0]["address"], "bob@example.org");
    assert_eq!(arrived(&sink), [json!(["dev@example.com"])]);
    assert!(sink.messages()[0].contains("X-Mailkit-Original-To: bob@example.org"));

    let file = store.file("c.toml", "allow_recipients = []\n");
    let result = send(&sink.plain(), &["--config", &file, "--json"]).assert_code(69).json();
    let bob = &result["recipients"][0];
    assert_eq!((&bob["status"], &bob["code"]), (&json!("permanent"), &Value::Null));
    assert!(bob["text"].as_str().unwrap().starts_with("not_allowed"));
    assert_eq!(sink.envelopes().len(), 1, "nothing more was sent");
}

#[test]
fn each_message_has_one_archive_copy_however_often_it_is_tried() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "rcpt=451 4.7.1 later,to=late@*,times=2"]);
    let id = store.enqueue(&["--cc", "late@example.org"]);
    let bounce = store.enqueue(&["--envelope-from", "<>"]);
    let fast = "archive_to = \"archive@example.com\"\n[retry]\nfirst = \"10ms\"\nmax = \"20ms\"\n";
    work(&config(&store, &sink, fast));
    let copies: Vec<_> = arrived(&sink).into_iter().filter(|to| *to == json!(["archive@example.com"])).collect();
    assert_eq!(copies.len(), 1, "{:?}", sink.envelopes());
    let copy = store.list(&["--recipient", "archive@example.com"]).remove(0);
    let shown = store.show(copy["id"].as_str().unwrap());
    assert_eq!((&shown["archive_of"], &shown["state"]), (&json!(id), &json!("sent")));
    assert_eq!((&store.show(&id)["archive_of"], &store.show(&bounce)["state"]), (&Value::Null, &json!("sent")));
    let original = store.show(&id);
    assert_eq!(original["message_id"], shown["message_id"]);
    // Nothing is copied again by a second run.
    work(&config(&store, &sink, fast));
    assert_eq!(store.list(&["--recipient", "archive@example.com"]).len(), 1);
}

#[test]
fn a_full_queue_has_room_for_the_archive_copy_of_what_was_sent() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let id = store.enqueue(&[]);
    let text = format!(
        "archive_to = \"archive@example.com\"\n[queue]\nurl = \"{}\"\nmax_messages = 1\n[[route]]\nname = \"main\"\n\
         server = \"{}\"\n",
        store.url,
        sink.plain()
    );
    work(&store.file("full.toml", &text));
    let copies = store.list(&["--recipient", "archive@example.com"]);
    assert_eq!(copies.len(), 1);
    assert_eq!(store.show(copies[0]["id"].as_str().unwrap())["archive_of"], json!(id));
    assert_eq!(arrived(&sink).len(), 2);
}

#[test]
fn no_message_passes_for_an_archive_copy_by_its_key() {
    let store = Store::new();
    let key = "archive:01KB9V6Y4T5M3Q8Z7X2W1C0D9E";
    let arguments = ["--from", "a@example.com", "--to", "b@example.org", "--text", "x", "--idempotency-key"];
    let enqueue = |key: &str| mailkit(["enqueue", "--queue", &store.url].iter().copied().chain(arguments).chain([key]));
    enqueue(key).assert_code(65).assert_says("idempotency_key: keys `archive:ID` are reserved");
    let other = enqueue("archive:report");
    other.assert_code(0);
    assert_eq!(store.show(other.out.trim())["archive_of"], Value::Null);
}

#[test]
fn an_archive_copy_stays_one_in_another_queue() {
    let (store, sink, other) = (Store::new(), SinkProcess::start(&[]), Store::new());
    let id = store.enqueue(&[]);
    work(&config(&store, &sink, "archive_to = \"archive@example.com\""));
    let exported = mailkit(["queue", "export", "--queue", &store.url, "--state", "sent"]);
    let file = store.file("export.ndjson", &exported.assert_code(0).out);
    for _ in 0..2 {
        mailkit(["enqueue", "--queue", &other.url, "--ndjson", &file]).assert_code(0);
    }
    let copies = other.list(&["--recipient", "archive@example.com"]);
    assert_eq!(copies.len(), 1);
    assert_eq!(other.show(copies[0]["id"].as_str().unwrap())["archive_of"], json!(id));
}
