//! The hash of a body, taken while the body goes by (RFC 6376 §3.4.3, §3.4.4, §3.7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::canonical::{Canonicalization, is_blank};
use super::error::DkimError;

/// How many bytes gather before they are hashed: the runs between blanks are short.
const GATHERED: usize = 4096;

/// Hashes a body in one canonical form, cut into pieces anywhere.
///
/// The body is what comes behind the empty line of the header, with CRLF line ends and before dots
/// are stuffed. A body without CRLF at its end counts as if it had one.
///
/// ```
/// use mailkit_mime::dkim::{BodyHasher, Canonicalization};
///
/// let mut hasher = BodyHasher::new(Canonicalization::Relaxed);
/// hasher.update(b"How  are ");
/// hasher.update(b"you?\t\r\n\r\n");
/// let mut other = BodyHasher::new(Canonicalization::Relaxed);
/// other.update(b"How are you?\r\n");
/// assert_eq!(hasher.finish()?, other.finish()?);
/// # Ok::<(), mailkit_mime::dkim::DkimError>(())
/// ```
#[derive(Clone)]
pub struct BodyHasher {
    form: Canonicalization,
    hash: Context,
    gathered: Vec<u8>,
    /// Line ends seen since the last text: hashed once it is known that they do not end the body.
    line_ends: u64,
    /// White space seen since the last text of this line; relaxed only.
    blank: bool,
    /// The last piece ended in CR.
    after_cr: bool,
    empty: bool,
    stray: bool,
}

impl BodyHasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(form: Canonicalization) -> Self {
        Self {
            form,
            hash: Context::new(&SHA256),
            gathered: Vec::with_capacity(GATHERED),
            line_ends: 0,
            blank: false,
            after_cr: false,
            empty: true,
            stray: false,
        }
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            match rest.strip_prefix(b"\n") {
                Some(after) => {
                    self.line_end();
                    rest = after;
                }
                None => self.stray = true,
            }
        }
        while !self.stray && !rest.is_empty() {
            rest = self.line(rest);
        }
    }

    /// The hash of the body that ends here.
    ///
    /// # Errors
    ///
    /// [`DkimError::BodyLineEnd`] where a CR or LF stood by itself.
    pub fn finish(mut self) -> Result<BodyHash, DkimError> {
        if self.stray || self.after_cr {
            return Err(DkimError::BodyLineEnd);
        }
        if !self.empty || self.form == Canonicalization::Simple {
            self.gathered.extend_from_slice(b"\r\n");
        }
        self.hash.update(&self.gathered);
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(self.hash.finish().as_ref());
        Ok(BodyHash { form: self.form, digest })
    }

    /// Takes one line, or what there is of it, and gives what follows.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((text, end)) = memchr::memchr2(b'\r', b'\n', bytes).and_then(|at| bytes.split_at_checked(at)) else {
            self.text(bytes);
            return &[];
        };
        self.text(text);
        match end {
            [b'\r', b'\n', rest @ ..] => {
                self.line_end();
                rest
            }
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            _ => {
                self.stray = true;
                &[]
            }
        }
    }

    fn line_end(&mut self) {
        self.blank = false;
        self.line_ends += 1;
    }

    /// Takes text without line ends.
    fn text(&mut self, text: &[u8]) {
        if self.form == Canonicalization::Simple {
            return self.run(text);
        }
        let mut rest = text;
        while let Some((run, behind)) =
            memchr::memchr2(b' ', b'\t', rest).and_then(|blank| rest.split_at_checked(blank))
        {
            self.run(run);
            self.blank = true;
            let next = behind.iter().position(|byte| !is_blank(*byte)).unwrap_or(behind.len());
            rest = behind.get(next..).unwrap_or_default();
        }
        self.run(rest);
    }

    /// Hashes a run of bytes as they are, and before it what was held back.
    fn run(&mut self, run: &[u8]) {
        if run.is_empty() {
            return;
        }
        self.empty = false;
        while self.line_ends > 0 {
            self.gather(b"\r\n");
            self.line_ends -= 1;
        }
        if std::mem::take(&mut self.blank) {
            self.gather(b" ");
        }
        self.gather(run);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() > GATHERED {
            self.hash.update(&self.gathered);
            self.gathered.clear();
        }
        if bytes.len() > GATHERED {
            self.hash.update(bytes);
        } else {
            self.gathered.extend_from_slice(bytes);
        }
    }
}

impl std::fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyHasher").field("form", &self.form).finish_non_exhaustive()
    }
}

/// The SHA-256 hash of a body, and the form in which it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyHash {
    form: Canonicalization,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl BodyHash {
    /// The form in which the body was hashed.
    #[must_use]
    pub const fn canonicalization(&self) -> Canonicalization {
        self.form
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.digest
    }

    /// The hash in base64, as in `bh=`.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.digest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(form: Canonicalization, pieces: &[&[u8]]) -> BodyHash {
        let mut hasher = BodyHasher::new(form);
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish().unwrap()
    }

    fn of_bytes(form: Canonicalization, canonical: &[u8]) -> BodyHash {
        let digest = ring::digest::digest(&SHA256, canonical);
        BodyHash { form, digest: digest.as_ref().try_into().unwrap() }
    }

    #[test]
    fn an_empty_body_has_the_hashes_of_rfc_6376_section_3_4() {
        for (form, wanted) in [
            (Canonicalization::Simple, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
            (Canonicalization::Relaxed, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ] {
            assert_eq!(hash(form, &[]).to_base64(), wanted);
            assert_eq!(hash(form, &[b"\r\n\r", b"", b"\n"]).to_base64(), wanted);
        }
    }

    #[test]
    fn the_body_of_rfc_6376_section_3_4_5_in_both_forms() {
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        let simple = hash(Canonicalization::Simple, &[body]);
        assert_eq!(simple, of_bytes(Canonicalization::Simple, b" C \r\nD \t E\r\n"));
        let relaxed = hash(Canonicalization::Relaxed, &[body]);
        assert_eq!(relaxed, of_bytes(Canonicalization::Relaxed, b" C\r\nD E\r\n"));
    }

    #[test]
    fn lines_of_blanks_at_the_end_count_as_empty_when_relaxed() {
        for (body, canonical) in [
            ("a\r\n \t\r\n\r\n  ", "a\r\n"),
            (" \r\n\t\r\n", ""),
            ("\r\n\r\na", "\r\n\r\na\r\n"),
            (" \r\n \ta", "\r\n a\r\n"),
            (".\r\n..\r\nFrom x\r\n", ".\r\n..\r\nFrom x\r\n"),
            ("a \r\nb\u{a0} \u{c} \r\n", "a\r\nb\u{a0} \u{c}\r\n"),
        ] {
            let wanted = of_bytes(Canonicalization::Relaxed, canonical.as_bytes());
            assert_eq!(hash(Canonicalization::Relaxed, &[body.as_bytes()]), wanted, "{body:?}");
        }
    }

    #[test]
    fn simple_keeps_blanks_and_adds_the_missing_line_end() {
        for (body, canonical) in
            [("a\r\n \r\n\r\n", "a\r\n \r\n"), ("a ", "a \r\n"), (" ", " \r\n"), ("\r\n\r\na", "\r\n\r\na\r\n")]
        {
            let wanted = of_bytes(Canonicalization::Simple, canonical.as_bytes());
            assert_eq!(hash(Canonicalization::Simple, &[body.as_bytes()]), wanted, "{body:?}");
        }
    }

    #[test]
    fn a_stray_cr_or_lf_is_an_error_wherever_the_body_is_cut() {
        for pieces in [
            &["a\nb"][..],
            &["a\rb"],
            &["a\r"],
            &["a\r", "b"],
            &["\n"],
            &["a\r\r\nb"],
            &["a\r", "\r\n"],
            &["a\r\n", "\n"],
            &["a\rb", "more\r\n"],
        ] {
            for form in [Canonicalization::Simple, Canonicalization::Relaxed] {
                let mut hasher = BodyHasher::new(form);
                pieces.iter().for_each(|piece| hasher.update(piece.as_bytes()));
                assert_eq!(hasher.finish(), Err(DkimError::BodyLineEnd), "{pieces:?}");
            }
        }
    }

    #[test]
    fn runs_longer_than_what_is_gathered_keep_their_order() {
        let long = [b'x'; GATHERED + 1];
        let body = [b"a ", &long[..], b"  b\r\n", &long[..GATHERED - 3], b"\r\n"].concat();
        let canonical = [b"a ", &long[..], b" b\r\n", &long[..GATHERED - 3], b"\r\n"].concat();
        assert_eq!(hash(Canonicalization::Relaxed, &[&body]), of_bytes(Canonicalization::Relaxed, &canonical));
    }

    /// The relaxed form, written from the three sentences of §3.4.4 over the whole body.
    fn relaxed(body: &str) -> String {
        let lines = body.split("\r\n").map(|line| {
            let mut words = String::new();
            for character in line.chars() {
                match character {
                    ' ' | '\t' if words.ends_with(' ') => {}
                    ' ' | '\t' => words.push(' '),
                    other => words.push(other),
                }
            }
            words.trim_end_matches(' ').to_owned()
        });
        let body = lines.collect::<Vec<_>>().join("\r\n");
        let body = body.trim_end_matches("\r\n");
        if body.is_empty() { String::new() } else { format!("{body}\r\n") }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_hash_of_the_canonical_body(
            parts in proptest::collection::vec(
                prop_oneof![Just("\r\n"), Just(" "), Just("\t"), Just("a"), Just("."), Just("\u{e9}")], 0..40),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let body = parts.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]).collect();
            let simple = format!("{}\r\n", body.trim_end_matches("\r\n"));
            prop_assert_eq!(
                hash(Canonicalization::Simple, &pieces), of_bytes(Canonicalization::Simple, simple.as_bytes()));
            prop_assert_eq!(
                hash(Canonicalization::Relaxed, &pieces), of_bytes(Canonicalization::Relaxed, relaxed(&body).as_bytes()));
        }
    }
}
