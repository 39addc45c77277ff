//! The demo's messages: of mixed sizes, and with what mail programs stumble over.

use mailkit::Message;
use mailkit::mime::{Capabilities, MessageBuilder, Stamps};
use time::OffsetDateTime;

use crate::failure::Failure;

/// Octets of text: mostly notes, some letters, a few long reports.
const SIZES: [usize; 10] = [200, 400, 700, 1000, 1500, 2500, 4000, 8000, 20_000, 100_000];

/// Lines that a careless program loses, doubles or breaks.
const LINES: [&str; 6] = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    ".",
    "..begins with dots",
    "From the start of a line, as mailbox files dislike it",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – 你好 🦊",
    "",
];

/// The message of a number; the same number makes the same text.
pub(super) fn letter(number: u32) -> Result<Message, Failure> {
    let stamps = Stamps::new(OffsetDateTime::now_utc(), u128::from(number) + 1);
    let mut builder = MessageBuilder::new(stamps)
        .from("Demo <demo@mailkit.example>")
        .to(format!("user{}@example.org", number % 100))
        .subject(format!("Message {number} – ünïcödé"))
        .header("X-Number", number.to_string())
        .text(text(number));
    if number % 10 == 3 {
        builder = builder.cc("copy@example.net").bcc("hidden@example.net");
    }
    builder.build().map(Message::from).map_err(|errors| Failure::message("", &errors))
}

/// The bytes that the sink gets: a queue keeps what asks the least of a server.
pub(super) fn on_the_wire(letter: &Message) -> Result<Vec<u8>, Failure> {
    let encoded = letter.encode(Capabilities::default()).map_err(|error| Failure::message("", &error))?;
    encoded.to_bytes().map(Vec::from).map_err(|error| Failure::content(&error))
}

fn text(number: u32) -> String {
    let place = |number: u32, length: usize| usize::try_from(number).unwrap_or_default() % length;
    let size = SIZES.get(place(number, SIZES.len())).copied().unwrap_or_default();
    // Every third message is plain ASCII.
    let lines = LINES.iter().enumerate().filter(|(_, line)| !number.is_multiple_of(3) || line.is_ascii());
    let mut text = format!("Message {number}\n");
    for (at, line) in lines.cycle().skip(place(number, LINES.len())) {
        if text.len() >= size {
            break;
        }
        text.push_str(line);
        text.push_str(if at % 2 == 0 { "\n" } else { "\r\n" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_differ_in_size_and_in_identity() {
        let letters: Vec<_> = (0..20).map(|number| letter(number).unwrap()).collect();
        let sizes = letters.iter().map(|letter| letter.size().unwrap());
        assert!(sizes.clone().min().unwrap() < 1500 && sizes.max().unwrap() > 90_000);
        let mut ids: Vec<_> = letters.iter().map(|letter| letter.message_id().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 20);
    }
}
