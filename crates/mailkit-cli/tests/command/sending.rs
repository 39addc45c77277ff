use std::io::{BufRead as _, Write as _};

use serde_json::json;

use crate::run::{Ended, command, mailkit, mailkit_reading, send};
use crate::sink_process::{PASSWORD, SinkProcess};

const EML: &str = "From: ann@example.com\r\nTo: bob@example.org\r\nBcc: eve@example.net\r\nSubject: As it is\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n.\r\n..dots\r\n--b--\r\n";

#[test]
fn some_recipients_are_refused_and_the_others_get_their_mail() {
    let no_user = "rcpt=550 5.1.1 no such user,to=nobody@*";
    let sink = SinkProcess::start(&["--fail", no_user, "--fail", "rcpt=451 4.7.1 come again,to=later@*"]);
    let more = ["--cc", "nobody@example.org", "--bcc", "later@example.org"];
    let ended = send(&sink.plain(), &more);
    ended.assert_code(69).assert_says("of 3 recipients: 1 refused for good");
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(
        lines,
        [
            "bob@example.org  accepted  250  2.0.0  message accepted",
            "nobody@example.org  refused for good  550  5.1.1  no such user",
            "later@example.org  refused for now  451  4.7.1  come again",
        ]
    );
    assert_eq!(sink.envelopes()[0]["to"], json!(["bob@example.org"]));

    let quiet = send(&sink.plain(), &[&more[..], &["-q"]].concat());
    assert_eq!(quiet.out.lines().count(), 2, "{quiet:?}");
}

#[test]
fn the_json_object_has_exactly_these_names() {
    let sink = SinkProcess::secured(&["--fail", "rcpt=550 5.1.1 no such user,to=nobody@*"]);
    let result = send(&sink.url("smtp", PASSWORD), &["--cc", "nobody@example.org", "--json"]).assert_code(69).json();
    let names = ["duration_ms", "error", "message_id", "recipients", "round_trips", "server"];
    assert_eq!(Ended::keys(&result), names);
    assert_eq!(result["error"], json!(null));
    assert_eq!(result["round_trips"], json!(1));
    assert!(result["message_id"].as_str().unwrap().ends_with("@example.com>"));
    assert!(result["duration_ms"].is_u64());
    assert!(result["server"].as_str().unwrap().starts_with("smtp://ann:***@127.0.0.1:"));
    assert_eq!(
        result["recipients"],
        json!([
            {"address": "bob@example.org", "status": "accepted", "code": 250, "enhanced": "2.0.0",
             "text": "message accepted"},
            {"address": "nobody@example.org", "status": "permanent", "code": 550, "enhanced": "5.1.1",
             "text": "no such user"},
        ])
    );
}

#[test]
fn an_error_in_json_says_kind_and_step() {
    let sink = SinkProcess::secured(&[]);
    let result = send(&sink.url("smtp", "wrong"), &["--json"]).assert_code(77).json();
    assert_eq!(Ended::keys(&result["error"]), ["ambiguous", "kind", "step", "temporary", "text"]);
    assert_eq!(result["error"]["kind"], "login");
    assert_eq!(result["error"]["step"], "auth");
    assert_eq!(result["error"]["temporary"], false);
    assert_eq!(result["recipients"][0]["status"], "temporary", "a login is held against no recipient");
    assert_eq!(result["round_trips"], 0);

    let result = send("smtp://nobody.invalid", &["--json"]).assert_code(68).json();
    assert_eq!((&result["error"]["kind"], &result["error"]["step"]), (&json!("host-unknown"), &json!("resolve")));

    let result = mailkit(["send", "--server", "smtp://127.0.0.1", "--json"]).assert_code(65).json();
    assert_eq!((&result["error"]["kind"], &result["error"]["step"]), (&json!("message"), &json!(null)));
    assert_eq!(result["recipients"], json!([]));
}

#[test]
fn a_fault_of_the_route_is_held_against_no_recipient_and_the_advice_is_about_the_route() {
    for (rule, code, kind, step, advice) in [
        ("mail=530 5.7.0 Authentication required", 77, "login", "mail", "give the user in the server's URL"),
        ("mail=530 5.7.0 Must issue a STARTTLS command first", 77, "login", "mail", "use TLS"),
        ("rcpt=530 5.7.1 Client was not authenticated", 77, "login", "rcpt", "give the user"),
        ("mail=534 5.7.9 password required", 77, "login", "mail", "give the user"),
        ("content=535 5.7.8 no", 77, "login", "content", "give the user"),
        ("mail=538 5.7.11 Encryption required", 77, "login", "mail", "use TLS"),
        ("mail=550 5.4.5 Daily user sending limit exceeded", 75, "refused", "mail", "send it again later"),
        ("greeting=554 no", 69, "refused", "greeting", "mailkit check"),
    ] {
        let sink = SinkProcess::start(&["--fail", rule]);
        let ended = send(&sink.plain(), &["--json"]);
        ended.assert_code(code).assert_says(advice);
        assert!(!ended.err.contains("check the address"), "{rule}: {}", ended.err);
        let result = ended.json();
        assert_eq!(result["recipients"][0]["status"], "temporary", "{rule}");
        assert_eq!((&result["error"]["kind"], &result["error"]["step"]), (&json!(kind), &json!(step)), "{rule}");
        let plain = send(&sink.plain(), &[]).assert_code(code).out.clone();
        assert!(plain.contains("not sent"), "{rule}: {plain}");
    }
}

#[test]
fn a_refused_sender_is_no_reason_to_check_the_recipient() {
    let sink = SinkProcess::start(&["--fail", "mail=550 5.7.1 not your address"]);
    let ended = send(&sink.plain(), &["--json"]);
    ended.assert_code(69).assert_says("check the sender");
    assert_eq!(ended.json()["recipients"][0]["status"], "permanent");
}

#[test]
fn a_lost_last_reply_is_ambiguous_and_never_called_failed() {
    let sink = SinkProcess::start(&["--fail", "content=lose"]);
    let ended = send(&sink.plain(), &["--json"]);
    ended.assert_code(74).assert_says("may have been delivered");
    let result = ended.json();
    assert_eq!(result["recipients"][0]["status"], "ambiguous");
    assert_eq!(result["error"]["ambiguous"], true);
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn a_connection_that_breaks_before_the_content_left_is_temporary() {
    let sink = SinkProcess::start(&["--fail", "mail=close"]);
    let result = send(&format!("{}&chunking=off", sink.plain()), &["--json"]).assert_code(74).json();
    assert_eq!(result["recipients"][0]["status"], "temporary");
    assert_eq!(result["recipients"][0]["code"], json!(null));
    assert_eq!((&result["error"]["kind"], &result["error"]["ambiguous"]), (&json!("network"), &json!(false)));
    assert_eq!(result["error"]["temporary"], true);
}

#[test]
fn a_server_that_is_closing_refuses_for_now() {
    let sink = SinkProcess::start(&["--fail", "mail=421 4.3.2 closing"]);
    let result = send(&sink.plain(), &["--json"]).assert_code(75).json();
    assert_eq!(result["recipients"][0]["status"], "temporary");
    assert_eq!(result["recipients"][0]["code"], 421);
    assert_eq!(result["recipients"][0]["text"], "closing");
}

#[test]
fn a_finished_message_goes_out_byte_for_byte_without_its_bcc() {
    let sink = SinkProcess::secured(&[]);
    let url = sink.url("smtp", PASSWORD);
    mailkit_reading(EML.as_bytes(), ["send", "--server", &url, "--eml", "-"]).assert_code(0);
    assert_eq!(sink.messages(), [EML.replace("Bcc: eve@example.net\r\n", "")]);
    let envelope = &sink.envelopes()[0];
    assert_eq!(envelope["from"], "ann@example.com");
    assert_eq!(envelope["to"], json!(["bob@example.org", "eve@example.net"]));
    assert_eq!(envelope["user"], "ann");
    assert_eq!(envelope["tls"], true);
}

#[test]
fn the_envelope_can_differ_from_the_header() {
    let sink = SinkProcess::start(&[]);
    send(&sink.plain(), &["--envelope-from", "bounce@example.com", "--envelope-to", "eve@example.net"]).assert_code(0);
    let null = ["send", "--server", &sink.plain(), "--eml", "-", "--envelope-from", ""];
    mailkit_reading(EML.as_bytes(), null).assert_code(0);
    let both = ["--envelope-from", "a@example.com", "--envelope-to", "b@example.com, c@example.com"];
    let headless = b"Subject: to nobody\n\n";
    let url = sink.plain();
    let args = [&["send", "--server", &url, "--eml", "-"][..], &both].concat();
    mailkit_reading(headless, args).assert_code(0);
    let envelopes = sink.envelopes();
    let seen: Vec<_> = envelopes.iter().map(|envelope| (&envelope["from"], &envelope["to"])).collect();
    assert_eq!(
        seen,
        [
            (&json!("bounce@example.com"), &json!(["eve@example.net"])),
            (&json!(""), &json!(["bob@example.org", "eve@example.net"])),
            (&json!("a@example.com"), &json!(["b@example.com", "c@example.com"])),
        ]
    );
}

#[test]
fn lmtp_has_a_final_reply_for_each_recipient() {
    let sink = SinkProcess::start(&["--lmtp", "--fail", "content=552 5.2.2 mailbox full,to=full@*"]);
    let server = format!("lmtp://{}?timeout=20", sink.addr());
    let result = send(&server, &["--cc", "full@example.org", "--json"]).assert_code(69).json();
    let statuses: Vec<_> = result["recipients"].as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, ["accepted", "permanent"]);
    assert_eq!(result["recipients"][1]["text"], "mailbox full");
}

#[test]
fn the_password_may_come_from_the_environment() {
    let sink = SinkProcess::secured(&[]);
    let url = sink.url("smtp", "").replace(":@", "@");
    let args = ["send", "--server", &url].into_iter().chain(crate::run::LETTER);
    let ended: Ended = command(args).env("MAILKIT_PASSWORD", PASSWORD).output().unwrap().into();
    ended.assert_code(0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_printed_does_not_make_a_failure_of_what_was_sent() {
    let sink = SinkProcess::start(&[]);
    for more in [&["--text", "Hi"][..], &["--text", "Hi", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let args = ["send", "--server", &sink.plain(), "--from", "ann@example.com", "--to", "bob@example.org"];
        let output = command(args.iter().chain(more)).stdout(full).output().unwrap();
        Ended::from(output).assert_code(0).assert_says("standard output cannot be written");
    }
    assert_eq!(sink.envelopes().len(), 2);
}

#[test]
fn a_reply_out_of_place_refuses_nobody() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap());
        stream.write_all(b"220 mx\r\n").unwrap();
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|octets| octets > 0) {
            // To DATA too, which asks for 354.
            stream.write_all(b"250 ok\r\n").unwrap();
        }
    });
    let result = send(&server, &["--json"]).assert_code(76).json();
    assert_eq!(result["recipients"][0]["code"], json!(null));
    assert_eq!(result["error"]["step"], "data");
    peer.join().unwrap();
}

#[test]
fn a_local_part_may_be_longer_than_64_octets() {
    let sink = SinkProcess::start(&[]);
    let verp = format!("bounce+{}@example.com", "v".repeat(200));
    let to = format!("{}@example.org", "w".repeat(242));
    let ended = send(&sink.plain(), &["--envelope-from", &verp, "--envelope-to", &to]);
    assert!(ended.assert_code(0).out.starts_with(&format!("{to}  accepted")), "{ended:#?}");
    send(&sink.plain(), &["--envelope-to", &format!("w{to}")]).assert_code(65).assert_says("at most 254 octets");
}

#[test]
fn advice_about_a_refusal_fits_what_was_refused() {
    for (rule, words) in [
        ("rcpt=550 5.1.1 no such user", "1 refused for good (check the address, and the server's words)"),
        ("rcpt=550 5.7.1 no relaying", "1 refused for good (read the server's words)"),
        ("content=554 5.6.0 spam", "1 refused for good (read the server's words)"),
    ] {
        let sink = SinkProcess::start(&["--fail", rule]);
        send(&sink.plain(), &[]).assert_code(69).assert_says(words);
    }
}
