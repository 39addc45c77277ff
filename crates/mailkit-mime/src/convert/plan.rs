//! What happens to each header and its body, in an octet each.

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// As it is.
    Kept,
    QuotedPrintable,
    Base64,
    /// It is in quoted-printable, but for octets that may not stand there.
    MendQuotedPrintable,
    /// It is in base64, but for octets that do not belong there, or for its line ends.
    MendBase64,
}

/// The plan for one header and what follows it. A message may have a part for every ten octets, so it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Plan(u8);

impl Plan {
    const BODY: u8 = 7;
    const LABEL: u8 = 8;
    const SEALED: u8 = 16;
    const HOLLOW: u8 = 32;
    const HAS_ENCODED: u8 = 64;

    pub(super) fn set_body(&mut self, body: Body) {
        self.0 = self.0 & !Self::BODY | body as u8;
    }

    pub(super) const fn body(self) -> Body {
        match self.0 & Self::BODY {
            1 => Body::QuotedPrintable,
            2 => Body::Base64,
            3 => Body::MendQuotedPrintable,
            4 => Body::MendBase64,
            _ => Body::Kept,
        }
    }

    /// Content-Transfer-Encoding becomes `7bit`.
    pub(super) const fn set_label(&mut self) {
        self.0 |= Self::LABEL;
    }

    /// What follows must arrive as it is.
    pub(super) const fn set_sealed(&mut self) {
        self.0 |= Self::SEALED;
    }

    pub(super) const fn is_sealed(self) -> bool {
        self.0 & Self::SEALED != 0
    }

    /// A multipart without parts.
    pub(super) const fn set_hollow(&mut self) {
        self.0 |= Self::HOLLOW;
    }

    pub(super) const fn is_hollow(self) -> bool {
        self.0 & Self::HOLLOW != 0
    }

    /// A part of the message that starts here is encoded.
    pub(super) const fn set_has_encoded(&mut self) {
        self.0 |= Self::HAS_ENCODED;
    }

    pub(super) const fn has_encoded(self) -> bool {
        self.0 & Self::HAS_ENCODED != 0
    }

    /// The new value of Content-Transfer-Encoding.
    pub(super) const fn token(self) -> Option<&'static [u8]> {
        match self.body() {
            Body::QuotedPrintable => Some(b"quoted-printable"),
            Body::Base64 => Some(b"base64"),
            _ if self.0 & Self::LABEL != 0 => Some(b"7bit"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_back() {
        for body in [Body::Kept, Body::QuotedPrintable, Body::Base64, Body::MendQuotedPrintable, Body::MendBase64] {
            let mut plan = Plan::default();
            plan.set_label();
            plan.set_body(Body::Base64);
            plan.set_body(body);
            plan.set_hollow();
            assert_eq!(
                (plan.body(), plan.is_hollow(), plan.is_sealed(), plan.has_encoded()),
                (body, true, false, false)
            );
        }
    }
}
