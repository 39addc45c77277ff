//! One header field in ASCII, with lines of at most 998 octets.

use super::words::{Folded, words_of, write_words};
use super::{addresses, parameters, structured};
use crate::encoding::MAX_LINE;

/// What a field's value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Addresses,
    Parameters,
    /// Words, comments and signs.
    Structured,
    /// The same with URLs in angle brackets.
    Urls,
    /// Identifiers: they mean nothing in another form.
    Identifiers,
    Unstructured,
}

/// Fields that are not unstructured, in lower case.
const FORMS: &[(&str, Form)] = &[
    ("apparently-to", Form::Addresses),
    ("arc-authentication-results", Form::Structured),
    ("arc-message-signature", Form::Structured),
    ("arc-seal", Form::Structured),
    ("authentication-results", Form::Structured),
    ("auto-submitted", Form::Structured),
    ("bcc", Form::Addresses),
    ("cc", Form::Addresses),
    ("content-disposition", Form::Parameters),
    ("content-id", Form::Identifiers),
    ("content-language", Form::Structured),
    ("content-location", Form::Urls),
    ("content-transfer-encoding", Form::Structured),
    ("content-type", Form::Parameters),
    ("date", Form::Structured),
    ("delivered-to", Form::Addresses),
    ("disposition-notification-to", Form::Addresses),
    ("dkim-signature", Form::Structured),
    ("envelope-to", Form::Addresses),
    ("errors-to", Form::Addresses),
    ("from", Form::Addresses),
    ("in-reply-to", Form::Identifiers),
    ("keywords", Form::Structured),
    ("list-archive", Form::Urls),
    ("list-help", Form::Urls),
    ("list-id", Form::Structured),
    ("list-owner", Form::Urls),
    ("list-post", Form::Urls),
    ("list-subscribe", Form::Urls),
    ("list-unsubscribe", Form::Urls),
    ("mail-followup-to", Form::Addresses),
    ("mail-reply-to", Form::Addresses),
    ("message-id", Form::Identifiers),
    ("mime-version", Form::Structured),
    ("received", Form::Structured),
    ("received-spf", Form::Structured),
    ("references", Form::Identifiers),
    ("reply-to", Form::Addresses),
    ("resent-bcc", Form::Addresses),
    ("resent-cc", Form::Addresses),
    ("resent-date", Form::Structured),
    ("resent-from", Form::Addresses),
    ("resent-message-id", Form::Identifiers),
    ("resent-reply-to", Form::Addresses),
    ("resent-sender", Form::Addresses),
    ("resent-to", Form::Addresses),
    ("return-path", Form::Addresses),
    ("return-receipt-to", Form::Addresses),
    ("sender", Form::Addresses),
    ("to", Form::Addresses),
    ("x-original-to", Form::Addresses),
];

/// The name of a field, without the blanks before its colon; `None` for a line that is no field.
pub(super) fn name(field: &[u8]) -> Option<&[u8]> {
    let name = field.get(..memchr::memchr(b':', field)?)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// The value without line ends and the blanks around it.
pub(super) fn value(field: &[u8]) -> Vec<u8> {
    let at = memchr::memchr(b':', field).map_or(0, |at| at + 1);
    unfolded(field.get(at..).unwrap_or_default())
}

fn unfolded(text: &[u8]) -> Vec<u8> {
    let unfolded: Vec<u8> = text.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    unfolded.trim_ascii().to_vec()
}

/// Whether a field has to be written anew for a server that takes 7-bit headers only.
pub(super) fn needs_conversion(field: &[u8]) -> bool {
    !field.is_ascii()
        || (field.len() > MAX_LINE && field.split(|octet| *octet == b'\n').any(|line| line.len() > MAX_LINE + 1))
}

/// Writes a field in ASCII.
pub(super) fn convert(field: &[u8]) -> Vec<u8> {
    let Some(name) = name(field) else {
        // The separator of a mailbox file, or nothing that a reader understands.
        let mut folded = Folded::start_unnamed();
        write_words(&mut folded, &words_of(&unfolded(field)));
        return folded.finish();
    };
    let value = value(field);
    let mut folded = Folded::start(&[name, b":"].concat());
    match form(name) {
        Form::Addresses => addresses::write(&mut folded, &value),
        Form::Structured => structured::write(&mut folded, &value),
        Form::Urls => structured::write_with_urls(&mut folded, &value),
        Form::Unstructured => write_words(&mut folded, &words_of(&value)),
        Form::Identifiers if value.is_ascii() => structured::write(&mut folded, &value),
        Form::Parameters if parameters::write(&mut folded, &value) => {}
        Form::Identifiers | Form::Parameters => {
            // RFC 6857 §3.2: what has no other form is kept for people to read.
            folded = Folded::start(&[b"Downgraded-", name, b":"].concat());
            write_words(&mut folded, &words_of(&value));
        }
    }
    folded.finish()
}

fn form(name: &[u8]) -> Form {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let known = FORMS.binary_search_by_key(&name.as_str(), |(known, _)| known);
    known.ok().and_then(|at| FORMS.get(at)).map_or(Form::Unstructured, |(_, form)| *form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(field: &str) -> String {
        String::from_utf8(convert(field.as_bytes())).unwrap()
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(FORMS.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn each_field_is_written_by_its_own_grammar() {
        for (field, wanted) in [
            ("Subject: caf\u{e9}\r\n au\r\n", "Subject: =?utf-8?q?caf=C3=A9?= au\r\n"),
            ("from: \u{c9}ric <e@x>\r\n", "from: =?utf-8?q?=C3=89ric?= <e@x>\r\n"),
            ("Message-ID: <\u{e9}@x>\r\n", "Downgraded-Message-ID: =?utf-8?b?PMOpQHg+?=\r\n"),
            ("Content-Type: text/plain; name=\u{e9}\r\n", "Content-Type: text/plain; name*=utf-8''%C3%A9\r\n"),
            ("Content-Type: t\u{e9}xt\r\n", "Downgraded-Content-Type: =?utf-8?q?t=C3=A9xt?=\r\n"),
            ("From ann \u{e9}\r\n", "From ann =?utf-8?q?=C3=A9?=\r\n"),
        ] {
            assert_eq!(converted(field), wanted);
        }
    }

    proptest! {
        #[test]
        fn any_field_becomes_ascii_in_short_lines(
            name in prop::sample::select(vec!["Subject", "To", "Content-Type", "Received", "List-Post", "Message-ID"]),
            value in prop::collection::vec(any::<u8>(), 0..60), long in 0_usize..3,
        ) {
            let value: Vec<u8> = value.into_iter().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
            let field = [name.as_bytes(), b": ", &value.repeat(1 + 20 * long), b"\r\n"].concat();
            let converted = convert(&field);
            prop_assert!(converted.is_ascii());
            let text = String::from_utf8(converted).unwrap();
            prop_assert!(text.ends_with("\r\n"));
            for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n']) && !line.trim().is_empty());
            }
        }
    }
}
