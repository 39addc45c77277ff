//! RFC 2049: conformance, and the road from text to canonical form.

use mail_parser::{MessageParser, MimeHeaders as _};
use mailkit_mime::{MultipartKind, Part};

use crate::{body, field, letter, written};

#[test]
fn section_3_what_gateways_damage_is_not_sent_as_it_is() {
    for text in [
        "From here on: caf\u{e9}\nFrom there\n",
        ".\n..\n.x caf\u{e9} and more text\n",
        "trailing blanks of a caf\u{e9} \t \n \n",
        "line ends\rof a caf\u{e9}\nof all kinds\r\n",
    ] {
        let content = written(letter().text(text));
        for line in body(&content).split("\r\n") {
            assert!(!line.starts_with("From ") && line != "." && !line.ends_with([' ', '\t']), "{content}");
            assert!(line.len() <= 76, "{content}");
        }
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        let wanted = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), wanted);
    }
}

#[test]
fn section_4_text_is_made_canonical_before_it_is_encoded() {
    use base64::Engine as _;
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}{end}\u{432}\u{441}\u{435}\u{43c}{end}");
        let content = written(letter().text(text));
        assert_eq!(field(&content, "Content-Transfer-Encoding"), "base64");
        let decoded = base64::engine::general_purpose::STANDARD.decode(body(&content).replace("\r\n", "")).unwrap();
        assert_eq!(
            String::from_utf8(decoded).unwrap(),
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}\r\n\u{432}\u{441}\u{435}\u{43c}\r\n"
        );
    }
}

#[test]
fn section_4_octets_are_not_made_canonical() {
    let bytes = b"\n\r\r\n.\r\n\0From \xff".to_vec();
    let content = written(letter().body(Part::new("application/x", bytes.clone())));
    assert_eq!(MessageParser::new().parse(content.as_bytes()).unwrap().part(0).unwrap().contents(), bytes);
}

#[test]
fn appendix_a_the_structure_of_the_example_reads_back() {
    let inner =
        letter().subject("(subject in US-ASCII)").text("Additional text in ISO-8859-1 goes here: \u{e9}").build();
    let parallel = [Part::new("audio/basic", "audio"), Part::new("image/jpeg", "picture")];
    let content = written(letter().subject("A multipart example").body(Part::multipart(
        MultipartKind::Mixed,
        [
            Part::text("Some text appears here\n"),
            Part::text("This could have been part of the previous part."),
            Part::multipart(MultipartKind::Mixed, parallel),
            Part::text_as("text/enriched; charset=utf-8", "This is <bold><italic>enriched.</italic></bold>\n"),
            Part::message(&inner.unwrap()),
        ],
    )));
    let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
    let types: Vec<_> = parsed.parts.iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(types, ["mixed", "plain", "plain", "mixed", "basic", "jpeg", "enriched", "rfc822"]);
    let message = parsed.parts.last().unwrap().message().unwrap();
    assert_eq!(message.subject(), Some("(subject in US-ASCII)"));
    assert_eq!(message.body_text(0).unwrap().trim_end(), "Additional text in ISO-8859-1 goes here: \u{e9}");
}
