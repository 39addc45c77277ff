//! SASLprep (RFC 4013): one spelling of a user or password, whatever keyboard it came from
//!
//! Left out on purpose are the steps that only refuse and never change a character: unassigned code points
//! (allowed anyway in what is looked up, RFC 3454 §7) and mixed directions.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The prepared form, or `None` if a character is prohibited or nothing is left. Printable ASCII is its own.
pub(super) fn prepare(text: &str) -> Option<Zeroizing<String>> {
    // Reserved for the longest that NFKC can make of it (18 for 1), so that growing leaves no copy behind.
    let factor = if text.is_ascii() { 1 } else { 18 };
    let mut prepared = Zeroizing::new(String::with_capacity(text.len() * factor));
    prepared.extend(text.chars().filter_map(map).nfkc());
    let fit = !prepared.is_empty() && !prepared.chars().any(prohibited);
    fit.then_some(prepared)
}

/// RFC 4013 §2.1: other spaces become the space (RFC 3454 table C.1.2), invisible marks go (table B.1).
fn map(letter: char) -> Option<char> {
    match letter {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\u{ad}'
        | '\u{34f}'
        | '\u{1806}'
        | '\u{180b}'..='\u{180d}'
        | '\u{200c}'
        | '\u{200d}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => None,
        other => Some(other),
    }
}

/// RFC 4013 §2.3: controls, private use, non-characters, and what is unfit for plain text or for a stable
/// display (RFC 3454 tables C.2 to C.9).
fn prohibited(letter: char) -> bool {
    letter.is_control()
        || u32::from(letter) & 0xfffe == 0xfffe
        || matches!(letter,
            '\u{340}' | '\u{341}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2061}'..='\u{2063}' | '\u{206a}'..='\u{206f}'
            | '\u{2ff0}'..='\u{2ffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff9}'..='\u{fffd}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
            | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepared(text: &str) -> Option<String> {
        prepare(text).map(|prepared| prepared.to_string())
    }

    #[test]
    fn rfc_4013_section_3() {
        assert_eq!(prepared("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(prepared("user").as_deref(), Some("user"));
        assert_eq!(prepared("USER").as_deref(), Some("USER"));
        assert_eq!(prepared("\u{aa}").as_deref(), Some("a"));
        assert_eq!(prepared("\u{2168}").as_deref(), Some("IX"));
        assert_eq!(prepared("\u{7}"), None);
    }

    #[test]
    fn what_is_prohibited_is_refused() {
        for letter in ['\u{7f}', '\u{85}', '\u{200e}', '\u{e000}', '\u{fffd}', '\u{1fffe}', '\u{e0001}'] {
            assert_eq!(prepared(&format!("a{letter}b")), None, "{letter:?}");
        }
        assert_eq!(prepared("\u{ad}"), None, "nothing is left of it");
    }

    proptest! {
        #[test]
        fn printable_ascii_is_its_own(text in "[ -~]{1,40}") {
            prop_assert_eq!(prepared(&text), Some(text));
        }

        #[test]
        fn preparing_twice_changes_nothing_more(text in "\\PC{1,20}") {
            if let Some(once) = prepared(&text) {
                prop_assert_eq!(prepared(&once), Some(once));
            }
        }
    }
}
