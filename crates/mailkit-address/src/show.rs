//! Showing what others wrote, and errors with their causes: one place for every crate.

use std::error::Error;
use std::fmt::{self, Write as _};

/// Whether a character must not be shown as it is: a control character (C0, DEL, C1), a separator of lines or
/// paragraphs, or one that changes the direction of the text around it, so that it reads as something else.
///
/// ```
/// use mailkit_address::is_unprintable;
/// assert!("\u{1b}\u{202e}\u{2028}".chars().all(is_unprintable));
/// assert!(!"Jörg שלום".chars().any(is_unprintable));
/// ```
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// Foreign words on one line, in which nothing moves a terminal or turns the text around: what must not be shown is
/// escaped.
///
/// ```
/// use mailkit_address::OneLine;
/// assert_eq!(OneLine("a\r\nb\u{202e}c").to_string(), r"a\r\nb\u{202e}c");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it wraps a text and no more")]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for (at, c) in self.0.char_indices().filter(|(_, c)| is_unprintable(*c)) {
            f.write_str(self.0.get(shown..at).unwrap_or_default())?;
            write!(f, "{}", c.escape_default())?;
            shown = at + c.len_utf8();
        }
        f.write_str(self.0.get(shown..).unwrap_or_default())
    }
}

/// Writes what lies below an error, each cause behind a colon, all on one line. A cause that says what was said
/// just before is left out.
///
/// [`chained_display!`](crate::chained_display) uses it for `{:#}`.
///
/// # Errors
/// Those of the formatter.
pub fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.is_empty() && !last.contains(&text) {
            write!(f, ": {}", OneLine(&text))?;
            last = text;
        }
        next = cause.source();
    }
    Ok(())
}

/// An error's message of its own layer, without its causes.
///
/// Implement it, and [`chained_display!`](crate::chained_display) makes `Display` of it.
pub trait ErrorMessage: Error {
    /// Writes the message.
    ///
    /// # Errors
    /// Those of the formatter.
    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Formats an error: `{}` is its own message, `{:#}` the message and all its causes on one line.
///
/// # Errors
/// Those of the formatter.
pub fn fmt_error<E: ErrorMessage>(error: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !f.alternate() {
        return error.message(f);
    }
    let mut own = String::new();
    write!(own, "{error}")?;
    write!(f, "{}", OneLine(&own))?;
    write_causes(f, error)
}

/// Implements `Display` for error types that implement [`ErrorMessage`]: `{}` speaks for the error's own layer, `{:#}`
/// prints the whole chain of causes on one line, since most loggers print one line.
///
/// ```
/// use std::fmt;
/// use mailkit_address::{ErrorMessage, chained_display};
///
/// #[derive(Debug)]
/// struct NotSaved(std::io::Error);
/// impl ErrorMessage for NotSaved {
///     fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("not saved")
///     }
/// }
/// impl std::error::Error for NotSaved {
///     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
///         Some(&self.0)
///     }
/// }
/// chained_display!(NotSaved);
///
/// let error = NotSaved(std::io::Error::other("the disk is full"));
/// assert_eq!(format!("{error}"), "not saved");
/// assert_eq!(format!("{error:#}"), "not saved: the disk is full");
/// ```
#[macro_export]
macro_rules! chained_display {
    ($($error:ty),+ $(,)?) => {$(
        impl ::std::fmt::Display for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::fmt_error(self, f)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_around_or_moves_a_terminal_is_escaped() {
        for c in (0..0x20)
            .chain(0x7f..0xa0)
            .chain([0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff])
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069)
        {
            let c = char::from_u32(c).unwrap();
            let shown = OneLine(&format!("a{c}b")).to_string();
            assert!(shown.starts_with('a') && shown.ends_with('b') && shown.is_ascii(), "{shown}");
            assert!(!shown.chars().any(is_unprintable), "{shown:?}");
        }
        assert_eq!(OneLine("Jörg, שלום, 漢字").to_string(), "Jörg, שלום, 漢字");
    }
}
