//! Finished messages for servers that take 7-bit content: what a reader finds is the same before and after.

use std::path::Path;
use std::process::Command;

use mail_parser::{HeaderValue, MessageParser, MimeHeaders, PartType};
use mailkit_mime::{Capabilities, Conversion, ConvertError, Message};

use crate::raw;

const MESSAGES: u64 = 800;

const EVERYTHING: Capabilities = Capabilities { eight_bit: true, binary: false, smtp_utf8: true };
const NOTHING: Capabilities = Capabilities { eight_bit: false, binary: false, smtp_utf8: false };

pub(crate) fn converted(eml: &[u8], server: Capabilities) -> Result<Conversion, ConvertError> {
    let envelope = mailkit_address::Envelope::new(
        mailkit_address::Address::parse("a@example.com").unwrap(),
        vec![mailkit_address::Address::parse("b@example.org").unwrap()],
    );
    let message = Message::from_eml(eml.to_vec(), Some(envelope.unwrap())).unwrap();
    message.encode(EVERYTHING).unwrap().convert(server, &[])
}

fn text(eml: &str) -> String {
    let conversion = converted(eml.as_bytes(), NOTHING).unwrap();
    let content = conversion.encoded.to_bytes().unwrap();
    assert_eq!(conversion.encoded.size(), Some(content.len() as u64));
    String::from_utf8(content.to_vec()).unwrap()
}

#[derive(Debug, PartialEq)]
struct Leaf {
    content_type: Option<String>,
    name: Option<String>,
    length: usize,
    text: String,
}

fn tree(message: &mail_parser::Message<'_>, found: &mut (Vec<String>, Vec<Leaf>)) {
    for part in &message.parts {
        let bytes = match &part.body {
            PartType::Multipart(parts) => format!("{} parts", parts.len()).into_bytes(),
            PartType::Message(inner) => {
                tree(inner, found);
                continue;
            }
            PartType::Text(text) | PartType::Html(text) => text.as_bytes().to_vec(),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => bytes.to_vec(),
        };
        let content_type = part.content_type();
        let content_type = content_type.map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()));
        let name = part.attachment_name().map(ToOwned::to_owned);
        let text = bytes.escape_ascii().to_string();
        found.1.push(Leaf { content_type, name, length: bytes.len(), text });
    }
    let names = |value: Option<&mail_parser::Address<'_>>| {
        let all = value
            .iter()
            .flat_map(|value| value.iter())
            .map(|address| format!("{:?} {:?}", address.name(), address.address));
        all.collect::<Vec<_>>().join(", ").replace("b\u{fc}cher", "xn--bcher-kva")
    };
    found.0.extend([message.subject().unwrap_or_default().to_owned(), names(message.from()), names(message.to())]);
    let received = message.header("Received").is_none_or(|value| !matches!(value, HeaderValue::Empty));
    assert!(received, "Received is still read");
}

#[test]
fn random_messages_have_the_same_tree_before_and_after() {
    for seed in 0..MESSAGES {
        let before = raw::message(seed);
        let conversion = converted(&before, NOTHING).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let after = conversion.encoded.to_bytes().unwrap();
        assert_eq!(conversion.encoded.size(), Some(after.len() as u64), "seed {seed}");
        assert!(after.is_ascii(), "seed {seed}");
        assert!(after.split(|byte| *byte == b'\n').all(|line| line.len() <= 999), "seed {seed}");
        let (mut wanted, mut found) = Default::default();
        // The reader itself breaks on a few of them.
        let Ok(parsed) = std::panic::catch_unwind(|| MessageParser::new().parse(&before).unwrap()) else { continue };
        tree(&parsed, &mut wanted);
        tree(&MessageParser::new().parse(&after[..]).unwrap(), &mut found);
        assert_eq!(found.0, wanted.0, "seed {seed}");
        assert_eq!(found.1.len(), wanted.1.len(), "seed {seed}");
        for (found, wanted) in found.1.iter().zip(&wanted.1) {
            assert_eq!(found, wanted, "seed {seed}");
        }
        // It is finished: nothing is left to convert.
        assert_eq!(converted(&after, NOTHING).unwrap().encoded.to_bytes().unwrap(), after, "seed {seed}");
    }
}

#[test]
fn real_python_finds_the_same_tree_before_and_after() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("MAILKIT_REQUIRE_REAL").is_none(), "python3 is required and missing");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..MESSAGES {
        let before = raw::message(seed);
        let after = converted(&before, NOTHING).unwrap().encoded.to_bytes().unwrap();
        std::fs::write(folder.path().join(format!("{seed}.before.eml")), before).unwrap();
        std::fs::write(folder.path().join(format!("{seed}.after.eml")), after).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/same_tree.py");
    let output = Command::new("python3").arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("{MESSAGES} messages are equal"));
}

#[test]
fn rfc_2046_section_5_2_1_a_message_within_is_encoded_in_its_parts_only() {
    let eml = "Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
               Subject: Gr\u{fc}\u{df}e\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
               sch\u{f6}n\r\n";
    let wanted = "Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
                  Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\nsch=C3=B6n\r\n";
    assert_eq!(text(eml), wanted);
}

#[test]
fn what_was_signed_or_encrypted_passes_octet_by_octet_or_stands_against_the_conversion() {
    for kind in [
        "multipart/signed; protocol=\"application/pgp-signature\"; boundary=s",
        "multipart/encrypted; boundary=s",
        "application/pkcs7-mime; smime-type=signed-data",
        "application/x-pkcs7-signature",
        "application/pgp-encrypted",
    ] {
        let sealed = |inside: &str| {
            format!(
                "Subject: \u{e9}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
                 Content-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--s\r\nContent-Type:  text/plain\r\n\r\n{inside}\r\n--s--\r\n\
                 --m\r\nContent-Type: text/plain\r\n\r\n\u{e9}\r\n--m--\r\n"
            )
        };
        let untouched = sealed("inside ");
        let part = untouched.split("--m\r\n").nth(1).unwrap();
        assert!(text(&untouched).contains(part), "{kind}");
        let error = converted(sealed("\u{e9}").as_bytes(), NOTHING).unwrap_err();
        assert!(matches!(error, ConvertError::Untouchable(_)), "{kind}: {error}");
        assert!(error.to_string().contains("8BITMIME"), "{error}");
        // With 8BITMIME only the headers stand in the way.
        let server = Capabilities { eight_bit: true, ..NOTHING };
        let content = converted(sealed("\u{e9}").as_bytes(), server).unwrap().encoded.to_bytes().unwrap();
        assert!(content.starts_with(b"Subject: =?utf-8?") && content.ends_with("\r\n\u{e9}\r\n--m--\r\n".as_bytes()));
    }
}

#[test]
fn the_header_of_a_signed_message_is_converted_but_for_the_fields_of_its_content() {
    let eml = "Subject: \u{e9}\r\nContent-Type: multipart/signed; boundary=s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--s\r\n\r\na\r\n--s--\r\n";
    assert_eq!(
        text(eml),
        "Subject: =?utf-8?q?=C3=A9?=\r\nContent-Type: multipart/signed; boundary=s\r\nContent-Transfer-Encoding: 8bit\r\n\
         MIME-Version: 1.0\r\n\r\n--s\r\n\r\na\r\n--s--\r\n"
    );
}

#[test]
fn hand_made_samples_are_converted_as_their_kind_asks() {
    for (eml, wanted) in [
        // A missing encoding, an unknown one, and one of 7 bits that lies.
        (
            "A: b\r\n\r\n\u{e9}\r\n",
            "A: b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n",
        ),
        (
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-none\r\nContent-Type: image/x\r\n\r\n\u{e9}\u{e9}\r\n",
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\nContent-Type: image/x\r\n\r\nw6nDqQ0K\r\n",
        ),
        // Parts in a digest are messages though they do not say so.
        (
            "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: \u{e9}\r\n\r\nplain\r\n--d--\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\r\nplain\r\n--d--\r\n",
        ),
        // A delivery report is in fields.
        (
            "MIME-Version: 1.0\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nDiagnostic-Code: smtp; 550 zu gro\u{df}\r\n",
            "MIME-Version: 1.0\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nDiagnostic-Code: smtp; 550 zu =?utf-8?q?gro=C3=9F?=\r\n",
        ),
        // What lies elsewhere is described by a header.
        (
            "MIME-Version: 1.0\r\nContent-Type: message/external-body; access-type=x\r\n\r\nContent-Type: text/plain\r\nContent-Description: \u{e9}\r\n\r\n",
            "MIME-Version: 1.0\r\nContent-Type: message/external-body; access-type=x\r\n\r\nContent-Type: text/plain\r\nContent-Description: =?utf-8?q?=C3=A9?=\r\n\r\n",
        ),
        // Octets in an encoding that knows none.
        (
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=20\u{e9}=\r\n\r\n",
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=20=C3=A9=\r\n\r\n",
        ),
        // A multipart whose boundary never comes has a body.
        (
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\u{e9}\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64\r\n\r\nw6kNCg==\r\n",
        ),
    ] {
        assert_eq!(text(eml), wanted);
    }
}

#[test]
fn rfc_5322_section_2_1_1_texts_outside_the_parts_have_no_longer_lines_than_others() {
    let long = "x".repeat(20_000);
    let content = text(&format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\u{e9}{long}\r\n{long}\r\n\r\n--b\r\n\r\n\u{e9}\r\n--b--\r\n{long}\0{long}\r\n."
    ));
    let lengths: Vec<_> = content.lines().map(str::len).filter(|length| *length > 100).collect();
    assert_eq!(lengths, [998; 3]);
    assert!(content.ends_with("\r\n.\r\n") && !content.contains('\0'));
}

#[test]
fn signatures_of_own_domains_are_left_out_and_others_are_named() {
    let eml = "DKIM-Signature: v=1; d=example.com; b=a\r\nDKIM-Signature: v=1; d=Other.example; b=a\r\nA: b\r\n\r\n\u{e9}\r\n";
    let message = Message::from_eml(format!("From: a@example.com\r\nTo: b@example.org\r\n{eml}"), None).unwrap();
    let own = [mailkit_address::Domain::parse("example.com").unwrap()];
    let conversion = message.encode(EVERYTHING).unwrap().convert(NOTHING, &own).unwrap();
    assert_eq!(
        (conversion.unsigned, conversion.broken),
        (vec!["example.com".to_owned()], vec!["other.example".to_owned()])
    );
    let content = String::from_utf8(conversion.encoded.to_bytes().unwrap().to_vec()).unwrap();
    assert!(!content.contains("d=example.com") && content.contains("d=Other.example"), "{content}");
}

#[test]
fn an_attached_message_of_8_bits_is_converted_within_a_message_that_was_built() {
    let inner = Message::from_eml("From: a@x\r\nTo: b@y\r\nSubject: \u{e9}\r\n\r\n\u{e9}\r\n", None).unwrap();
    let stamps = mailkit_mime::Stamps::new(time::OffsetDateTime::UNIX_EPOCH, 1);
    let message = Message::builder(stamps).from("a@x").to("b@y").text("hi").attach_message(&inner).build().unwrap();
    let conversion = message.encode(EVERYTHING).unwrap().convert(NOTHING, &[]).unwrap();
    let content = String::from_utf8(conversion.encoded.to_bytes().unwrap().to_vec()).unwrap();
    assert!(content.contains("\r\nSubject: =?utf-8?q?=C3=A9?=\r\n") && content.contains("\r\n=C3=A9\r\n"), "{content}");
}

#[test]
fn a_boundary_cannot_come_into_being_where_a_line_is_broken() {
    for length in 60..90 {
        let body = format!("{}\u{e9}{}--b", "x".repeat(length), "y".repeat(80 - length % 7));
        let eml = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{body}\r\n--b--\r\n"
        );
        let content = text(&eml);
        assert_eq!(content.lines().filter(|line| *line == "--b").count(), 1, "{content}");
    }
}
