//! Lines of JSON, and what a queue's file holds.

use super::{Case, join, texts};
use crate::run::mailkit;
use crate::store::{Store, line};

pub(super) const CASES: &[Case] = &[
    Case::linear("NDJSON: lines", 40, 0, |store, n| {
        enqueue(store, &join(n, "", |number| line(&format!("a{number}@x.example"), "")))
    }),
    Case::linear("NDJSON: bad lines", 200, 65, |store, n| enqueue(store, &"{\"from\": 1}\n\n".repeat(n))),
    Case::linear("NDJSON: a long line", 2_000, 0, |store, n| {
        enqueue(store, &line("b@x.example", &format!(", \"html\": \"{}\"", "gr\\u00fcn \\n".repeat(n))))
    }),
    Case::linear("NDJSON: a line without an end", 40_000, 65, |store, n| enqueue(store, &"[".repeat(n))),
    Case::linear("queue: lists", 40, 0, |store, n| {
        fill(store, n);
        texts(["queue", "list", "--queue", &store.url, "--limit", "1000"])
    }),
    Case::linear("queue: exports", 40, 0, |store, n| {
        fill(store, n);
        texts(["queue", "export", "--queue", &store.url])
    }),
    Case::linear("queue: recipients of a message", 300, 0, |store, n| {
        let id = with_recipients(store, n);
        texts(["queue", "show", "--queue", &store.url, &id])
    }),
    Case::linear("queue: recipients of a message in a list", 300, 0, |store, n| {
        with_recipients(store, n);
        texts(["queue", "list", "--queue", &store.url, "--json"])
    }),
    Case::linear("queue: ids", 40, 0, |store, n| {
        let ids = fill(store, n);
        texts(["queue", "cancel", "--queue", &store.url]).into_iter().chain(ids).collect()
    }),
    Case::linear("queue: ids again and again", 300, 0, |store, n| {
        let ids = fill(store, 2);
        texts(["queue", "cancel", "--queue", &store.url]).into_iter().chain(ids.into_iter().cycle().take(n)).collect()
    }),
];

fn enqueue(store: &Store, lines: &str) -> Vec<String> {
    let path = store.file("lines", lines);
    texts(["enqueue", "--queue", &store.url, "--ndjson", &path])
}

/// Enqueues N messages with long subjects; gives their ids.
fn fill(store: &Store, n: usize) -> Vec<String> {
    let lines = join(n, "", |number| line(&format!("a{number}@x.example"), ""));
    let ended = store.enqueue_lines(&lines);
    let answers = ended.assert_code(0).out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    answers.map(|answer| answer["id"].as_str().unwrap().to_owned()).collect()
}

/// Enqueues a message to N recipients with a long subject; gives its id.
fn with_recipients(store: &Store, n: usize) -> String {
    let to = join(n, ", ", |number| format!("\"a{number}@x.example\""));
    let subject = "gr\u{fc}n ".repeat(n);
    let json = format!("{{\"from\": \"a@x.example\", \"to\": [{to}], \"subject\": \"{subject}\", \"text\": \"a\"}}");
    let path = store.file("message.json", &json);
    mailkit(["enqueue", "--queue", &store.url, "--message", &path]).assert_code(0).out.trim().to_owned()
}
