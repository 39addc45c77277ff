//! Which mechanism is tried behind which refusal, and what is said of it.

use super::Dialogue;
use crate::Step;
use crate::client::{ClientConfig, Error, Protocol, Security};
use crate::sasl::{Credentials, Mechanism};

fn config(security: Security, verified: bool) -> ClientConfig {
    ClientConfig {
        security,
        cleartext_auth: true,
        certificate_verified: verified,
        credentials: Some(Credentials::password("ann", "s3cret-pw").unwrap()),
        nonce: vec![7; 18],
        ..ClientConfig::new("client.example.com")
    }
}

fn tried(sent: &str) -> Vec<String> {
    let commands = sent.lines().filter_map(|line| line.strip_prefix("AUTH "));
    commands.map(|rest| rest.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[cfg(all(feature = "cram-md5", feature = "scram"))]
#[test]
fn the_next_mechanism_is_tried_once_where_that_may_help() {
    const ALL: &str = "SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN";
    let (tls, clear) = (Security::Established, Security::None);
    for (verified, security, offered, replies, wanted) in [
        (true, tls, ALL, &["504 no", "235 in"][..], &["SCRAM-SHA-256", "CRAM-MD5"][..]),
        (false, clear, ALL, &["504 no", "534 weak", "235 in"], &["SCRAM-SHA-256", "CRAM-MD5", "PLAIN"]),
        (true, tls, "CRAM-MD5 PLAIN", &["535 bad", "235 in"], &["CRAM-MD5", "PLAIN"]),
        (true, tls, "PLAIN LOGIN", &["535 bad"], &["PLAIN"]),
        (false, tls, "CRAM-MD5 PLAIN", &["535 bad"], &["CRAM-MD5"]),
        (true, clear, "CRAM-MD5 PLAIN", &["535 bad"], &["CRAM-MD5"]),
        (true, tls, "CRAM-MD5 PLAIN", &["454 later"], &["CRAM-MD5"]),
        (true, tls, "CRAM-MD5 PLAIN LOGIN", &["535 bad", "535 bad"], &["CRAM-MD5", "PLAIN"]),
        // Two refusals that count against the account are enough.
        (true, tls, ALL, &["535 bad", "535 bad"], &["SCRAM-SHA-256", "CRAM-MD5"]),
        (true, tls, ALL, &["535 bad", "504 no", "235 in"], &["SCRAM-SHA-256", "CRAM-MD5", "PLAIN"]),
        (true, tls, "PLAIN", &["504 no"], &["PLAIN"]),
    ] {
        let mut dialogue = Dialogue::new(config(security, verified));
        dialogue.open(&[&format!("AUTH {offered}")]).send();
        for reply in replies {
            dialogue.hear(&format!("{reply}\r\n")).send();
        }
        assert_eq!(tried(&dialogue.sent), wanted, "{offered} {replies:?}");
        let works = replies.last().is_some_and(|reply| reply.starts_with("235"));
        // 235 proves nothing where SCRAM was to prove the server.
        assert_eq!(dialogue.client.can_begin(), works, "{offered} {replies:?}: {:?}", dialogue.client.error());
        if works {
            let name = dialogue.client.login_mechanism().map(Mechanism::name);
            assert_eq!(name, wanted.last().copied());
        } else {
            let Some(Error::LoginRefused { tried, .. }) = dialogue.client.error() else {
                panic!("{offered} {replies:?}")
            };
            assert_eq!(tried.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>(), wanted);
            let text = dialogue.client.error().unwrap().to_string();
            assert!(wanted.iter().all(|name| text.contains(name)), "{text}");
        }
    }
}

#[test]
fn only_a_235_is_a_login() {
    for code in [200, 220, 234, 236, 250, 299] {
        let mut dialogue = Dialogue::new(config(Security::Established, true));
        dialogue.open(&["AUTH PLAIN"]).send().hear(&format!("{code} ok\r\n"));
        assert!(!dialogue.client.can_begin(), "{code}");
        assert!(matches!(dialogue.client.error(), Some(Error::Unexpected(Step::Auth, _))), "{code}");
    }
}

#[cfg(feature = "cram-md5")]
#[test]
fn what_was_said_of_the_password_is_kept_when_the_server_hangs_up_behind_it() {
    for (then, code) in [("", 535), ("421 too many\r\n", 535), ("504 unknown\r\n", 535)] {
        let mut dialogue = Dialogue::new(config(Security::Established, true));
        dialogue.open(&["AUTH CRAM-MD5 PLAIN"]).send();
        dialogue.hear("535 5.7.8 wrong\r\n").send().hear(then);
        dialogue.client.handle_eof();
        let Some(Error::LoginRefused { reply, .. }) = dialogue.client.error() else { panic!("{then}") };
        assert_eq!(reply.code().get(), code);
    }
}

#[cfg(feature = "cram-md5")]
#[test]
fn what_worked_before_is_tried_first_where_it_is_offered() {
    for (offered, wanted) in [("CRAM-MD5 PLAIN LOGIN", "LOGIN"), ("CRAM-MD5 PLAIN", "CRAM-MD5")] {
        let preferred_mechanism = Some(Mechanism::Login);
        let mut dialogue = Dialogue::new(ClientConfig { preferred_mechanism, ..config(Security::Established, true) });
        dialogue.open(&[&format!("AUTH {offered}")]).send();
        assert_eq!(tried(&dialogue.sent), [wanted]);
    }
}

#[test]
fn the_one_mechanism_that_was_asked_for_is_the_only_one() {
    let mut dialogue =
        Dialogue::new(ClientConfig { mechanism: Some(Mechanism::Plain), ..config(Security::Established, true) });
    dialogue.open(&["AUTH PLAIN LOGIN"]).send().hear("504 no\r\n").send();
    assert_eq!(tried(&dialogue.sent), ["PLAIN"]);
    assert!(dialogue.client.is_closed());
}

#[test]
fn a_server_of_the_other_protocol_is_named_as_such() {
    for (protocol, replies, words) in [
        (Protocol::Lmtp, &["500 unknown\r\n"][..], "use smtp://"),
        (Protocol::Lmtp, &["502 5.5.2 not implemented\r\n"], "use smtp://"),
        (Protocol::Lmtp, &["503 5.5.1 EHLO first\r\n"], "use smtp://"),
        (Protocol::Lmtp, &["550 5.5.1 LHLO is not for this port\r\n"], "use smtp://"),
        (Protocol::Lmtp, &["501 5.5.4 that name\r\n"], "refused the session"),
        (Protocol::Smtp, &["500 unknown\r\n", "500 unknown\r\n"], "use lmtp://"),
        (Protocol::Smtp, &["503 5.5.1 LHLO first\r\n", "503 5.5.1 LHLO first\r\n"], "use lmtp://"),
        (Protocol::Smtp, &["502 no\r\n", "550 go away\r\n"], "refused the session"),
        (Protocol::Lmtp, &["550 go away\r\n"], "refused the session"),
    ] {
        let mut dialogue =
            Dialogue::new(ClientConfig { protocol, security: Security::None, ..ClientConfig::new("client") });
        dialogue.hear("220 mx\r\n").send();
        for reply in replies {
            dialogue.hear(reply).send();
        }
        let error = dialogue.client.error().unwrap();
        assert!(error.to_string().contains(words) && !error.is_temporary(), "{replies:?}: {error}");
        assert!(error.to_string().contains(replies.last().unwrap().trim()), "{error}");
    }
}

#[test]
fn no_reply_at_any_code_or_cut_hands_the_password_on() {
    let forms = [
        "s3cret-pw",
        "S3CRET-PW",
        "czNjcmV0LXB3",
        "AUTH PLAIN AGFubgBzM2NyZXQtcHc=",
        "AGFubgBzM2NyZXQtcHc=",
        "3cret-p",
    ];
    let long = "x".repeat(115);
    for form in forms {
        for text in [form.to_owned(), format!("{long}{form}"), format!("you said {form}, did you")] {
            for ending in [
                format!("235 {text}\r\n"),
                format!("235 in\r\n250 {text}\r\n"),
                format!("235-{text}\r\n235 {text}\r\n"),
                format!("334 {text}\r\n"),
                format!("535 {text}\r\n"),
                format!("421 {text}\r\n"),
                format!("{text}\r\n"),
                format!("500 {text}"),
                format!("500-{text}\r\n500-{text}"),
                format!("500 {}{text}\r\n", "y".repeat(4100)),
            ] {
                let mut dialogue = Dialogue::new(config(Security::Established, true));
                dialogue.open(&["AUTH PLAIN"]).send().hear(&ending);
                if dialogue.client.can_begin() {
                    dialogue
                        .begin()
                        .send()
                        .hear(&format!("250 {text}\r\n"))
                        .send()
                        .hear(&format!("250 {text}\r\n"))
                        .send();
                    dialogue.hear(&format!("250 {text}\r\n")).send().hear(&format!("354 {text}\r\n")).content().send();
                    dialogue.hear(&format!("250 {text}\r\n"));
                    dialogue.hear(&format!("250 {text}\r\n"));
                }
                dialogue.client.handle_eof();
                let shown = format!("{:?} {:?} {:?}", dialogue.client, dialogue.client.error(), dialogue.reports);
                let lower = shown.to_lowercase();
                for secret in ["s3cret", "3cret-", "agfubgbzm2ny", "m2nyzx", "cznjcm"] {
                    assert!(!lower.contains(secret), "{ending:?}: {shown}");
                }
            }
        }
    }
}

#[test]
fn a_password_in_the_greeting_or_in_what_is_offered_is_not_shown() {
    let mut dialogue = Dialogue::new(config(Security::Established, true));
    dialogue.hear("220 s3cret-pw hello\r\n").send();
    dialogue
        .hear("250-mx\r\n250-XFOO s3cret-pw\r\n250-SIZE 5\r\n250 AUTH PLAIN s3cret-pw\r\n")
        .send()
        .hear("235 in\r\n");
    let shown = format!("{} {:?}", dialogue.client.server_name(), dialogue.client.extensions());
    assert!(!shown.contains("s3cret") && shown.contains("XFOO ***"), "{shown}");
    assert!(dialogue.client.can_begin());
}
