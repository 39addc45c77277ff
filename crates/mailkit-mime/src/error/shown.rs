//! Values as an error may show them.

/// How many characters of a value an error shows.
pub(crate) const SHOWN: usize = 80;

/// The start of a text, with control characters escaped, so that an error keeps to one line.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if character.is_control() {
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
        assert_eq!(shown("a\r\nb", SHOWN), "a\\r\\nb");
        assert_eq!(shown(&"\u{e9}".repeat(81), SHOWN), "\u{e9}".repeat(80) + "…");
        assert_eq!(shown(&"x".repeat(80), SHOWN), "x".repeat(80));
    }
}
