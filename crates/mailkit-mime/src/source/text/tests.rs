//! A message with a text from a source is the message with that text in memory.

use std::io::Write as _;

use time::OffsetDateTime;

use super::*;
use crate::{Capabilities, Message, MessageBuilder, Stamps};

/// Content that is read a few octets at a time.
#[derive(Debug)]
struct Slow(Vec<u8>, usize);

struct SlowReader(Cursor<Vec<u8>>, usize);

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

impl ContentSource for Slow {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(SlowReader(Cursor::new(self.0.clone()), self.1)))
    }
}

fn slow(text: &[u8], step: usize) -> Result<TextSource, TextSourceError> {
    TextSource::new(Arc::new(Slow(text.to_vec(), step)))
}

fn builder(unique: u128) -> MessageBuilder<Stamps> {
    Message::builder(Stamps::new(OffsetDateTime::UNIX_EPOCH, unique)).from("a@x.example").to("b@y.example")
}

fn servers() -> [Capabilities; 3] {
    let seven = Capabilities::default();
    [seven, Capabilities { eight_bit: true, ..seven }, Capabilities { eight_bit: true, binary: true, smtp_utf8: true }]
}

#[test]
fn a_message_is_the_same_with_its_text_in_memory_or_in_a_source() {
    let long = "x".repeat(2000);
    let many = "Gr\u{fc}\u{df}e aus dem Norden, wo es kalt ist, und noch mehr Worte\r".repeat(20);
    for text in ["", "a", "a\n", "a\r\n", "\u{e9}", "\u{41f}\u{440}\u{438}", "From \n", "a\0b", &long, &many] {
        for unique in [0, 1] {
            let html = format!("{text}\n--=_0_00000000000000000000000000000001\n");
            for step in [1, 7, 100_000] {
                let source = || slow(text.as_bytes(), step).unwrap();
                let memory = [builder(unique).text(text), builder(unique).text(text).html(&*html)];
                let streamed = [
                    builder(unique).text("replaced").text_source(source()),
                    builder(unique).text_source(source()).html_source(slow(html.as_bytes(), step).unwrap()),
                ];
                for (memory, streamed) in memory.into_iter().zip(streamed) {
                    let (memory, streamed) = (memory.build().unwrap(), streamed.build().unwrap());
                    assert_eq!(memory.size(), streamed.size());
                    for server in servers() {
                        let [memory, streamed] = [&memory, &streamed].map(|message| message.encode(server).unwrap());
                        assert_eq!(memory.body(), streamed.body());
                        assert_eq!(memory.to_bytes().unwrap(), streamed.to_bytes().unwrap(), "{text:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn text_given_last_counts() {
    let source = slow(b"first", 10).unwrap();
    let message = builder(1).text_source(source).text("second").build().unwrap();
    assert!(message.to_bytes().unwrap().ends_with(b"second\r\n"));
}

#[test]
fn a_text_that_is_not_utf_8_is_refused_with_the_place() {
    for (text, place) in
        [(&b"ab\xff"[..], 2), (b"\xef\xbb\xbfa\xc3", 1), (b"\xc3\xa9\xc3\xa9\xe2\x82", 4), (b"\xffx", 0)]
    {
        for step in [1, 2, 100] {
            let refused = slow(text, step).unwrap_err();
            assert!(matches!(refused, TextSourceError::NotUtf8 { position } if position == place), "{refused}");
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let message = builder(1).text_source(slow("\u{feff}hello\n".as_bytes(), 1).unwrap()).build().unwrap();
    assert!(message.to_bytes().unwrap().ends_with(b"\r\n\r\nhello\r\n"));
}

#[test]
fn a_text_file_that_was_changed_is_not_sent() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"a text\n").unwrap();
    let message = builder(1).text_source(TextSource::file(file.path()).unwrap()).build().unwrap();
    assert!(message.to_bytes().is_ok());
    file.write_all(b"and more\n").unwrap();
    assert!(message.to_bytes().unwrap_err().to_string().contains("longer"));
}
