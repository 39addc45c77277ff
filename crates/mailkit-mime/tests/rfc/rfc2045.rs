//! RFC 2045: the format of bodies.

use mailkit_mime::{Attachment, BodyKind, Capabilities, Part};
use quoted_printable::ParseMode;

use crate::{body, field, letter, written};

/// Text that has to be encoded as quoted-printable, and its lines as they go out.
fn quoted(text: &str) -> Vec<String> {
    let content = written(letter().text(text));
    assert_eq!(field(&content, "Content-Transfer-Encoding"), "quoted-printable", "{text:?}");
    let encoded = body(&content);
    let read = quoted_printable::decode(encoded, ParseMode::Strict).unwrap();
    let wanted = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    // A body by itself ends a line.
    let wanted = if wanted.ends_with("\r\n") { wanted } else { wanted + "\r\n" };
    assert_eq!(String::from_utf8(read).unwrap(), wanted);
    encoded.strip_suffix("\r\n").unwrap().split("\r\n").map(str::to_owned).collect()
}

#[test]
fn section_2_7_to_2_9_what_7bit_8bit_and_binary_are() {
    let eight = Capabilities { eight_bit: true, ..Capabilities::default() };
    let longest = "x".repeat(998);
    let (too_long, raw_nul) = ("\u{e9}".repeat(500), "\u{e9}\0");
    for (text, seven_bit, eight_bit) in [
        ("plain\n", "7bit", BodyKind::SevenBit),
        (longest.as_str(), "7bit", BodyKind::SevenBit),
        (&"x".repeat(999), "quoted-printable", BodyKind::SevenBit),
        ("Gr\u{fc}\u{df}e an alle im Norden", "quoted-printable", BodyKind::EightBit),
        (&too_long, "base64", BodyKind::SevenBit),
        (raw_nul, "base64", BodyKind::SevenBit),
        ("a\0b in a long line", "quoted-printable", BodyKind::SevenBit),
    ] {
        let content = written(letter().text(text));
        assert_eq!(field(&content, "Content-Transfer-Encoding"), seven_bit, "{text:?}");
        let encoded = letter().text(text).build().unwrap().encode(eight).unwrap();
        assert_eq!(encoded.body(), eight_bit, "{text:?}");
        let bytes = encoded.to_bytes().unwrap();
        assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999 && !line.contains(&0)), "{text:?}");
    }
}

#[test]
fn section_4_and_5_every_message_with_a_body_says_its_version_type_and_encoding() {
    for builder in [letter().text("x"), letter().html("x"), letter().attach(Attachment::bytes("x", "x"))] {
        let content = written(builder);
        assert_eq!(field(&content, "MIME-Version"), "1.0");
        assert!(!field(&content, "Content-Type").is_empty());
    }
    assert_eq!(field(&written(letter().text("x")), "Content-Type"), "text/plain; charset=utf-8");
}

#[test]
fn section_5_1_what_is_no_token_is_quoted() {
    for (value, wanted) in [
        ("us-ascii", "v=us-ascii"),
        ("a b", "v=\"a b\""),
        ("a;b", "v=\"a;b\""),
        ("a\"b", "v=\"a\\\"b\""),
        ("a\\b", "v=\"a\\\\b\""),
        ("a/b", "v=\"a/b\""),
        ("a=b", "v=\"a=b\""),
        ("", "v=\"\""),
    ] {
        let content = written(letter().body(Part::text_as("text/x", "x").parameter("v", value)));
        assert_eq!(field(&content, "Content-Type"), format!("text/x; {wanted}"));
    }
}

#[test]
fn section_6_7_rules_1_and_2_every_byte_that_is_not_printable_is_escaped_in_capitals() {
    for code in (0..=0xff).filter(|code| !matches!(code, 0x0a | 0x0d)) {
        let character = char::from(code);
        let lines = quoted(&format!("the bell \x07 and {character} in a long line of text"));
        let escapes = |line: &str| line.split('=').skip(1).map(|rest| rest[..2].to_owned()).collect::<Vec<_>>();
        let found = escapes(&lines.concat());
        let mut bytes = [0; 4];
        let plain = matches!(code, b'\t' | b' '..=b'~') && code != b'=';
        let more = if plain { 0 } else { character.encode_utf8(&mut bytes).len() };
        assert_eq!(found.len(), 1 + more, "{code:#x}: {lines:?}");
        assert!(found.iter().all(|digits| digits.bytes().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F'))));
    }
}

#[test]
fn section_6_7_rule_3_no_line_ends_in_a_blank() {
    for blanks in [" ", "\t", "  ", "\t ", " \t \t"] {
        for text in [
            format!("\x07 text{blanks}"),
            format!("\x07{blanks}\nmore text"),
            format!("{blanks}\n{blanks}\n\x07 more text"),
            format!("{}\x07{blanks}\nand more", "x".repeat(72)),
        ] {
            assert!(quoted(&text).iter().all(|line| !line.ends_with([' ', '\t'])), "{text:?}");
        }
    }
}

#[test]
fn section_6_7_rule_4_line_ends_of_the_text_are_line_ends() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("one \x07{end}two{end}{end}three{end}");
        assert_eq!(quoted(&text), ["one =07", "two", "", "three"]);
    }
}

#[test]
fn section_6_7_rule_5_lines_have_76_characters_at_most_and_no_escape_is_cut() {
    for start in 0..90 {
        for unit in ["x", "= ", "\u{e9}x", ". "] {
            let text = format!("\x07{}{}", "y".repeat(start), unit.repeat(60));
            if written(letter().text(&text)).contains("base64") {
                continue;
            }
            for line in quoted(&text) {
                assert!(line.len() <= 76, "{line}");
                let end = line.strip_suffix('=').unwrap_or(&line);
                assert!(!end.ends_with('=') && end.rfind('=').is_none_or(|at| at + 3 <= end.len()), "{line}");
            }
        }
    }
}

#[test]
fn section_6_8_base64_has_76_characters_a_line_and_the_padding_of_the_examples() {
    use base64::Engine as _;
    for length in 0..400 {
        let bytes: Vec<u8> = (0..=255).cycle().skip(length).take(length).collect();
        let content = written(letter().body(Part::new("application/x", bytes.clone())));
        let lines: Vec<&str> = body(&content).strip_suffix("\r\n").unwrap_or_default().split("\r\n").collect();
        assert!(lines.iter().rev().skip(1).all(|line| line.len() == 76), "{length}");
        assert!(lines.iter().all(|line| line.len() <= 76), "{length}");
        let joined = lines.concat();
        assert_eq!(joined.bytes().filter(|byte| *byte == b'=').count(), [0, 2, 1][length % 3]);
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(joined).unwrap(), bytes);
    }
}

#[test]
fn section_7_content_id_is_an_identifier_in_brackets() {
    for (given, wanted) in [("logo", "<logo>"), ("<a@example.com>", "<a@example.com>"), ("a$b@c", "<a$b@c>")] {
        let content = written(letter().body(Part::text("x").content_id(given)));
        assert_eq!(field(&content, "Content-ID"), wanted);
    }
    for given in ["", "<>", "a b", "a>b", "a\r\nBcc: x", "\u{e9}", "a\0", &"x".repeat(901)] {
        let errors = letter().body(Part::text("x").content_id(given)).build().unwrap_err();
        assert_eq!(errors.iter().next().unwrap().field(), "Content-ID", "{given:?}");
    }
}
