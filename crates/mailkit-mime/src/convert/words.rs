//! Encoded words (RFC 2047) for octets of any kind, and the lines that they stand in.

use crate::encoding::{MAX_LINE, encode_base64, hex_escape};

/// RFC 2047 §2: a line with an encoded word has at most 76 characters.
const WANTED: usize = 76;
/// The most characters in an encoded word: with the name of most fields it fits into one line.
const MAX_WORD: usize = 62;

/// A field that is written anew, folded between its words.
#[derive(Debug)]
pub(super) struct Folded {
    out: Vec<u8>,
    /// Where the name and this line start and end.
    name: usize,
    line: usize,
    /// Blanks that stand before the unit.
    blanks: Vec<u8>,
    /// Without blanks, the line may end before the unit where it would be longer than this.
    optional_break: Option<usize>,
    /// What is written next, and is not cut.
    unit: Vec<u8>,
}

impl Folded {
    /// Starts a field; the name brings its colon.
    pub(super) fn start(name: &[u8]) -> Self {
        let blanks = b" ".to_vec();
        Self { out: name.to_vec(), name: name.len(), line: 0, blanks, optional_break: None, unit: Vec::new() }
    }

    /// Starts a line that has no name.
    pub(super) fn start_unnamed() -> Self {
        Self { blanks: Vec::new(), ..Self::start(b"") }
    }

    /// Writes close behind what came before.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.unit.extend_from_slice(text);
    }

    /// A place where the line may end.
    pub(super) fn blank(&mut self, blanks: &[u8]) {
        self.flush();
        if self.blanks.is_empty() {
            self.blanks.extend_from_slice(blanks);
        }
    }

    /// A place where the line may end though no blank stands there, if it would be longer than is wanted.
    pub(super) fn may_break(&mut self) {
        self.may_break_beyond(WANTED);
    }

    /// The same in what is better not broken: only a line that is too long for SMTP ends there.
    pub(super) fn may_break_long_line(&mut self) {
        self.may_break_beyond(MAX_LINE);
    }

    fn may_break_beyond(&mut self, length: usize) {
        self.flush();
        self.optional_break = Some(length);
    }

    fn flush(&mut self) {
        if self.unit.is_empty() {
            return;
        }
        let column = self.out.len() - self.line;
        let optional_break = self.optional_break.take();
        if self.blanks.is_empty() && optional_break.is_some_and(|most| column + self.unit.len() > most) {
            self.blanks.push(b' ');
        }
        self.blanks.truncate(MAX_LINE.saturating_sub(self.unit.len()).max(1));
        let length = self.blanks.len() + self.unit.len();
        // Some readers overlook a value that starts in the second line, so a long word stays behind the name.
        let stays = self.out.len() == self.name && column + length <= MAX_LINE && length > WANTED;
        if column + length > WANTED && !self.blanks.is_empty() && !stays {
            self.out.extend_from_slice(b"\r\n");
            self.line = self.out.len();
        }
        self.out.append(&mut self.blanks);
        self.out.append(&mut self.unit);
    }

    /// The whole field with its line end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out.extend_from_slice(b"\r\n");
        self.out
    }

    /// Writes octets as encoded words: UTF-8 where they are, else of unknown charset (RFC 1428 §3).
    pub(super) fn encoded(&mut self, octets: &[u8]) {
        let charset = if str::from_utf8(octets).is_ok() { "utf-8" } else { "unknown-8bit" };
        let room = MAX_WORD - "=??q??=".len() - charset.len();
        let in_q: usize = octets.iter().map(|octet| cost(*octet)).sum();
        let in_b = octets.len().div_ceil(3) * 4;
        // Q can be read without a decoder: that is worth half as much again.
        let in_q = 2 * in_q <= 3 * in_b;
        let mut rest = octets;
        let mut first = true;
        while !rest.is_empty() {
            if !std::mem::take(&mut first) {
                self.blank(b" ");
            }
            let (now, later) = rest.split_at(cut(rest, charset, room, in_q));
            self.text(format!("=?{charset}?{}?", if in_q { 'q' } else { 'b' }).as_bytes());
            if in_q {
                now.iter().for_each(|octet| quote(*octet, &mut self.unit));
            } else {
                let mut word = [0; MAX_WORD];
                let length = encode_base64(now, &mut word);
                self.unit.extend_from_slice(word.get(..length).unwrap_or_default());
            }
            self.text(b"?=");
            rest = later;
        }
    }
}

/// How many octets go into one word: whole characters, and at least one.
fn cut(octets: &[u8], charset: &str, room: usize, in_q: bool) -> usize {
    let mut used = 0;
    let most = match in_q {
        true => octets.iter().position(|octet| {
            used += cost(*octet);
            used > room
        }),
        false => Some(room / 4 * 3).filter(|most| *most < octets.len()),
    };
    let most = most.unwrap_or(octets.len());
    let starts_character = |at: usize| charset != "utf-8" || octets.get(at).is_none_or(|octet| octet & 0xc0 != 0x80);
    (1..=most).rev().find(|at| starts_character(*at)).unwrap_or(most.max(1))
}

/// What may stand in `Q` in each place: RFC 2047 §5 (3).
const fn passes(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'!' | b'*' | b'+' | b'-' | b'/' | b' ')
}

const fn cost(octet: u8) -> usize {
    if passes(octet) { 1 } else { 3 }
}

fn quote(octet: u8, out: &mut Vec<u8>) {
    match octet {
        b' ' => out.push(b'_'),
        _ if passes(octet) => out.push(octet),
        _ => out.extend_from_slice(&hex_escape(octet)),
    }
}

/// One word of a text: its blanks, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) blanks: Vec<u8>,
    /// As it stands, where that passes; else as it is meant.
    pub(super) text: Vec<u8>,
    pub(super) passes: bool,
}

impl Word {
    /// A word of a text that is not quoted.
    pub(super) fn plain(blanks: &[u8], text: &[u8]) -> Self {
        Self { blanks: blanks.to_vec(), text: text.to_vec(), passes: may_stand(text) }
    }
}

/// Whether a word may stand in a header of ASCII.
pub(super) fn may_stand(word: &[u8]) -> bool {
    word.len() <= MAX_LINE - 100 && word.iter().all(u8::is_ascii_graphic)
}

/// Writes words: those that may not stand as encoded words, one run of them together.
///
/// Readers drop the blanks between two encoded words (RFC 2047 §6.2), so where a word was encoded before, the
/// blanks beside it are encoded with the run.
pub(super) fn write_words(folded: &mut Folded, words: &[Word]) {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word.passes {
            folded.blank(&word.blanks);
            folded.text(&word.text);
            at += 1;
            continue;
        }
        let end = at + words.iter().skip(at).take_while(|word| !word.passes).count();
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let mut run = Vec::new();
        if before.is_some_and(|word| word.text.ends_with(b"?=")) {
            run.extend_from_slice(&word.blanks);
        }
        folded.blank(if run.is_empty() { &word.blanks } else { b" " });
        for (number, word) in words.get(at..end).unwrap_or_default().iter().enumerate() {
            if number > 0 {
                run.extend_from_slice(&word.blanks);
            }
            run.extend_from_slice(&word.text);
        }
        if let Some(next) = words.get(end).filter(|word| word.text.starts_with(b"=?")) {
            run.extend_from_slice(&next.blanks);
        }
        folded.encoded(&run);
        at = end;
    }
}

/// The words of an unstructured text.
pub(super) fn words_of(text: &[u8]) -> Vec<Word> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (blanks, after) = rest.split_at(rest.iter().position(|octet| !is_blank(octet)).unwrap_or(rest.len()));
        let (word, later) = after.split_at(after.iter().position(is_blank).unwrap_or(after.len()));
        if !word.is_empty() {
            words.push(Word::plain(blanks, word));
        }
        rest = later;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &[u8]) -> String {
        let mut folded = Folded::start(b"Subject:");
        write_words(&mut folded, &words_of(text));
        String::from_utf8(folded.finish()).unwrap()
    }

    #[test]
    fn only_the_words_that_may_not_stand_are_encoded() {
        for (text, wanted) in [
            ("plain  text", "Subject: plain  text\r\n"),
            ("a caf\u{e9} b", "Subject: a =?utf-8?q?caf=C3=A9?= b\r\n"),
            ("\u{e9} \u{e9}", "Subject: =?utf-8?b?w6kgw6k=?=\r\n"),
        ] {
            assert_eq!(field(text.as_bytes()), wanted);
        }
        assert_eq!(field(b"caf\xe9 au"), "Subject: =?unknown-8bit?q?caf=E9?= au\r\n");
    }

    #[test]
    fn rfc_2047_section_6_2_blanks_beside_an_encoded_word_are_kept() {
        let wanted = "Subject: =?utf-8?q?a?= =?utf-8?q?_caf=C3=A9_?= =?utf-8?q?b?=\r\n";
        assert_eq!(field("=?utf-8?q?a?= caf\u{e9} =?utf-8?q?b?=".as_bytes()), wanted);
    }

    #[test]
    fn no_line_is_longer_than_rfc_2047_allows_and_no_character_is_cut() {
        for text in ["\u{1f600}".repeat(300), "x\u{e9} ".repeat(300), "x".repeat(5000)] {
            let field = field(text.as_bytes());
            assert!(field.lines().all(|line| line.len() <= 76), "{field}");
        }
    }
}
