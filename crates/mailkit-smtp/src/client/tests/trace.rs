//! What a tracer receives.

use std::sync::{Arc, Mutex};

use super::Dialogue;
use crate::client::{ClientConfig, Security, Tracer};
use crate::sasl::{Credentials, Mechanism};

fn traced(mechanism: Mechanism, offered: &[&str]) -> (Dialogue, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let tracer = Tracer::new(move |speaker, line| kept.lock().unwrap().push(format!("{} {line}", speaker.sign())));
    let config = ClientConfig {
        security: Security::Established,
        credentials: Some(Credentials::password("ann", "s3cret-pw").unwrap()),
        mechanism: Some(mechanism),
        tracer: Some(tracer),
        ..ClientConfig::new("client.example.com")
    };
    let mut dialogue = Dialogue::new(config);
    dialogue.open(offered).send();
    (dialogue, lines)
}

#[test]
fn the_dialogue_shows_everything_but_credentials_and_content() {
    let (mut dialogue, lines) = traced(Mechanism::Plain, &["AUTH PLAIN", "CHUNKING", "PIPELINING"]);
    dialogue.hear("235 in, s3cret-pw\r\n").send();
    dialogue.begin().content().send().hear("250 2.1.0 ok\r\n250 \u{202e}ok\r\n550 no\x07\r\n250 ok\r\n");
    dialogue.client.quit(dialogue.now);
    dialogue.send().hear("221 bye\r\n");
    let wanted = [
        "< 220 mx",
        "> EHLO client.example.com",
        "< 250-mx",
        "< 250-AUTH PLAIN",
        "< 250-CHUNKING",
        "< 250-PIPELINING",
        "< 250 HELP",
        "> AUTH PLAIN [20 octets of credentials]",
        "< 235 in, ***",
        "> MAIL FROM:<>",
        "> RCPT TO:<bob@example.org>",
        "> RCPT TO:<carl@example.org>",
        "> BDAT 7 LAST",
        "> [7 octets of content]",
        "< 250 2.1.0 ok",
        "< 250 \u{fffd}ok",
        "< 550 no\u{fffd}",
        "< 250 ok",
        "> QUIT",
        "< 221 bye",
    ];
    assert_eq!(*lines.lock().unwrap(), wanted);
}

#[test]
fn challenges_responses_and_content_by_data_are_counted() {
    let (mut dialogue, lines) = traced(Mechanism::Login, &["AUTH LOGIN"]);
    dialogue.hear("334 VXNlcm5hbWU6\r\n").send().hear("334 UGFzc3dvcmQ6\r\n").send().hear("235 in\r\n");
    dialogue.begin().send();
    for reply in ["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
        dialogue.hear(reply).send();
    }
    dialogue.content().send().hear("250 ok\r\n250 extra\r\n");
    let lines = lines.lock().unwrap();
    assert_eq!(
        lines[5..10],
        [
            "> AUTH LOGIN",
            "< 334 [12 octets of challenge]",
            "> [4 octets of credentials]",
            "< 334 [12 octets of challenge]",
            "> [12 octets of credentials]",
        ]
    );
    let end = lines.len() - 5;
    assert_eq!(lines[end..end + 4], ["> [7 octets of content]", "> .", "< 250 ok", "< 250 extra"]);
    assert!(lines[end + 4].starts_with("* the server sent a reply at mail that no command had asked for"), "{lines:?}");
}

#[test]
fn what_never_left_is_not_shown_as_sent() {
    let (mut dialogue, lines) = traced(Mechanism::Plain, &["AUTH PLAIN"]);
    dialogue.hear("235 in\r\n").begin().send().hear("250 ok\r\n250 extra\r\n");
    assert!(!lines.lock().unwrap().iter().any(|line| line.contains("RCPT")));
}
