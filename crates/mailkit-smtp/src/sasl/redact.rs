//! Removes what a server repeats of a login from its words.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use super::{Credentials, Secret, encode_base64};

/// What stands where a secret stood.
const HIDDEN: &str = "***";

/// So many octets in common with a secret are taken for a piece of it. Servers cut what they repeat, and wrap it over
/// lines; chance does not bring six octets of base64 together.
const PIECE: usize = 6;

/// The words of a table with a bit for each pair of numbers of six bits.
const BEGINNINGS: usize = 64;

/// The number of octets from which on the end of a text that was cut is taken for the beginning of a secret.
const SHORTEST_START: usize = 4;

/// Shorter secrets are looked for as whole words: they would be found in many a word that is none of them.
const SHORTEST_INSIDE: usize = 4;

/// Finds secrets in foreign words, whole or in pieces, in any case, also over line ends, and puts `***` in their place.
///
/// Use it before a text is cut: what is left of a secret behind the cut would not be found any more.
///
/// ```
/// use mailkit_smtp::sasl::{Credentials, Redactor};
/// let redactor = Redactor::new(&Credentials::password("ann", "s3cret-pw")?);
/// assert_eq!(redactor.redact("unknown command S3CRET-PW"), "unknown command ***");
/// assert_eq!(redactor.redact("no such user"), "no such user");
/// # Ok::<(), mailkit_smtp::sasl::InvalidCredentials>(())
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    /// Every piece of every secret, in lower case, sorted.
    pieces: Zeroizing<Vec<u64>>,
    /// A bit for each pair of octets with which a piece begins, by their lower six bits; empty without pieces. It spares
    /// nearly every place of an ordinary reply the search among the pieces.
    beginnings: Zeroizing<Vec<u64>>,
    /// The beginnings of the secrets, and secrets that are shorter than a piece, in lower case.
    starts: Vec<Secret>,
    short: Vec<Secret>,
}

impl Redactor {
    /// For a password or token, in the forms in which the mechanisms carry it.
    #[must_use]
    pub fn new(credentials: &Credentials) -> Self {
        let secret = credentials.secret().expose();
        let plain = Zeroizing::new(format!("\0{}\0{secret}", credentials.user()));
        let mut redactor = Self::default();
        redactor.add(secret);
        redactor.add(&encode_base64(secret.as_bytes()));
        redactor.add(&encode_base64(plain.as_bytes()));
        redactor.add_inside_base64(secret);
        redactor
    }

    /// Adds what base64 makes of the secret behind other octets: of the two ends, only what these do not change. A secret
    /// of which less than a piece is left is not looked for.
    fn add_inside_base64(&mut self, secret: &str) {
        for (before, changed) in [(0, 0), (1, 2), (2, 3)] {
            let mut octets = Zeroizing::new(vec![0; before]);
            octets.reserve_exact(secret.len());
            octets.extend_from_slice(secret.as_bytes());
            let unchanged = octets.len() * 8 / 6;
            let encoded = encode_base64(&octets);
            if let Some(inside) = encoded.get(changed..unchanged).filter(|inside| inside.len() >= PIECE) {
                self.add(inside);
            }
        }
    }

    /// Adds a further secret, such as what was sent in a login.
    pub fn add(&mut self, secret: &str) {
        let secret = Zeroizing::new(secret.to_ascii_lowercase());
        if secret.is_empty() {
            return;
        }
        if secret.len() < PIECE {
            self.short.push(Secret::new(secret.as_str()));
        } else {
            let pieces = secret.as_bytes().windows(PIECE).map(number);
            // In one piece: a list that grows leaves a copy behind.
            let mut all = Zeroizing::new(Vec::with_capacity(self.pieces.len() + pieces.len()));
            all.extend(self.pieces.iter().copied().chain(pieces));
            all.sort_unstable();
            self.pieces = all;
            self.beginnings.resize(BEGINNINGS, 0);
            for piece in secret.as_bytes().windows(PIECE) {
                let (word, bit) = beginning(piece);
                self.beginnings.iter_mut().skip(word).take(1).for_each(|bits| *bits |= bit);
            }
        }
        let start = secret.char_indices().map(|(at, _)| at).take_while(|at| *at < PIECE).last().unwrap_or_default();
        if start >= SHORTEST_START {
            self.starts.extend(secret.get(..start).map(Secret::from));
        }
    }

    /// The text without the secrets.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let (folded, places) = fold(text);
        let mut found = self.find(&folded);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let mut open: Option<Range<usize>> = None;
        for range in found {
            match &mut open {
                Some(open) if range.start <= open.end => open.end = open.end.max(range.end),
                _ => {
                    hide(text, &places, open.replace(range), &mut copied, &mut out);
                }
            }
        }
        hide(text, &places, open, &mut copied, &mut out);
        out.push_str(text.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Where secrets stand, in no order.
    fn find(&self, folded: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (at, piece) in folded.windows(PIECE).enumerate() {
            let (word, bit) = beginning(piece);
            let may_begin = self.beginnings.get(word).is_some_and(|bits| bits & bit != 0);
            if may_begin && self.pieces.binary_search(&number(piece)).is_ok() {
                match found.last_mut().filter(|last| at <= last.end) {
                    Some(last) => last.end = at + PIECE,
                    None => found.push(at..at + PIECE),
                }
            }
        }
        for secret in &self.short {
            let needle = secret.expose().as_bytes();
            let inside = needle.len() >= SHORTEST_INSIDE;
            let places = memchr::memmem::find_iter(folded, needle).map(|at| at..at + needle.len());
            found.extend(places.filter(|range| inside || is_word(folded, range)));
        }
        for start in &self.starts {
            for length in SHORTEST_START..=start.expose().len() {
                let ends = start.expose().as_bytes().get(..length).is_some_and(|start| folded.ends_with(start));
                found.extend(ends.then(|| folded.len() - length..folded.len()));
            }
        }
        found
    }
}

/// Shows nothing: all of it is secret.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// The text in lower case without its line ends, and where in the text each octet stands.
fn fold(text: &str) -> (Zeroizing<Vec<u8>>, Vec<usize>) {
    let kept = || text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\n' | b'\r'));
    let mut folded = Zeroizing::new(Vec::with_capacity(text.len()));
    folded.extend(kept().map(|(_, byte)| byte.to_ascii_lowercase()));
    (folded, kept().map(|(at, _)| at).collect())
}

/// Copies what stands before the range, and hides it.
fn hide(text: &str, places: &[usize], range: Option<Range<usize>>, copied: &mut usize, out: &mut String) {
    let Some(range) = range else { return };
    let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
    let (mut start, mut end) = (place(range.start), place(range.end - 1) + 1);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    out.push_str(text.get(*copied..start).unwrap_or_default());
    out.push_str(HIDDEN);
    *copied = end;
}

/// The place of a piece among the [beginnings](Redactor::beginnings): the number of the word, and the bit in it.
fn beginning(piece: &[u8]) -> (usize, u64) {
    let at = |place: usize| piece.get(place).map_or(0, |octet| octet & 63);
    (usize::from(at(0)), 1 << at(1))
}

fn number(piece: &[u8]) -> u64 {
    piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn is_word(folded: &[u8], range: &Range<usize>) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| folded.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    !letter(range.start.checked_sub(1)) && !letter(Some(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor(password: &str) -> Redactor {
        Redactor::new(&Credentials::password("ann", password).unwrap())
    }

    #[test]
    fn a_secret_is_found_whole_in_pieces_in_any_case_and_over_line_ends() {
        for (password, text, wanted) in [
            ("s3cret-pw", "s3cret-pw is wrong", "*** is wrong"),
            ("s3cret-pw", "what is S3CRET-P", "what is ***"),
            ("s3cret-pw", "s3cr\net-pw twice s3cret-pw", "*** twice ***"),
            ("s3cret-pw", "cut at s3cre", "cut at ***"),
            ("s3cret-pw", "unknown: AUTH PLAIN AGFubgBzM2NyZXQtcHc=", "unknown: AUTH PLAIN ***"),
            ("s3cret-pw", "unknown: czNjcmV0LXB3", "unknown: ***"),
            // In base64, behind octets of any number: `pw=s3cret-pw;`, `u:s3cret-pw` and `xyz:s3cret-pw.`
            ("s3cret-pw", "Basic cHc9czNjcmV0LXB3Ow==", "Basic cHc9***Ow=="),
            ("s3cret-pw", "Basic dTpzM2NyZXQtcHc=", "Basic dTp***"),
            ("s3cret-pw", "Basic eHl6OnMzY3JldC1wdy4=", "Basic eHl6On***y4="),
            ("pässwört", "is it pässwört?", "is it ***?"),
            ("abcd", "xabcdx", "x***x"),
            ("ab", "ab cab ab", "*** cab ***"),
        ] {
            assert_eq!(redactor(password).redact(text), wanted, "{password}");
        }
    }

    #[test]
    fn other_words_stay() {
        for text in ["no such user", "5.7.8 authentication failed", "s3c", "mailbox full", ""] {
            assert!(matches!(redactor("s3cret-pw").redact(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_piece_of_a_secret_is_left(
            secret in "[ -~é]{6,30}",
            before in "[ -~\u{4e00}\n]{0,20}",
            after in "[ -~\u{4e00}\n]{0,20}",
            cut in 0usize..60,
        ) {
            let redactor = redactor(&secret);
            let text = format!("{before}{secret}{after}");
            let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= cut).last().unwrap_or_default();
            for text in [text.as_str(), &text[..cut], &text[cut..]] {
                let shown = redactor.redact(text).to_ascii_lowercase();
                let secret = secret.to_ascii_lowercase();
                let left = secret.as_bytes().windows(PIECE).find(|piece| memchr::memmem::find(shown.as_bytes(), piece).is_some());
                // What is put in its place may itself look like one.
                prop_assert!(left.is_none() || secret.contains("***"), "{secret:?} in {shown:?}");
            }
        }
    }
}
