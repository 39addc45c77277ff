//! A finished message for a server that takes 7-bit content only (RFC 6152 §3).
//!
//! The message is read from its start several times and never held: once to decide which parts have to be encoded, once
//! to know the exact size of the result, and whenever the result is asked for.
//!
//! ```text
//! source ─► lines ─► structure ─┬─► planner: a plan for each header
//!                               └─► rewrite, by these plans: fields, bodies
//! ```
//!
//! What is changed, and what is not:
//!
//! - Leaf parts with octets beyond ASCII, a NUL or a line above 998 octets are encoded: text in quoted-printable unless
//!   base64 is shorter, anything else the other way round. That is so in multiparts and in messages within the message,
//!   whose own encoding becomes `7bit` (RFC 2046 §5.2.1). The charset is not guessed: what has none gets none.
//! - Parts in quoted-printable or base64 stay as they are; octets that may not stand in them are escaped or, as decoders
//!   do, left out.
//! - Parameters are written by RFC 2231, phrases, comments and unstructured fields as encoded words; octets that are not
//!   UTF-8 have the charset `unknown-8bit` (RFC 1428). A domain becomes A-labels, a URL is percent-encoded.
//! - An address with a local part beyond ASCII becomes the name of an empty group (RFC 6857 §3.1), and an identifier or
//!   a media type beyond ASCII stands in a field whose name starts with `Downgraded-` (RFC 6857 §3.2): neither has another form.
//! - `MIME-Version` is added where it is missing.
//! - `multipart/signed`, `multipart/encrypted`, S/MIME and OpenPGP parts pass octet by octet; with octets beyond ASCII in
//!   them the message cannot be converted. So do, up to their octets beyond ASCII, texts before the first part and behind
//!   the last, which nobody reads.

mod addresses;
mod bodies;
mod entity;
mod error;
mod field;
mod lexer;
mod lines;
mod parameters;
mod plan;
mod planner;
mod rewrite;
mod signatures;
mod structure;
mod structured;
mod words;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use mailkit_address::Domain;

pub use self::error::{ConvertError, Untouchable};
use self::planner::Planner;
use self::rewrite::{Converted, RewritePlan};
use self::structure::Walk;
use crate::content::Content;
use crate::encoded::{BodyKind, Capabilities, Encoded};
use crate::source::{ContentSource, Source};

/// How much is read at a time.
const PIECE: usize = 32 * 1024;

/// A message that was converted, and what that did to its signatures.
#[derive(Debug)]
#[non_exhaustive]
pub struct Conversion {
    /// The message in the form for the server, with its exact size.
    pub encoded: Encoded,
    /// The domains whose DKIM signatures were left out, in lower case: sign it again for them.
    pub unsigned: Vec<String>,
    /// The other domains with DKIM signatures. Those were kept, and no longer hold.
    pub broken: Vec<String>,
}

impl Encoded {
    /// Converts the message for a server that lacks 8BITMIME, or SMTPUTF8, or both. With 8BITMIME the bodies stay as they
    /// are, and only the headers are converted.
    ///
    /// DKIM signatures of the `own` domains are left out, so that the message can be signed again. The content is read
    /// with blocking calls, twice here and once more each time that the result is.
    ///
    /// # Errors
    ///
    /// [`ConvertError`]: 8-bit content that may not be changed; content that cannot be read, or only once.
    ///
    /// ```
    /// use mailkit_mime::{Capabilities, Message};
    ///
    /// let eml = "From: Jörg <ann@example.com>\r\nTo: bob@example.org\r\n\r\nViele Grüße von allen hier\r\n";
    /// let server = Capabilities { eight_bit: true, smtp_utf8: true, ..Capabilities::default() };
    /// let conversion = Message::from_eml(eml, None)?.encode(server)?.convert(Capabilities::default(), &[])?;
    /// let wanted = "From: =?utf-8?q?J=C3=B6rg?= <ann@example.com>\r\nTo: bob@example.org\r\nMIME-Version: 1.0\r\n\
    ///               Content-Transfer-Encoding: quoted-printable\r\n\r\nViele Gr=C3=BC=C3=9Fe von allen hier\r\n";
    /// assert_eq!(conversion.encoded.to_bytes()?, wanted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn convert(&self, server: Capabilities, own: &[Domain]) -> Result<Conversion, ConvertError> {
        if self.content.reads_once() {
            return Err(ConvertError::ReadsOnce);
        }
        let keeps_8bit = server.eight_bit;
        let planner = plan(&self.content, keeps_8bit)?;
        let own: Vec<String> = own.iter().map(|domain| domain.as_ascii().to_ascii_lowercase()).collect();
        let (unsigned, broken): (Vec<_>, Vec<_>) =
            planner.signatures.domains.into_iter().partition(|domain| own.contains(domain));
        let plan = RewritePlan { plans: planner.plans, keeps_8bit, unsigned: unsigned.clone() };
        let source = Rewritten { content: self.content.clone(), plan: Arc::new(plan) };
        let size = measure(&source, keeps_8bit)?;
        let body = if keeps_8bit { self.body } else { BodyKind::SevenBit };
        let source = Source::Opened { source: Arc::new(source), length: Some(size) };
        let encoded = Self { content: Content::of(source, Some(size)), body, smtp_utf8: false };
        Ok(Conversion { encoded, unsigned, broken })
    }

    /// Finished content that is stored elsewhere: a header and a body with CRLF line ends, such as a queue keeps.
    #[must_use]
    pub fn stored(source: Arc<dyn ContentSource>, size: Option<u64>, body: BodyKind, smtp_utf8: bool) -> Self {
        Self { content: Content::of(Source::Opened { source, length: size }, size), body, smtp_utf8 }
    }
}

fn plan(content: &Content, keeps_8bit: bool) -> Result<Planner, ConvertError> {
    let mut walk = Walk::new(Planner::new(keeps_8bit));
    for chunk in content.chunks() {
        let chunk = chunk.map_err(ConvertError::Read)?;
        chunk.chunks(PIECE).for_each(|piece| walk.push(piece));
        if walk.visit.fault.is_some() {
            break;
        }
    }
    walk.finish();
    match walk.visit.fault.take() {
        Some(fault) => Err(fault),
        None => Ok(walk.visit),
    }
}

/// The exact size of the result.
fn measure(source: &Rewritten, keeps_8bit: bool) -> Result<u64, ConvertError> {
    let mut reader = source.open().map_err(ConvertError::Read)?;
    let mut buffer = vec![0; PIECE];
    let mut size = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(ConvertError::Read)?;
        if count == 0 {
            return Ok(size);
        }
        // The server would refuse it, or worse.
        debug_assert!(keeps_8bit || buffer.iter().take(count).all(u8::is_ascii), "the result is ASCII");
        size += count as u64;
    }
}

/// Content that is converted each time that it is read.
struct Rewritten {
    content: Content,
    plan: Arc<RewritePlan>,
}

impl ContentSource for Rewritten {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let source = Box::new(self.content.chunks().into_reader());
        Ok(Box::new(Converted::new(source, Arc::clone(&self.plan))))
    }
}

impl fmt::Debug for Rewritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewritten").field("content", &self.content).finish_non_exhaustive()
    }
}
