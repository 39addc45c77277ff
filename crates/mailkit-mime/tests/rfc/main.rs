//! Tables of cases from the standards, headed by section. What is written here is read by others: `mail-parser`,
//! `base64`, `quoted_printable`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod reports;
mod rfc2045;
mod rfc2046;
mod rfc2047;
mod rfc2049;
mod rfc2231;
mod rfc5322;
mod unsubscribe;

use mailkit_mime::{Message, MessageBuilder, Stamps};
use time::macros::datetime;

/// A message from Ann to Bob, with nothing in it.
fn letter() -> MessageBuilder<Stamps> {
    Message::builder(Stamps::new(datetime!(2026-11-23 07:03 UTC), 0x2a)).from("ann@example.com").to("bob@example.org")
}

/// The bytes of a message, of which every line is held to RFC 5322 §2.1.1 and §2.3.
fn written(builder: MessageBuilder<Stamps>) -> String {
    let message = builder.build().unwrap_or_else(|errors| panic!("{errors}"));
    let content = String::from_utf8(message.to_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(message.size(), Some(content.len() as u64));
    for line in content.strip_suffix("\r\n").expect("ends a line").split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    content
}

/// The value of each field of that name, unfolded as RFC 5322 §2.2.3 says.
fn fields(content: &str, name: &str) -> Vec<String> {
    let header = content.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", "\t");
    let named =
        |line: &str| line.split_once(':').filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
    header.split("\r\n").filter_map(named).map(|value| value.strip_prefix(' ').unwrap_or(&value).to_owned()).collect()
}

/// The value of the one field of that name.
fn field(content: &str, name: &str) -> String {
    let mut all = fields(content, name);
    assert_eq!(all.len(), 1, "{name} in {content}");
    all.remove(0)
}

/// The body behind the header.
fn body(content: &str) -> &str {
    content.split_once("\r\n\r\n").unwrap().1
}
