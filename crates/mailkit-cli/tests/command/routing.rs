//! Several routes: what one of them refuses goes over the next, and what none can carry is dead.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::run::{Ended, mailkit};
use crate::sink_process::SinkProcess;
use crate::store::{Store, line};

/// A configuration with these servers as routes, in their order.
fn routes(store: &Store, servers: &[&str]) -> String {
    let mut text = "[retry]\nfirst = \"1s\"\nattempts = 2\n".to_owned();
    for (number, server) in servers.iter().enumerate() {
        text.push_str(&format!("[[route]]\nname = \"route{number}\"\nserver = \"{server}\"\n"));
    }
    store.file("mailkit.toml", &text)
}

fn work(store: &Store, config: &str, until: &str) -> Ended {
    mailkit(["work", "--queue", &store.url, "--config", config, until, "--log-format", "json"])
}

/// The lines of the log, each of whose fields says something.
fn log(ended: &Ended) -> Vec<Value> {
    let lines: Vec<Value> = ended.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for line in &lines {
        for (name, value) in line.as_object().unwrap() {
            assert!(!value.is_null() && value != "", "{name} is empty in {line}");
        }
    }
    lines
}

/// A server that offers these extensions and takes everything.
fn server(extensions: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut lines = BufReader::new(stream.try_clone()?).lines();
                stream.write_all(b"220 mx\r\n")?;
                while let Some(line) = lines.next().transpose()? {
                    let answer = match line.split(' ').next().unwrap_or_default() {
                        "EHLO" => {
                            let offer: String =
                                extensions.iter().map(|extension| format!("250-{extension}\r\n")).collect();
                            format!("250-mx\r\n{offer}250 HELP\r\n")
                        }
                        "DATA" => {
                            stream.write_all(b"354 go\r\n")?;
                            while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                            "250 taken\r\n".to_owned()
                        }
                        "QUIT" => "221 bye\r\n".to_owned(),
                        _ => "250 ok\r\n".to_owned(),
                    };
                    stream.write_all(answer.as_bytes())?;
                }
                Ok(())
            });
        }
    });
    address
}

#[test]
fn a_route_without_its_login_kills_no_mail_and_the_backup_takes_it() {
    for refusal in [
        "mail=530 5.7.0 Authentication required",
        "mail=530 5.7.0 Must issue a STARTTLS command first",
        "rcpt=530 5.7.1 Client was not authenticated",
        "mail=550 5.7.1 not your address",
        "mail=421 4.7.0 closing",
        "content=550 5.4.5 Daily user sending limit exceeded",
    ] {
        let store = Store::new();
        let (primary, backup) = (SinkProcess::start(&["--fail", refusal]), SinkProcess::start(&[]));
        let config = routes(&store, &[&primary.plain(), &backup.plain()]);
        let lines: String = (0..10).map(|number| line(&format!("user{number}@example.org"), "")).collect();
        store.enqueue_lines(&lines).assert_code(0);
        let ended = work(&store, &config, "--until-empty");
        ended.assert_code(0);
        assert_eq!((store.stats()["sent"].clone(), backup.messages().len()), (json!(10), 10), "{refusal}");
        let reply = refusal.split_once('=').unwrap().1;
        let said = |line: &Value| line["text"].as_str().is_some_and(|text| text.contains(reply));
        assert!(log(&ended).iter().any(said), "{refusal}: {}", ended.err);
        for message in store.list(&[]) {
            let whole = store.show(message["id"].as_str().unwrap());
            assert_eq!(whole["attempts"], 1, "{refusal}: {whole}");
            for attempt in whole["history"].as_array().unwrap() {
                let is_backup = attempt["route"] == "route1";
                let wanted = if is_backup { json!(["accepted", null]) } else { json!(["temporary", attempt["class"]]) };
                assert_eq!(json!([attempt["outcome"], attempt["class"]]), wanted, "{refusal}: {attempt}");
                assert!(is_backup || attempt["class"].is_string(), "{refusal}: {attempt}");
            }
        }
    }
}

#[test]
fn a_lone_route_without_its_login_is_waited_for() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "mail=530 5.7.0 Authentication required"]);
    let id = store.enqueue(&[]);
    work(&store, &routes(&store, &[&sink.plain()]), "--until-idle").assert_code(0);
    let message = store.show(&id);
    assert_eq!((&message["state"], &message["attempts"]), (&json!("scheduled"), &json!(0)), "{message}");
    assert_eq!(message["recipients"][0]["status"], "temporary");
    assert_eq!(message["history"][0]["class"], "login");
}

#[test]
fn a_typo_in_one_from_is_dead_at_once_and_stops_nobody_else() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "mail=550 5.7.1 not your address,from=typo@*"]);
    let typo = |number: u32| line(&format!("u{number}@example.org"), "").replace("ann@example.com", "typo@example.com");
    let lines: String = (0..30).map(typo).chain([line("bob@example.org", "")]).collect();
    store.enqueue_lines(&lines).assert_code(0);
    work(&store, &routes(&store, &[&sink.plain()]), "--until-empty").assert_code(0);
    let stats = store.stats();
    assert_eq!((&stats["sent"], &stats["dead"]), (&json!(1), &json!(30)));
    let dead = store.show(store.list(&["--state", "dead"])[0]["id"].as_str().unwrap());
    assert_eq!(
        (&dead["history"][0]["outcome"], &dead["history"][0]["class"]),
        (&json!("permanent"), &json!("sender-refused"))
    );
    assert_eq!(dead["recipients"][0]["text"], "not your address");
}

#[test]
fn a_route_that_takes_only_small_messages_is_passed_over() {
    let (small, large) = (server(&["SIZE 100"]), server(&["SIZE 1000000"]));
    let url = |address: SocketAddr| format!("smtp://{address}?tls=none");
    let store = Store::new();
    let id = store.enqueue(&[]);
    work(&store, &routes(&store, &[&url(small), &url(large)]), "--until-empty").assert_code(0);
    let message = store.show(&id);
    assert_eq!((&message["state"], &message["attempts"]), (&json!("sent"), &json!(1)));
    assert_eq!(message["history"].as_array().unwrap().len(), 1, "what was passed over is no failure: {message}");
    assert_eq!(message["history"][0]["route"], "route1");

    let id = store.enqueue(&[]);
    work(&store, &routes(&store, &[&url(small), &url(server(&["SIZE 50"]))]), "--until-empty").assert_code(0);
    let message = store.show(&id);
    assert_eq!((&message["state"], &message["recipients"][0]["status"]), (&json!("dead"), &json!("permanent")));
    let text = message["recipients"][0]["text"].as_str().unwrap();
    assert!(text.contains("no route can carry the message") && text.contains("100") && text.contains("50"), "{text}");
}

#[test]
fn every_try_in_the_history_has_its_outcome() {
    let store = Store::new();
    let sink = SinkProcess::start(&[
        "--fail",
        "rcpt=550 5.1.1 no such user,to=no@*",
        "--fail",
        "rcpt=451 4.7.1 later,to=later@*",
    ]);
    let outcome_of = |recipients: &str| {
        let text = format!("{{\"from\": \"ann@example.com\", \"to\": [{recipients}], \"text\": \"Hi\"}}\n");
        store.enqueue_lines(&text).assert_code(0);
        let ended = work(&store, &routes(&store, &[&sink.plain()]), "--until-idle");
        let message = store.show(store.list(&["--limit", "1"])[0]["id"].as_str().unwrap());
        let first = &message["history"][0];
        (first["outcome"].clone(), first["class"].clone(), log(&ended))
    };
    let (outcome, class, _) = outcome_of("\"bob@example.org\"");
    assert_eq!((outcome, class), (json!("accepted"), json!(null)));
    let (outcome, class, _) = outcome_of("\"no@example.org\"");
    assert_eq!((outcome, class), (json!("permanent"), json!("permanent")));
    let (outcome, class, _) = outcome_of("\"later@example.org\"");
    assert_eq!((outcome, class), (json!("temporary"), json!("temporary")));
    let (outcome, class, log) = outcome_of("\"bob@example.org\", \"no@example.org\", \"later@example.org\"");
    assert_eq!((outcome, class), (json!("partial"), json!("temporary")));
    for reply in ["550 5.1.1 no such user", "451 4.7.1 later"] {
        assert!(log.iter().any(|line| line["text"] == reply), "{reply} is not in the log");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    store.enqueue(&[]);
    let server = format!("smtp://{closed}?tls=none");
    work(&store, &routes(&store, &[&server]), "--until-idle").assert_code(0);
    let message = store.show(store.list(&["--limit", "1"])[0]["id"].as_str().unwrap());
    assert_eq!(message["history"][0]["outcome"], "network");
}
