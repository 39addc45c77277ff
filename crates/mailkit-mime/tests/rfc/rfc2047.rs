//! RFC 2047: text beyond ASCII in header fields.

use mail_parser::MessageParser;

use crate::{field, letter, written};

/// What stands between the frames of each encoded word, and its encoding.
fn words(value: &str) -> Vec<(char, String)> {
    let framed = value.split(' ').filter_map(|word| word.strip_prefix("=?utf-8?")?.strip_suffix("?="));
    framed
        .map(|inner| inner.split_once('?').unwrap())
        .map(|(kind, text)| (kind.parse().unwrap(), text.into()))
        .collect()
}

fn subject(text: &str) -> String {
    let content = written(letter().subject(text));
    let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
    assert_eq!(parsed.subject().unwrap_or_default(), text);
    content
}

#[test]
fn section_8_the_texts_of_the_examples_read_back() {
    for name in [
        "Keith Moore",
        "Keld J\u{f8}rn Simonsen",
        "Andr\u{e9} Pirard",
        "Olle J\u{e4}rnefors",
        "Patrik F\u{e4}ltstr\u{f6}m",
        "Nathaniel Borenstein (\u{5dd}\u{5d5}\u{5dc}\u{5e9} \u{5df}\u{5d1} \u{5d9}\u{5dc}\u{5d8}\u{5e4}\u{5e0})",
    ] {
        let content = written(letter().reply_to(format!("\"{name}\" <moore@cs.utk.edu>")));
        assert!(content.is_ascii());
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        let found = parsed.reply_to().unwrap().first().unwrap();
        assert_eq!((found.name(), found.address()), (Some(name), Some("moore@cs.utk.edu")));
        subject(name);
    }
    for text in [
        "If you can read this you understand the example.",
        "RE: Aktivit\u{e4}t \u{2014} (\u{e1}) (\u{e1} b) (\u{e1}\u{e9}) (\u{e1} \u{e9}) (\u{e1}  \u{e9}) (\u{e1}_\u{e9})",
        "ISO-8859-1 =?ISO-8859-1?Q?a?= and =?ISO-8859-1?Q?b?=",
        "\u{e1} \u{e9}  \u{ed}",
        " \u{e1} ",
        "=?",
        "a =?b ?= c",
    ] {
        subject(text);
    }
}

#[test]
fn section_2_a_word_has_75_characters_at_most_its_line_76_and_no_blank_inside() {
    for length in 1..200 {
        for character in ["\u{e9}", "\u{20ac}", "\u{1f600}", "\u{e9}xxxx", "x x\u{e9}"] {
            let content = subject(&character.repeat(length));
            for line in content.lines().filter(|line| line.contains("=?")) {
                assert!(line.len() <= 76, "{line}");
                assert!(line.split(' ').all(|word| word.len() <= 75), "{line}");
            }
        }
    }
}

#[test]
fn section_3_and_section_5_a_word_is_whole_by_itself_in_characters() {
    for start in 0..80 {
        let text = format!("{}{}", "x".repeat(start), "\u{1f600}\u{e9}\u{20ac}".repeat(30));
        for (kind, inner) in words(&field(&subject(&text), "Subject")) {
            assert_decodes(kind, &inner);
        }
    }
}

fn assert_decodes(kind: char, inner: &str) -> String {
    use base64::Engine as _;
    let bytes = match kind {
        'b' => base64::engine::general_purpose::STANDARD.decode(inner).expect("whole groups of four (section 4.1)"),
        _ => quoted_printable::decode(inner.replace('_', "=20"), quoted_printable::ParseMode::Strict).unwrap(),
    };
    String::from_utf8(bytes).expect("no character is cut in two")
}

#[test]
fn section_4_the_shorter_encoding_is_taken() {
    for (text, kind) in [("internationalis\u{e9} words", 'q'), ("\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}", 'b')] {
        let value = field(&subject(text), "Subject");
        assert!(words(&value).iter().all(|(found, _)| *found == kind), "{value}");
    }
}

#[test]
fn section_4_2_what_q_writes_as_it_is() {
    // (1) any byte as =XX in capitals; (2) a blank as _; (3) printable ASCII but =, ? and _.
    for character in ('\0'..='\u{ff}').filter(|character| !character.is_control()) {
        let text = format!("internationalis\u{e9}{character}internationalis\u{e9}");
        for (kind, inner) in words(&field(&subject(&text), "Subject")) {
            assert_eq!(kind, 'q');
            assert!(inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?'), "{inner}");
            let escapes = inner.split('=').skip(1);
            escapes.for_each(|rest| assert!(rest[..2].bytes().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F'))));
        }
    }
}

#[test]
fn section_5_3_a_word_in_a_phrase_has_few_characters_and_stands_apart() {
    for special in "()<>@,;:\\\".[]!#$%&'*+-/=?^_`{|}~ ".chars() {
        let name = format!("J\u{fc}rgen{special}x");
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let content = written(letter().cc(format!("\"{quoted}\" <j@example.org>, \"Team {quoted}\": k@example.org;")));
        let value = field(&content, "Cc");
        for (kind, inner) in words(&value) {
            let passes = |byte: u8| byte.is_ascii_alphanumeric() || b"!*+-/=_".contains(&byte);
            assert!(kind == 'b' || inner.bytes().all(passes), "{inner}");
        }
        assert!(!value.contains('"'), "no word in a quoted string: {value}");
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.cc().unwrap().first().unwrap().name(), Some(name.as_str()));
    }
}

#[test]
fn section_5_no_word_stands_in_an_address_or_a_parameter() {
    let part = mailkit_mime::Attachment::bytes("na\u{ef}ve =?utf-8?q?x?=.txt", "x");
    let content = written(letter().cc("j@b\u{fc}cher.example").in_reply_to("<=?x?@a>").attach(part));
    assert_eq!(field(&content, "Cc"), "j@xn--bcher-kva.example");
    assert!(!content.contains("=?utf-8"), "{content}");
}

#[test]
fn section_6_2_blanks_between_two_words_vanish_and_all_others_stay() {
    for text in [
        "\u{e9} \u{e9}",
        "\u{e9}  \u{e9}",
        "\u{e9} x \u{e9}",
        "x \u{e9} x",
        "x  \u{e9}  x",
        "\u{e9} ",
        " \u{e9}",
        "  ",
        " x",
        "x ",
        "\t",
        "x\ty",
        "\u{e9}\t",
        "x   y",
        "\u{a0}",
        "\u{3000}x",
        "\u{2028}",
        "\u{feff}x",
    ] {
        let content = written(letter().subject(text).text("x"));
        let parsed = MessageParser::new().parse(content.as_bytes()).unwrap();
        assert_eq!(parsed.subject(), Some(text), "{content}");
    }
}
