//! One message in the forms that different servers take.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use mailkit_mime::{Attachment, BodyKind, Capabilities, EncodeError, Message, MessageBuilder, Part, Stamps};
use time::macros::datetime;

const SEVEN_BIT: Capabilities = Capabilities { eight_bit: false, binary: false, smtp_utf8: false };
const EIGHT_BIT: Capabilities = Capabilities { eight_bit: true, binary: false, smtp_utf8: false };
const BINARY: Capabilities = Capabilities { eight_bit: true, binary: true, smtp_utf8: false };
const UTF8: Capabilities = Capabilities { eight_bit: true, binary: false, smtp_utf8: true };

fn builder() -> MessageBuilder<Stamps> {
    let stamps = Stamps::new(datetime!(2026-11-23 07:03 UTC), 0x2a);
    Message::builder(stamps).from("Ann <ann@example.com>").to("bob@example.org")
}

fn text(message: &Message, server: Capabilities) -> String {
    let encoded = message.encode(server).unwrap();
    let bytes = encoded.to_bytes().unwrap();
    assert_eq!(encoded.size(), Some(bytes.len() as u64));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn ascii_is_the_same_for_every_server() {
    let message = builder().text("a\nb").html("<p>c</p>").build().unwrap();
    for server in [SEVEN_BIT, EIGHT_BIT, BINARY, UTF8] {
        let encoded = message.encode(server).unwrap();
        assert_eq!((encoded.body(), encoded.smtp_utf8()), (BodyKind::SevenBit, false));
        assert_eq!(encoded.to_bytes().unwrap(), message.to_bytes().unwrap());
    }
}

#[test]
fn rfc_2045_section_6_2_text_goes_in_eight_bits_where_the_server_has_them() {
    let message = builder().subject("\u{e9}").text("Gr\u{fc}\u{df}e").build().unwrap();
    assert!(text(&message, SEVEN_BIT).contains("Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n"));
    let eight = text(&message, EIGHT_BIT);
    assert!(eight.ends_with("Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n"), "{eight}");
    assert!(eight.contains("Subject: =?utf-8?b?w6k=?=\r\n"), "{eight}");
    assert_eq!(message.encode(EIGHT_BIT).unwrap().body(), BodyKind::EightBit);
}

#[test]
fn rfc_2045_section_2_8_long_lines_and_nuls_are_encoded_even_then() {
    for line in ["\u{e9}".repeat(500), "\u{e9}\0".to_owned(), "\u{e9}\nFrom here".to_owned()] {
        let message = builder().text(line).build().unwrap();
        assert_eq!(message.encode(EIGHT_BIT).unwrap().body(), BodyKind::SevenBit);
    }
}

#[test]
fn rfc_2045_section_6_4_a_multipart_says_what_is_in_it() {
    let inner = builder().text("\u{e9}").build().unwrap();
    let message = builder().text("plain").attach_message(&inner).build().unwrap();
    assert!(!message.needs_8bit());
    assert_eq!(text(&message, SEVEN_BIT).matches("8bit").count(), 0);
    let eight = text(&message, EIGHT_BIT);
    assert_eq!(eight.matches("Content-Transfer-Encoding: 8bit\r\n").count(), 3, "{eight}");
    assert_eq!(eight.matches("Content-Transfer-Encoding: 7bit\r\n").count(), 1, "{eight}");
}

#[test]
fn rfc_3030_section_3_attachments_go_as_they_are_where_the_server_takes_binary() {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let message = builder().text("\u{e9}").attach(Attachment::bytes("x.bin", bytes.clone())).build().unwrap();
    let encoded = message.encode(BINARY).unwrap();
    assert_eq!(encoded.body(), BodyKind::Binary);
    let content = encoded.to_bytes().unwrap();
    assert!(content.windows(bytes.len()).any(|window| window == bytes));
    assert_eq!(encoded.chunks().map(Result::unwrap).collect::<Vec<_>>().concat(), content);
    assert!(message.encode(EIGHT_BIT).unwrap().size().unwrap() > encoded.size().unwrap() * 5 / 4);

    // By itself it would gain a line end.
    let alone = builder().body(Part::new("application/x", vec![0; 10])).build().unwrap();
    assert_eq!(alone.encode(BINARY).unwrap().body(), BodyKind::SevenBit);
}

#[test]
fn rfc_6531_section_3_1_an_address_beyond_ascii_needs_smtputf8() {
    let message = builder().cc("Zo\u{eb} <zo\u{eb}@example.org>").subject("Gr\u{fc}\u{df}e").build().unwrap();
    assert_eq!(message.encode(BINARY).unwrap_err(), EncodeError::NeedsSmtpUtf8);
    let encoded = message.encode(UTF8).unwrap();
    assert!(encoded.smtp_utf8());
    assert_eq!(encoded.body(), BodyKind::EightBit);
    let text = text(&message, UTF8);
    assert!(text.contains("Cc: Zo\u{eb} <zo\u{eb}@example.org>\r\n"), "{text}");
    assert!(text.contains("Subject: Gr\u{fc}\u{df}e\r\n"), "{text}");

    let hidden = builder().bcc("zo\u{eb}@example.org").subject("\u{e9}").build().unwrap();
    // The transaction needs SMTPUTF8 for that recipient; the message does not.
    let encoded = hidden.encode(UTF8).unwrap();
    assert!(!encoded.smtp_utf8() && hidden.encode(SEVEN_BIT).is_ok());
    assert_eq!(encoded.body(), BodyKind::SevenBit);
}

#[test]
fn rfc_6532_section_3_7_an_attached_message_in_raw_utf8_is_global() {
    let inner = builder().cc("zo\u{eb}@example.org").build().unwrap();
    let message = builder().text("see").attach_message(&inner).build().unwrap();
    assert_eq!(message.encode(SEVEN_BIT).unwrap_err(), EncodeError::NeedsEightBit);
    assert!(text(&message, EIGHT_BIT).contains("Content-Type: message/global\r\n"));
}

#[test]
fn rfc_2046_section_5_2_1_a_finished_message_is_never_encoded() {
    let eml = "From: a@example.com\r\nTo: b@example.org\r\n\r\n\u{e9}\r\n";
    let attached = builder().text("see").attach_eml(eml).build().unwrap();
    let passed = Message::from_eml(eml, None).unwrap();
    for message in [&attached, &passed] {
        assert!(message.needs_8bit());
        assert_eq!(message.encode(SEVEN_BIT).unwrap_err(), EncodeError::NeedsEightBit);
        assert_eq!(message.encode(EIGHT_BIT).unwrap().body(), BodyKind::EightBit);
        assert!(text(message, EIGHT_BIT).contains("\r\n\r\n\u{e9}\r\n"));
    }
    assert!(text(&attached, EIGHT_BIT).contains("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"));
    let words = EncodeError::NeedsEightBit.to_string();
    assert!(words.contains("8BITMIME") && words.contains("attach it as a file"), "{words}");
}

#[test]
fn an_attached_message_keeps_bcc_to_itself() {
    let eml = "From: a@example.com\nBcc: eve@example.net\nTo: b@example.org\n\nBcc: in the body\n";
    for message in [
        builder().attach_eml(eml),
        builder().attach_message(&Message::from_eml(eml, None).unwrap()),
        builder().attach_message(&builder().bcc("eve@example.net").build().unwrap()),
    ] {
        let content = text(&message.build().unwrap(), SEVEN_BIT);
        assert!(!content.contains("eve"), "{content}");
    }
}
