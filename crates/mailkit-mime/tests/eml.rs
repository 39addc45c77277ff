//! Finished messages on their way through.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::error::Error as _;

use mailkit_address::{Address, Envelope};
use mailkit_mime::{EmlError, EmlNote, Message, MessageBuilder, Stamps};
use proptest::prelude::*;

fn recipients(message: &Message) -> Vec<String> {
    message.envelope().recipients().iter().map(ToString::to_string).collect()
}

fn envelope() -> Envelope {
    let address = |text| Address::parse(text).unwrap();
    Envelope::new(address("bounce@example.com"), vec![address("bob@example.org")]).unwrap()
}

#[test]
fn a_canonical_message_passes_byte_for_byte() {
    let eml = "From: a@example.com\r\nTo: b@example.org\r\nX-Odd :  kept \t\r\n  as it is\r\n\
               \r\n.\r\nFrom here \r\nBcc: this is text\r\n\r\n\r\n";
    let message = Message::from_eml(eml, None).unwrap();
    assert_eq!(message.to_bytes().unwrap(), eml);
    assert_eq!(message.size(), Some(eml.len() as u64));
}

#[test]
fn line_ends_become_crlf_and_the_last_line_gets_one() {
    let message = Message::from_eml("A: b\nC: d\r\n\rone\ntwo", Some(envelope())).unwrap();
    assert_eq!(message.to_bytes().unwrap(), "A: b\r\nC: d\r\n\r\none\r\ntwo\r\n");
    assert_eq!(message.size(), Some(message.to_bytes().unwrap().len() as u64));
}

#[test]
fn blind_recipients_get_the_message_and_are_not_in_it() {
    for (bcc, given) in [
        ("Bcc: eve@example.net\r\n", None),
        ("bcc : Eve\r\n <eve@example.net>\r\n", None),
        ("Subject: x\rBcc: eve@example.net\r\n", None),
        ("Bcc: eve@example.net\nBCC:\n", None),
        ("Bcc: eve@example.net\r\n", Some(envelope())),
    ] {
        let with_envelope = given.is_some();
        let eml = format!("From: a@example.com\r\n{bcc}To: b@example.org\r\n\r\nText\r\n");
        let message = Message::from_eml(eml, given).unwrap();
        let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
        assert!(!content.to_lowercase().contains("bcc"), "{content}");
        assert!(!content.contains("eve"), "{content}");
        assert!(content.ends_with("To: b@example.org\r\n\r\nText\r\n"), "{content}");
        if !with_envelope {
            assert_eq!(recipients(&message), ["b@example.org", "eve@example.net"], "{bcc:?}");
        }
    }
}

#[test]
fn a_given_envelope_needs_no_addresses_in_the_header() {
    let message = Message::from_eml("To: nonsense\r\n\r\n", Some(envelope())).unwrap();
    assert_eq!(message.envelope(), &envelope());
    assert_eq!(message.message_id(), None);
}

#[test]
fn identifier_and_subject_are_read() {
    let eml = "From: a@example.com\nTo: b@example.org\nSubject: =?utf-8?q?=C3=A9?=\n folded\n\
               message-id:\n <1@example.com>\n\n";
    let message = Message::from_eml(eml, None).unwrap();
    assert_eq!(message.message_id(), Some("<1@example.com>"));
    assert_eq!(message.subject(), Some("=?utf-8?q?=C3=A9?= folded"));
}

#[test]
fn rfc_5322_section_3_6_2_the_sender_comes_before_the_authors() {
    let eml = "From: a@example.com, b@example.com\nSender: s@example.com\nTo: c@example.org\n\n";
    let message = Message::from_eml(eml, None).unwrap();
    assert_eq!(message.envelope().reverse_path().to_string(), "<s@example.com>");
    let message = Message::from_eml(eml.replace("Sender", "X-Sender"), None).unwrap();
    assert_eq!(message.envelope().reverse_path().to_string(), "<a@example.com>");
}

#[test]
fn rfc_5322_section_3_6_6_the_last_resending_counts() {
    let eml = "Resent-From: two@example.com\nResent-To: second@example.org\n\
               Resent-Bcc: hidden@example.org\n\
               Resent-From: one@example.com\nResent-To: first@example.org\n\
               From: a@example.com\nTo: b@example.org\n\n";
    let message = Message::from_eml(eml, None).unwrap();
    assert_eq!(message.envelope().reverse_path().to_string(), "<two@example.com>");
    assert_eq!(recipients(&message), ["second@example.org", "hidden@example.org"]);
    assert!(!message.to_bytes().unwrap().windows(6).any(|part| part == b"hidden"));
}

#[test]
fn what_the_message_asks_of_a_server() {
    let cases: [(&[u8], bool, bool); 5] = [
        (b"A: b\r\n\r\ntext\r\n", false, false),
        (b"A: b\r\n\r\n\xc3\xa9\r\n", false, true),
        (b"A: \xc3\xa9\r\n\r\ntext\r\n", true, true),
        (b"A: \xe9\r\n\r\ntext\r\n", false, true),
        (b"A: \xe9\r\nB: \xc3\xa9\r\n\r\ntext\r\n", true, true),
    ];
    for (eml, utf8, eight_bit) in cases {
        let message = Message::from_eml(eml, Some(envelope())).unwrap();
        assert_eq!((message.needs_smtp_utf8(), message.needs_8bit()), (utf8, eight_bit), "{eml:?}");
    }
}

#[test]
fn what_is_no_message_says_why() {
    for (eml, wanted) in [
        ("", "no header: a message starts with its header fields"),
        ("\r\ntext", "no header: a message starts with its header fields"),
        ("A: b\nnonsense\n", "line 2 is no header field, `nonsense`: write it as `Name: value`"),
        ("From ann Mon Nov 23\nA: b\nnonsense\n", "line 3 is no header field, `nonsense`: write it as `Name: value`"),
        ("From ann Mon Nov 23\n\ntext", "no header: a message starts with its header fields"),
        ("To: b@example.org\n\n", "no sender: add a From field or give an envelope"),
        (
            "From: a@example.com\nTo: undisclosed-recipients:;\n\n",
            "no recipients: add a To, Cc or Bcc field or give an envelope",
        ),
        ("From: a@example.com\nTo: b@\n\n", "field To cannot be read: correct it or give an envelope"),
    ] {
        assert_eq!(Message::from_eml(eml, None).unwrap_err().to_string(), wanted);
    }
    let error = Message::from_eml("From: a@example.com\nTo: b@\n\n", None).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("no domain in `b@`"));
}

#[test]
fn an_address_that_is_not_utf8_is_no_address() {
    let eml: &[u8] = b"From: a@example.com\nTo: J\xfcrgen <b@example.org>\n\n";
    assert_eq!(recipients(&Message::from_eml(eml, None).unwrap()), ["b@example.org"]);
    let eml: &[u8] = b"From: a@example.com\nTo: j\xfcrgen@example.org\n\n";
    assert_eq!(Message::from_eml(eml, None).unwrap_err(), EmlError::NotUtf8 { field: "To" });
}

/// What programs put in front of a header, and the notes about it.
const PREAMBLES: [(&str, &[EmlNote]); 6] = [
    ("\u{feff}", &[EmlNote::ByteOrderMark]),
    ("From ann@example.com Mon Nov 23 07:03:00 2026\n", &[EmlNote::MailboxSeparator]),
    ("From ann@example.com Mon Nov 23 07:03:00 2026\r\n", &[EmlNote::MailboxSeparator]),
    ("From - Mon Nov 23 07:03:00 2026\r", &[EmlNote::MailboxSeparator]),
    ("From MAILER-DAEMON\n>From ann@example.com\n", &[EmlNote::MailboxSeparator]),
    ("\u{feff}From : me\nFrom ann\n", &[EmlNote::ByteOrderMark]),
];

#[test]
fn what_stands_in_front_of_the_header_is_left_out_with_a_note() {
    let eml = "From: a@example.com\r\nTo: b@example.org\r\n\r\nFrom here\r\n\u{feff}\r\n";
    for (before, wanted) in &PREAMBLES[..5] {
        for envelope in [None, Some(envelope())] {
            let message = Message::from_eml(format!("{before}{eml}"), envelope).unwrap();
            assert_eq!(message.to_bytes().unwrap(), eml, "{before:?}");
            assert_eq!(message.size(), Some(eml.len() as u64));
            assert_eq!(message.notes().collect::<Vec<_>>(), *wanted, "{before:?}");
        }
    }
    let clean = Message::from_eml(eml, None).unwrap();
    assert_eq!(clean.notes().next(), None);
    // A field with a blank before its colon is no separator, and behind a field there is none.
    let error = Message::from_eml(PREAMBLES[5].0, Some(envelope())).unwrap_err();
    assert!(error.to_string().starts_with("line 2 is no header field, `From ann`"), "{error}");
}

#[test]
fn an_attached_message_starts_with_its_header() {
    let eml = "From: a@example.com\r\nTo: b@example.org\r\n\r\nHello\r\n";
    for (before, _) in &PREAMBLES[..5] {
        let stamps = Stamps::new(time::macros::datetime!(2026-11-23 07:03 UTC), 1);
        let builder = MessageBuilder::new(stamps).from("a@example.com").to("b@example.org");
        let message = builder.attach_eml(format!("{before}{eml}").into_bytes()).build().unwrap();
        let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
        assert!(
            content.contains(&format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{eml}")),
            "{content}"
        );
    }
}

#[test]
fn rfc_5321_section_4_4_a_return_path_does_not_go_out() {
    for field in ["Return-Path: <ann@example.com>\r\n", "RETURN-PATH :\r\n <j\u{fc}rgen@example.com>\r\n"] {
        let eml = format!("{field}From: a@example.com\r\n{field}To: b@example.org\r\n\r\n{field}");
        let message = Message::from_eml(eml.clone(), None).unwrap();
        let wanted = format!("From: a@example.com\r\nTo: b@example.org\r\n\r\n{field}");
        assert_eq!(message.to_bytes().unwrap(), wanted);
        assert_eq!(message.notes().collect::<Vec<_>>(), [EmlNote::ReturnPath]);
        assert!(!message.needs_smtp_utf8());
        // Within a message that is attached it is part of what somebody wants to show.
        let stamps = Stamps::new(time::macros::datetime!(2026-11-23 07:03 UTC), 1);
        let builder = MessageBuilder::new(stamps).from("a@example.com").to("b@example.org");
        let attached = builder.attach_eml(eml.clone().into_bytes()).build().unwrap();
        assert!(String::from_utf8_lossy(&attached.to_bytes().unwrap()).contains(&eml));
    }
}

/// What a header is made of, and what may hide in one.
const PIECES: &[&[u8]] = &[
    b"\xef\xbb\xbf",
    b"From x",
    b">From x",
    b"Return-Path",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"Bcc",
    b":",
    b"bcc: secret",
    b"A: b",
    b"\xff",
    b"Resent-Bcc : secret",
];

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused_and_never_leak_a_blind_field(
        pieces in prop::collection::vec(
            prop::sample::select(PIECES),
            0..40,
        )
    ) {
        let eml = pieces.concat();
        if let Ok(message) = Message::from_eml(eml, Some(envelope())) {
            let sent = message.to_bytes().unwrap();
            prop_assert_eq!(Some(sent.len() as u64), message.size());
            prop_assert!(sent.ends_with(b"\r\n"));
            for (at, _) in sent.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                prop_assert_eq!(sent[at - 1], b'\r');
            }
            for line in sent.split(|byte| *byte == b'\n') {
                if matches!(line, b"\r" | b"") {
                    break;
                }
                let name = line.split(|byte| *byte == b':').next().unwrap().trim_ascii_end();
                let folded = line[0] == b' ';
                prop_assert!(folded || !name.eq_ignore_ascii_case(b"bcc"));
                prop_assert!(folded || !name.eq_ignore_ascii_case(b"resent-bcc"));
                prop_assert!(folded || !name.eq_ignore_ascii_case(b"return-path"));
            }
        }
    }
}
