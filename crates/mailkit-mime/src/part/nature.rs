//! What a content type says on how its content may travel.

/// How the content of a part may travel, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Encoded as its source needs it.
    Any,
    /// As text, which is encoded only where it has to be.
    Text,
    /// A message, never encoded (RFC 2046 §5.2.1).
    Message,
    /// A message whose header may be in UTF-8; it may be encoded (RFC 6532 §3.7).
    GlobalMessage,
    /// Lines that are never encoded (RFC 2045 §6.4).
    Lines,
    /// Lines of ASCII that are never encoded.
    AsciiLines,
    /// Not as one leaf: parts are put together, or content is somewhere else.
    Composite,
}

const NATURES: &[(&str, Nature)] = &[
    ("message/rfc822", Nature::Message),
    ("message/news", Nature::Message),
    ("message/global", Nature::GlobalMessage),
    // "7bit encoding is sufficient and MUST be used": RFC 3464 §2.1, RFC 8098 §3.1, RFC 5965 §7.3, RFC 3886 §3.
    ("message/delivery-status", Nature::AsciiLines),
    ("message/disposition-notification", Nature::AsciiLines),
    ("message/feedback-report", Nature::AsciiLines),
    ("message/tracking-status", Nature::AsciiLines),
    // 8 bits, else quoted-printable: RFC 6533 §3, §4 and §5, RFC 6522 §4.
    ("message/global-delivery-status", Nature::Text),
    ("message/global-disposition-notification", Nature::Text),
    ("message/global-headers", Nature::Text),
    ("text/rfc822-headers", Nature::Text),
    ("message/partial", Nature::Composite),
    ("message/external-body", Nature::Composite),
];

impl Nature {
    /// The nature of a type and subtype.
    pub(super) fn of(essence: &str) -> Self {
        if let Some((_, nature)) = NATURES.iter().find(|(known, _)| known.eq_ignore_ascii_case(essence)) {
            return *nature;
        }
        match essence.split_once('/') {
            Some((kind, _)) if kind.eq_ignore_ascii_case("multipart") => Self::Composite,
            Some((kind, _)) if kind.eq_ignore_ascii_case("message") => Self::Lines,
            _ => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_2045_section_6_4_what_holds_a_message_is_never_encoded() {
        for (essence, wanted) in [
            ("Message/RFC822", Nature::Message),
            ("message/delivery-status", Nature::AsciiLines),
            ("MESSAGE/Disposition-Notification", Nature::AsciiLines),
            ("message/global-delivery-status", Nature::Text),
            ("message/http", Nature::Lines),
            ("multipart/mixed", Nature::Composite),
            ("text/plain", Nature::Any),
            ("application/message", Nature::Any),
            ("message", Nature::Any),
        ] {
            assert_eq!(Nature::of(essence), wanted, "{essence}");
        }
    }
}
