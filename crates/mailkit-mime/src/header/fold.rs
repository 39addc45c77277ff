//! Folding: how a field is broken into lines (RFC 5322 §2.2.3).

use crate::encoding::MAX_LINE;

/// RFC 5322 §2.1.1 asks for at most 78 characters in a line.
const WANTED: usize = 78;
/// RFC 2047 §2: a line with an encoded word has at most 76.
const WANTED_WITH_ENCODED_WORD: usize = 76;

/// Writes one header field and folds it at its blanks (RFC 5322 §2.2.3).
///
/// No line is made that holds only blanks. A word too long for a wanted line stands on a line of
/// its own; one too long for any line is an error when the field is finished.
#[derive(Debug)]
pub(crate) struct Folder<'a> {
    out: &'a mut Vec<u8>,
    /// Where the field's name ends.
    name_end: usize,
    /// Where this line starts.
    line: usize,
    /// How long this line may become.
    wanted: usize,
    /// A line before this one is too long.
    overlong: bool,
    /// Raw UTF-8 may stand in the field (RFC 6532).
    utf8: bool,
}

/// A field that cannot be folded into lines of 998 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlong;

impl<'a> Folder<'a> {
    #[inline]
    pub(crate) fn start(out: &'a mut Vec<u8>, name: &str) -> Self {
        let line = out.len();
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        Self { name_end: out.len(), out, line, wanted: WANTED, overlong: false, utf8: false }
    }

    /// Lets raw UTF-8 stand in the field, as SMTPUTF8 does (RFC 6532 §3.2).
    #[inline]
    pub(crate) fn utf8(mut self, allowed: bool) -> Self {
        self.utf8 = allowed;
        self
    }

    /// Whether raw UTF-8 may stand in the field.
    pub(crate) fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// Writes a word behind one blank, on a new line where it has to be.
    pub(crate) fn word(&mut self, word: &str) {
        let out = self.place(1 + word.len(), 0);
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
    }

    /// Writes a word that comes in pieces.
    pub(crate) fn word_of(&mut self, pieces: &[&str]) {
        self.word_behind(" ", pieces);
    }

    /// Writes a word behind the blanks given, on a new line where it has to be.
    pub(crate) fn word_behind(&mut self, blanks: &str, pieces: &[&str]) {
        self.word_before(blanks, pieces, 0);
    }

    /// The same, where so many bytes shall still find room behind it.
    pub(crate) fn word_before(&mut self, blanks: &str, pieces: &[&str], behind: usize) {
        let length = blanks.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let out = self.place(length, behind);
        out.extend_from_slice(blanks.as_bytes());
        for piece in pieces {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Where to write a word with the blank before it, so long together, with so much behind it:
    /// on a new line where it has to be.
    #[inline]
    pub(crate) fn place(&mut self, length: usize, behind: usize) -> &mut Vec<u8> {
        if self.column() + length + behind > self.wanted && self.new_line_helps(length) {
            self.fold();
        }
        self.out
    }

    /// The room for words on this line, behind one blank.
    pub(crate) fn room_for_words(&self) -> usize {
        self.wanted.saturating_sub(self.column() + 1)
    }

    /// Writes close behind the last word.
    pub(crate) fn append(&mut self, end: &str) {
        self.out.extend_from_slice(end.as_bytes());
    }

    /// Where to write an encoded word with the blank before it; the caller keeps it within
    /// [`Folder::room`].
    pub(crate) fn place_encoded(&mut self) -> &mut Vec<u8> {
        self.wanted = WANTED_WITH_ENCODED_WORD;
        self.out
    }

    /// The room for an encoded word on this line, behind one blank.
    pub(crate) fn room(&self) -> usize {
        WANTED_WITH_ENCODED_WORD.saturating_sub(self.column() + 1)
    }

    /// Goes on in a new line; the next word brings its blank.
    pub(crate) fn fold(&mut self) {
        self.overlong |= self.column() > MAX_LINE;
        self.out.extend_from_slice(b"\r\n");
        self.line = self.out.len();
        self.wanted = WANTED;
    }

    #[inline]
    pub(crate) fn finish(self) -> Result<(), Overlong> {
        let overlong = self.overlong || self.column() > MAX_LINE;
        self.end();
        if overlong { Err(Overlong) } else { Ok(()) }
    }

    /// Ends a field whose words are known to be short.
    #[inline]
    pub(crate) fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// Whether nothing stands on this line yet.
    pub(crate) fn is_at_line_start(&self) -> bool {
        self.column() == 0
    }

    /// How long this line is.
    fn column(&self) -> usize {
        self.out.len() - self.line
    }

    fn new_line_helps(&self, length: usize) -> bool {
        // Nothing but the field's name stands on this line.
        let bare = self.out.len() == self.name_end;
        let fits_here = self.column() + length <= MAX_LINE;
        // Behind the bare name a long word may as well stay: its line is too long anyway.
        !(self.column() == 0 || (bare && fits_here && length > WANTED))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(name: &str, words: &[&str]) -> (String, Result<(), Overlong>) {
        let mut out = Vec::new();
        let mut folder = Folder::start(&mut out, name);
        for word in words {
            folder.word(word);
        }
        let result = folder.finish();
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn rfc_5322_section_2_1_1_a_line_of_78_is_not_folded() {
        let word = "x".repeat(70);
        assert_eq!(folded("A", &[&word, "abcd"]).0, format!("A: {word} abcd\r\n"));
        assert_eq!(folded("A", &[&word, "abcde"]).0, format!("A: {word}\r\n abcde\r\n"));
    }

    #[test]
    fn a_line_may_have_998_bytes_and_no_more() {
        let longest = "x".repeat(998 - 3);
        assert_eq!(folded("A", &[&longest]), (format!("A: {longest}\r\n"), Ok(())));
        let on_its_own = "x".repeat(997);
        assert_eq!(folded("A", &[&on_its_own]), (format!("A:\r\n {on_its_own}\r\n"), Ok(())));
        assert_eq!(folded("A", &[&"x".repeat(998)]).1, Err(Overlong));
    }

    #[test]
    fn a_line_too_long_is_told_wherever_it_is() {
        let (short, long) = ("x".repeat(70), "x".repeat(998));
        for place in 0..4 {
            let mut words = [short.as_str(); 4];
            assert_eq!(folded("A", &words).1, Ok(()));
            words[place] = &long;
            assert_eq!(folded("A", &words).1, Err(Overlong), "{place}");
        }
    }

    proptest! {
        #[test]
        fn unfolds_to_what_was_written(
            name in "[A-Za-z-]{1,200}", words in prop::collection::vec("[!-~]{1,120}", 0..30)
        ) {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let (text, result) = folded(&name, &words);
            prop_assert_eq!(result, Ok(()));
            let lines: Vec<_> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for line in &lines {
                prop_assert!(!line.trim().is_empty());
                let words_in_line = line.trim().split(' ').count();
                prop_assert!(line.len() <= 78 || words_in_line <= 2, "{}", line);
            }
            let wanted: String = words.iter().flat_map(|word| [" ", word]).collect();
            prop_assert_eq!(lines.concat(), format!("{name}:{wanted}"));
        }
    }
}
