//! Fields that a caller names and whose grammar is known: how a value beyond ASCII stands in one.
//!
//! An encoded word may stand for unstructured text, in a comment and in a phrase (RFC 2047 §5). In any other place of a
//! structured field a reader takes it for what it says: for part of a URL, an address or an identifier.

use mailkit_address::{AddressList, Mailbox};

use super::encoded_word::write_text;
use super::fold::Folder;
use super::list::{split_id, unquoted};
use super::{address, is_blank};
use crate::error::FieldProblem;

/// How a value beyond ASCII stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As unstructured text; also where nobody knows better.
    Text,
    /// As phrases with commas between them (RFC 5322 §3.6.5).
    Phrases,
    /// With a phrase before an identifier in ASCII (RFC 2919 §3).
    ListId,
    /// With names before addresses (RFC 5322 §3.4).
    Addresses,
    /// Not at all.
    Refused,
}

const ADDRESSES: &[&str] = &[
    "Apparently-To",
    "Delivered-To",
    "Disposition-Notification-To",
    "Errors-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Resent-Cc",
    "Resent-From",
    "Resent-Reply-To",
    "Resent-Sender",
    "Resent-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    "X-Original-To",
];

/// Fields of URLs, identifiers, dates and keywords.
const REFUSED: &[&str] = &[
    "Accept-Language",
    "ARC-Authentication-Results",
    "ARC-Message-Signature",
    "ARC-Seal",
    "Archived-At",
    "Authentication-Results",
    "Auto-Submitted",
    "Autocrypt",
    "BIMI-Location",
    "BIMI-Selector",
    "Content-Base",
    "Content-Duration",
    "Content-Features",
    "Content-Language",
    "Content-Location",
    "Deferred-Delivery",
    "Disposition-Notification-Options",
    "DKIM-Signature",
    "Expires",
    "Expiry-Date",
    "Feedback-ID",
    "Importance",
    "List-Archive",
    "List-Help",
    "List-Owner",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MT-Priority",
    "Obsoletes",
    "Original-Message-ID",
    "Original-Recipient",
    "Precedence",
    "Priority",
    "Received",
    "Received-SPF",
    "Reply-By",
    "Require-Recipient-Valid-Since",
    "Resent-Date",
    "Resent-Message-ID",
    "Sensitivity",
    "Supersedes",
    "TLS-Required",
    "X-Auto-Response-Suppress",
    "X-Priority",
];

impl Form {
    fn of(name: &str) -> Self {
        let is_in = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case("List-Id") {
            Self::ListId
        } else if name.eq_ignore_ascii_case("Keywords") {
            Self::Phrases
        } else if is_in(ADDRESSES) {
            Self::Addresses
        } else if is_in(REFUSED) {
            Self::Refused
        } else {
            Self::Text
        }
    }
}

/// Finds what keeps a value from standing in a field. A value in ASCII goes out as it was given.
pub(crate) fn check(name: &str, value: &str, utf8: bool) -> Result<(), FieldProblem> {
    if value.is_ascii() {
        return Ok(());
    }
    match Form::of(name) {
        Form::Text | Form::Phrases => Ok(()),
        Form::Refused => Err(FieldProblem::NotAscii),
        Form::ListId => split_id(value).map(|_| ()).ok_or(FieldProblem::InvalidListId),
        Form::Addresses => {
            let list = AddressList::parse(value).map_err(FieldProblem::Address)?;
            let needs_utf8 = |mailbox: &Mailbox| mailbox.address().needs_smtp_utf8();
            // Raw UTF-8 may stand in the header only where an address field of our own needs it.
            if !utf8 && list.mailboxes().any(needs_utf8) { Err(FieldProblem::NotAscii) } else { Ok(()) }
        }
    }
}

/// Writes a value beyond ASCII that was checked.
pub(super) fn write(folder: &mut Folder<'_>, name: &str, value: &str) {
    match Form::of(name) {
        Form::Text | Form::Refused => write_text(folder, value),
        Form::Phrases => write_phrases(folder, value),
        Form::ListId => match split_id(value) {
            Some((name, id)) => {
                address::write_phrase_before(folder, &name);
                folder.word_of(&["<", id, ">"]);
            }
            None => write_text(folder, value),
        },
        Form::Addresses => match AddressList::parse(value) {
            Ok(list) => address::write_entries(folder, &list),
            Err(_) => write_text(folder, value),
        },
    }
}

fn write_phrases(folder: &mut Folder<'_>, value: &str) {
    let mut phrases = split_phrases(value).into_iter().filter(|phrase| !phrase.is_empty()).peekable();
    while let Some(phrase) = phrases.next() {
        let end = if phrases.peek().is_some() { "," } else { "" };
        address::write_phrase(folder, &unquoted(phrase), end);
    }
}

/// The phrases between the commas that stand outside of quotes.
fn split_phrases(value: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = value.split(|character| {
        let is_end = character == ',' && !is_quoted;
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = is_quoted && character == '\\' && !is_escaped;
        is_end
    });
    parts.map(|part| part.trim_matches(is_blank)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::write_custom;
    use super::*;

    fn custom(name: &str, value: &str) -> Result<String, FieldProblem> {
        check(name, value, false)?;
        let mut out = Vec::new();
        write_custom(&mut out, name, value, false).unwrap();
        Ok(String::from_utf8(out).unwrap().strip_prefix(&format!("{name}: ")).unwrap().trim_end().to_owned())
    }

    #[test]
    fn rfc_2047_section_5_an_encoded_word_stands_for_text_and_in_phrases_only() {
        for (name, value, wanted) in [
            ("X-Note", "caf\u{e9}", "=?utf-8?b?Y2Fmw6k=?="),
            ("Comments", "caf\u{e9} <a@x>", "=?utf-8?b?Y2Fmw6k=?= <a@x>"),
            ("List-Id", "\"\u{dc}n\u{ef}\" <list.example.com>", "=?utf-8?b?w5xuw68=?= <list.example.com>"),
            ("list-id", "\u{dc}n\u{ef} News <list.example.com>", "=?utf-8?b?w5xuw68gTmV3cw==?= <list.example.com>"),
            ("List-Id", "\"\u{dc} \\\"n\\\"\" <l.example.com>", "=?utf-8?b?w5wgIm4i?= <l.example.com>"),
            ("Keywords", "caf\u{e9}, tea, \"a, \u{e9}\"", "=?utf-8?b?Y2Fmw6k=?= , tea, =?utf-8?b?YSwgw6k=?="),
            ("Disposition-Notification-To", "J\u{fc} <a@x.de>, b@x.de", "=?utf-8?b?SsO8?= <a@x.de>, b@x.de"),
            ("Resent-To", "a@b\u{fc}cher.de", "a@xn--bcher-kva.de"),
            ("Content-Description", "caf\u{e9}", "=?utf-8?b?Y2Fmw6k=?="),
        ] {
            assert_eq!(custom(name, value).as_deref(), Ok(wanted), "{name}: {value}");
        }
    }

    #[test]
    fn where_none_may_stand_a_value_beyond_ascii_is_refused() {
        for name in REFUSED {
            assert_eq!(custom(&name.to_lowercase(), "<https://b\u{fc}cher.example/>"), Err(FieldProblem::NotAscii));
            assert!(custom(name, "<https://books.example/>").is_ok(), "{name}");
        }
        assert_eq!(custom("List-Id", "\u{fc}"), Err(FieldProblem::InvalidListId));
        assert_eq!(custom("List-Id", "A <\u{fc}.example.com>"), Err(FieldProblem::InvalidListId));
        assert!(matches!(custom("Resent-To", "J\u{fc}"), Err(FieldProblem::Address(_))));
        assert_eq!(custom("Errors-To", "zo\u{eb}@x.de"), Err(FieldProblem::NotAscii));
        assert_eq!(check("Errors-To", "zo\u{eb}@x.de", true), Ok(()));
    }

    #[test]
    fn commas_in_quotes_part_no_phrases() {
        assert_eq!(split_phrases(r#"a, "b, \", c" ,, d"#), ["a", r#""b, \", c""#, "", "d"]);
    }
}
