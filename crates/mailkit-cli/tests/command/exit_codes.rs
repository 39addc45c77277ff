//! The table of exit codes, a case or more for each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use crate::run::{mailkit, send};
use crate::sink_process::{PASSWORD, SinkProcess};

/// Servers that answer a step in this way, and how `send` ends.
#[test]
fn what_the_server_answers_decides() {
    for (rule, code) in [
        ("ehlo=421 4.3.2 not now", 75),
        ("mail=451 4.7.1 greylisted", 75),
        ("mail=550 5.7.1 not you", 69),
        ("rcpt=450 4.2.0 busy", 75),
        ("rcpt=550 5.1.1 no such user", 69),
        ("content=452 4.3.1 full", 75),
        ("content=554 5.6.0 spam", 69),
        ("content=close", 74),
        ("content=lose", 74),
        ("greeting=554 go away", 69),
        ("greeting=421 come again", 75),
        ("greeting=close", 74),
        ("mail=421 4.3.2 closing", 75),
    ] {
        let sink = SinkProcess::start(&["--fail", rule]);
        let ended = send(&sink.plain(), &[]);
        assert_eq!(ended.code, code, "{rule} {ended:#?}");
    }
}

#[test]
fn every_recipient_accepted_is_0() {
    let sink = SinkProcess::start(&[]);
    let ended = send(&sink.plain(), &[]);
    ended.assert_code(0);
    assert_eq!(ended.out, "bob@example.org  accepted  250  2.0.0  message accepted\n");
    assert_eq!(ended.err, "");
    assert_eq!(send(&sink.plain(), &["-q"]).assert_code(0).out, "");
}

#[test]
fn a_bad_message_or_address_is_65_and_names_field_and_place() {
    let server = "smtp://127.0.0.1:1";
    let with = |more: &[&str]| mailkit(["send", "--server", server].iter().chain(more));
    with(&["--from", "ann", "--to", "bob@example.org"]).assert_code(65).assert_says("From: no domain in `ann` at 3");
    with(&["--from", "ann@example.com", "--to", "bob@@x"]).assert_code(65).assert_says("To: ");
    with(&["--from", "ann@example.com"]).assert_code(65).assert_says("no recipients");
    with(&["--to", "bob@example.org"]).assert_code(65).assert_says("From: ");
    for (option, field) in [("--cc", "Cc"), ("--reply-to", "Reply-To"), ("--envelope-from", "envelope from")] {
        send(server, &[option, "a\r\nb@example.com"])
            .assert_code(65)
            .assert_says(&format!("{field}: control character"));
    }
    send(server, &["--header", "X-A: b\r\nBcc: eve@example.net"]).assert_code(65).assert_says("X-A: control character");
    send(server, &["--header", "no colon"]).assert_code(65).assert_says("header: no colon in `no colon`");
    send(server, &["--date", "tomorrow"]).assert_code(65).assert_says("date: no date in `tomorrow`");
    send(server, &["--dsn-notify", "often"]).assert_code(65).assert_says("dsn notify: `often`");
    send(server, &["--message-id", "a b"]).assert_code(65).assert_says("Message-ID: ");
}

#[test]
fn a_missing_file_is_66() {
    for option in ["--eml", "--message", "--text-file"] {
        let ended = mailkit(["send", "--server", "smtp://127.0.0.1:1", option, "/no/such/file"]);
        ended.assert_code(66).assert_says("there is no file /no/such/file");
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for (option, value) in [("--attach", "/no/such/file"), ("--inline", "a=/no/such/file"), ("--attach", folder)] {
        let path = value.trim_start_matches("a=");
        send("smtp://127.0.0.1:1", &[option, value]).assert_code(66).assert_says(path);
    }
    send("smtp://127.0.0.1:1", &["--html-file", "/no/such/file"]).assert_code(66).assert_says("/no/such/file");
    let both = send("smtp://127.0.0.1:1", &["--attach", "/no/such/file", "--attach", "/no/other"]);
    both.assert_code(66).assert_says("/no/such/file").assert_says("/no/other");
}

#[test]
fn an_unknown_host_is_68() {
    send("smtp://nobody.invalid", &[]).assert_code(68).assert_says("step: resolve");
}

#[test]
fn a_closed_port_is_74() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = send(&format!("smtp://127.0.0.1:{port}"), &[]);
    ended.assert_code(74).assert_says("step: connect").assert_says("check the port");
}

#[test]
fn a_silent_server_is_74_within_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = send(&format!("smtp://{}?tls=none&timeout=1", listener.local_addr().unwrap()), &[]);
    ended.assert_code(74).assert_says("step: greeting").assert_says("no answer within 1s");
}

#[test]
fn a_peer_that_speaks_another_protocol_is_76() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client hangs up.
        while BufReader::new(&stream).read_line(&mut String::new()).is_ok_and(|octets| octets > 0) {}
    });
    send(&format!("smtp://{addr}?tls=none&timeout=20"), &[]).assert_code(76).assert_says("step: greeting");
    peer.join().unwrap();
}

#[test]
fn a_refused_login_is_77_in_the_servers_own_words() {
    let sink = SinkProcess::secured(&[]);
    let ended = send(&sink.url("smtp", "wrong"), &[]);
    ended
        .assert_code(77)
        .assert_says("535 5.7.8")
        .assert_says("step: auth")
        .assert_says("try: check user and password");
}

#[test]
fn a_proxy_that_wants_another_login_is_77() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 407 who are you\r\n\r\n").unwrap();
        // Until the client hangs up.
        while BufReader::new(&stream).read_line(&mut String::new()).is_ok_and(|octets| octets > 0) {}
    });
    let ended = send(&format!("smtp://mx.example.com?proxy=http://ann:s3cret@{addr}"), &[]);
    ended.assert_code(77).assert_says("the proxy refused the user and password").assert_says("step: connect");
    proxy.join().unwrap();
}

#[test]
fn an_untrusted_certificate_is_77_and_says_how_to_trust_it() {
    let sink = SinkProcess::secured(&[]);
    send(&format!("smtp://{}", sink.addr()), &[]).assert_code(77).assert_says("ca=FILE").assert_says("step: tls");
}

#[test]
fn tls_that_is_not_to_be_had_is_77() {
    let sink = SinkProcess::start(&[]);
    send(&format!("smtp://{}", sink.addr()), &[]).assert_code(77).assert_says("does not offer STARTTLS");
}

#[test]
fn a_port_mixed_up_is_76_and_says_which_scheme_to_use() {
    let implicit = SinkProcess::start(&["--implicit-tls"]);
    let ended = send(&format!("smtp://{}?timeout=2", implicit.addr()), &[]);
    ended.assert_code(76).assert_says("this port speaks TLS from the first byte: use smtps://");
    let plain = SinkProcess::secured(&[]);
    send(&plain.url("smtps", PASSWORD), &[]).assert_code(76).assert_says("this port speaks plain text first");
}

#[test]
fn bad_configuration_is_78() {
    for (url, words) in [
        ("smtp://127.0.0.1?tsl=none", "the parameter \"tsl\" is unknown"),
        ("http://127.0.0.1", "the scheme \"http\" is unknown"),
        ("smtp://ann@127.0.0.1", "MAILKIT_PASSWORD"),
        ("smtp://127.0.0.1?ca=/no/such/file", "there is no file /no/such/file"),
        ("", "no scheme"),
    ] {
        send(url, &[]).assert_code(78).assert_says(words);
        mailkit(["check", "--server", url]).assert_code(78).assert_says(words);
    }
}
