//! Values as an error may show them.

use mailkit_address::is_unprintable;

/// How many characters of a value an error shows.
pub(crate) const SHOWN: usize = 80;

/// The start of a text, with what must not be shown escaped, so that an error keeps to one line and reads as it is.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if is_unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_with_control_characters_is_shown_short_and_escaped() {
        assert_eq!(shown("a\r\nb\u{202e}", SHOWN), "a\\r\\nb\\u{202e}");
        assert_eq!(shown(&"\u{e9}".repeat(81), SHOWN), "\u{e9}".repeat(80) + "…");
        assert_eq!(shown(&"x".repeat(80), SHOWN), "x".repeat(80));
    }
}
