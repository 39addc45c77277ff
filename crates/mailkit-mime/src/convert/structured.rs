//! Structured fields: their phrases and comments become encoded words, the rest stays.

use super::lexer::{Escapes, Token, inner, tokens, unescaped};
use super::words::{Folded, Word, may_stand, words_of, write_words};

/// How much of a very long URL stands in a line at least.
const URL_PIECE: usize = 70;

/// Writes a structured field that is no list of addresses.
pub(super) fn write(folded: &mut Folded, value: &[u8]) {
    write_tokens(folded, &tokens(value), false);
}

/// Writes a field of URLs in angle brackets, in which octets beyond ASCII are percent-encoded (RFC 3987 §3.1).
pub(super) fn write_with_urls(folded: &mut Folded, value: &[u8]) {
    write_tokens(folded, &tokens(value), true);
}

fn write_tokens(folded: &mut Folded, tokens: &[Token<'_>], urls: bool) {
    let mut phrase = Phrase::default();
    let mut in_angle = false;
    for token in tokens {
        match token {
            Token::Blanks(blanks) => phrase.blanks(blanks),
            Token::Text(text) if in_angle && urls && !may_stand(text) => {
                phrase.write(folded);
                write_url(folded, text);
            }
            Token::Text(_) | Token::Quoted(_) => phrase.word(*token),
            Token::Comment(content) => {
                phrase.write(folded);
                comment(folded, content);
            }
            Token::Special(special) => {
                in_angle = *special == b'<' || (in_angle && *special != b'>');
                phrase.write(folded);
                folded.text(&[*special]);
                match special {
                    b'>' => folded.may_break(),
                    b',' | b';' => folded.may_break_long_line(),
                    _ => {}
                }
            }
        }
    }
    phrase.write(folded);
}

/// Writes a piece of a URL. Readers ignore the blanks in one (RFC 2369 §2).
fn write_url(folded: &mut Folded, url: &[u8]) {
    for piece in percent_encoded(url).chunks(URL_PIECE) {
        folded.text(piece);
        folded.may_break_long_line();
    }
}

/// Writes a phrase, with the comments in it behind it.
pub(super) fn write_phrase(folded: &mut Folded, tokens: &[Token<'_>]) {
    let mut phrase = Phrase::default();
    for token in tokens {
        match token {
            Token::Blanks(blanks) => phrase.blanks(blanks),
            Token::Comment(_) => {}
            _ => phrase.word(*token),
        }
    }
    phrase.write(folded);
    for token in tokens {
        if let Token::Comment(content) = token {
            folded.blank(b" ");
            comment(folded, content);
        }
    }
}

/// Words in a row.
#[derive(Default)]
struct Phrase {
    words: Vec<Word>,
    blanks: Vec<u8>,
}

impl Phrase {
    fn blanks(&mut self, blanks: &[u8]) {
        self.blanks.extend_from_slice(blanks);
    }

    fn word(&mut self, token: Token<'_>) {
        let blanks = std::mem::take(&mut self.blanks);
        let passes = match token {
            Token::Quoted(text) => text.is_ascii() && text.len() < 900 && !text.contains(&0),
            _ => may_stand(token.bytes()),
        };
        let text = if passes { token.bytes().to_vec() } else { token.meaning() };
        // What stands close behind a word that has to be encoded is encoded with it.
        match self.words.last_mut() {
            Some(last) if blanks.is_empty() && !(last.passes && passes) => {
                last.text.extend_from_slice(&text);
                last.passes = false;
            }
            _ => self.words.push(Word { blanks, text, passes }),
        }
    }

    /// Writes the words and the blanks behind them.
    fn write(&mut self, folded: &mut Folded) {
        // One at a time where they stand close to each other, so that no blank comes between.
        write_words(folded, &std::mem::take(&mut self.words));
        if !self.blanks.is_empty() {
            folded.blank(&std::mem::take(&mut self.blanks));
        }
    }
}

/// Writes a comment: the words in it that may not stand as encoded words (RFC 2047 §5 (2)).
pub(super) fn comment(folded: &mut Folded, comment: &[u8]) {
    folded.text(b"(");
    let mut text = inner(comment);
    let mut depth = 0_usize;
    while !text.is_empty() {
        let mut escapes = Escapes::default();
        let end = text.iter().position(|octet| !escapes.is_escaped(*octet) && matches!(octet, b'(' | b')'));
        let (now, later) = text.split_at(end.unwrap_or(text.len()));
        write_comment_text(folded, now);
        if let Some(parenthesis) = later.first() {
            depth = if *parenthesis == b'(' { depth + 1 } else { depth.saturating_sub(1) };
            folded.text(&[*parenthesis]);
            folded.may_break_long_line();
        }
        text = later.get(1..).unwrap_or_default();
    }
    // One that is not closed would hide the rest of a field.
    for _ in 0..=depth {
        folded.text(b")");
        folded.may_break_long_line();
    }
}

fn write_comment_text(folded: &mut Folded, text: &[u8]) {
    let mut words = words_of(text);
    for word in words.iter_mut().filter(|word| !word.passes) {
        word.text = unescaped(&word.text);
    }
    write_words(folded, &words);
    let blanks = text.iter().rev().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    if blanks > 0 {
        folded.blank(text.get(text.len() - blanks..).unwrap_or_default());
    }
}

fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for octet in text {
        match octet {
            0x80.. => encoded.extend_from_slice(format!("%{octet:02X}").as_bytes()),
            _ => encoded.push(*octet),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &str) -> String {
        let mut folded = Folded::start(b"A:");
        write(&mut folded, value.as_bytes());
        String::from_utf8(folded.finish()).unwrap()
    }

    #[test]
    fn rfc_2047_section_5_comments_keep_their_parentheses() {
        for (value, wanted) in [
            (
                "from x (h\u{e9}lo (\u{fc})) by y; date",
                "A: from x (=?utf-8?q?h=C3=A9lo?= (=?utf-8?q?=C3=BC?=)) by y; date\r\n",
            ),
            ("a (\u{e9}\\) b", "A: a (=?utf-8?b?w6kp?= b)\r\n"),
            ("a (b", "A: a (b)\r\n"),
        ] {
            assert_eq!(field(value), wanted);
        }
    }

    #[test]
    fn a_phrase_is_encoded_and_what_is_in_angle_brackets_stays() {
        assert_eq!(
            field("\"\u{dc}n\u{ef}, x\" <list.example>"),
            "A: =?utf-8?q?=C3=9Cn=C3=AF=2C_x?= <list.example>\r\n"
        );
        let mut folded = Folded::start(b"A:");
        write_with_urls(&mut folded, "<https://a.example/\u{e9}>, <mailto:b@c>".as_bytes());
        assert_eq!(folded.finish(), b"A: <https://a.example/%C3%A9>, <mailto:b@c>\r\n");
    }
}
