//! A reply counts only behind its command.

use super::Dialogue;
use crate::Status;
use crate::client::{ClientConfig, Error, Protocol, Security, TransactionOptions};
use crate::sasl::{Credentials, Mechanism};

/// A server's replies, one for each time that the client waits, in a dialogue that ends well.
type Replies = &'static [&'static str];

fn config(protocol: Protocol, security: Security) -> ClientConfig {
    ClientConfig { protocol, security, ..ClientConfig::new("client.example.com") }
}

/// The dialogues in which each reply is waited for.
fn dialogues() -> Vec<(&'static str, ClientConfig, Replies)> {
    let login = |mechanism| ClientConfig {
        credentials: Some(Credentials::password("ann", "s3cret-pw").unwrap()),
        mechanism: Some(mechanism),
        ..config(Protocol::Smtp, Security::Established)
    };
    let data =
        &["220 mx\r\n", "250-mx\r\n250 HELP\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"];
    let bdat = &["220 mx\r\n", "250-mx\r\n250 CHUNKING\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n"];
    let helo = &[
        "220 mx\r\n",
        "502 no\r\n",
        "250 mx\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "250 ok\r\n",
    ];
    let plain = &["220 mx\r\n", "250-mx\r\n250 AUTH PLAIN LOGIN\r\n", "235 in\r\n", "250 ok\r\n"];
    let user = &[
        "220 mx\r\n",
        "250-mx\r\n250 AUTH PLAIN LOGIN\r\n",
        "334 VXNlcm5hbWU6\r\n",
        "334 UGFzc3dvcmQ6\r\n",
        "235 in\r\n",
    ];
    let tls = &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"];
    let lmtp = &[
        "220 mx\r\n",
        "250-mx\r\n250 HELP\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
    ];
    vec![
        ("DATA", config(Protocol::Smtp, Security::None), data),
        ("BDAT", config(Protocol::Smtp, Security::None), bdat),
        ("LMTP", config(Protocol::Lmtp, Security::None), lmtp),
        ("HELO", config(Protocol::Smtp, Security::None), helo),
        ("PLAIN", login(Mechanism::Plain), plain),
        ("LOGIN", login(Mechanism::Login), user),
        ("STARTTLS", config(Protocol::Smtp, Security::Required), tls),
    ]
}

/// Plays a dialogue up to its reply `at`, to which the surplus is added: in one packet, or its last octets behind the
/// client's next command. Returns what came of it, and what the client had left to say.
fn played(config: ClientConfig, replies: Replies, at: usize, surplus: &str, late: usize) -> (Dialogue, String) {
    let mut dialogue = Dialogue::new(config);
    for reply in &replies[..at] {
        dialogue.hear(reply).send();
        if dialogue.client.can_begin() && dialogue.client.in_flight() == 0 && dialogue.reports.is_empty() {
            dialogue.begin().send();
        }
        dialogue.content().send();
    }
    let (now, later) = surplus.split_at(surplus.len() - late);
    dialogue.hear(&format!("{}{now}", replies[at]));
    if late > 0 {
        if dialogue.client.can_begin() && dialogue.client.in_flight() == 0 && dialogue.reports.is_empty() {
            dialogue.begin();
        }
        dialogue.send().hear(later);
    }
    let waiting = String::from_utf8(dialogue.client.poll_transmit().to_vec()).unwrap();
    (dialogue, waiting)
}

#[test]
fn a_reply_that_arrives_before_its_command_has_left_ends_every_dialogue() {
    for (name, config, replies) in dialogues() {
        for (at, reply) in replies.iter().enumerate() {
            if name == "LMTP" && at + 2 == replies.len() {
                // Two replies to the content are awaited: the first is not told from the second.
                continue;
            }
            for surplus in
                ["250 extra\r\n", "220 go\r\n", "354 go\r\n", "235 in\r\n", "552 full\r\n", "250-a\r\n250 b\r\n"]
            {
                for late in [0, 1, surplus.len() - 1] {
                    let case = format!("{name}: {reply:?}, then {surplus:?} of which {late} octets late");
                    let (dialogue, waiting) = played(config.clone(), replies, at, surplus, late);
                    assert!(dialogue.client.is_closed(), "{case}");
                    assert_eq!(waiting, "", "{case}");
                    assert!(!dialogue.start_tls || at == 2, "{case}");
                    let statuses =
                        dialogue.reports.iter().flat_map(|report| &report.recipients).map(|entry| &entry.status);
                    let last = at + 1 == replies.len();
                    for status in statuses {
                        let refused = status.reply().is_some() && !status.is_accepted();
                        // The reply to the content was waited for by itself: it stands.
                        assert!(last || !status.is_accepted(), "{case}: {status:?}");
                        assert!(!refused, "{case}: {status:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_421_is_an_answer_at_any_time() {
    for (name, config, replies) in dialogues() {
        for at in 0..replies.len() {
            let (dialogue, _) = played(config.clone(), replies, at, "421 closing\r\n", 0);
            let error = dialogue.client.error();
            let injected = matches!(error, Some(Error::InjectedBeforeTls));
            assert!(injected || matches!(error, Some(Error::Closing(..))), "{name} {at}: {error:?}");
        }
    }
}

#[test]
fn with_pipelining_a_surplus_reply_puts_the_outcome_in_doubt() {
    for (offered, replies) in [
        (&["PIPELINING", "CHUNKING"][..], "250 ok\r\n250 extra\r\n250 ok\r\n250 ok\r\n552 full\r\n"),
        (&["PIPELINING", "CHUNKING"], "250 ok\r\n550 extra\r\n250 ok\r\n250 ok\r\n250 ok\r\n"),
    ] {
        let mut dialogue = Dialogue::plain();
        dialogue.open(offered).begin().content().send();
        dialogue.hear(replies);
        assert!(dialogue.client.out_of_step.is_some());
        let statuses: Vec<_> = dialogue.reports[0].recipients.iter().map(|entry| &entry.status).collect();
        assert_eq!(statuses, [&Status::Ambiguous, &Status::Ambiguous]);
    }
}

#[test]
fn with_pipelining_a_shift_before_the_content_leaves_it_unsent() {
    // The reply to RCPT comes where that to DATA is awaited: nobody was refused, and nothing was sent.
    let mut dialogue = Dialogue::plain();
    dialogue.open(&["PIPELINING"]).begin().send();
    dialogue.hear("250 ok\r\n550 extra\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    let statuses: Vec<_> = dialogue.reports[0].recipients.iter().map(|entry| &entry.status).collect();
    assert_eq!(statuses, [&Status::Unsent, &Status::Unsent]);
    assert!(dialogue.client.out_of_step.is_some());
}

#[test]
fn a_surplus_reply_that_comes_behind_the_next_command_leaves_no_wrong_outcome() {
    // Each reply comes behind a command, and one of them twice; the true answer is left over, and QUIT shows it.
    let chunks = &["CHUNKING"][..];
    let (accepted, refused) = ("250 queued\r\n", "552 full\r\n");
    for (offered, replies, wanted) in [
        (chunks, &["250 ok\r\n", "250 late\r\n", "250 ok\r\n", "250 ok\r\n", refused][..], Status::Ambiguous),
        (chunks, &["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "550 late\r\n", accepted], Status::Ambiguous),
        (&[], &["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 late\r\n", refused], Status::Ambiguous),
        (&[], &["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "550 late\r\n", "354 go\r\n"], Status::Unsent),
        (&["PIPELINING"], &["250 ok\r\n250 ok\r\n250 ok\r\n550 late\r\n354 go\r\n"], Status::Unsent),
    ] {
        // The caller may hear of it in the same packet, or be asked whether the outcome is in doubt.
        for in_one_packet in [true, false] {
            let mut dialogue = Dialogue::plain();
            dialogue.open(offered).begin().content().send();
            let (before, last) = replies.split_at(replies.len() - 2.min(replies.len()));
            for reply in before {
                dialogue.hear(reply).content().send();
            }
            if in_one_packet {
                dialogue.hear(&last.concat());
                let statuses: Vec<_> = dialogue.reports[0].recipients.iter().map(|entry| &entry.status).collect();
                assert_eq!(statuses, [&wanted, &wanted], "{offered:?} {replies:?}");
            } else if let [answer, surplus] = last {
                dialogue.hear(answer);
                dialogue.client.quit(dialogue.now);
                dialogue.send().hear(surplus).hear("221 bye\r\n");
                assert!(dialogue.client.doubts_last_outcome(), "{offered:?} {replies:?}");
                dialogue.reports[0].doubt();
                assert_eq!(dialogue.reports[0].recipients[0].status, wanted, "{offered:?} {replies:?}");
            }
        }
    }
}

#[test]
fn a_surplus_reply_that_says_the_same_leaves_the_outcome() {
    for (content, surplus) in [("250 queued\r\n", "250 extra\r\n"), ("552 full\r\n", "550 extra\r\n")] {
        let mut dialogue = Dialogue::plain();
        dialogue.open(&[]).begin().send();
        for reply in ["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            dialogue.hear(reply).content().send();
        }
        dialogue.hear(&format!("{content}{surplus}"));
        assert!(dialogue.client.is_closed() && !dialogue.client.doubts_last_outcome(), "{surplus}");
        assert!(dialogue.reports[0].recipients.iter().all(|entry| entry.status.reply().is_some()), "{surplus}");
    }
    // A server of LMTP that replies to the content also for whom it has refused.
    let mut dialogue = Dialogue::new(config(Protocol::Lmtp, Security::None));
    dialogue.open(&[]).begin().send();
    for reply in ["250 ok\r\n", "250 ok\r\n", "550 no\r\n", "354 go\r\n", "250 queued\r\n250 queued\r\n"] {
        dialogue.hear(reply).content().send();
    }
    assert!(dialogue.reports[0].recipients.iter().all(|entry| entry.status.reply().is_some()));
}

#[test]
fn the_reply_to_quit_shows_whether_the_replies_were_in_step() {
    for (replies, in_doubt) in [
        (&["221 bye\r\n"][..], false),
        (&["250 ok\r\n"], false),
        (&["421 closing\r\n"], false),
        (&["221 bye\r\n250 more\r\n"], false),
        (&["552 full\r\n"], true),
        (&["354 go\r\n"], true),
        (&["250 ok\r\n221 bye\r\n"], true),
        (&["250 ok\r\n", "221 bye\r\n"], true),
    ] {
        let mut dialogue = Dialogue::plain();
        dialogue.open(&["PIPELINING"]);
        dialogue.client.quit(dialogue.now);
        dialogue.send();
        for reply in replies {
            dialogue.hear(reply);
        }
        dialogue.client.handle_eof();
        assert_eq!(dialogue.client.out_of_step.is_some(), in_doubt, "{replies:?}");
        assert!(dialogue.client.is_closed() && dialogue.client.error().is_some() == in_doubt, "{replies:?}");
    }
}

#[test]
fn a_221_before_quit_has_left_takes_quit_back() {
    let mut dialogue = Dialogue::plain();
    dialogue.open(&[]);
    dialogue.client.quit(dialogue.now);
    dialogue.hear("221 too late\r\n");
    assert!(dialogue.client.is_closed() && dialogue.client.error().is_none());
    assert_eq!(dialogue.client.poll_transmit(), b"");
}

#[test]
fn a_surplus_reply_on_an_idle_connection_ends_it() {
    for surplus in ["250 late\r\n", "552 full\r\n", "250-half\r\n"] {
        let mut dialogue = Dialogue::plain();
        dialogue.open(&["PIPELINING", "CHUNKING"]);
        dialogue.hear(surplus);
        assert!(dialogue.client.is_closed() || !dialogue.client.can_begin() || surplus.contains('-'), "{surplus}");
        if surplus.contains('-') {
            // What began before the next message cannot answer it.
            dialogue.begin().content().send().hear("250 end\r\n");
            assert!(dialogue.client.is_closed() && dialogue.client.out_of_step.is_some());
        }
    }
}

#[test]
fn noop_and_rset_are_answered_by_agreement() {
    let mut dialogue = Dialogue::plain();
    dialogue.open(&[]);
    dialogue.client.noop(dialogue.now);
    dialogue.send().hear("552 full\r\n");
    assert!(dialogue.client.out_of_step.is_some());
}

#[test]
fn a_refusal_in_the_middle_of_content_that_is_leaving_is_meant_for_it() {
    for (offered, replies) in
        [(&["CHUNKING"][..], &["250 ok\r\n"; 3][..]), (&[], &["250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"])]
    {
        for left in [0, 1, 20] {
            let mut dialogue = Dialogue::plain();
            dialogue.open(offered).begin().send();
            for reply in replies {
                dialogue.hear(reply).send();
            }
            dialogue.client.put_content(&[b'x'; 40], true);
            dialogue.client.handle_transmitted(dialogue.now, left);
            dialogue.hear("552 too large\r\n");
            let refused = dialogue.reports[0].refused().count();
            assert_eq!(refused, if left > 0 { 2 } else { 0 }, "{offered:?} {left}");
            assert!(dialogue.client.is_closed());
        }
    }
}

#[test]
fn behind_tls_nothing_of_before_is_left() {
    let mut dialogue = Dialogue::new(config(Protocol::Smtp, Security::Required));
    dialogue.open(&["STARTTLS", "PIPELINING", "SIZE 1", "AUTH PLAIN"]).send().hear("220 go\r\n");
    assert!(dialogue.start_tls && dialogue.client.poll_transmit().is_empty());
    assert_eq!(dialogue.client.extensions(), &crate::Extensions::default());
    dialogue.client.handle_tls_established(dialogue.now);
    dialogue.send().hear("250 mx\r\n");
    assert!(dialogue.client.can_begin() && !dialogue.client.extensions().pipelining);
    assert!(dialogue.sent.ends_with("STARTTLS\r\nEHLO client.example.com\r\n"));
}

#[test]
fn a_certificate_that_nobody_verified_is_not_enough_for_requiretls() {
    for (security, verified, allowed) in
        [(Security::Established, true, true), (Security::Established, false, false), (Security::None, true, false)]
    {
        let mut dialogue =
            Dialogue::new(ClientConfig { certificate_verified: verified, ..config(Protocol::Smtp, security) });
        dialogue.open(&["REQUIRETLS"]);
        let options = TransactionOptions { require_tls: true, ..TransactionOptions::default() };
        let bob = mailkit_address::Address::parse("bob@example.org").unwrap();
        let envelope = mailkit_address::Envelope::null_sender(vec![bob]).unwrap();
        let begun = dialogue.client.begin(dialogue.now, envelope, &options);
        // Not that the server lacks the extension: it offers it.
        let wanted = if allowed { Ok(()) } else { Err(crate::client::BeginError::UnverifiedTls) };
        assert_eq!(begun.map(drop), wanted, "{security:?} {verified}");
    }
}
