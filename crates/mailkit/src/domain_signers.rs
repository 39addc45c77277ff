//! Keys that sign the mail of their domains by DKIM, and of no others.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mailkit_address::{AddressList, Domain};
use mailkit_mime::dkim::{BodyHash, BodyHasher, Signer};
use mailkit_queue::{Chunks, Content, ContentSource};
use time::OffsetDateTime;

/// A header is read up to this size; a longer one is no mail.
const LONGEST_HEADER: usize = 1024 * 1024;

/// Keys that sign the mail of their domains: a message is signed by the keys of the domain of From, or of the nearest domain
/// above it, unless it has a signature of that domain already.
#[derive(Clone, Default)]
pub struct DomainSigners(Arc<[(Domain, Signer)]>);

impl DomainSigners {
    /// From the keys and their domains.
    #[must_use]
    pub fn new(signers: impl IntoIterator<Item = (Domain, Signer)>) -> Self {
        Self(signers.into_iter().collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, whatever the domain.
    pub fn all(&self) -> impl Iterator<Item = &Signer> {
        self.0.iter().map(|(_, signer)| signer)
    }

    /// Those that sign a message with this header; none where it has a signature of their domain.
    #[must_use]
    pub fn for_header(&self, header: &[u8]) -> Vec<Signer> {
        if self.is_empty() {
            return Vec::new();
        }
        let Some(domain) = fields(header, "from").find_map(|value| from_domain(&value)) else { return Vec::new() };
        let is_above = |own: &Domain| {
            let rest = domain.as_ascii().strip_suffix(own.as_ascii());
            rest.is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
        };
        let above = self.0.iter().filter(|(own, _)| is_above(own)).map(|(own, _)| own);
        let Some(nearest) = above.max_by_key(|own| own.as_ascii().len()) else { return Vec::new() };
        if fields(header, "dkim-signature").any(|value| signing_domain(&value) == Some(nearest.as_ascii().to_owned())) {
            return Vec::new();
        }
        self.0.iter().filter(|(own, _)| own == nearest).map(|(_, signer)| signer.clone()).collect()
    }

    /// Those that sign a message, by its header.
    ///
    /// # Errors
    /// Where the message cannot be read.
    pub fn for_message(&self, message: &mailkit_mime::Message) -> io::Result<Vec<Signer>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        if message.is_read_once() {
            // Its header is in memory, but the rest can be had once: it is read when it is sent, and cannot be signed.
            return Ok(Vec::new());
        }
        Ok(self.for_header(&header_of(message.chunks())?))
    }

    /// The content of a store, signed where it has to be. What is in memory is signed at once, the rest when it is read.
    pub(crate) fn sign(&self, content: Content) -> Content {
        if self.is_empty() {
            return content;
        }
        let Some(bytes) = content.in_memory() else {
            return Content::stored(Arc::new(Unsigned { signers: self.clone(), content }), None);
        };
        match signature(self, &content) {
            Ok(fields) if fields.is_empty() => content,
            Ok(fields) => Content::from(Bytes::from([fields.as_bytes(), bytes].concat())),
            Err(error) => {
                tracing::error!(%error, "a message could not be signed by DKIM, and is sent unsigned");
                content
            }
        }
    }
}

impl std::fmt::Debug for DomainSigners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(domain, _)| domain)).finish()
    }
}

/// Stored content that is signed when it is read: once to be hashed, and once to be sent.
struct Unsigned {
    signers: DomainSigners,
    content: Content,
}

impl ContentSource for Unsigned {
    fn open(&self) -> io::Result<Chunks> {
        let fields = signature(&self.signers, &self.content)?;
        let chunks = self.content.chunks()?;
        if fields.is_empty() {
            return Ok(chunks);
        }
        Ok(Box::new(std::iter::once(Ok(Bytes::from(fields))).chain(chunks)))
    }
}

/// The signature fields of a content; empty where it is to have none.
fn signature(signers: &DomainSigners, content: &Content) -> io::Result<String> {
    let header = header_of(content.chunks()?)?;
    let Some(fields_alone) = header.strip_suffix(b"\r\n").filter(|_| header.ends_with(b"\r\n\r\n")) else {
        return Ok(String::new());
    };
    let signers = signers.for_header(fields_alone);
    if signers.is_empty() {
        return Ok(String::new());
    }
    let mut hashers: Vec<BodyHasher> = signers.iter().map(Signer::body_hasher).collect();
    let mut skipped = 0;
    for chunk in content.chunks()? {
        let chunk = chunk?;
        let body = chunk.get((header.len() - skipped).min(chunk.len())..).unwrap_or_default();
        skipped += chunk.len() - body.len();
        hashers.iter_mut().for_each(|hasher| hasher.update(body));
    }
    let hashes = hashers.into_iter().map(BodyHasher::finish).collect::<Result<Vec<BodyHash>, _>>();
    let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
    let mut fields = String::new();
    for (signer, hash) in signers.iter().zip(hashes.map_err(io::Error::other)?) {
        fields.push_str(&signer.sign(fields_alone, &hash, now).map_err(io::Error::other)?);
    }
    Ok(fields)
}

/// The header up to and with the empty line.
fn header_of(chunks: impl Iterator<Item = io::Result<Bytes>>) -> io::Result<Vec<u8>> {
    let mut header: Vec<u8> = Vec::new();
    for chunk in chunks {
        // The empty line may lie across two chunks.
        let from = header.len().saturating_sub(3);
        header.extend_from_slice(&chunk?);
        let searched = header.get(from..).unwrap_or_default();
        if header.starts_with(b"\r\n") {
            header.truncate(2);
            break;
        }
        if let Some(end) = searched.windows(4).position(|window| window == b"\r\n\r\n") {
            header.truncate(from + end + 4);
            break;
        }
        // It has no end that was found, and is not signed.
        if header.len() > LONGEST_HEADER {
            break;
        }
    }
    Ok(header)
}

/// The values of a field, unfolded.
fn fields<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let text = String::from_utf8_lossy(header);
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    let values: Vec<String> = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect();
    values.into_iter()
}

/// The domain of the first mailbox.
fn from_domain(value: &str) -> Option<Domain> {
    let list: AddressList = value.parse().ok()?;
    list.mailboxes().next().map(|mailbox| mailbox.address().domain().clone())
}

/// The domain of a signature: its tag `d`.
fn signing_domain(value: &str) -> Option<String> {
    let tags = value.split(';').filter_map(|tag| tag.split_once('='));
    let domain = tags.filter(|(name, _)| name.trim() == "d").map(|(_, domain)| domain).next()?;
    Domain::parse(domain.trim()).ok().map(|domain| domain.as_ascii().to_owned())
}

#[cfg(test)]
mod tests {
    use mailkit_mime::dkim::SigningKey;

    use super::*;

    /// RFC 8463 §A.2.
    const KEY: &[u8] = b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";

    fn signers(domains: &[&str]) -> DomainSigners {
        DomainSigners::new(domains.iter().map(|domain| {
            let domain = Domain::parse(domain).unwrap();
            let signer = Signer::new(SigningKey::from_pem(KEY).unwrap(), domain.clone(), "s1").unwrap();
            (domain, signer)
        }))
    }

    #[test]
    fn the_keys_of_the_nearest_domain_sign_and_no_others() {
        let all = signers(&["example.com", "example.com", "sub.example.com", "other.example"]);
        for (header, count) in [
            ("From: Ann <ann@example.com>\r\n", 2),
            ("from : Ann\r\n <ann@EXAMPLE.com>\r\n", 2),
            ("From: ann@sub.example.com\r\n", 1),
            ("From: ann@deep.sub.example.com\r\n", 1),
            ("From: ann@notexample.com\r\n", 0),
            ("From: ann@example.net\r\nSender: ann@example.com\r\n", 0),
            ("DKIM-Signature: v=1; a=x; d=example.com; s=s0; b=\r\nFrom: ann@example.com\r\n", 0),
            ("DKIM-Signature: v=1; d=list.example; b=\r\nFrom: ann@example.com\r\n", 2),
            ("Subject: nobody\r\n", 0),
        ] {
            assert_eq!(all.for_header(header.as_bytes()).len(), count, "{header}");
        }
        assert!(signers(&[]).for_header(b"From: ann@example.com\r\n").is_empty());
    }

    #[test]
    fn stored_content_is_signed_alike_in_memory_and_in_chunks_however_they_are_cut() {
        struct Cut(&'static str, usize);
        impl ContentSource for Cut {
            fn open(&self) -> io::Result<Chunks> {
                let chunks: Vec<_> = self.0.as_bytes().chunks(self.1).map(|chunk| Ok(Bytes::from(chunk))).collect();
                Ok(Box::new(chunks.into_iter()))
            }
        }
        const MAIL: &str = "From: ann@example.com\r\nSubject: x\r\n\r\nOne line.\r\n\r\nAnother.\r\n";
        let signers = signers(&["example.com"]);
        let body_hash = |content: Content| {
            let signed = String::from_utf8(signers.sign(content).to_bytes().unwrap().to_vec()).unwrap();
            assert!(signed.starts_with("DKIM-Signature:") && signed.ends_with(MAIL), "{signed}");
            let unfolded: String = signed.split_whitespace().collect();
            unfolded.split("bh=").nth(1).unwrap().split(';').next().unwrap().to_owned()
        };
        let whole = body_hash(Content::from(MAIL));
        for size in [1, 2, 3, 7, 38, 39, 40, 1_000] {
            assert_eq!(body_hash(Content::stored(Arc::new(Cut(MAIL, size)), None)), whole, "{size}");
        }
        let foreign = Content::from("From: ann@example.net\r\n\r\nHi\r\n");
        assert_eq!(signers.sign(foreign.clone()).to_bytes().unwrap(), foreign.to_bytes().unwrap());
    }
}
