//! Converting messages for servers that lack 8BITMIME or SMTPUTF8, away from the threads that must not block.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "dkim")]
use std::sync::Arc;
use std::sync::OnceLock;

#[cfg(feature = "dkim")]
use mailkit_mime::dkim::Signer;
use mailkit_mime::{Capabilities, Conversion, ConvertError, Encoded};

use crate::Error;
#[cfg(feature = "dkim")]
use crate::signing::Signing;

/// When a finished message with 8-bit content is converted for a server that takes none (RFC 6152 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a route converts what was signed elsewhere, or not, or nothing")]
pub enum Convert {
    /// Also where the DKIM signature of another domain breaks by it: mail with a broken signature is as good as mail
    /// without one (RFC 6376 §6.1), and better than none.
    #[default]
    Always,
    /// Unless the DKIM signature of another domain would break.
    Unsigned,
    /// Never: the server cannot carry the message.
    Never,
}

impl Convert {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Always, Self::Unsigned, Self::Never];

    /// The word for it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Unsigned => "unsigned",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Convert {
    type Err = ParseConvertError;

    fn from_str(word: &str) -> Result<Self, ParseConvertError> {
        Self::ALL.into_iter().find(|known| known.as_str() == word).ok_or(ParseConvertError)
    }
}

/// A word that says nothing of when to convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseConvertError;

impl fmt::Display for ParseConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("convert is always, unsigned or never")
    }
}

impl std::error::Error for ParseConvertError {}

/// How a mailer converts messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversions {
    pub(crate) policy: Convert,
    /// Who signs again where a signature of their domain was left out.
    #[cfg(feature = "dkim")]
    pub(crate) signers: Arc<[Signer]>,
    /// Who signs every message.
    #[cfg(feature = "dkim")]
    pub(crate) signing: Signing,
}

/// What is to be said of a conversion in the history of its message; it is set when it was made.
pub(crate) type Note = OnceLock<String>;

impl Conversions {
    /// The message in a form for the server. `keeps_signatures`: not if a signature of another domain would break.
    pub(crate) async fn convert(
        &self,
        encoded: Encoded,
        server: Capabilities,
        keeps_signatures: bool,
        note: Option<&Note>,
    ) -> Result<Encoded, Error> {
        #[cfg(feature = "dkim")]
        let own: Vec<_> =
            self.signers.iter().chain(self.signing.signers()).map(|signer| signer.domain().clone()).collect();
        #[cfg(not(feature = "dkim"))]
        let own = Vec::new();
        let converted = tokio::task::spawn_blocking(move || encoded.convert(server, &own)).await;
        let Conversion { encoded, unsigned, broken, .. } = match converted.map_err(Error::unfit)? {
            Err(ConvertError::Read(error)) => return Err(Error::content(error)),
            converted => converted.map_err(Error::lacking)?,
        };
        if let Some(domain) = broken.first().filter(|_| keeps_signatures || self.policy == Convert::Unsigned) {
            let could_convert = self.policy == Convert::Always;
            return Err(Error::lacking(SignedElsewhere { domain: domain.clone(), could_convert }));
        }
        let text = describe(server, &unsigned, &broken);
        tracing::info!(unsigned = ?unsigned, broken = ?broken, "{text}");
        if let Some(note) = note {
            // If the message was converted before in this attempt, the first note stays.
            let _ = note.set(text);
        }
        self.sign(encoded, &unsigned).await
    }

    #[cfg(feature = "dkim")]
    async fn sign(&self, encoded: Encoded, unsigned: &[String]) -> Result<Encoded, Error> {
        if !self.signing.is_empty() {
            return self.signing.sign(encoded).await;
        }
        let is_own = |signer: &&Signer| unsigned.iter().any(|own| signer.domain().as_ascii().eq_ignore_ascii_case(own));
        let signers: Vec<_> = self.signers.iter().filter(is_own).cloned().collect();
        if signers.is_empty() { Ok(encoded) } else { Signing::default().by(signers).sign(encoded).await }
    }

    #[cfg(not(feature = "dkim"))]
    async fn sign(&self, encoded: Encoded, _: &[String]) -> Result<Encoded, Error> {
        Ok(encoded)
    }
}

fn describe(server: Capabilities, unsigned: &[String], broken: &[String]) -> String {
    let lacking = if server.eight_bit { "SMTPUTF8" } else { "8BITMIME" };
    let mut text = format!("converted for a server without {lacking}");
    if !unsigned.is_empty() {
        text.push_str(&format!("; signed again for {}", unsigned.join(", ")));
    }
    if !broken.is_empty() {
        text.push_str(&format!("; the DKIM signature of {} no longer holds", broken.join(", ")));
    }
    text
}

/// A message that is not converted, since a signature would break that nobody here can make again.
#[derive(Debug)]
struct SignedElsewhere {
    domain: String,
    /// Whether it would be, if no other route could carry it.
    could_convert: bool,
}

/// Whether a message was only not converted since another route may carry it as it is.
pub(crate) fn could_convert(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<SignedElsewhere>());
    source.is_some_and(|signed| signed.could_convert)
}

impl fmt::Display for SignedElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the message needs 8BITMIME, which the server lacks, and a conversion would break the DKIM signature of {}",
            self.domain
        )
    }
}

impl std::error::Error for SignedElsewhere {}
