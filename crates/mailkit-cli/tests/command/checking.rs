use serde_json::json;

use crate::run::{Ended, mailkit};
use crate::sink_process::{PASSWORD, SinkProcess};

fn check(url: &str, more: &[&str]) -> Ended {
    mailkit(["check", "--server", url].iter().chain(more))
}

#[test]
fn a_good_server_needs_no_advice() {
    let sink = SinkProcess::secured(&[]);
    let ended = check(&sink.url("smtp", PASSWORD), &[]);
    ended.assert_code(0);
    for words in ["TLSv1.3", "trusted", "CN=localhost", "days left", "PIPELINING", "login        works as ann"] {
        assert!(ended.out.contains(words), "{words:?} is missing in {}", ended.out);
    }
    assert!(ended.out.contains("to fix       nothing"), "{}", ended.out);
    // A check sends nothing.
    assert!(sink.messages().is_empty());
}

#[test]
fn the_json_object_has_exactly_these_names() {
    let sink = SinkProcess::secured(&[]);
    let result = check(&sink.url("smtp", PASSWORD), &["--json"]).assert_code(0).json();
    let names = [
        "address",
        "advice",
        "error",
        "extensions",
        "extensions_before_tls",
        "limits",
        "login",
        "mechanisms",
        "mechanisms_before_tls",
        "name",
        "round_trip_ms",
        "server",
        "size_limit",
        "tls",
        "user",
    ];
    assert_eq!(Ended::keys(&result), names);
    assert_eq!(Ended::keys(&result["tls"]), ["chain", "cipher", "trusted", "version"]);
    assert_eq!(Ended::keys(&result["tls"]["chain"][0]), ["days_left", "issuer", "not_after", "subject"]);
    assert_eq!(result["login"], "works");
    assert_eq!(result["name"], "localhost");
    assert_eq!(result["address"], sink.addr());
    assert_eq!(result["size_limit"], 17_179_869_184_u64);
    assert_eq!(result["mechanisms_before_tls"], json!([]));
    assert!(result["extensions_before_tls"].as_array().unwrap().contains(&json!("STARTTLS")));
    assert!(result["round_trip_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_login_that_fails_leaves_the_rest_of_the_report() {
    let sink = SinkProcess::secured(&[]);
    let ended = check(&sink.url("smtp", "wrong"), &["--json"]);
    ended.assert_code(77).assert_says("535 5.7.8");
    let result = ended.json();
    assert_eq!(result["login"], "fails");
    assert_eq!(result["error"]["step"], "auth");
    assert_eq!(result["tls"]["trusted"], true);
}

#[test]
fn the_chain_of_a_server_that_is_not_trusted_is_shown_all_the_same() {
    let sink = SinkProcess::secured(&[]);
    let ended = check(&format!("smtp://{}", sink.addr()), &["--json"]);
    ended.assert_code(77).assert_says("ca=FILE");
    assert!(!ended.err.contains("mailkit check"), "{}", ended.err);
    let result = ended.json();
    assert_eq!(result["tls"]["trusted"], false);
    assert_eq!(result["tls"]["chain"][0]["issuer"], "CN=mailkit sink");
    assert_eq!(result["login"], "not tried");
}

#[test]
fn a_port_mixed_up_is_said_both_ways() {
    let implicit = SinkProcess::start(&["--implicit-tls"]);
    check(&format!("smtp://{}?timeout=2", implicit.addr()), &[]).assert_code(76).assert_says("use smtps://");
    let plain = SinkProcess::start(&[]);
    check(&format!("smtps://{}", plain.addr()), &[]).assert_code(76).assert_says("use smtp://");
    let ended = check(&format!("smtp://{}", plain.addr()), &[]);
    ended.assert_code(77);
    assert!(ended.out.contains("to fix       the server does not offer STARTTLS"), "{}", ended.out);
}

#[test]
fn a_certificate_that_is_not_looked_at_is_advised_against_and_warned_of_once() {
    let sink = SinkProcess::start(&["--implicit-tls"]);
    let ended = check(&format!("smtps://{}?insecure=no-verify", sink.addr()), &[]);
    ended.assert_code(0);
    assert_eq!(ended.err.matches("any TLS certificate is accepted").count(), 1, "{}", ended.err);
    assert!(ended.out.contains("trust its issuer with ca=FILE"), "{}", ended.out);
}
