use serde_json::json;

use crate::run::{Ended, mailkit, send};
use crate::sink_process::SinkProcess;

#[test]
fn the_first_line_says_where_it_listens() {
    let plain = SinkProcess::start(&[]);
    assert_eq!(Ended::keys(&plain.listening), ["ca", "http", "smtp", "tls"]);
    assert!(plain.addr().starts_with("127.0.0.1:") && !plain.addr().ends_with(":0"));
    assert_eq!(plain.listening["tls"], json!(false));
    assert_eq!((&plain.listening["ca"], &plain.listening["http"]), (&json!(null), &json!(null)));
    let secured = SinkProcess::start(&["--implicit-tls"]);
    assert_eq!(secured.listening["tls"], json!(true));
    assert!(std::fs::read_to_string(secured.listening["ca"].as_str().unwrap()).unwrap().contains("CERTIFICATE"));
}

#[test]
fn it_logs_a_line_for_each_message_and_ends_well_at_both_signals() {
    for signal in ["-INT", "-TERM"] {
        let sink = SinkProcess::start(&["--log-format", "json"]);
        send(&sink.plain(), &[]).assert_code(0);
        send(&sink.plain(), &["--cc", "carl@example.org"]).assert_code(0);
        let (code, log) = sink.end(signal);
        assert_eq!(code, 0, "{log}");
        let captured: Vec<serde_json::Value> = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["message"] == "captured")
            .collect();
        assert_eq!(captured.len(), 2, "{log}");
        assert_eq!(captured[1]["to"], "<bob@example.org>,<carl@example.org>");
        assert!(log.contains("2 messages for 3 recipients"), "{log}");
    }
}

#[test]
fn quiet_says_nothing() {
    let sink = SinkProcess::start(&["-q"]);
    send(&sink.plain(), &[]).assert_code(0);
    assert_eq!(sink.end("-TERM"), (0, String::new()));
}

#[test]
fn a_login_is_asked_for_where_there_is_a_user() {
    let sink = SinkProcess::secured(&[]);
    let ca = sink.listening["ca"].as_str().unwrap();
    let ended = send(&format!("smtp://{}?ca={ca}", sink.addr()), &[]);
    ended.assert_code(77);
    assert!(ended.out.contains("530"), "{ended:?}");
}

#[test]
fn latency_is_a_round_trip_of_the_network() {
    let sink = SinkProcess::start(&["--latency", "50"]);
    let result = send(&sink.plain(), &["--json"]).assert_code(0).json();
    // Greeting, EHLO, one for the message, and QUIT.
    assert!(result["duration_ms"].as_u64().unwrap() >= 150, "{result}");
}

#[test]
fn a_sink_that_cannot_start_says_why() {
    let taken = SinkProcess::start(&[]);
    mailkit(["sink", "--listen", taken.addr()]).assert_code(74).assert_says("cannot listen at 127.0.0.1:");
    let ended = mailkit(["sink", "--listen", "127.0.0.1:0", "--cert", "/no/cert", "--key", "/no/key"]);
    ended.assert_code(78).assert_says("/no/cert");
    mailkit(["sink", "--listen", "127.0.0.1:0", "--fail", "rcpt=200"]).assert_code(64).assert_says("--fail: 200");
    mailkit(["sink", "--listen", "0.0.0.0:0", "--user", "ann", "--password", "x"]).assert_code(78);
}
