//! RFC 2046: types of media, and multiparts.

use mail_parser::{MessageParser, MimeHeaders as _};
use mailkit_mime::{Attachment, Capabilities, Message, MultipartKind, Part, Stamps};
use proptest::prelude::*;

use crate::{field, letter, written};

/// The boundaries in their order.
fn boundaries(content: &str) -> Vec<String> {
    content.split("boundary=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn section_4_1_1_line_breaks_of_text_are_crlf() {
    for text in ["a\nb", "a\rb", "a\r\nb", "a\n\rb", "\n", "\r", "a\r"] {
        let content = written(letter().text(text));
        assert!(!content.replace("\r\n", "").contains(['\r', '\n']), "{content:?}");
    }
}

#[test]
fn section_4_5_1_what_is_unknown_is_octets() {
    let content = written(letter().body(Attachment::bytes("a.unknown", "x").into()));
    assert!(field(&content, "Content-Type").starts_with("application/octet-stream"));
}

#[test]
fn section_5_1_1_boundaries_have_70_characters_at_most_of_those_allowed_and_none_starts_another() {
    let parts = (0..30).map(|n| Part::multipart(MultipartKind::Mixed, [Part::text(format!("part {n}"))]));
    let found = boundaries(&written(letter().body(Part::multipart(MultipartKind::Mixed, parts))));
    assert_eq!(found.len(), 31);
    for boundary in &found {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
        assert!((1..=70).contains(&boundary.len()) && boundary.bytes().all(allowed), "{boundary}");
        assert_eq!(found.iter().filter(|other| other.starts_with(boundary.as_str())).count(), 1, "{boundary}");
    }
}

#[test]
fn section_5_1_1_the_line_end_before_a_boundary_belongs_to_it() {
    for text in ["", "no end", "one end\n", "two ends\n\n", "\n", "\n\n"] {
        let content = written(letter().text(text).attach(Attachment::bytes("x", "x")));
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.part(1).unwrap().text_contents().unwrap().replace("\r\n", "\n"), text, "{content}");
    }
}

#[test]
fn section_5_1_1_hostile_content_never_ends_its_part() {
    let number = format!("{:032x}", 0x2a);
    for text in [
        format!("--=_0_{number}"),
        format!("x\n--=_0_{number}--\nBcc: y"),
        format!("\n--=_0_{number}\nContent-Type: text/html\n\n<script>\n"),
        format!("--=_1_{number}\n--=_0_{:032x}\n", 0x2b),
    ] {
        let inner = Part::eml(format!("A: b\n\n{text}"));
        let content = written(letter().text(text.as_str()).html(text.as_str()).attach_part(inner));
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), text);
        assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n"), text);
        assert_eq!(parsed.parts.len(), 5);
    }
}

#[test]
fn section_5_1_3_to_5_1_5_kinds_and_their_order() {
    let inner = letter().subject("Inner").text("x").build().unwrap();
    for (kind, essence) in [
        (MultipartKind::Mixed, "multipart/mixed"),
        (MultipartKind::Alternative, "multipart/alternative"),
        (MultipartKind::Digest, "multipart/digest"),
        (MultipartKind::Report, "multipart/report"),
    ] {
        let content = written(letter().body(Part::multipart(kind, [Part::message(&inner), Part::message(&inner)])));
        assert!(field(&content, "Content-Type").starts_with(&format!("{essence}; boundary=")), "{content}");
    }
    let content = written(letter().html("<p>best").text("plain"));
    assert!(content.find("plain").unwrap() < content.find("<p>best").unwrap(), "the best form is the last");
}

#[test]
fn section_5_2_1_a_message_in_a_message_is_7bit_8bit_or_binary() {
    let inner = letter().text("Gr\u{fc}\u{df}e, in a line that is long enough").build().unwrap();
    let message = letter().attach_message(&inner).build().unwrap();
    for server in [
        Capabilities::default(),
        Capabilities { eight_bit: true, ..Capabilities::default() },
        Capabilities { binary: true, ..Capabilities::default() },
    ] {
        let content = message.encode(server).unwrap().to_bytes().unwrap();
        let parsed = MessageParser::new().parse(&content[..]).unwrap();
        let nested = parsed.parts.iter().find_map(|part| part.message().map(|message| (part, message))).unwrap();
        let token = nested.0.content_transfer_encoding();
        assert!(matches!(token, None | Some("7bit" | "8bit" | "binary")), "{token:?}");
        assert_eq!(nested.1.body_text(0).unwrap().trim_end(), "Gr\u{fc}\u{df}e, in a line that is long enough");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever the parts hold, whatever the server takes: the size is exact, and each part reads back.
    #[test]
    fn any_parts_read_back_in_every_form_and_have_the_size_that_was_told(
        texts in prop::collection::vec("(?s)(--=_[0-9]_|[ -~]{0,90}|\\PC|\\n|\\r|\\x00|From |\\.){0,40}", 1..4),
        bytes in prop::collection::vec(any::<u8>(), 0..300), big in any::<bool>(), unique in any::<u8>(),
    ) {
        let bytes = if big { bytes.repeat(300) } else { bytes };
        let mut parts: Vec<Part> = texts.iter().map(Part::text).collect();
        parts.push(Part::new("application/x", bytes.clone()));
        let message = Message::builder(Stamps::new(time::OffsetDateTime::UNIX_EPOCH, unique.into()))
            .from("ann@example.com").to("bob@example.org").bcc("hidden@example.net")
            .body(Part::multipart(MultipartKind::Mixed, parts)).build().unwrap();
        for number in 0..4 {
            let server = Capabilities { eight_bit: number & 1 != 0, binary: number & 2 != 0, smtp_utf8: false };
            let encoded = message.encode(server).unwrap();
            let content = encoded.to_bytes().unwrap();
            prop_assert_eq!(encoded.size(), Some(content.len() as u64));
            let chunks: Vec<u8> = encoded.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            prop_assert!(chunks == content);
            prop_assert!(!content.windows(6).any(|window| window == b"hidden"));
            let parsed = MessageParser::new().parse(&content[..]).unwrap();
            prop_assert_eq!(parsed.parts.len(), texts.len() + 2);
            for (part, text) in parsed.parts.iter().skip(1).zip(&texts) {
                let wanted = text.replace("\r\n", "\n").replace('\r', "\n");
                prop_assert_eq!(part.text_contents().unwrap().replace("\r\n", "\n"), wanted);
            }
            prop_assert_eq!(parsed.parts.last().unwrap().contents(), &bytes[..]);
        }
    }
}
