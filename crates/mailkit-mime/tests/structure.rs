//! The structure that is chosen for a message, and the one that is given.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use mailkit_mime::{Attachment, Disposition, FieldProblem, Message, MessageBuilder, MultipartKind, Part, Stamps};
use time::macros::datetime;

fn builder() -> MessageBuilder<Stamps> {
    let stamps = Stamps::new(datetime!(2026-11-23 07:03 UTC), 0x2a);
    Message::builder(stamps).from("ann@example.com").to("bob@example.org")
}

fn png() -> Attachment {
    Attachment::bytes("logo.png", [0x89, b'P'].as_slice())
}

/// The content from the field that tells the structure on.
fn body(builder: MessageBuilder<Stamps>) -> String {
    let content = String::from_utf8(builder.build().unwrap().to_bytes().unwrap().to_vec()).unwrap();
    content.split_once("MIME-Version: 1.0\r\n").unwrap().1.to_owned()
}

/// Types and how deep they stand, as `mail-parser` finds them.
fn outline(builder: MessageBuilder<Stamps>) -> String {
    use mail_parser::{MessageParser, MimeHeaders, PartType};

    fn show(message: &mail_parser::Message<'_>, number: u32, out: &mut String) {
        let part = message.part(number).unwrap();
        let kind = part.content_type().map_or("none", |kind| kind.subtype().unwrap_or("none"));
        out.push_str(kind);
        match &part.body {
            PartType::Multipart(parts) => {
                out.push('(');
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        out.push(' ');
                    }
                    show(message, *part, out);
                }
                out.push(')');
            }
            PartType::Message(inner) => {
                out.push('(');
                show(inner, 0, out);
                out.push(')');
            }
            _ => {}
        }
    }

    let content = builder.build().unwrap().to_bytes().unwrap();
    let parsed = MessageParser::new().parse(&content[..]).unwrap();
    let mut out = String::new();
    show(&parsed, 0, &mut out);
    out
}

#[test]
fn each_content_gets_the_structure_that_fits_it() {
    let event = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n";
    let inner = builder().subject("Inner").text("x").attach(png()).build().unwrap();
    for (given, wanted) in [
        (builder(), "none"),
        (builder().text("t"), "plain"),
        (builder().html("h"), "html"),
        (builder().text("t").html("h"), "alternative(plain html)"),
        (builder().html("h").inline("logo", png()), "related(html png)"),
        (builder().text("t").html("h").inline("logo", png()), "alternative(plain related(html png))"),
        (builder().text("t").attach(png()), "mixed(plain png)"),
        (builder().text("t").inline("logo", png()), "mixed(plain png)"),
        (builder().attach(png()), "mixed(png)"),
        (
            builder().attach(png()).html("h").text("t").inline("logo", png()).calendar("REQUEST", event),
            "mixed(alternative(plain related(html png) calendar) png)",
        ),
        (builder().text("t").attach_message(&inner), "mixed(plain rfc822(mixed(plain png)))"),
        (builder().text("t").attach_eml("A: b\n\nc\n"), "mixed(plain rfc822(none))"),
        (builder().text("t").alternative(Part::text_as("text/markdown", "*t*")), "alternative(plain markdown)"),
        (
            builder().body(Part::multipart(MultipartKind::Digest, [Part::message(&inner)])).attach(png()),
            "mixed(digest(rfc822(mixed(plain png))) png)",
        ),
    ] {
        assert_eq!(outline(given), wanted);
    }
}

#[test]
fn rfc_2046_section_5_1_and_rfc_2387_every_byte_of_a_whole_structure() {
    let message = builder().text("Text.").html("<img src=\"cid:logo\">").inline("logo", png());
    assert_eq!(
        body(message.attach(Attachment::bytes("r\u{e9}sum\u{e9}.pdf", "PDF"))),
        "Content-Type: multipart/mixed; boundary=\"=_0_0000000000000000000000000000002a\"\r\n\
         \r\n\
         --=_0_0000000000000000000000000000002a\r\n\
         Content-Type: multipart/alternative;\r\n \
           boundary=\"=_1_0000000000000000000000000000002a\"\r\n\
         \r\n\
         --=_1_0000000000000000000000000000002a\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         Text.\r\n\
         --=_1_0000000000000000000000000000002a\r\n\
         Content-Type: multipart/related; type=\"text/html\";\r\n \
           boundary=\"=_2_0000000000000000000000000000002a\"\r\n\
         \r\n\
         --=_2_0000000000000000000000000000002a\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         <img src=\"cid:logo\">\r\n\
         --=_2_0000000000000000000000000000002a\r\n\
         Content-Type: image/png; name=logo.png\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-ID: <logo>\r\n\
         Content-Disposition: inline; filename=logo.png\r\n\
         \r\n\
         iVA=\r\n\
         --=_2_0000000000000000000000000000002a--\r\n\
         --=_1_0000000000000000000000000000002a--\r\n\
         --=_0_0000000000000000000000000000002a\r\n\
         Content-Type: application/pdf; name*=utf-8''r%C3%A9sum%C3%A9.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf\r\n\
         \r\n\
         UERG\r\n\
         --=_0_0000000000000000000000000000002a--\r\n"
    );
}

#[test]
fn rfc_6047_section_2_4_a_calendar_tells_its_method() {
    let text = body(builder().calendar("REQUEST", "BEGIN:VCALENDAR\n"));
    assert!(text.starts_with("Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n"), "{text}");
}

#[test]
fn a_part_has_the_fields_that_it_was_given() {
    let part = Part::new("text/csv; header=present", "a,b")
        .name("a.csv")
        .content_id("<one@example.com>")
        .disposition(Disposition::Inline)
        .parameter("charset", "utf-8")
        .header("Content-Description", "\u{e9}")
        .header("Content-Language", "en, de");
    assert_eq!(
        body(builder().body(part)),
        "Content-Type: text/csv; header=present; charset=utf-8; name=a.csv\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-ID: <one@example.com>\r\n\
         Content-Disposition: inline; filename=a.csv\r\n\
         Content-Description: =?utf-8?b?w6k=?=\r\n\
         Content-Language: en, de\r\n\
         \r\n\
         YSxi\r\n"
    );
}

fn nested(levels: usize) -> Part {
    (0..levels).fold(Part::text("deep"), |part, _| Part::multipart(MultipartKind::Mixed, [part]))
}

#[test]
fn a_hundred_levels_are_built_and_a_hundred_and_one_refused() {
    let message = builder().body(nested(100)).build().unwrap();
    assert!(message.to_bytes().unwrap().windows(6).any(|bytes| bytes == b"\r\ndeep"));
    for builder in [
        builder().body(nested(101)),
        builder().body(nested(100)).attach(png()),
        builder().body(nested(200_000)),
        builder().text("x").attach_message(&message),
    ] {
        let errors = builder.build().unwrap_err();
        assert!(errors.iter().any(|error| *error.problem() == FieldProblem::NestedTooDeep), "{errors}");
        assert!(errors.to_string().contains("more than 100 levels"), "{errors}");
    }
}

#[test]
fn what_is_wrong_in_parts_is_reported_with_all_the_rest() {
    let errors = builder()
        .subject("a\nb")
        .body(Part::multipart(
            MultipartKind::Mixed,
            [
                Part::new("nonsense", "x"),
                Part::new("multipart/mixed", "x"),
                Part::new("message/rfc822", "x"),
                Part::multipart(MultipartKind::Mixed, []),
                Part::text("x").parameter("bad name", "x"),
                Part::text("x").parameter("boundary", "x"),
                Part::text("x").content_id("a b"),
                Part::text("x").header("Content-Type", "text/html"),
                Part::text("x").header("X: y", "z"),
                Part::text("x").header("X-Long", "x".repeat(1000)),
                Part::eml("no header"),
                Part::eml(format!("A: b\n\n{}\n", "x".repeat(999))),
                Part::eml("A: b\n\na\0\n"),
            ],
        ))
        .text("beside it")
        .build()
        .unwrap_err();
    let problems: Vec<_> = errors.iter().map(|error| error.problem().clone()).collect();
    assert_eq!(
        problems,
        [
            FieldProblem::ControlCharacter { position: 1 },
            FieldProblem::TwoBodies,
            FieldProblem::InvalidContentType,
            FieldProblem::CompositeType,
            FieldProblem::NotAMessage(Message::from_eml("x", None).unwrap_err()),
            FieldProblem::EmptyMultipart,
            FieldProblem::InvalidParameter,
            FieldProblem::InvalidParameter,
            FieldProblem::InvalidContentId,
            FieldProblem::OwnField { method: Some("new") },
            FieldProblem::InvalidName,
            FieldProblem::TooLong,
            FieldProblem::NotAMessage(problems_of_eml()),
            FieldProblem::UnsendableMessage { line: 3 },
            FieldProblem::UnsendableMessage { line: 3 },
        ]
    );
}

fn problems_of_eml() -> mailkit_mime::EmlError {
    Message::from_eml("no header", None).unwrap_err()
}

#[test]
fn no_control_character_gets_into_any_field_of_a_part() {
    type Set = fn(MessageBuilder<Stamps>, String) -> MessageBuilder<Stamps>;
    let setters: [Set; 17] = [
        |builder, value| builder.attach(png().name(value)),
        |builder, value| builder.attach(Attachment::bytes(value, "x")),
        |builder, value| builder.attach(png().content_type(value)),
        |builder, value| builder.attach(png().content_type(format!("a/b; c=\"{value}\""))),
        |builder, value| builder.attach(png().inline(value)),
        |builder, value| builder.attach(png().header("X-A", value)),
        |builder, value| builder.attach(png().header(value, "x")),
        |builder, value| builder.inline(value, png()).html("x"),
        |builder, value| builder.calendar(value, "x"),
        |builder, value| builder.attach_part(Part::text("x").parameter("a", value)),
        |builder, value| builder.attach_part(Part::text("x").parameter(value, "a")),
        |builder, value| builder.attach_part(nested(1).parameter("a", value)),
        |builder, value| builder.attach_part(nested(1).header("X-A", value)),
        |builder, value| builder.list_id(value),
        |builder, value| builder.list_help(value),
        |builder, value| builder.feedback_id(value),
        |builder, value| builder.list_unsubscribe(mailkit_mime::ListUnsubscribe::new().mailto(value)),
    ];
    for (number, set) in setters.into_iter().enumerate() {
        for control in ["\r\n", "\r", "\n", "\r\n ", "\0", "\x0b", "\x1b", "\x7f"] {
            let errors = set(builder(), format!("a@b.example{control}Bcc: eve@example.net")).build().unwrap_err();
            assert_eq!(errors.iter().count(), 1, "{number} {control:?}: {errors}");
            assert!(!errors.to_string().contains(char::is_control), "{number} {control:?}");
        }
    }
}

#[test]
fn rfc_2046_section_5_1_1_a_boundary_occurs_in_no_content() {
    let first = builder().text("t").html("h").build().unwrap();
    let text = String::from_utf8(first.to_bytes().unwrap().to_vec()).unwrap();
    // The same stamps, as a seed makes them: text, file and message hold the boundaries.
    for given in [
        builder().text(text.clone()).html("h"),
        builder().text("t").attach_eml(text.clone()),
        builder().text("t").attach_message(&first),
        builder().text("t").attach(Attachment::bytes("x", text.clone())),
    ] {
        let content = String::from_utf8(given.build().unwrap().to_bytes().unwrap().to_vec()).unwrap();
        let boundary = content.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let delimiters = content.split("\r\n").filter(|line| line.starts_with(&format!("--{boundary}"))).count();
        assert_eq!(delimiters, 3, "{content}");
    }
}

#[test]
fn fields_of_lists_stand_behind_the_subject() {
    let message = builder()
        .subject("News")
        .list_id("News <news.example.com>")
        .list_unsubscribe(mailkit_mime::ListUnsubscribe::new().url("https://example.com/u").one_click())
        .list_help("https://example.com/help")
        .list_post("NO")
        .list_owner("mailto:ann@example.com")
        .list_archive("https://example.com/news")
        .auto_submitted(mailkit_mime::AutoSubmitted::AutoGenerated)
        .feedback_id("1:2:3:example")
        .header("Precedence", "bulk")
        .build()
        .unwrap();
    let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
    assert!(
        content.ends_with(
            "Subject: News\r\n\
             List-Id: News <news.example.com>\r\n\
             List-Unsubscribe: <https://example.com/u>\r\n\
             List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
             List-Help: <https://example.com/help>\r\n\
             List-Post: NO\r\n\
             List-Owner: <mailto:ann@example.com>\r\n\
             List-Archive: <https://example.com/news>\r\n\
             Auto-Submitted: auto-generated\r\n\
             Feedback-ID: 1:2:3:example\r\n\
             Precedence: bulk\r\n\
             \r\n"
        ),
        "{content}"
    );
}

#[test]
fn a_new_name_tells_the_content_type_unless_one_was_given() {
    for (attachment, wanted) in [
        (Attachment::bytes("x", "1").name("x.pdf"), "application/pdf; name=x.pdf"),
        (Attachment::bytes("x.pdf", "1").name("x.PNG"), "image/png; name=x.PNG"),
        (Attachment::bytes("x.pdf", "1").name("x"), "application/pdf; name=x"),
        (Attachment::bytes("x.pdf", "1").name("x.unknown"), "application/pdf; name=x.unknown"),
        (Attachment::bytes("x", "1").content_type("text/csv").name("x.pdf"), "text/csv; name=x.pdf"),
        (Attachment::bytes("x", "1").name("x.pdf").content_type("text/csv"), "text/csv; name=x.pdf"),
    ] {
        let text = body(builder().body(attachment.into()));
        assert!(text.starts_with(&format!("Content-Type: {wanted}\r\n")), "{text}");
    }
}

#[test]
fn a_part_adds_no_field_that_the_message_has_or_hides() {
    for name in ["Bcc", "resent-bcc", "From", "Subject", "TO", "Date", "Message-ID"] {
        let errors = builder().body(Part::text("x").header(name, "eve@example.net")).build().unwrap_err();
        let problem = errors.iter().next().unwrap().problem();
        assert!(matches!(problem, FieldProblem::OwnField { .. }), "{name}: {problem:?}");
    }
}

#[test]
fn no_parameter_is_written_twice() {
    let related = Part::multipart(MultipartKind::Related, [Part::html("x")]);
    for part in [
        Part::text("x").parameter("charset", "latin1"),
        Part::new("text/csv; a=1", "x").parameter("A", "2"),
        Part::new("text/csv; a=1; a=2", "x"),
        related.parameter("type", "text/plain"),
    ] {
        let errors = builder().body(part).build().unwrap_err();
        assert_eq!(errors.iter().next().unwrap().problem(), &FieldProblem::RepeatedParameter);
    }
    let named = body(builder().body(Part::new("text/csv; name=b.csv", "x").name("a.csv")));
    assert!(named.starts_with("Content-Type: text/csv; name=a.csv\r\n"), "{named}");
}

#[test]
fn rfc_2369_section_2_a_field_of_a_list_stands_once() {
    let leave = |url: &str| mailkit_mime::ListUnsubscribe::new().url(url);
    let message = builder().list_unsubscribe(leave("https://a.example/").one_click()).list_help("https://b.example/");
    let message = message.list_unsubscribe(leave("https://c.example/")).build().unwrap();
    let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(content.matches("List-Unsubscribe").count(), 1, "{content}");
    assert!(content.contains("List-Unsubscribe: <https://c.example/>\r\n"), "{content}");
}
