//! Names of fields: which are valid, and which are not for callers to write.

use crate::encoding::MAX_LINE;

/// Fields that the builder writes itself, and the method that sets each.
const OWN: &[(&str, Option<&str>)] = &[
    ("Bcc", Some("bcc")),
    ("Cc", Some("cc")),
    ("Date", Some("date")),
    ("From", Some("from")),
    ("In-Reply-To", Some("in_reply_to")),
    ("Message-ID", Some("message_id")),
    ("MIME-Version", None),
    ("References", Some("references")),
    ("Reply-To", Some("reply_to")),
    ("Resent-Bcc", Some("bcc")),
    ("Return-Path", Some("envelope_from")),
    ("Sender", Some("sender")),
    ("Subject", Some("subject")),
    ("To", Some("to")),
];

/// Whether a name is a `field-name`: printable ASCII without the colon (RFC 5322 §2.2), short
/// enough for its line.
pub(crate) fn is_field_name(name: &[u8]) -> bool {
    let ftext = |&byte: &u8| byte.is_ascii_graphic() && byte != b':';
    !name.is_empty() && name.len() < MAX_LINE && name.iter().all(ftext)
}

/// Whether only the builder may write this field; if so, the method that sets it, if any.
pub(crate) fn own_field(name: &str) -> Option<Option<&'static str>> {
    let own = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    own.map(|(_, method)| *method).or_else(|| {
        let is_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        let is_own = || OWN_OF_PART.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        (is_content && is_own()).then_some(None)
    })
}

/// Fields that say how a reader reads a part, and the method that sets each.
const OWN_OF_PART: &[(&str, Option<&str>)] = &[
    ("Content-Disposition", Some("disposition")),
    ("Content-ID", Some("content_id")),
    ("Content-Length", None),
    ("Content-MD5", None),
    ("Content-Transfer-Encoding", None),
    ("Content-Type", Some("new")),
    ("MIME-Version", None),
];

/// Fields that a header may have once, and the method that writes each, if there is one.
const ONCE: &[(&str, Option<&str>)] = &[
    ("Archived-At", None),
    ("Auto-Submitted", Some("auto_submitted")),
    ("Content-Description", None),
    ("Content-Language", None),
    ("Content-Location", None),
    ("Feedback-ID", Some("feedback_id")),
    ("List-Archive", Some("list_archive")),
    ("List-Help", Some("list_help")),
    ("List-Id", Some("list_id")),
    ("List-Owner", Some("list_owner")),
    ("List-Post", Some("list_post")),
    ("List-Subscribe", None),
    ("List-Unsubscribe", Some("list_unsubscribe")),
    ("List-Unsubscribe-Post", Some("list_unsubscribe")),
];

/// A field that a header may have once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Once {
    /// A bit of its own.
    pub(crate) bit: u32,
    /// The method that writes it, if there is one.
    pub(crate) method: Option<&'static str>,
}

impl Once {
    /// The field of this name, if it may stand once only.
    pub(crate) fn of(name: &str) -> Option<Self> {
        // Most names that are given start with an X.
        if !name.starts_with(['A', 'a', 'C', 'c', 'F', 'f', 'L', 'l']) {
            return None;
        }
        let at = ONCE.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))?;
        ONCE.get(at).map(|(_, method)| Self { bit: 1 << at, method: *method })
    }
}

/// Whether only the builder may write this field into the header of a part; if so, the method
/// that sets it, if any. A part may stand in the header of the message, so what only that may have
/// is refused as well: a second From, or a Bcc for all to see.
pub(crate) fn own_part_field(name: &str) -> Option<Option<&'static str>> {
    let own = OWN_OF_PART.iter().chain(OWN).find(|(own, _)| own.eq_ignore_ascii_case(name));
    own.map(|(_, method)| *method)
}

/// Whether a field names recipients that the others must not see.
pub(crate) fn is_blind(name: &str) -> bool {
    name.eq_ignore_ascii_case("Bcc") || name.eq_ignore_ascii_case("Resent-Bcc")
}

/// Whether a field is the trace field that only the server writes which delivers a message finally (RFC 5321 §4.4).
pub(crate) fn is_return_path(name: &str) -> bool {
    name.eq_ignore_ascii_case("Return-Path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5322_section_2_2_field_names() {
        for (name, wanted) in [
            ("X-Campaign", true),
            ("!#$%~", true),
            ("", false),
            ("A:", false),
            ("A B", false),
            ("A\r\nBcc", false),
            ("A\u{e4}", false),
        ] {
            assert_eq!(is_field_name(name.as_bytes()), wanted, "{name:?}");
        }
        assert!(is_field_name(&[b'a'; 997]));
        assert!(!is_field_name(&[b'a'; 998]));
    }

    #[test]
    fn fields_of_the_builder_are_known_in_any_case() {
        assert_eq!(own_field("bCC"), Some(Some("bcc")));
        assert_eq!(own_field("content-type"), Some(None));
        assert_eq!(own_field("content-id"), Some(None));
        assert_eq!(own_field("Content-MD5"), Some(None));
        assert_eq!(own_field("return-path"), Some(Some("envelope_from")));
        for name in ["Contents", "Content-Language", "Content-Description", "Content-Location", "Content-X"] {
            assert_eq!(own_field(name), None, "{name}");
        }
        assert_eq!(own_field("X-Bcc"), None);
        assert_eq!(own_part_field("BCC"), Some(Some("bcc")));
        assert_eq!(own_part_field("content-language"), None);
    }

    #[test]
    fn each_field_that_stands_once_has_a_bit_of_its_own() {
        let bits = ONCE.iter().map(|(name, method)| {
            let once = Once::of(&name.to_lowercase()).unwrap();
            assert_eq!(once.method, *method);
            once.bit
        });
        assert_eq!(bits.fold(0, |all, bit| all ^ bit).count_ones() as usize, ONCE.len());
        assert_eq!(Once::of("X-Campaign"), None);
        assert_eq!(Once::of("Comments"), None);
    }
}
