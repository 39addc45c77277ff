//! Message identifiers (RFC 5322 §3.6.4).

use super::{any, trim_blanks};
use crate::encoding::MAX_LINE;

/// One message identifier in angle brackets (RFC 5322 §3.6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageId(String);

impl MessageId {
    /// Takes `<left@right>` or `left@right`: printable ASCII, one `@` with something on both
    /// sides. Wider than the grammar, as identifiers in references come from any program.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = trim_blanks(text);
        let inner = match text.strip_prefix('<') {
            Some(rest) => rest.strip_suffix('>')?,
            None => text,
        };
        let bytes = inner.as_bytes();
        let at = bytes.iter().rposition(|&byte| byte == b'@')?;
        let left = bytes.get(..at).unwrap_or_default();
        let one_between = at > 0 && at + 1 < bytes.len() && !any(left, |byte| byte == b'@');
        let sound = one_between && !any(bytes, |byte| !byte.is_ascii_graphic() | (byte == b'<') | (byte == b'>'));
        // With its brackets and the blank before it, it has to fit into a line.
        if !(sound && inner.len() + 3 <= MAX_LINE) {
            return None;
        }
        let mut id = String::with_capacity(inner.len() + 2);
        id.push('<');
        id.push_str(inner);
        id.push('>');
        Some(Self(id))
    }

    /// Takes identifiers as they stand in References: apart by blanks, or bracket to bracket.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.replace("><", "> <").split_ascii_whitespace().map(Self::parse).collect()
    }

    /// Makes an identifier from a number that no other message has.
    pub(crate) fn unique(number: u128, domain: &str) -> Self {
        let mut id = String::with_capacity(35 + domain.len());
        id.push('<');
        push_hex(&mut id, number);
        id.push('@');
        id.push_str(domain);
        id.push('>');
        Self(id)
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes a number as 32 digits.
pub(crate) fn push_hex(out: &mut String, number: u128) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut digits = [[b'0'; 2]; 16];
    for (pair, byte) in digits.iter_mut().zip(number.to_be_bytes()) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out.push_str(str::from_utf8(digits.as_flattened()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5322_section_3_6_4_identifiers() {
        for (text, wanted) in [
            ("<1234@local.machine.example>", "<1234@local.machine.example>"),
            (" a.b+c@x ", "<a.b+c@x>"),
            ("<id@[192.0.2.1]>", "<id@[192.0.2.1]>"),
        ] {
            assert_eq!(MessageId::parse(text).unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn what_could_break_the_field_is_refused() {
        let long = format!("{}@x", "a".repeat(1000));
        for text in [
            "",
            "<>",
            "@",
            "a@",
            "@b",
            "a",
            "<a@b",
            "a@b>",
            "a@b@c",
            "a b@c",
            "a@b\r\nBcc: x@y",
            "a@\u{fc}",
            "<a@b> <c@d>",
            &long,
        ] {
            assert_eq!(MessageId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_bad_byte_is_refused_in_every_place_of_any_length() {
        for length in 3..=50 {
            let many = "a".repeat(length - 2);
            for sound in [format!("<{many}@b>"), format!("<b@{many}>")] {
                assert!(MessageId::parse(&sound).is_some(), "{sound}");
                for place in 1..=length {
                    for bad in [" ", "\t", "<", ">", "@", "\r", "\n", "\0", "\x7f"] {
                        let mut text = sound.clone();
                        if bad != "@" || text.as_bytes()[place] != b'@' {
                            text.replace_range(place..=place, bad);
                            assert_eq!(MessageId::parse(&text), None, "{text:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_may_be_folded_or_packed() {
        let list = MessageId::parse_list("<a@b><c@d>\r\n <e@f>").unwrap();
        let texts: Vec<_> = list.iter().map(MessageId::as_str).collect();
        assert_eq!(texts, ["<a@b>", "<c@d>", "<e@f>"]);
        assert_eq!(MessageId::parse_list("<a@b> c"), None);
    }
}
