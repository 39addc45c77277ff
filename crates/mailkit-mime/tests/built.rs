//! Messages from the builder, as another program reads them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use mail_parser::{Addr, MessageParser};
use mailkit_mime::{BuildErrors, FieldProblem, Message, MessageBuilder, Stamps};
use proptest::prelude::*;
use time::macros::datetime;

fn builder() -> MessageBuilder<Stamps> {
    Message::builder(Stamps::new(datetime!(2026-11-23 07:03 +01:00), 0x2a))
}

fn simple() -> MessageBuilder<Stamps> {
    builder().from("Ann <ann@example.com>").to("bob@example.org")
}

fn content(message: &Message) -> String {
    let mut written = Vec::new();
    message.write_to(&mut written).unwrap();
    assert_eq!(Some(written.len() as u64), message.size());
    assert_eq!(written, message.to_bytes().unwrap());
    String::from_utf8(written).unwrap()
}

/// Holds for every message that is built.
fn check_lines(content: &str) {
    let lines: Vec<_> = content.strip_suffix("\r\n").expect("ends a line").split("\r\n").collect();
    for line in lines {
        assert!(line.len() <= 998, "{line}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

fn fields(errors: &BuildErrors) -> Vec<&str> {
    errors.iter().map(|error| error.field()).collect()
}

#[test]
fn rfc_5322_section_3_6_a_message_has_date_from_and_identifier() {
    let message = simple().build().unwrap();
    assert_eq!(
        content(&message),
        "Date: Mon, 23 Nov 2026 07:03:00 +0100\r\n\
         From: Ann <ann@example.com>\r\n\
         To: bob@example.org\r\n\
         Message-ID: <0000000000000000000000000000002a@example.com>\r\n\
         \r\n"
    );
    assert_eq!(message.message_id(), Some("<0000000000000000000000000000002a@example.com>"));
    assert_eq!(message.subject(), None);
}

#[test]
fn rfc_5322_section_3_6_every_field_in_its_place() {
    let message = simple()
        .sender("office@example.com")
        .reply_to("help@example.com")
        .cc("Carl <carl@example.org>")
        .cc("Team: dora@example.org;")
        .bcc("eve@example.net")
        .date(datetime!(2026-01-02 03:04:05 UTC))
        .message_id("one@example.com")
        .in_reply_to("<zero@example.com>")
        .references("<a@example.com> <b@example.com>")
        .references("zero@example.com")
        .subject("All of it")
        .header("X-Campaign", "42")
        .header("X-Campaign", "43")
        .build()
        .unwrap();
    assert_eq!(
        content(&message),
        "Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n\
         From: Ann <ann@example.com>\r\n\
         Sender: office@example.com\r\n\
         Reply-To: help@example.com\r\n\
         To: bob@example.org\r\n\
         Cc: Carl <carl@example.org>, Team: dora@example.org;\r\n\
         Message-ID: <one@example.com>\r\n\
         In-Reply-To: <zero@example.com>\r\n\
         References: <a@example.com> <b@example.com> <zero@example.com>\r\n\
         Subject: All of it\r\n\
         X-Campaign: 42\r\n\
         X-Campaign: 43\r\n\
         \r\n"
    );
    assert_eq!(message.envelope().reverse_path().to_string(), "<office@example.com>");
    let recipients: Vec<_> = message.envelope().recipients().iter().map(ToString::to_string).collect();
    assert_eq!(recipients, ["bob@example.org", "carl@example.org", "dora@example.org", "eve@example.net"]);
}

#[test]
fn a_given_envelope_takes_the_place_of_the_header() {
    let message = simple().envelope_from("<>").envelope_to("eve@example.net").build().unwrap();
    assert_eq!(message.envelope().reverse_path().to_string(), "<>");
    assert_eq!(message.envelope().recipients().len(), 1);
    assert_eq!(message.envelope().recipients()[0].to_string(), "eve@example.net");
}

#[test]
fn a_given_envelope_without_a_recipient_does_not_fall_back_to_the_header() {
    let errors = simple().cc("carl@example.org").bcc("eve@example.net").envelope_to("Team:;").build().unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| (error.field(), error.problem())).collect();
    assert_eq!(found, [("To", &FieldProblem::NoRecipients)]);
}

#[test]
fn every_bad_field_is_reported_at_once() {
    let errors = builder()
        .from("ann")
        .sender("a@example.com, b@example.com")
        .to("bob@")
        .cc("")
        .subject("a\r\nBcc: eve@example.net")
        .message_id("no identifier")
        .header("Bad Name", "x")
        .header("bcc", "eve@example.net")
        .header("Content-Type", "text/html")
        .header("X-Long", "x".repeat(2000))
        .date(datetime!(1800-01-01 00:00 UTC))
        .envelope_to("@")
        .build()
        .unwrap_err();
    assert_eq!(
        fields(&errors),
        [
            "Date",
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Sender",
            "Cc",
            "envelope to",
            "Bad Name",
            "bcc",
            "Content-Type",
            "X-Long"
        ]
    );
    let text = errors.to_string();
    assert!(text.contains("From: no domain in `ann` at 3"), "{text}");
    assert!(text.contains("bcc: a field of the builder: set it with `bcc`"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn what_is_missing_is_named() {
    let errors = builder().build().unwrap_err();
    assert_eq!(
        errors.to_string(),
        "From: no address: write it as name@example.com; \
         To: no recipients: name at least one in to, cc, bcc or the envelope"
    );
    let two_authors = builder().from("a@example.com, b@example.com").to("c@example.org");
    let errors = two_authors.build().unwrap_err();
    assert!(errors.iter().any(|error| *error.problem() == FieldProblem::NoSender));
}

#[test]
fn a_field_that_cannot_be_folded_is_named() {
    let too_long = "x".repeat(998);
    for value in [too_long.clone(), format!("{too_long} b"), format!("b {too_long} {} b", "b".repeat(76))] {
        let errors = simple().header("X-Long", value).build().unwrap_err();
        assert_eq!(fields(&errors), ["X-Long"]);
        assert_eq!(errors.iter().next().unwrap().problem(), &FieldProblem::TooLong);
    }
    simple().header("X-Long", "x".repeat(997)).build().unwrap();
}

#[test]
fn no_control_character_gets_into_any_field() {
    type Set = fn(MessageBuilder<Stamps>, String) -> MessageBuilder<Stamps>;
    let setters: [(&str, Set); 14] = [
        ("From", |builder, value| builder.from(value)),
        ("Sender", |builder, value| builder.sender(value)),
        ("Reply-To", |builder, value| builder.reply_to(value)),
        ("To", |builder, value| builder.to(value)),
        ("Cc", |builder, value| builder.cc(value)),
        ("Bcc", |builder, value| builder.bcc(value)),
        ("Message-ID", |builder, value| builder.message_id(value)),
        ("In-Reply-To", |builder, value| builder.in_reply_to(value)),
        ("References", |builder, value| builder.references(value)),
        ("Subject", |builder, value| builder.subject(value)),
        ("X-A", |builder, value| builder.header("X-A", value)),
        ("envelope from", |builder, value| builder.envelope_from(value)),
        ("envelope to", |builder, value| builder.envelope_to(value)),
        ("a@example.com", |builder, value| builder.header(format!("a@example.com{value}"), "x")),
    ];
    for (field, set) in setters {
        for control in ["\r\n", "\r", "\n", "\r\n ", "\0", "\x0b", "\x1b", "\x7f"] {
            let value = format!("a@example.com{control}Bcc: eve@example.net");
            let errors = set(simple(), value).build().unwrap_err();
            let named = errors.iter().filter(|error| error.field().starts_with(field)).count();
            assert_eq!((named, errors.iter().count()), (1, 1), "{field} {control:?}: {errors}");
        }
    }
}

#[test]
fn rfc_6532_section_3_2_an_address_beyond_ascii_is_written_raw() {
    let message = simple().cc("J\u{fc}rgen <j\u{fc}rgen@example.org>").build().unwrap();
    assert!(message.needs_smtp_utf8());
    assert!(message.needs_8bit());
    assert!(content(&message).contains("<j\u{fc}rgen@example.org>\r\n"));

    let hidden = simple().bcc("j\u{fc}rgen@example.org").build().unwrap();
    // That recipient cannot be reached without SMTPUTF8; the message itself can go to others.
    assert!(!hidden.needs_smtp_utf8());
    assert!(!hidden.needs_8bit());

    let domain = simple().cc("j@b\u{fc}cher.example").build().unwrap();
    assert!(!domain.needs_smtp_utf8());
    assert!(content(&domain).contains("Cc: j@xn--bcher-kva.example\r\n"));
}

#[test]
fn rfc_6532_section_3_2_an_address_beyond_ascii_counts_in_every_field() {
    type Set = fn(MessageBuilder<Stamps>, &str) -> MessageBuilder<Stamps>;
    let setters: [(&str, Set); 5] = [
        ("From", |builder, value| builder.from(value)),
        ("Sender", |builder, value| builder.sender(value)),
        ("Reply-To", |builder, value| builder.reply_to(value)),
        ("To", |builder, value| builder.to(value)),
        ("Cc", |builder, value| builder.cc(value)),
    ];
    for (field, set) in setters {
        // An envelope of its own: that of the header would need SMTPUTF8, too.
        let builder = simple().envelope_from("ann@example.com").envelope_to("bob@example.org");
        let message = set(builder, "\u{e9} <\u{e9}@x.example>").build().unwrap();
        assert!(message.needs_smtp_utf8() && message.needs_8bit(), "{field}");
        assert!(content(&message).contains("\u{e9} <\u{e9}@x.example>\r\n"), "{field}");
    }
}

#[test]
fn a_separator_of_lines_is_never_raw_in_the_header() {
    for separator in ['\u{2028}', '\u{2029}', '\u{85}'] {
        let text = format!("a{separator}Bcc: eve@example.net");
        let message = simple().cc("j\u{fc}rgen@example.org").subject(text.as_str()).header("X-A", text.as_str());
        let message = message.reply_to(format!("\"{separator}\" <a@example.com>"));
        let Ok(message) = message.build() else {
            assert_eq!(separator, '\u{85}', "only a control character is refused, in a name");
            continue;
        };
        let content = content(&message);
        assert!(!content.contains(separator), "{content}");
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.subject(), Some(text.as_str()));
        let local_part = simple().cc(format!("j\u{fc}{separator}@example.org")).build().unwrap_err();
        assert_eq!(fields(&local_part), ["Cc"]);
    }
}

#[test]
fn text_keeps_blanks_dots_and_from_lines() {
    for text in ["blanks \n\t\n\n", ".\n..\n. \n", "From here\nFrom there\n", "a\0b\n", "\n"] {
        let message = simple().text(text).build().unwrap();
        let content = content(&message);
        check_lines(&content);
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        let read = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(read, text);
    }
}

#[test]
fn equal_stamps_and_fields_make_equal_bytes() {
    let build = || simple().subject("\u{e9}").text("\u{e9}").build().unwrap().to_bytes().unwrap();
    assert_eq!(build(), build());
}

#[test]
fn messages_that_say_the_same_have_one_essence_however_long_their_identifiers_are() {
    let essence = |message: &Message| message.essence().collect::<Result<Vec<_>, _>>().unwrap().concat();
    let build = |unique, domain: &str, id: Option<String>| {
        let builder = Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), unique));
        let builder = builder.from(format!("ann@{domain}.example")).to("bob@example.org").text("x");
        id.map_or_else(|| builder.clone(), |id| builder.clone().message_id(id)).build().unwrap()
    };
    for length in 1..64 {
        let domain = "d".repeat(length);
        let [one, other] = [1, 2].map(|unique| build(unique, &domain, None));
        assert_ne!(one.to_bytes().unwrap(), other.to_bytes().unwrap());
        assert_eq!(essence(&one), essence(&other), "a domain of {length}");
    }
    for length in 1..200 {
        let [one, other] = ["a", "b"].map(|letter| build(1, "d", Some(format!("{}@x", letter.repeat(length)))));
        assert_eq!(essence(&one), essence(&other), "an identifier of {length}");
    }
}

#[test]
fn debug_shows_neither_the_text_nor_hidden_recipients() {
    let builder = simple().bcc("eve@example.net").subject("Figures").text("confidential");
    for text in [format!("{builder:?}"), format!("{:?}", builder.build().unwrap())] {
        assert!(text.contains("Figures"), "{text}");
        assert!(!text.contains("confidential") && !text.contains("eve@"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn another_program_reads_what_was_written(
        name in "\\PC{0,60}",
        subject in "([ -~]{0,20}|\\PC){0,30}",
        custom in "[!-~]{1,40}( [!-~]{1,40}){0,6}",
        text in "(?s)([ -~]{0,80}|\\PC|\\n){0,40}",
    ) {
        let quoted = name.replace(['\\', '"'], "");
        let message = builder()
            .from(format!("\"{quoted}\" <ann@example.com>"))
            .to("bob@example.org")
            .subject(subject.as_str())
            .header("X-Custom", custom.as_str())
            .text(text.as_str())
            .build()
            .unwrap();
        let content = content(&message);
        check_lines(&content);
        prop_assert!(content.is_ascii());
        prop_assert!(!message.needs_8bit() && !message.needs_smtp_utf8());

        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        let from = parsed.from().unwrap().first().unwrap();
        prop_assert_eq!(from.address(), Some("ann@example.com"));
        let wanted = Some(quoted.trim_matches(' ')).filter(|name| !name.is_empty());
        prop_assert_eq!(from.name(), wanted);
        prop_assert_eq!(parsed.subject().unwrap_or_default(), subject);
        let read = parsed.header_raw("X-Custom").unwrap().replace("\r\n", "");
        prop_assert_eq!(read.trim(), custom);
        let read = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        prop_assert_eq!(read.trim_end_matches('\n'), text.trim_end_matches('\n'));
        prop_assert_eq!(parsed.to().unwrap().first().and_then(Addr::address), Some("bob@example.org"));
    }
}
