use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::{Ended, mailkit};
use crate::sink_process::{PASSWORD, SinkProcess};
use crate::store::{Store, Worker, line};

fn many(count: usize) -> String {
    (0..count).map(|number| line(&format!("user{number}@example.org"), "")).collect()
}

#[test]
fn all_is_delivered_once_and_the_counts_are_printed() {
    let store = Store::new();
    let sink = SinkProcess::secured(&[]);
    store.enqueue_lines(&many(50)).assert_code(0);
    let result = store.work(&sink.url("smtp", PASSWORD), "--until-empty").assert_code(0).json();
    let mut names = Ended::keys(&result);
    names.retain(|name| *name != "worker");
    let stats = store.stats();
    let counts = Ended::keys(&stats).into_iter().filter(|name| *name != "store");
    assert_eq!(names, counts.collect::<Vec<_>>());
    assert_eq!(
        Ended::keys(&result["worker"]),
        ["accepted", "ambiguous", "attempts", "network", "permanent", "temporary"]
    );
    assert_eq!((&result["sent"], &result["worker"]["accepted"]), (&json!(50), &json!(50)));
    assert_eq!(sink.messages().len(), 50);
    let ended = mailkit(["work", "--queue", &store.url, "--server", &sink.plain(), "--until-idle"]);
    assert!(ended.assert_code(0).out.contains("sent              50\n"), "{ended:?}");
}

#[test]
fn what_is_refused_for_now_waits_and_what_is_refused_for_good_is_dead() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "rcpt=451 4.7.1 come again,to=later@*", "--fail", "rcpt=550 no,to=no@*"]);
    let lines = [line("later@example.org", ""), line("no@example.org", ""), line("bob@example.org", "")].concat();
    store.enqueue_lines(&lines).assert_code(0);
    let result = store.work(&sink.plain(), "--until-idle").assert_code(0).json();
    assert_eq!((&result["scheduled"], &result["dead"], &result["sent"]), (&json!(1), &json!(1), &json!(1)));
    let waiting = store.list(&["--state", "scheduled"]).remove(0);
    assert_eq!(waiting["attempts"], 1);
    assert!(waiting["next_attempt_at"].as_str().unwrap() > waiting["created_at"].as_str().unwrap());
}

#[test]
fn an_idle_worker_sees_new_mail_within_a_second() {
    let store = Store::new();
    let sink = SinkProcess::start(&[]);
    store.enqueue(&[]);
    let mut worker = store.worker(&sink.plain(), &["--log-format", "json"]);
    let first: Value = serde_json::from_str(&worker.wait_for("\"attempt\"")).unwrap();
    for name in ["queue_id", "message_id", "route", "attempt", "outcome", "text"] {
        assert!(!first[name].is_null(), "{name} is missing in {first}");
    }
    let id = store.enqueue(&[]);
    let enqueued = Instant::now();
    worker.wait_for(&id);
    assert!(enqueued.elapsed() < Duration::from_secs(1), "{:?}", enqueued.elapsed());
    let ended = worker.end("-TERM");
    assert!(ended.assert_code(0).out.contains("sent               2\n"), "{ended:?}");
}

#[test]
fn it_lets_what_is_on_its_way_end_when_it_is_told_to_stop() {
    for signal in ["-TERM", "-INT"] {
        let store = Store::new();
        let sink = SinkProcess::start(&["--latency", "300"]);
        store.enqueue_lines(&many(200)).assert_code(0);
        let mut worker = store.worker(&sink.plain(), &["--json"]);
        worker.wait_for("attempt");
        let result = worker.end(signal).assert_code(0).json();
        assert_eq!((&result["leased"], &result["ambiguous_total"]), (&json!(0), &json!(0)), "{result}");
        assert_eq!(result["sent"], sink.messages().len());
        assert_eq!(result["sent"].as_u64().unwrap() + result["ready"].as_u64().unwrap(), 200);
    }
}

#[test]
fn told_twice_it_stops_at_once() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "content=hang"]);
    store.enqueue(&[]);
    let mut worker = store.worker(&sink.plain(), &["-vv"]);
    worker.wait_for("connection was opened");
    let started = Instant::now();
    let wait_until = |milliseconds| {
        while started.elapsed() < Duration::from_millis(milliseconds) {
            std::thread::yield_now();
        }
    };
    // The message is on its way soon after.
    wait_until(500);
    worker.signal("-TERM");
    // Signals that come together are one.
    wait_until(800);
    worker.end("-TERM").assert_code(0).assert_says("stopped before all messages in flight had ended");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_that_hangs_before_the_content_is_not_waited_for_and_its_message_goes_back_as_it_was() {
    for hang in ["mail=hang", "rcpt=hang", "data=hang"] {
        let store = Store::new();
        let sink = SinkProcess::start(&["--fail", hang]);
        let id = store.enqueue(&[]);
        let server = format!("{}&chunking=off", sink.plain());
        let worker = store.worker(&server, &["--json", "-v"]);
        let leased = || store.stats()["leased"] == 1;
        let started = Instant::now();
        while !leased() && started.elapsed() < Duration::from_secs(20) {}
        // It is at the server soon after.
        std::thread::sleep(Duration::from_millis(300));
        let told = Instant::now();
        let result = worker.end("-TERM").assert_code(0).json();
        assert!(told.elapsed() < Duration::from_secs(10), "{hang}: {:?}", told.elapsed());
        let counts = (&result["ready"], &result["leased"], &result["ambiguous_total"]);
        assert_eq!(counts, (&json!(1), &json!(0), &json!(0)), "{hang}: {result}");
        let message = store.show(&id);
        assert_eq!((&message["attempts"], &message["history"]), (&json!(0), &json!([])), "{hang}");
    }
}

#[test]
fn two_workers_share_the_work() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--latency", "20"]);
    store.enqueue_lines(&many(2_000)).assert_code(0);
    let more = ["--until-empty", "--json", "-q"];
    let mut workers = [store.worker(&sink.plain(), &more), store.worker(&sink.plain(), &more)];
    let accepted: Vec<_> = workers
        .iter_mut()
        .map(|worker| worker.join().assert_code(0).json()["worker"]["accepted"].as_u64().unwrap())
        .collect();
    assert!(accepted[0] > 0 && accepted[1] > 0 && accepted[0] + accepted[1] == 2_000, "{accepted:?}");
    assert_eq!(sink.messages().len(), 2_000);
}

#[test]
fn a_worker_waits_for_a_store_that_is_unavailable_and_says_so() {
    let store = Store::new();
    let sink = SinkProcess::start(&[]);
    let (away, here) = (store.folder.path().join("away"), store.folder.path().join("here"));
    let url = |folder: &std::path::Path| format!("sqlite:{}", folder.join("mail.db").display());
    std::fs::create_dir(&here).unwrap();
    let there = url(&here);
    mailkit(["enqueue", "--queue", &there].iter().chain(&crate::run::LETTER)).assert_code(0);
    let mut worker =
        Worker::start(["work", "--queue", &url(&away), "--server", &sink.plain(), "--until-empty", "--json"]);
    worker.wait_for("the queue's store is unavailable, waiting for it");
    std::fs::rename(here, away).unwrap();
    worker.wait_for("the queue's store is available again");
    assert_eq!(worker.join().assert_code(0).json()["sent"], 1);
}

#[test]
fn a_failed_connection_is_logged_with_its_reason_its_route_and_the_time_of_the_next_one() {
    let store = Store::new();
    store.enqueue(&[]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("smtp://127.0.0.1:{port}?tls=none");
    let mut worker = store.worker(&server, &[]);
    let line = worker.wait_for("connection failed: ");
    for part in [&format!("127.0.0.1:{port}"), "refused", "(route=", "retry in "] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    worker.end("-TERM").assert_code(0);
}

#[test]
fn a_configuration_gives_queue_routes_and_retries() {
    let store = Store::new();
    let (first, second) = (SinkProcess::start(&["--fail", "greeting=421 not now"]), SinkProcess::start(&[]));
    let config = format!(
        "[queue]\nurl = \"{}\"\nlease = \"30s\"\n[retry]\nfirst = \"10ms\"\nmax = \"50ms\"\n\
         [[route]]\nname = \"first\"\nserver = \"{}\"\nbreaker = {{ over = \"1\", probe_after = \"1h\" }}\n\
         [[route]]\nname = \"backup\"\nserver = \"{}\"\n",
        store.url,
        first.plain(),
        second.plain()
    );
    let config = store.file("mailkit.toml", &config);
    let id = store.enqueue(&[]);
    mailkit(["work", "--config", &config, "--until-empty"]).assert_code(0);
    let shown = store.show(&id);
    let last = shown["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&shown["state"], &last["route"]), (&json!("sent"), &json!("backup")), "{shown}");
}

#[test]
fn work_without_a_server_or_with_a_bad_setting_says_so() {
    let store = Store::new();
    let url = &store.url;
    mailkit(["work", "--queue", url]).assert_code(64).assert_says("no server: give --server URL");
    mailkit(["work", "--queue", url, "--server", "smtp://h?tsl=none"])
        .assert_code(78)
        .assert_says("\"tsl\" is unknown");
    mailkit(["work", "--queue", url, "--server", "smtp://h", "--lease", "soon"]).assert_code(64);
    mailkit(["work", "--queue", url, "--server", "smtp://h", "--lease", "0s"]).assert_code(78);
    mailkit(["work", "--queue", url, "--server", "smtp://h", "--until-idle", "--until-empty"]).assert_code(64);
}

#[test]
fn a_large_message_that_was_damaged_in_the_store_is_dead_and_says_so() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let text = store.file("text", &"A line of the text.\n".repeat(20_000));
    let id = mailkit([
        "enqueue",
        "--queue",
        &store.url,
        "--from",
        "ann@example.com",
        "--to",
        "bob@example.org",
        "--text-file",
        &text,
    ]);
    let path = store.folder.path().join("mail.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.windows(19).rposition(|window| window == b"A line of the text.").unwrap();
    bytes[last] = b'B';
    std::fs::write(&path, &bytes).unwrap();
    store.work(&sink.plain(), "--until-idle").assert_code(0);
    let shown = store.show(id.assert_code(0).out.trim());
    assert_eq!((&shown["state"], &shown["recipients"][0]["status"]), (&json!("dead"), &json!("permanent")));
    assert!(shown["recipients"][0]["text"].as_str().unwrap().contains("the stored content is damaged"), "{shown}");
    assert!(sink.messages().is_empty());
}
