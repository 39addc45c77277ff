//! RFC 2231: parameters of any length, in any language.

use mail_parser::{MessageParser, MimeHeaders as _};
use mailkit_mime::{Attachment, Part};

use crate::{letter, written};

/// Writes a value as a parameter and as a file name, and reads both.
fn check(value: &str) -> String {
    let part = Part::new("application/x-stuff", "x").parameter("title", value).name(value);
    let content = written(letter().body(part));
    assert!(content.is_ascii());
    assert!(content.lines().all(|line| line.len() <= 78), "{content}");
    let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
    let content_type = parsed.content_type().unwrap();
    assert_eq!(content_type.attribute("title"), Some(value), "{content}");
    assert_eq!(parsed.content_disposition().unwrap().attribute("filename"), Some(value), "{content}");
    content
}

#[test]
fn section_3_and_section_4_1_the_texts_of_the_examples_read_back() {
    check("ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar");
    check("This is even more ***fun*** isn't it!");
    check("This is ***fun***");
    let long = "a long file name that goes on ".repeat(4);
    assert!(check(long.trim_end()).contains("title*0*=utf-8''a%20long"));
}

#[test]
fn section_3_sections_are_counted_from_zero_without_leading_zeros() {
    let content = check(&"\u{20ac}".repeat(90));
    for number in 0..12 {
        assert_eq!(content.matches(&format!("title*{number}*=")).count(), 1, "{content}");
        assert_eq!(content.matches(&format!("filename*{number}*=")).count(), 1, "{content}");
    }
    assert_eq!(content.matches("utf-8''").count(), 3, "the charset stands in the first section alone");
}

#[test]
fn section_3_values_of_every_length_read_back() {
    for unit in ["x", "x y", "\u{e9}", "\u{20ac}x", "\u{1f600}", "a\"b\\", "%'*"] {
        for length in 1..120 {
            check(format!("v{}v", unit.repeat(length)).as_str());
        }
    }
}

#[test]
fn section_4_every_character_that_means_something_reads_back() {
    for special in (' '..='~').chain(['\u{e9}', '\u{2028}', '\u{feff}', '\u{202e}', '\u{10ffff}']) {
        for value in [format!("a{special}b"), format!("\u{e9}a{special}b")] {
            check(&value);
        }
    }
    for value in ["utf-8''%41", "us-ascii'en'x", "%E9", "=?utf-8?q?x?=", "a\tb", "../../etc/passwd", "C:\\x\\y.txt"] {
        check(value);
    }
}

#[test]
fn section_7_names_of_parameters_have_no_star_quote_or_percent() {
    for name in ["title*", "title*0", "a'b", "a%b", "a b", "", "\u{e9}", "a=b", "a;b", "a\r\nb"] {
        let errors = letter().body(Part::text("x").parameter(name.to_owned(), "x")).build().unwrap_err();
        assert_eq!(errors.iter().next().unwrap().field(), "Content-Type", "{name:?}");
    }
}

#[test]
fn rfc_2183_section_2_dispositions_of_the_examples() {
    for (attachment, wanted) in [
        (Attachment::bytes("genome.jpeg", "x"), "Content-Disposition: attachment; filename=genome.jpeg\r\n"),
        (Attachment::bytes("a b.jpeg", "x"), "Content-Disposition: attachment; filename=\"a b.jpeg\"\r\n"),
        (Attachment::bytes("x.png", "x").inline("x"), "Content-Disposition: inline; filename=x.png\r\n"),
        (Attachment::bytes("", "x"), "Content-Disposition: attachment\r\n"),
    ] {
        let content = written(letter().attach(attachment));
        assert!(content.contains(wanted), "{content}");
    }
}
