//! Messages and reports that are attached by their content type (RFC 2046 §5.2.1, RFC 3464, RFC 8098, RFC 6533), and
//! fields about content (RFC 2045 §8, RFC 3282, RFC 2557 §4).

use mailkit_mime::{Attachment, Capabilities, FieldProblem, Message, MultipartKind, Part};

use crate::{field, letter, written};

const EIGHT_BIT: Capabilities = Capabilities { eight_bit: true, binary: false, smtp_utf8: false };

const EML: &str = "From: a@example.com\r\nTo: b@example.org\r\nSubject: forwarded\r\n\r\nHello\r\n";
const STATUS: &str = "Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; b@example.org\r\n";

#[test]
fn rfc_2046_section_5_2_1_a_message_is_attached_by_its_type_and_never_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forwarded.eml");
    std::fs::write(&path, EML.replace("\r\n", "\n").replace("Subject", "Bcc: eve@example.net\nSubject")).unwrap();
    for attachment in [
        Attachment::bytes("forwarded.eml", EML),
        Attachment::bytes("forwarded.eml", format!("\u{feff}From a Mon Nov 23\n{EML}")),
        Attachment::file(&path),
        Attachment::reader("forwarded.eml", None, EML.as_bytes()),
    ] {
        for content_type in ["message/rfc822", "Message/RFC822", "message/news"] {
            let attachment = attachment.clone().content_type(content_type);
            let Ok(message) = letter().text("see").attach(attachment).build() else {
                continue; // A reader can be read once.
            };
            let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
            let wanted = format!(
                "Content-Type: {content_type}; name=forwarded.eml\r\nContent-Transfer-Encoding: 7bit\r\n\
                 Content-Disposition: attachment; filename=forwarded.eml\r\n\r\n{EML}"
            );
            assert!(content.contains(&wanted), "{content}");
        }
    }
    let eight = EML.replace("Hello", "Gr\u{fc}\u{df}e");
    let attachment = Attachment::bytes("", eight.clone()).content_type("message/rfc822");
    let message = letter().text("see").attach(attachment).build().unwrap();
    assert!(message.needs_8bit());
    let content = message.encode(EIGHT_BIT).unwrap().to_bytes().unwrap();
    let content = String::from_utf8_lossy(&content);
    assert!(content.contains("Content-Transfer-Encoding: 8bit\r\nContent-Disposition: attachment\r\n\r\nFrom:"));
    assert!(content.contains(&eight));
}

#[test]
fn what_is_no_message_is_refused_with_the_place_and_the_name_of_the_attachment() {
    let eml = |name: &str, content: &str| Attachment::bytes(name, content.to_owned()).content_type("message/rfc822");
    let errors = letter()
        .attach(Attachment::bytes("fine.txt", "x"))
        .attach(eml("no.eml", "no header"))
        .attach(eml("long.eml", &format!("A: b\n\n{}\n", "x".repeat(999))))
        .attach(Attachment::bytes("s.txt", "Status: \u{e9}\n").content_type("message/delivery-status"))
        .attach(Attachment::bytes("m", "x").content_type("multipart/mixed"))
        .attach(Attachment::bytes("t", "x").content_type("csv").header("Content-Type", "text/csv"))
        .attach(Attachment::file("/no/such/file").name("other name"))
        .attach_eml("nonsense")
        .attach_part(Part::multipart(MultipartKind::Mixed, [Part::text("x").content_id("a b")]))
        .build()
        .unwrap_err();
    let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for (error, wanted) in shown.iter().zip([
        "attachment 2 (no.eml): no message in `no.eml`: line 1 is no header field, `no header`",
        "attachment 3 (long.eml): line 3 of the message `long.eml` is above 998 bytes",
        "attachment 4 (s.txt): line 1 of `s.txt` has characters beyond ASCII",
        "attachment 5 (m): Content-Type: a part of the type `multipart/mixed` cannot be given as one file",
        "attachment 6 (t): Content-Type: no content type for a part in `csv`",
        "attachment 6 (t): Content-Type: a field of the builder: set it with `new`",
        "attachment 7 (other name): cannot read `/no/such/file`",
        "attachment 8: no message in ``: line 1 is no header field, `nonsense`",
        "attachment 9: Content-ID: no content identifier in `a b`",
    ]) {
        assert!(error.starts_with(wanted), "{wanted} is not the start of {error}");
    }
    assert_eq!(shown.len(), 9, "{shown:#?}");
    let places: Vec<_> = errors.iter().map(|error| error.attachment().unwrap()).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 5, 6, 7, 8]);
}

#[test]
fn rfc_3464_section_2_1_and_rfc_8098_section_3_1_reports_go_in_7_bits() {
    for content_type in [
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/tracking-status",
        "message/http",
        "text/rfc822-headers",
        "message/global-delivery-status",
    ] {
        for part in [
            Part::new(content_type, STATUS),
            Part::text_as(content_type, STATUS.replace("\r\n", "\n")),
            Attachment::bytes("", STATUS).content_type(content_type).into(),
        ] {
            let report = Part::multipart(MultipartKind::Report, [Part::text("It failed."), part]);
            let content = written(letter().body(report.parameter("report-type", "delivery-status")));
            let (before, behind) = content.split_once(&format!("Content-Type: {content_type}\r\n")).unwrap();
            assert!(behind.starts_with("Content-Transfer-Encoding: 7bit\r\n"), "{content}");
            assert!(behind.contains(&format!("\r\n\r\n{STATUS}")) && !before.contains("base64"), "{content}");
        }
    }
}

#[test]
fn rfc_6533_a_report_in_utf8_goes_in_8_bits_or_quoted_printable() {
    let status = STATUS.replace("b@", "b\u{fc}cher@");
    for content_type in ["message/global-delivery-status", "message/global-headers", "text/rfc822-headers"] {
        let message = letter().body(Part::new(content_type, status.clone())).build().unwrap();
        let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
        assert_eq!(field(&content, "Content-Transfer-Encoding"), "quoted-printable", "{content}");
        let content = message.encode(EIGHT_BIT).unwrap().to_bytes().unwrap();
        assert!(String::from_utf8_lossy(&content).ends_with(&status));
    }
    let global = EML.replace("forwarded", "Gr\u{fc}\u{df}e");
    let message = letter().body(Part::new("message/global", global.clone())).build().unwrap();
    assert!(!message.needs_8bit());
    assert!(String::from_utf8_lossy(&message.encode(EIGHT_BIT).unwrap().to_bytes().unwrap()).ends_with(&global));
}

#[test]
fn fields_about_the_content_of_a_message_or_a_part_can_be_set() {
    let content = written(
        letter()
            .header("Content-Language", "de, en")
            .header("Content-Description", "Gr\u{fc}\u{df}e")
            .header("Content-Location", "https://example.com/a")
            .text("x")
            .attach(Attachment::bytes("", "x").header("Content-Language", "fr").header("content-location", "b.html")),
    );
    assert_eq!(field(&content, "Content-Language"), "de, en");
    assert_eq!(field(&content, "Content-Description"), "=?utf-8?b?R3LDvMOfZQ==?=");
    assert_eq!(field(&content, "Content-Location"), "https://example.com/a");
    assert!(content.contains("Content-Language: fr\r\ncontent-location: b.html\r\n"), "{content}");
}

#[test]
fn fields_that_a_header_has_once_are_not_given_twice() {
    let part = || Part::text("x").header("Content-Language", "de");
    let problem = |message: Result<Message, mailkit_mime::BuildErrors>| {
        let errors = message.unwrap_err();
        assert_eq!(errors.iter().count(), 1, "{errors}");
        errors.iter().next().unwrap().problem().clone()
    };
    let twice = FieldProblem::GivenTwice { method: None };
    assert_eq!(problem(letter().body(part()).header("content-language", "en").build()), twice);
    let multipart = Part::multipart(MultipartKind::Mixed, [part()]).header("Content-Language", "de");
    assert_eq!(problem(letter().body(multipart.clone()).header("Content-Language", "en").build()), twice);
    assert_eq!(problem(letter().body(part().header("CONTENT-LANGUAGE", "en")).build()), twice);
    assert_eq!(problem(letter().header("Content-Location", "a").header("Content-location", "b").build()), twice);
    assert!(letter().body(multipart).header("X-A", "1").header("X-A", "2").build().is_ok());
    // In the header of a part that stands in a multipart it is another field.
    assert!(letter().text("x").attach_part(part()).header("Content-Language", "en").build().is_ok());
    for (name, value) in [("Content-Language", "fran\u{e7}ais"), ("Content-Location", "https://b\u{fc}cher.example/")] {
        assert_eq!(problem(letter().header(name, value).build()), FieldProblem::NotAscii);
        assert_eq!(problem(letter().body(Part::text("x").header(name, value)).build()), FieldProblem::NotAscii);
    }
}
