use std::net::TcpListener;

use crate::run::{Ended, LETTER, mailkit, send};
use crate::sink_process::{PASSWORD, SinkProcess};

/// The password as it is, and as PLAIN and LOGIN carry it.
const FORMS: [&str; 3] = [PASSWORD, "AGFubgBzM2NyZXQtUGE1NXdvcmQ=", "czNjcmV0LVBhNTV3b3Jk"];

#[track_caller]
fn assert_silent(text: &str) {
    for form in FORMS {
        assert!(!text.contains(form), "{form} in {text}");
    }
}

#[track_caller]
fn assert_kept(ended: &Ended) {
    assert_silent(&ended.out);
    assert_silent(&ended.err);
}

#[test]
fn no_output_of_any_level_shows_the_password() {
    let sink = SinkProcess::secured(&["-vvv"]);
    for auth in ["plain", "login", "cram-md5", "scram-sha-256"] {
        let url = format!("{}&auth={auth}", sink.url("smtp", PASSWORD));
        for more in [&["-vv"][..], &["-vvv", "--json"], &["-vvvv", "--log-format", "json"]] {
            let ended = send(&url, more);
            assert_kept(ended.assert_code(0));
        }
        assert_kept(mailkit(["check", "--server", &url, "-vvv"]).assert_code(0));
        assert_kept(mailkit(["check", "--server", &url, "-vvv", "--json"]).assert_code(0));
    }
    let (code, log) = sink.end("-TERM");
    assert_eq!(code, 0);
    assert_silent(&log);
}

#[test]
fn no_error_shows_the_password() {
    let refusing = SinkProcess::secured(&["--fail", "auth=535 5.7.8 no"]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [
        refusing.url("smtp", PASSWORD),
        refusing.url("smtps", PASSWORD),
        format!("smtp://ann:{PASSWORD}@{closed}"),
        format!("smtp://ann:{PASSWORD}@nobody.invalid"),
        format!("smtp://ann:{PASSWORD}@127.0.0.1?tsl=none"),
        format!("smtp://ann:{PASSWORD}@127.0.0.1:port"),
        format!("http://ann:{PASSWORD}@127.0.0.1"),
        format!("ann:{PASSWORD}@127.0.0.1"),
        format!("smtp://ann:{PASSWORD}%0d%0a@127.0.0.1"),
        format!("smtp://ann:{PASSWORD}%@127.0.0.1"),
        format!("smtp://ann:{PASSWORD}#@127.0.0.1"),
        format!("smtp://ann:{PASSWORD}/@127.0.0.1"),
        format!("smtp://127.0.0.1:1?proxy=http://ann:{PASSWORD}@{closed}"),
    ] {
        for more in [&["-vvv"][..], &["--json"]] {
            let ended = send(&url, more);
            assert!(ended.code >= 64, "{url} {ended:?}");
            assert_kept(&ended);
            assert_kept(&mailkit(["check", "--server", &url].iter().chain(more)));
        }
    }
}

#[test]
fn no_usage_error_repeats_a_url_with_a_password() {
    let url = format!("smtp://ann:{PASSWORD}@127.0.0.1");
    for args in [
        vec!["send", &url],
        vec!["send", "--server", &url, "--server", &url],
        vec!["demo", "--messages", &url],
        vec!["demo", &format!("--messages={url}")],
        vec![&url],
        vec!["sink", "--listen", &url],
    ] {
        assert_kept(mailkit(args.iter().chain(&LETTER[..0])).assert_code(64));
    }
}
