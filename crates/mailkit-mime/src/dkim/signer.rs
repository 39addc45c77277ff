//! A signer: a key, where its public half stands, and what it signs.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit_address::{Address, Domain};

use super::body::{BodyHash, BodyHasher};
use super::canonical::Canonicalization;
use super::error::{DkimError, excerpt};
use super::fields;
use super::key::SigningKey;
use super::selection::Selection;
use super::signature::SignatureField;

/// The longest name in DNS, in octets as text (RFC 1035 §2.3.4).
const MAX_RECORD_NAME_LEN: usize = 253;

/// The longest label of a name in DNS, in octets (RFC 1035 §2.3.4).
const MAX_LABEL_LEN: usize = 63;

/// Makes DKIM-Signature fields for one domain with one key.
///
/// From the start it signs relaxed/relaxed, states the time, sets no end and no identity, and covers
/// these fields. Listed once more than present, so that nobody can add one: From, Sender, Reply-To, To,
/// Cc, Subject, Date, Message-ID, In-Reply-To, References, MIME-Version, Content-Type,
/// Content-Transfer-Encoding, List-Unsubscribe, List-Unsubscribe-Post. As often as present: Feedback-ID.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    domain: Domain,
    selector: String,
    header_form: Canonicalization,
    body_form: Canonicalization,
    selection: Selection,
    identity: Option<String>,
    timestamp: bool,
    lifetime: Option<u64>,
}

impl Signer {
    /// A signer whose public key stands at `selector._domainkey.domain` in DNS.
    ///
    /// # Errors
    ///
    /// A selector that is not made of labels of letters, digits, inner hyphens and underscores; a
    /// domain that is an address literal; a name of the record that is too long for DNS.
    pub fn new(key: SigningKey, domain: Domain, selector: &str) -> Result<Self, DkimError> {
        if !selector.split('.').all(is_label) {
            return Err(DkimError::InvalidSelector { selector: excerpt(selector) });
        }
        if domain.is_literal() {
            return Err(DkimError::AddressLiteral { domain: domain.to_string() });
        }
        let signer = Self {
            key,
            domain,
            selector: selector.to_owned(),
            header_form: Canonicalization::Relaxed,
            body_form: Canonicalization::Relaxed,
            selection: Selection::default(),
            identity: None,
            timestamp: true,
            lifetime: None,
        };
        match signer.record_name().len() {
            0..=MAX_RECORD_NAME_LEN => Ok(signer),
            length => Err(DkimError::RecordNameTooLong { length }),
        }
    }

    /// Signs these fields as often as they are present, instead of those from the start. A name that
    /// is also listed once more than present stays so, and From is always signed.
    ///
    /// # Errors
    ///
    /// A name that is none, is longer than 76 bytes, or is DKIM-Signature.
    pub fn headers<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self, DkimError> {
        self.selection.set_signed(names)?;
        Ok(self)
    }

    /// Lists these fields once more than they are present, instead of those from the start.
    ///
    /// A mailing list that adds one of them breaks the signature, and is meant to.
    ///
    /// # Errors
    ///
    /// A name that is none, is longer than 76 bytes, or is DKIM-Signature.
    pub fn oversigned<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self, DkimError> {
        self.selection.set_oversigned(names)?;
        Ok(self)
    }

    /// Sets how much servers on the way may change (`c=`).
    #[must_use]
    pub const fn canonicalization(mut self, header: Canonicalization, body: Canonicalization) -> Self {
        self.header_form = header;
        self.body_form = body;
        self
    }

    /// Names on whose behalf it signs (`i=`): an address in the domain or below it, or only `@` and
    /// such a domain.
    ///
    /// # Errors
    ///
    /// Text that is neither, or a domain outside of the signer's.
    pub fn identity(mut self, identity: &str) -> Result<Self, DkimError> {
        let (local_part, domain) =
            read_identity(identity).ok_or_else(|| DkimError::InvalidIdentity { identity: excerpt(identity) })?;
        let within = domain.as_ascii().strip_suffix(self.domain.as_ascii());
        if !within.is_some_and(|labels| labels.is_empty() || labels.ends_with('.')) {
            return Err(DkimError::ForeignIdentity { identity: domain.to_string(), domain: self.domain.to_string() });
        }
        self.identity = Some(format!("{}@{}", quoted_printable(&local_part), domain.as_ascii()));
        Ok(self)
    }

    /// Sets whether the time of signing is stated (`t=`).
    #[must_use]
    pub const fn timestamp(mut self, stated: bool) -> Self {
        self.timestamp = stated;
        self
    }

    /// Sets how long after signing the signature holds (`x=`), in whole seconds and at least one.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime.as_secs().max(1));
        self
    }

    /// The domain that signs (`d=`).
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The selector of the key (`s=`).
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The name in DNS at which [`SigningKey::record`] is to be found.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain.as_ascii())
    }

    /// The form in which the body is to be hashed.
    #[must_use]
    pub const fn body_canonicalization(&self) -> Canonicalization {
        self.body_form
    }

    /// A hasher for the body, in the form of this signer.
    #[must_use]
    pub fn body_hasher(&self) -> BodyHasher {
        BodyHasher::new(self.body_form)
    }

    /// Signs a message and gives the DKIM-Signature field, folded and ended by CRLF, to be put before
    /// the header.
    ///
    /// `header` is the finished header block with CRLF behind each line and without the empty line;
    /// `now` is in seconds since 1970 in UTC.
    ///
    /// # Errors
    ///
    /// A header without From, a line of it that is no field, a CR or LF by itself, or a body hashed in
    /// another form than that of this signer.
    pub fn sign(&self, header: &[u8], body: &BodyHash, now: u64) -> Result<String, DkimError> {
        let given = body.canonicalization();
        if given != self.body_form {
            return Err(DkimError::BodyCanonicalization { wanted: self.body_form, given });
        }
        let fields = fields::parse(header)?;
        if !fields.iter().any(|field| field.name.eq_ignore_ascii_case(b"From")) {
            return Err(DkimError::NoFrom);
        }
        let (names, mut canonical) = self.selection.apply(&fields, self.header_form);
        let unsigned = self.tags(&names, body, now).unsigned();
        self.header_form.field(unsigned.as_bytes(), &mut canonical);
        let signature = self.key.sign(&canonical)?;
        Ok(unsigned.sign(&STANDARD.encode(signature)))
    }

    /// The tags of RFC 6376 §3.5 but `b=`. There is no `l=`, and what `q=` would say is the default.
    fn tags(&self, names: &[&str], body: &BodyHash, now: u64) -> SignatureField {
        let mut field = SignatureField::new();
        field.tag("v", "1");
        field.tag("a", self.key.algorithm().as_str());
        field.tag("c", &format!("{}/{}", self.header_form, self.body_form));
        field.tag("d", self.domain.as_ascii());
        field.tag("s", &self.selector);
        if let Some(identity) = &self.identity {
            field.tag("i", identity);
        }
        if self.timestamp {
            field.tag("t", &now.to_string());
        }
        if let Some(lifetime) = self.lifetime {
            field.tag("x", &now.saturating_add(lifetime).to_string());
        }
        field.list("h", names, ':');
        field.tag("bh", &body.to_base64());
        field
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.key.algorithm())
            .field("record_name", &self.record_name())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// `sub-domain` (RFC 5321 §4.1.2), also with underscores inside, which some keep in DNS.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    label.len() <= MAX_LABEL_LEN
        && label.bytes().all(inner)
        && edge(label.bytes().next())
        && edge(label.bytes().next_back())
}

/// `[ Local-part ] "@" domain-name` (RFC 6376 §3.5, `i=`).
fn read_identity(identity: &str) -> Option<(String, Domain)> {
    if let Some(domain) = identity.strip_prefix('@') {
        return Some((String::new(), Domain::parse(domain).ok()?));
    }
    let address = Address::parse(identity).ok()?.to_string();
    let (local_part, domain) = address.rsplit_once('@')?;
    Some((local_part.to_owned(), Domain::parse(domain).ok()?))
}

/// `dkim-quoted-printable` (RFC 6376 §2.11).
fn quoted_printable(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b';' | b'=') {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("={byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(selector: &str, domain: &str) -> Result<Signer, DkimError> {
        let key = SigningKey::from_pem(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        Signer::new(key, Domain::parse(domain).unwrap(), selector)
    }

    #[test]
    fn selectors_are_labels_parted_by_dots() {
        for selector in ["brisbane", "20230601", "march2005.reykjavik", "s1-a", "k_1", &"x".repeat(63)] {
            assert_eq!(signer(selector, "example.com").unwrap().selector(), selector);
        }
        for selector in ["", ".", "a.", "-a", "a-", "a b", "a;d=x", "a\r\nb", "\u{e9}", &"x".repeat(64)] {
            let refused = signer(selector, "example.com").unwrap_err();
            assert!(matches!(refused, DkimError::InvalidSelector { .. }), "{selector:?}");
        }
    }

    #[test]
    fn the_record_has_a_name_that_dns_can_hold() {
        let label = "x".repeat(60);
        let long = format!("{label}.{label}.{label}");
        let signer = |selector: &str| signer(selector, "example.com").map(|signer| signer.record_name().len());
        assert_eq!(signer(&format!("{long}.{}", "y".repeat(46))), Ok(252));
        assert_eq!(signer(&format!("{long}.{}", "y".repeat(47))), Ok(253));
        assert_eq!(signer(&format!("{long}.{}", "y".repeat(48))), Err(DkimError::RecordNameTooLong { length: 254 }));
    }

    #[test]
    fn an_address_literal_signs_nothing() {
        let refused = signer("a", "[192.0.2.1]").unwrap_err();
        assert_eq!(refused, DkimError::AddressLiteral { domain: "[192.0.2.1]".to_owned() });
    }

    #[test]
    fn an_identity_lies_within_the_domain() {
        let with =
            |identity: &str| signer("a", "example.com").unwrap().identity(identity).map(|it| it.identity.unwrap());
        for (identity, written) in [
            ("@example.com", "@example.com"),
            ("ann@Example.COM", "ann@example.com"),
            ("@mail.example.com", "@mail.example.com"),
            ("\"a;b=c d\"@news.example.com", "\"a=3Bb=3Dc=20d\"@news.example.com"),
            ("zo\u{eb}@example.com", "zo=C3=AB@example.com"),
        ] {
            assert_eq!(with(identity).as_deref(), Ok(written));
        }
        for identity in ["", "ann", "@", "ann@", "a b@example.com", "@exa mple.com", "@[192.0.2.1"] {
            assert!(matches!(with(identity), Err(DkimError::InvalidIdentity { .. })), "{identity:?}");
        }
        for identity in ["@example.org", "ann@notexample.com", "@com"] {
            assert!(matches!(with(identity), Err(DkimError::ForeignIdentity { .. })), "{identity:?}");
        }
    }

    #[test]
    fn debug_shows_the_record_and_no_key() {
        let shown = format!("{:?}", signer("a", "example.com").unwrap());
        assert_eq!(
            shown,
            "Signer { algorithm: Ed25519Sha256, record_name: \"a._domainkey.example.com\", identity: None, .. }"
        );
    }
}
