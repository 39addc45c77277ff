//! Which header fields are signed (RFC 6376 §5.4).

use std::collections::{HashMap, HashSet};

use super::canonical::Canonicalization;
use super::error::{DkimError, excerpt};
use super::fields::Field;

/// Listed once more than present, so that none can be added behind the signature's back (RFC 6376 §8.15): what a reader
/// is shown, where answers and unsubscriptions go, and what gives the body its meaning.
const OVERSIGNED: [&str; 15] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Signed as often as present: providers heed Feedback-ID only signed.
const SIGNED: [&str; 1] = ["Feedback-ID"];

/// The longest name of a header field: `h=` keeps to lines of 78.
const MAX_NAME_LEN: usize = 76;

/// Names of header fields, each once.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    oversigned: Vec<String>,
    signed: Vec<String>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { oversigned: OVERSIGNED.map(str::to_owned).into(), signed: SIGNED.map(str::to_owned).into() }
    }
}

impl Selection {
    pub(super) fn set_signed<S: AsRef<str>>(&mut self, names: impl IntoIterator<Item = S>) -> Result<(), DkimError> {
        self.signed = checked(names)?;
        Ok(())
    }

    pub(super) fn set_oversigned<S: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<(), DkimError> {
        self.oversigned = checked(names)?;
        Ok(())
    }

    /// The names for `h=`, and the fields that they mean in canonical form with CRLF: of each name
    /// the last first (RFC 6376 §5.4.2).
    pub(super) fn apply<'a>(&'a self, fields: &[Field<'_>], form: Canonicalization) -> (Vec<&'a str>, Vec<u8>) {
        let mut by_name: HashMap<Vec<u8>, Vec<&Field<'_>>> = HashMap::new();
        for field in fields.iter().rev() {
            by_name.entry(field.name.to_ascii_lowercase()).or_default().push(field);
        }
        let mut names = Vec::new();
        let mut canonical = Vec::new();
        for (name, extra) in self.names() {
            for field in by_name.get(name.to_ascii_lowercase().as_bytes()).into_iter().flatten() {
                names.push(name);
                form.field(field.whole, &mut canonical);
                canonical.extend_from_slice(b"\r\n");
            }
            if extra {
                names.push(name);
            }
        }
        (names, canonical)
    }

    /// Every name once, and whether it is listed once more than present. From is always among them.
    fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let listed: HashSet<String> = self.oversigned.iter().map(|name| name.to_ascii_lowercase()).collect();
        let has_from = listed.contains("from") || self.signed.iter().any(|name| name.eq_ignore_ascii_case("From"));
        let from = (!has_from).then_some(("From", true));
        let oversigned = self.oversigned.iter().map(|name| (name.as_str(), true));
        let signed = self.signed.iter().filter(move |name| !listed.contains(&name.to_ascii_lowercase()));
        let signed = signed.map(|name| (name.as_str(), false));
        from.into_iter().chain(oversigned).chain(signed)
    }
}

fn checked<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Vec<String>, DkimError> {
    let (mut checked, mut seen) = (Vec::new(), HashSet::new());
    for name in names {
        let name = name.as_ref();
        if !is_signable(name) {
            return Err(DkimError::InvalidFieldName { name: excerpt(name) });
        }
        if seen.insert(name.to_ascii_lowercase()) {
            checked.push(name.to_owned());
        }
    }
    Ok(checked)
}

/// `hdr-name` (RFC 6376 §3.5): a field's name without semicolon. A signature that covers another
/// breaks when that is renewed.
fn is_signable(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b';'))
        && !name.eq_ignore_ascii_case("DKIM-Signature")
}

#[cfg(test)]
mod tests {
    use super::super::fields::parse;
    use super::*;

    fn apply<'a>(selection: &'a Selection, header: &str) -> (Vec<&'a str>, String) {
        let (names, canonical) = selection.apply(&parse(header.as_bytes()).unwrap(), Canonicalization::Relaxed);
        (names, String::from_utf8(canonical).unwrap())
    }

    #[test]
    fn repeated_fields_are_taken_from_the_bottom_up() {
        let mut selection = Selection::default();
        selection.set_oversigned(["from"]).unwrap();
        selection.set_signed(["X-A", "x-a", "Absent", "FROM"]).unwrap();
        let (names, canonical) = apply(&selection, "X-a: 1\r\nFrom: a\r\nX-A: 2\r\nDKIM-Signature: v=1\r\nx-A: 3\r\n");
        assert_eq!(names, ["from", "from", "X-A", "X-A", "X-A"]);
        assert_eq!(canonical, "from:a\r\nx-a:3\r\nx-a:2\r\nx-a:1\r\n");
    }

    #[test]
    fn from_is_signed_even_where_nobody_lists_it() {
        let mut selection = Selection::default();
        selection.set_oversigned::<&str>([]).unwrap();
        selection.set_signed(["To"]).unwrap();
        assert_eq!(apply(&selection, "From: a\r\nTo: b\r\n").0, ["From", "From", "To"]);
        selection.set_signed(["to", "from"]).unwrap();
        assert_eq!(apply(&selection, "From: a\r\nTo: b\r\n").0, ["to", "from"]);
    }

    #[test]
    fn absent_fields_of_the_default_are_listed_once_where_none_may_be_added() {
        let selection = Selection::default();
        assert_eq!(
            apply(&selection, "From: a\r\nCc: b\r\nReceived: c\r\n").0,
            [
                "From",
                "From",
                "Sender",
                "Reply-To",
                "To",
                "Cc",
                "Cc",
                "Subject",
                "Date",
                "Message-ID",
                "In-Reply-To",
                "References",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding",
                "List-Unsubscribe",
                "List-Unsubscribe-Post"
            ]
        );
    }

    #[test]
    fn names_that_would_end_the_list_are_refused() {
        for name in ["", "A:B", "A;B", "A B", "A\r\nB", "\u{e9}", "dkim-signature", &"x".repeat(77)] {
            let refused = Selection::default().set_signed([name]);
            assert!(matches!(refused, Err(DkimError::InvalidFieldName { .. })), "{name:?}");
        }
    }
}
