//! Servers that say too much, too early, or refuse in ways of their own, as the user of the command meets them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::Value;

use crate::run::{Ended, mailkit, send};
use crate::sink_process::{PASSWORD, SinkProcess};

/// A server for one client: it waits until it has read each text, and says what stands beside it.
struct Scripted {
    addr: String,
    heard: JoinHandle<String>,
}

impl Scripted {
    fn start(script: &[(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let script = script.to_vec();
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut heard, mut from, mut buffer) = (Vec::new(), 0, [0; 4096]);
            for (wanted, said) in script {
                while !String::from_utf8_lossy(&heard[from..]).contains(wanted) {
                    match stream.read(&mut buffer) {
                        Ok(octets) if octets > 0 => heard.extend_from_slice(&buffer[..octets]),
                        _ => return String::from_utf8_lossy(&heard).into_owned(),
                    }
                }
                from = heard.len();
                if stream.write_all(said.as_bytes()).is_err() {
                    break;
                }
            }
            // Until the client hangs up.
            while let Ok(octets @ 1..) = stream.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..octets]);
            }
            String::from_utf8_lossy(&heard).into_owned()
        });
        Self { addr, heard }
    }

    fn url(&self, parameters: &str) -> String {
        format!("smtp://{}?timeout=20{parameters}", self.addr)
    }

    fn with_login(&self, password: &str, parameters: &str) -> String {
        format!("smtp://ann:{password}@{}?tls=none&allow-cleartext-auth=yes&timeout=20{parameters}", self.addr)
    }

    fn heard(self) -> String {
        self.heard.join().unwrap()
    }
}

fn status(ended: &Ended) -> String {
    ended.json()["recipients"][0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_surplus_reply_never_makes_a_message_accepted() {
    // CHUNKING without PIPELINING: each reply is waited for.
    let server = Scripted::start(&[
        ("", "220 mx\r\n"),
        ("EHLO", "250-mx\r\n250 CHUNKING\r\n"),
        ("MAIL", "250 ok\r\n250 extra\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("BDAT", "552 full\r\n"),
    ]);
    let ended = send(&server.url("&tls=none"), &["--json"]);
    ended.assert_code(76);
    assert_eq!((status(&ended).as_str(), &ended.json()["recipients"][0]["code"]), ("temporary", &Value::Null));
    assert!(!server.heard().contains("BDAT"));
}

#[test]
fn a_refusal_that_no_command_asked_for_refuses_no_recipient() {
    let server = Scripted::start(&[
        ("", "220 mx\r\n"),
        ("EHLO", "250-mx\r\n250 HELP\r\n"),
        ("MAIL", "250 ok\r\n550 5.1.1 extra\r\n"),
    ]);
    let ended = send(&server.url("&tls=none"), &["--json"]);
    ended.assert_code(76);
    let json = ended.json();
    let recipient = &json["recipients"][0];
    assert_eq!(status(&ended), "temporary");
    assert!(recipient["code"].is_null() && recipient["text"].is_null(), "{recipient}");
}

#[test]
fn a_surplus_reply_that_comes_late_does_not_hide_a_refusal() {
    // It comes behind RCPT, so that each reply seems to be in its place until QUIT.
    for (content, bye, code, wanted) in [
        ("250 ok\r\n", "552 full\r\n221 bye\r\n", 76, "ambiguous"),
        ("250 ok\r\n", "250 more\r\n221 bye\r\n", 0, "accepted"),
        ("552 full\r\n", "250 queued\r\n221 bye\r\n", 76, "ambiguous"),
    ] {
        let server = Scripted::start(&[
            ("", "220 mx\r\n"),
            ("EHLO", "250-mx\r\n250 CHUNKING\r\n"),
            ("MAIL", "250 ok\r\n"),
            ("RCPT", "250 late\r\n"),
            ("LAST", content),
            ("QUIT", bye),
        ]);
        let ended = send(&server.url("&tls=none"), &["--json"]);
        ended.assert_code(code);
        assert_eq!(status(&ended), wanted, "{content:?} {bye:?}");
        drop(server);
    }
}

#[test]
fn tls_does_not_begin_before_starttls_was_sent() {
    let server = Scripted::start(&[("", "220 mx\r\n"), ("EHLO", "250-x\r\n250 STARTTLS\r\n220 go\r\n")]);
    send(&server.url(""), &["--json"]).assert_code(76);
    let heard = server.heard();
    assert!(heard.starts_with("EHLO ") && heard.lines().count() == 1, "{heard:?}");
}

#[test]
fn with_pipelining_a_shift_that_shows_at_quit_puts_the_outcome_in_doubt() {
    let offered = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
    for (then, bye, code, wanted) in [
        ("250 ok\r\n250 ok\r\n250 ok\r\n", "221 bye\r\n", 0, "accepted"),
        ("250 ok\r\n250 ok\r\n250 ok\r\n", "250 bye\r\n", 0, "accepted"),
        ("250 ok\r\n250 extra\r\n250 ok\r\n", "552 full\r\n221 bye\r\n", 76, "ambiguous"),
        ("250 ok\r\n250 extra\r\n250 ok\r\n", "250 ok\r\n221 bye\r\n", 76, "ambiguous"),
        ("250 ok\r\n250 extra\r\n250 ok\r\n552 full\r\n", "221 bye\r\n", 76, "ambiguous"),
    ] {
        let server = Scripted::start(&[("", "220 mx\r\n"), ("EHLO", offered), ("LAST", then), ("QUIT", bye)]);
        let ended = send(&server.url("&tls=none"), &["--json"]);
        ended.assert_code(code);
        assert_eq!(status(&ended), wanted, "{then:?} {bye:?}");
        drop(server);
    }
}

#[test]
fn a_server_that_repeats_the_login_does_not_bring_it_out() {
    let base64 = "AGFubgBzM2NyZXQtcHcx";
    let long: &'static str = Box::leak(format!("250 {} {base64} s3cret-pw1\r\n", "x".repeat(500)).into_boxed_str());
    for said in [
        "250 ok s3cret-pw1\r\n",
        "250 AUTH PLAIN AGFubgBzM2NyZXQtcHcx\r\n",
        "250 S3CRET-PW1 czNjcmV0LXB3MQ==\r\n",
        long,
    ] {
        let server = Scripted::start(&[
            ("", "220 s3cret-pw1 mx\r\n"),
            ("EHLO", "250-mx s3cret-pw1\r\n250-XS3CRET s3cret-pw1\r\n250 AUTH PLAIN\r\n"),
            ("AUTH", "235 welcome AGFubgBzM2NyZXQtcHcx\r\n"),
            ("MAIL", said),
            ("RCPT", said),
            ("DATA", "354 s3cret-pw1\r\n"),
            ("\r\n.\r\n", said),
            ("QUIT", "221 s3cret-pw1\r\n"),
        ]);
        let ended = send(&server.with_login("s3cret-pw1", ""), &["--json", "--trace", "-vv"]);
        ended.assert_code(0);
        let shown = format!("{}{}", ended.out, ended.err).to_lowercase();
        for secret in ["s3cret-p", "cret-pw", "agfubgbzm2", "cznjcmv0"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(ended.json()["recipients"][0]["text"].as_str().unwrap().contains("***"));
        drop(server);
    }
}

#[test]
fn check_hides_a_password_that_the_server_knows_from_another_session() {
    // The first connection of `check` does not log in.
    let server = Scripted::start(&[
        ("", "220 s3cret-pw1 mx\r\n"),
        ("EHLO", "250-s3cret-pw1\r\n250-XS3CRET-PW1 czNjcmV0LXB3MQ==\r\n250 AUTH PLAIN s3cret-pw1\r\n"),
        ("NOOP", "250 Basic eDpzM2NyZXQtcHcx\r\n554 s3cret-pw1\r\n"),
    ]);
    let arguments = ["check", "--server", &server.with_login("s3cret-pw1", ""), "--json", "--trace", "-vv"];
    let ended = mailkit(arguments);
    let shown = format!("{}{}", ended.out, ended.err).to_lowercase();
    for secret in ["s3cret-p", "cret-pw", "cznjcmv0", "zm2nyzxqt"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(shown.contains("220 *** mx"), "{shown}");
}

#[test]
fn a_servers_words_do_not_turn_the_terminal_around() {
    for more in [&["--json"][..], &[], &["--trace"]] {
        let server = Scripted::start(&[
            ("", "220 mx\u{202e}\r\n"),
            ("EHLO", "250-mx\u{2066}\r\n250 X\u{202e}Y\r\n"),
            ("MAIL", "250 \u{9b}ok\r\n"),
            ("RCPT", "550 5.1.1 \u{202e}on\u{2069} \u{200f}user\u{85}\u{2028}\x1b[2J\r\n"),
            ("QUIT", "221 bye\r\n"),
        ]);
        let ended = send(&server.url("&tls=none"), more);
        ended.assert_code(69);
        let shown = format!("{}{}", ended.out, ended.err);
        let strange = |c: &char| {
            c.is_control() && *c != '\n'
                || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert_eq!(shown.chars().find(strange), None, "{shown:?}");
        drop(server);
    }
}

#[test]
fn starttls_that_is_refused_is_77_at_any_code() {
    for refusal in ["502 5.5.1 no\r\n", "500 what\r\n", "454 4.7.0 not now\r\n", "554 never\r\n"] {
        let server =
            Scripted::start(&[("", "220 mx\r\n"), ("EHLO", "250-mx\r\n250 STARTTLS\r\n"), ("STARTTLS", refusal)]);
        let ended = send(&server.url(""), &[]);
        ended.assert_code(77).assert_says("step: starttls").assert_says(refusal.trim());
        assert!(!server.heard().contains("MAIL"));
    }
}

#[test]
fn the_next_mechanism_is_tried_and_the_error_names_them_all() {
    let offered = "250-mx\r\n250 AUTH CRAM-MD5 PLAIN LOGIN\r\n";
    let server = Scripted::start(&[
        ("", "220 mx\r\n"),
        ("EHLO", offered),
        ("AUTH CRAM-MD5", "504 5.5.4 no\r\n"),
        ("AUTH PLAIN", "235 in\r\n"),
        ("MAIL", "250 ok\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("DATA", "354 go\r\n"),
        ("\r\n.\r\n", "250 ok\r\n"),
        ("QUIT", "221 bye\r\n"),
    ]);
    send(&server.with_login("s3cret-pw1", ""), &[]).assert_code(0);
    let server = Scripted::start(&[
        ("", "220 mx\r\n"),
        ("EHLO", offered),
        ("AUTH CRAM-MD5", "504 5.5.4 no\r\n"),
        ("AUTH PLAIN", "504 5.5.4 not this\r\n"),
        ("AUTH LOGIN", "504 5.5.4 nor this\r\n"),
    ]);
    let ended = send(&server.with_login("s3cret-pw1", ""), &[]);
    ended.assert_code(77).assert_says("CRAM-MD5, then PLAIN, then LOGIN: 504 5.5.4 nor this").assert_says("auth=NAME");
    assert!(!ended.err.contains("check user and password"), "{ended:?}");
    // Nobody verified who the server is: a refused password is not shown to it in clear.
    let server = Scripted::start(&[
        ("", "220 mx\r\n"),
        ("EHLO", offered),
        ("AUTH CRAM-MD5", "334 PDFAbXg+\r\n"),
        ("\r\n", "535 5.7.8 wrong\r\n"),
    ]);
    send(&server.with_login("s3cret-pw1", ""), &[]).assert_code(77).assert_says("check user and password");
    assert!(!server.heard().contains("AUTH PLAIN"));
}

#[test]
fn only_a_refusal_that_may_be_about_the_secret_advises_to_check_it() {
    let password = "check user and password";
    for (refusal, advice) in [
        ("535 5.7.8 wrong\r\n", password),
        ("535 5.7.8 wrong, or TLS is missing\r\n", password),
        ("550 5.7.1 access denied\r\n", password),
        ("534 5.7.9 Application-specific password required\r\n", password),
        ("534 5.7.9 too weak\r\n", "auth=NAME"),
        ("500 5.5.1 unknown\r\n", "auth=NAME"),
        ("502 5.5.1 not implemented\r\n", "auth=NAME"),
        ("503 5.5.1 not now\r\n", "auth=NAME"),
        ("504 5.5.4 no\r\n", "auth=NAME"),
        ("538 5.7.11 not on this connection\r\n", "use TLS"),
        ("530 5.7.0 Must issue a STARTTLS command first\r\n", "use TLS"),
    ] {
        let server =
            Scripted::start(&[("", "220 mx\r\n"), ("EHLO", "250-mx\r\n250 AUTH PLAIN\r\n"), ("AUTH PLAIN", refusal)]);
        let ended = send(&server.with_login("s3cret-pw1", ""), &[]);
        ended.assert_code(77).assert_says(refusal.trim()).assert_says(advice);
        assert!(advice == password || !ended.err.contains(password), "{refusal}: {}", ended.err);
    }
}

#[test]
fn a_port_of_the_other_protocol_is_named() {
    let smtp = SinkProcess::start(&[]);
    let ended = send(&format!("lmtp://{}?timeout=20", smtp.addr()), &[]);
    ended.assert_code(69).assert_says("use smtp://").assert_says("step: ehlo");
    let lmtp = SinkProcess::start(&["--lmtp"]);
    send(&lmtp.plain(), &[]).assert_code(69).assert_says("use lmtp://").assert_says("step: ehlo");
}

#[test]
fn the_dialogue_is_printed_also_through_tls_without_secrets_and_content() {
    let sink = SinkProcess::secured(&[]);
    let ended = send(&sink.url("smtp", PASSWORD), &["--trace"]);
    ended.assert_code(0);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(lines.iter().all(|line| [">", "<", "*"].contains(&line.split(' ').next().unwrap())), "{lines:#?}");
    for wanted in [
        "* connected to 127.0.0.1:",
        "< 220 ",
        "> EHLO ",
        "> STARTTLS",
        "* TLS established: TLSv1.3",
        "> AUTH ",
        "octets of credentials]",
        "> MAIL FROM:<ann@example.com>",
        "octets of content]",
        "> QUIT",
        "< 221 ",
    ] {
        assert!(ended.err.contains(wanted), "{wanted}: {}", ended.err);
    }
    assert!(!ended.err.contains(PASSWORD) && !ended.err.contains("How are you"), "{}", ended.err);
    let checked = mailkit(["check", "--server", &sink.url("smtp", PASSWORD), "--trace"]);
    checked.assert_code(0).assert_says("> STARTTLS").assert_says("> NOOP").assert_says("octets of credentials]");
    assert!(!checked.err.contains(PASSWORD));
    assert!(!send(&sink.url("smtp", PASSWORD), &[]).err.contains("EHLO"));
}
