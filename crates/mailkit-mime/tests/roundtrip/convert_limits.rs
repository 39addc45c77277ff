//! Conversions at the limits of the formats: long lines, broken quoted-printable, messages that are cut off.

use std::sync::Arc;

use mailkit_mime::{BodyKind, Capabilities, ContentSource, Encoded};

use crate::convert::converted;

const SEVEN_BIT: Capabilities = Capabilities { eight_bit: false, binary: false, smtp_utf8: false };
const EIGHT_BIT: Capabilities = Capabilities { eight_bit: true, binary: false, smtp_utf8: false };

fn text(eml: &str, server: Capabilities) -> String {
    let content = converted(eml.as_bytes(), server).unwrap().encoded.to_bytes().unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

/// The header field of this name without its folds and blanks.
fn field(content: &str, name: &str) -> String {
    let at = content.find(&format!("{name}:")).unwrap();
    let mut lines = content[at..].split("\r\n");
    let first = lines.next().unwrap();
    let rest = lines.take_while(|line| line.starts_with([' ', '\t']));
    std::iter::once(first).chain(rest).collect::<String>().replace([' ', '\t'], "")
}

#[test]
fn rfc_5322_section_2_1_1_a_long_field_without_blanks_is_folded_between_its_items() {
    let list = |item: &dyn Fn(usize) -> String, sign: &str| (0..200).map(item).collect::<Vec<_>>().join(sign);
    let addresses = list(&|number| format!("user{number}@example.org"), ",");
    for (name, value) in [
        ("To", addresses.clone()),
        ("Cc", format!("Friends:{addresses};")),
        ("References", list(&|number| format!("<{number}@example.org>"), "")),
        ("List-Unsubscribe", format!("<https://example.org/{}>", "x".repeat(1500))),
        ("Received", format!("from a by b {}a{}; Mon, 1 Jan 2024 00:00:00 +0000", "(".repeat(600), ")".repeat(600))),
        ("Subject", format!("a{}b", " ".repeat(2000))),
        ("Content-Disposition", format!("inline; filename*=utf-8''{}", "x".repeat(600))),
    ] {
        let content = text(&format!("{name}: {value}\r\n\r\n\u{e9}\r\n"), SEVEN_BIT);
        assert!(content.lines().all(|line| line.len() <= 998), "{name}");
        assert_eq!(field(&content, name), format!("{name}:{}", value.replace(' ', "")));
    }
}

#[test]
fn a_long_value_that_is_encoded_already_is_cut_into_sections() {
    let value = "%C3%A9".repeat(300);
    let content = text(&format!("Content-Disposition: a; filename*=utf-8''{value}\u{e9}\r\n\r\nx\r\n"), SEVEN_BIT);
    assert!(content.lines().all(|line| line.len() <= 76 && !line.ends_with("%C;")), "{content}");
    let field = field(&content, "Content-Disposition");
    let sections = field.split(';').skip(1).map(|section| section.split_once("*=").unwrap().1);
    assert_eq!(sections.collect::<String>(), format!("utf-8''{value}%C3%A9"));
}

#[test]
fn mended_quoted_printable_gets_no_boundary_and_no_escape_that_it_did_not_have() {
    for length in 60..90 {
        let broken = format!("{}--b\r\n=\u{e9}==C3=A9{}\r\n", "x".repeat(length), "y".repeat(1000));
        let eml = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             {broken}--b--\r\n"
        );
        let content = text(&eml, SEVEN_BIT);
        assert_eq!(content.lines().filter(|line| *line == "--b").count(), 1, "{content}");
        assert!(content.contains("\r\n=3D=C3=A9==C3=A9y"), "{content}");
    }
}

#[test]
fn a_header_that_is_cut_off_keeps_its_last_field_apart_from_those_that_are_added() {
    #[derive(Debug)]
    struct Cut(&'static str);
    impl ContentSource for Cut {
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Ok(Box::new(self.0.as_bytes()))
        }
    }
    let source = Arc::new(Cut("Subject: \u{e9}\r\nContent-Type: text/html"));
    let conversion = Encoded::stored(source, None, BodyKind::SevenBit, true).convert(SEVEN_BIT, &[]).unwrap();
    let wanted = "Subject: =?utf-8?q?=C3=A9?=\r\nContent-Type: text/html\r\nMIME-Version: 1.0\r\n";
    assert_eq!(conversion.encoded.to_bytes().unwrap(), wanted);
}

#[test]
fn text_in_a_report_that_is_no_field_is_not_lost() {
    let eml = "Subject: \u{e9}\r\nMIME-Version: 1.0\r\nContent-Type: message/delivery-status\r\n\r\nfree \u{e9}\r\n";
    assert!(text(eml, EIGHT_BIT).ends_with("\r\n\r\nfree \u{e9}\r\n"), "a server with 8BITMIME takes it as it is");
    assert!(text(eml, SEVEN_BIT).ends_with("\r\n\r\nfree =?utf-8?q?=C3=A9?=\r\n"));
}
