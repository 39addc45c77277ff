//! What the header of a message or a part says of what follows it.

use super::error::Untouchable;
use super::field::value;
use super::lexer::tokens;
use super::parameters::{Parameter, significant, split};

/// How the content below a header is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A part without parts; whether it is text.
    Leaf { text: bool },
    /// Parts between the lines of a boundary.
    Multipart { boundary: Vec<u8>, digest: bool },
    /// A message, with a header of its own.
    Message,
    /// Blocks of fields, as in a delivery report (RFC 3464 §2.1).
    Fields,
    /// It must arrive as it is.
    Sealed(Untouchable),
}

/// The value of Content-Transfer-Encoding (RFC 2045 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// `7bit`, or nothing.
    SevenBit,
    /// `8bit` and `binary`.
    EightBit,
    QuotedPrintable,
    Base64,
    /// A decoder would change octets that are not its own.
    Uuencode,
    /// Nobody decodes it.
    Unknown,
}

/// What was read of a header so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    content_type: Option<Vec<u8>>,
    transfer: Option<Transfer>,
}

impl Gathered {
    /// Takes a field in: the first of each name counts.
    pub(super) fn take(&mut self, name: &[u8], field: &[u8]) {
        if name.eq_ignore_ascii_case(b"Content-Type") && self.content_type.is_none() {
            self.content_type = Some(value(field));
        }
        if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") && self.transfer.is_none() {
            self.transfer = Some(transfer(&value(field)));
        }
    }

    /// What the header says; `message` is what a part in a digest is without a type (RFC 2046 §5.1.5).
    pub(super) fn finish(&mut self, message: bool) -> (Kind, Transfer) {
        let transfer = self.transfer.take().unwrap_or(Transfer::SevenBit);
        let kind = match self.content_type.take() {
            Some(content_type) => kind(&content_type),
            None if message => Kind::Message,
            None => Kind::Leaf { text: true },
        };
        match kind {
            // Its parts are behind an encoding: whoever wrote it meant a part without parts.
            Kind::Message | Kind::Fields if matches!(transfer, Transfer::QuotedPrintable | Transfer::Base64) => {
                (Kind::Leaf { text: false }, transfer)
            }
            kind => (kind, transfer),
        }
    }
}

fn transfer(value: &[u8]) -> Transfer {
    let token = significant(&tokens(value)).trim_ascii().to_ascii_lowercase();
    match token.as_slice() {
        b"7bit" | b"" => Transfer::SevenBit,
        b"8bit" | b"binary" => Transfer::EightBit,
        b"quoted-printable" => Transfer::QuotedPrintable,
        b"base64" => Transfer::Base64,
        b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Transfer::Uuencode,
        _ => Transfer::Unknown,
    }
}

fn kind(content_type: &[u8]) -> Kind {
    let (main, parameters) = split(content_type);
    let main = significant(&main).trim_ascii().to_ascii_lowercase();
    let Some((kind, subtype)) = main.iter().position(|octet| *octet == b'/').and_then(|at| main.split_at_checked(at))
    else {
        // RFC 2045 §5.2: what is no type counts as text.
        return Kind::Leaf { text: true };
    };
    match (kind, subtype.trim_ascii()) {
        (b"multipart", b"/signed") => Kind::Sealed(Untouchable::Signed),
        (b"multipart", b"/encrypted") => Kind::Sealed(Untouchable::Encrypted),
        (b"application", subtype) if is_sealed(subtype) => Kind::Sealed(Untouchable::Smime),
        (b"multipart", subtype) => multipart(&parameters, subtype == b"/digest"),
        // The header of what lies elsewhere, and a body that nobody reads: both in 7 bits (RFC 2046 §5.2.3).
        (b"message", b"/rfc822" | b"/global" | b"/news" | b"/external-body") => Kind::Message,
        (b"message", b"/delivery-status" | b"/disposition-notification" | b"/feedback-report") => Kind::Fields,
        (b"text", _) => Kind::Leaf { text: true },
        _ => Kind::Leaf { text: false },
    }
}

/// S/MIME (RFC 8551 §3) and OpenPGP (RFC 3156).
fn is_sealed(subtype: &[u8]) -> bool {
    let subtype = subtype.strip_prefix(b"/").unwrap_or(subtype);
    let subtype = subtype.strip_prefix(b"x-").unwrap_or(subtype);
    subtype.starts_with(b"pkcs7-") || subtype.starts_with(b"pgp-") || matches!(subtype, b"pkcs10" | b"pgp")
}

fn multipart(parameters: &[Vec<super::lexer::Token<'_>>], digest: bool) -> Kind {
    let mut read = parameters.iter().filter_map(|tokens| Parameter::read(tokens));
    let boundary = read.find(|parameter| parameter.name.starts_with(b"boundary"));
    match boundary {
        Some(Parameter { name, value }) if name == b"boundary" && !value.trim_ascii_end().is_empty() => {
            Kind::Multipart { boundary: value.trim_ascii_end().to_vec(), digest }
        }
        // In sections, or none: what its parts are is not known.
        _ => Kind::Sealed(Untouchable::Boundary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_says_what_may_be_touched() {
        let multipart = |boundary: &str, digest| Kind::Multipart { boundary: boundary.into(), digest };
        for (text, wanted) in [
            ("text/plain; charset=utf-8", Kind::Leaf { text: true }),
            ("IMAGE/png", Kind::Leaf { text: false }),
            ("nonsense", Kind::Leaf { text: true }),
            ("multipart/mixed; boundary=\"a b\"", multipart("a b", false)),
            ("multipart/digest (x); Boundary = a ; x=y", multipart("a", true)),
            ("multipart/mixed", Kind::Sealed(Untouchable::Boundary)),
            ("multipart/signed; boundary=a", Kind::Sealed(Untouchable::Signed)),
            ("multipart/encrypted; boundary=a", Kind::Sealed(Untouchable::Encrypted)),
            ("application/x-pkcs7-mime", Kind::Sealed(Untouchable::Smime)),
            ("application/pgp-signature", Kind::Sealed(Untouchable::Smime)),
            ("message/rfc822", Kind::Message),
            ("message/external-body; access-type=x", Kind::Message),
            ("message/delivery-status", Kind::Fields),
        ] {
            assert_eq!(kind(text.as_bytes()), wanted, "{text}");
        }
    }
}
