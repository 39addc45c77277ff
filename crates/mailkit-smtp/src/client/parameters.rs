//! What a transaction asks for, held against what the server offers: decided before a byte leaves (RFC 5321 §3.3).

use std::collections::HashSet;
use std::num::NonZeroU32;

use mailkit_address::{Address, Envelope};

use super::{BeginError, Client, TransactionOptions};
use crate::parameter::{Body, Hold, MailParameters, RcptParameters};
use crate::{InvalidArgument, SizeLimit};

/// The server offers no SMTPUTF8.
pub(super) const NO_SMTP_UTF8: BeginError =
    BeginError::Unsupported { extension: "SMTPUTF8", needed_for: "an address or a header with non-ASCII characters" };

impl Client {
    /// The parameters of MAIL and RCPT for a message.
    pub(super) fn parameters(
        &self,
        envelope: &Envelope,
        options: &TransactionOptions,
        chunking: bool,
    ) -> Result<(MailParameters, RcptParameters), BeginError> {
        let offered = &self.extensions;
        self.check_recipients(envelope, options.max_recipients)?;
        if let (Some(size), Some(SizeLimit::Octets(limit))) = (options.size, offered.size)
            && size > limit
        {
            return Err(BeginError::TooLarge { size, limit });
        }
        if let Some(envid) = &options.envid {
            // RFC 3461 §4.4: printable, and 100 octets at the most.
            InvalidArgument::check_printable("ENVID", envid, 100)?;
        }
        let in_recipients = envelope.recipients().iter().any(Address::needs_smtp_utf8);
        let in_message = options.smtp_utf8 || envelope.reverse_path().address().is_some_and(Address::needs_smtp_utf8);
        // A recipient's address concerns that recipient only: it is left out.
        if in_message && !offered.smtp_utf8 {
            return Err(NO_SMTP_UTF8);
        }
        let smtp_utf8 = offered.smtp_utf8 && (in_message || in_recipients);
        // RFC 8689 §4.2.1: the offer counts only under TLS with a certificate that was checked; any other is anybody's.
        let checked = self.secured && self.config.certificate_verified && !self.is_opportunistic();
        require(!options.require_tls || offered.require_tls, "REQUIRETLS", "a message that must not travel in clear")?;
        if options.require_tls && !checked {
            return Err(BeginError::UnverifiedTls);
        }
        require(options.hold.is_none() || offered.future_release.is_some(), "FUTURERELEASE", "a later release")?;
        if let (Some(Hold::For(seconds)), Some(release)) = (&options.hold, &offered.future_release)
            && *seconds > release.max_interval
        {
            return Err(BeginError::HeldTooLong { limit: release.max_interval });
        }
        let mail = MailParameters {
            size: options.size.filter(|_| offered.size.is_some()),
            body: self.body(options.body, chunking)?,
            smtp_utf8,
            ret: options.ret.filter(|_| offered.dsn),
            envid: options.envid.clone().filter(|_| offered.dsn),
            require_tls: options.require_tls,
            priority: options.priority.filter(|_| offered.mt_priority.is_some()),
            hold: options.hold.clone(),
            auth: None,
            other: Vec::new(),
        };
        let notify = options.notify.filter(|_| offered.dsn);
        Ok((mail, RcptParameters { notify, ..RcptParameters::default() }))
    }

    fn body(&self, body: Body, chunking: bool) -> Result<Option<Body>, BeginError> {
        match body {
            Body::SevenBit => Ok(None),
            Body::EightBitMime => {
                require(self.extensions.eight_bit_mime, "8BITMIME", "content with octets above 127")?;
                Ok(Some(body))
            }
            Body::BinaryMime => {
                require(self.extensions.binary_mime, "BINARYMIME", "binary content")?;
                require(chunking, "CHUNKING", "binary content")?;
                Ok(Some(body))
            }
        }
    }

    /// Divides an envelope so that each part keeps to the server's limits (RFC 9422 §4.2, §4.3), in order.
    /// Without limits that is the envelope itself. `max` is the caller's own limit.
    #[must_use]
    pub fn group_recipients(&self, envelope: &Envelope, max: Option<NonZeroU32>) -> Vec<Envelope> {
        if self.fits_one_transaction(envelope, max) {
            return vec![envelope.clone()];
        }
        let mut groups: Vec<Vec<Address>> = Vec::new();
        let mut rest = envelope.recipients();
        while let Some((group, after)) =
            rest.split_at_checked(self.how_many_fit(rest, max)).filter(|(group, _)| !group.is_empty())
        {
            groups.push(group.to_vec());
            rest = after;
        }
        let whole = |group| Envelope::new(envelope.reverse_path().clone(), group).ok();
        groups.into_iter().filter_map(whole).collect()
    }

    /// Whether the envelope keeps to the server's limits as it is, so that there is nothing to
    /// [divide](Self::group_recipients).
    #[must_use]
    pub fn fits_one_transaction(&self, envelope: &Envelope, max: Option<NonZeroU32>) -> bool {
        self.how_many_fit(envelope.recipients(), max) == envelope.recipients().len()
    }

    fn check_recipients(&self, envelope: &Envelope, max: Option<NonZeroU32>) -> Result<(), BeginError> {
        let limit = self.how_many_fit(envelope.recipients(), max);
        if limit < envelope.recipients().len() { Err(BeginError::TooManyRecipients { limit }) } else { Ok(()) }
    }

    /// How many recipients, from the first on, fit into one transaction.
    fn how_many_fit(&self, recipients: &[Address], max: Option<NonZeroU32>) -> usize {
        let most = |limit: Option<u32>| limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let limits = &self.extensions.limits;
        let count = most(limits.rcpt_max).min(most(max.map(NonZeroU32::get)));
        let domains = most(limits.rcpt_domain_max);
        if domains == usize::MAX {
            return recipients.len().min(count);
        }
        let mut seen = HashSet::new();
        let mut fits = |address: &Address| {
            seen.insert(address.domain().clone());
            seen.len() <= domains
        };
        recipients.iter().take(count).take_while(|address| fits(address)).count()
    }
}

fn require(there: bool, extension: &'static str, needed_for: &'static str) -> Result<(), BeginError> {
    if there { Ok(()) } else { Err(BeginError::Unsupported { extension, needed_for }) }
}
