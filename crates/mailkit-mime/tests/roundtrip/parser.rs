//! The messages as `mail-parser` reads them.

use mail_parser::{MessageParser, MimeHeaders, PartType};
use mailkit_mime::{BodyKind, Capabilities, Encoded};

use crate::generate::{self, Expected, Leaf};
use crate::lines;

/// How many messages; enough for every branch many times over.
pub(crate) const MESSAGES: u64 = 10_000;

#[test]
fn ten_thousand_random_messages_are_read_back_equal() {
    for seed in 0..MESSAGES {
        let (message, expected) = generate::message(seed);
        let server = [
            Capabilities::default(),
            Capabilities { eight_bit: true, ..Capabilities::default() },
            Capabilities { binary: true, ..Capabilities::default() },
        ][usize::try_from(seed % 3).unwrap()];
        check(seed, &message.encode(server).unwrap(), &expected);
    }
}

fn check(seed: u64, encoded: &Encoded, expected: &Expected) {
    let content = encoded.to_bytes().unwrap();
    assert_eq!(encoded.size(), Some(content.len() as u64), "seed {seed}");
    match encoded.body() {
        BodyKind::SevenBit => assert!(content.is_ascii(), "seed {seed}"),
        BodyKind::EightBit => assert!(!content.is_ascii(), "seed {seed}"),
        BodyKind::Binary => {}
    }
    if encoded.body() != BodyKind::Binary {
        lines::check(&content);
    }
    let parsed = MessageParser::new().parse(&content[..]).unwrap();
    assert_eq!(parsed.subject(), Some(expected.subject.as_str()), "seed {seed}");
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some(expected.from_name.as_str()), "seed {seed}");
    let to: Vec<_> = parsed.to().unwrap().iter().map(|to| (to.name().unwrap(), to.address().unwrap())).collect();
    let wanted: Vec<_> = expected.to.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
    assert_eq!(to, wanted, "seed {seed}");
    let mut leaves = Vec::new();
    collect(&parsed, &mut leaves);
    let wanted: Vec<_> = expected.leaves.iter().map(comparable).collect();
    assert_eq!(leaves.len(), wanted.len(), "seed {seed}");
    for (found, wanted) in leaves.iter().zip(&wanted) {
        assert_eq!(found, wanted, "seed {seed}");
    }
}

fn comparable(leaf: &Leaf) -> Leaf {
    let mut leaf = leaf.clone();
    if leaf.is_text {
        let text = String::from_utf8(leaf.bytes).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        leaf.bytes = text.strip_suffix('\n').unwrap_or(&text).as_bytes().to_vec();
    }
    leaf
}

fn collect(message: &mail_parser::Message<'_>, leaves: &mut Vec<Leaf>) {
    for part in &message.parts {
        let bytes = match &part.body {
            PartType::Multipart(_) => continue,
            PartType::Message(inner) => {
                collect(inner, leaves);
                continue;
            }
            PartType::Text(text) | PartType::Html(text) => text.as_bytes().to_vec(),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => bytes.to_vec(),
        };
        let Some(content_type) = part.content_type() else {
            continue; // no body at all
        };
        let kind = content_type.ctype();
        leaves.push(comparable(&Leaf {
            content_type: format!("{kind}/{}", content_type.subtype().unwrap()),
            name: part.attachment_name().map(ToOwned::to_owned),
            content_id: part.content_id().map(ToOwned::to_owned),
            is_text: kind == "text",
            bytes,
        }));
    }
}
