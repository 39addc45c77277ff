//! Safeguards for staging: who may get mail, and where the rest goes instead.

mod pattern;

use mailkit_address::{Address, Envelope};
use mailkit_smtp::{RecipientReport, Report, Status};

use self::pattern::PatternSet;
pub use self::pattern::{AddressPattern, InvalidPattern};
use crate::{Error, Mailer, Message, TransactionOptions};

/// The header field that keeps the recipients of a redirected message.
const ORIGINAL_TO: &str = "X-Mailkit-Original-To";

/// Who may get mail, and where the rest goes instead. They apply when a message is sent, so that nothing that waits in a
/// queue slips out.
///
/// ```
/// use mailkit::{Envelope, Safeguards};
///
/// let mut safeguards = Safeguards::default();
/// safeguards.redirect_all_to = Some("dev@example.com".parse()?);
/// let envelope = Envelope::null_sender(vec!["bob@example.org".parse()?])?;
/// let guarded = safeguards.apply(&envelope);
/// assert_eq!(guarded.envelope().unwrap().recipients()[0].to_string(), "dev@example.com");
/// assert_eq!(guarded.fields(), "X-Mailkit-Original-To: bob@example.org\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Safeguards {
    /// Who gets the mail of all others; with `allow_recipients`, of those that it does not list.
    pub redirect_all_to: Option<Address>,
    /// Who may get mail; `None` allows everybody.
    pub allow_recipients: Option<Vec<AddressPattern>>,
}

impl Safeguards {
    /// Whether they change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.redirect_all_to.is_none() && self.allow_recipients.is_none()
    }

    /// What becomes of an envelope.
    #[must_use]
    pub fn apply(&self, envelope: &Envelope) -> Guarded {
        let (mut recipients, mut redirected, mut forbidden) = (Vec::new(), Vec::new(), Vec::new());
        let patterns = self.allow_recipients.as_deref().map(PatternSet::new);
        for recipient in envelope.recipients() {
            let list = match (&self.redirect_all_to, &patterns) {
                (None, None) => &mut recipients,
                (_, Some(patterns)) if patterns.matches(recipient) => &mut recipients,
                // Mail for the address itself needs no redirection.
                (Some(to), _) if to == recipient => &mut recipients,
                (Some(_), _) => &mut redirected,
                (None, Some(_)) => &mut forbidden,
            };
            list.push(recipient.clone());
        }
        let allowed = recipients.clone();
        let redirect_to = self.redirect_all_to.clone().filter(|_| !redirected.is_empty());
        recipients.extend(redirect_to.clone().filter(|to| !allowed.contains(to)));
        let envelope = Envelope::new(envelope.reverse_path().clone(), recipients).ok();
        let fields = original_to(&redirected);
        Guarded { envelope, fields, allowed, redirect_to, redirected, forbidden }
    }

    /// Sends a message to those who may get it, and in the place of the others to the address for that; the report is on
    /// the recipients of the message.
    ///
    /// # Errors
    /// As for [`Mailer::send_with`].
    pub async fn send(&self, mailer: &Mailer, message: &Message, options: TransactionOptions) -> Result<Report, Error> {
        if self.is_empty() {
            return mailer.send_with(message, options).await;
        }
        let guarded = self.apply(message.envelope());
        let Some(envelope) = guarded.envelope() else { return Ok(guarded.report(Report::new(Vec::new(), 0))) };
        let readdressed = Message::from(message.readdressed(envelope.clone(), guarded.fields()));
        guarded.result(mailer.send_with(&readdressed, options).await)
    }
}

/// What safeguards make of an envelope.
#[derive(Clone, Debug)]
pub struct Guarded {
    envelope: Option<Envelope>,
    fields: String,
    allowed: Vec<Address>,
    redirect_to: Option<Address>,
    redirected: Vec<Address>,
    forbidden: Vec<Address>,
}

impl Guarded {
    /// The envelope to send with; `None` where nobody may get the message.
    #[must_use]
    pub const fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The header fields to put in front of the message.
    #[must_use]
    pub fn fields(&self) -> &str {
        &self.fields
    }

    /// A report on this envelope as one on the recipients of the message.
    #[must_use]
    pub fn report(&self, report: Report) -> Report {
        let mut recipients = Vec::with_capacity(report.recipients.len() + self.redirected.len() + self.forbidden.len());
        for entry in report.recipients {
            if Some(&entry.address) == self.redirect_to.as_ref() {
                let instead = |address: &Address| RecipientReport::new(address.clone(), entry.status.clone());
                recipients.extend(self.redirected.iter().map(instead));
                if !self.allowed.contains(&entry.address) {
                    continue;
                }
            }
            recipients.push(entry);
        }
        recipients.extend(self.forbidden.iter().map(|address| {
            let rule = format!("not_allowed: `allow_recipients` in the configuration does not list {address}");
            RecipientReport::new(address.clone(), Status::Forbidden(rule))
        }));
        Report::new(recipients, report.round_trips)
    }

    /// The same for whatever came of it.
    pub(crate) fn result(&self, result: Result<Report, Error>) -> Result<Report, Error> {
        match result {
            Ok(report) => Ok(self.report(report)),
            Err(error) => Err(error.with_report(|report| self.report(report))),
        }
    }
}

/// The field that names the recipients, one on each line: an address is no longer than a line may be.
fn original_to(recipients: &[Address]) -> String {
    if recipients.is_empty() {
        return String::new();
    }
    let addresses: Vec<String> = recipients.iter().map(ascii).collect();
    format!("{ORIGINAL_TO}: {}\r\n", addresses.join(",\r\n "))
}

/// The address in ASCII, with what is beyond in the form of RFC 6533 §3 (`\x{F6}`): the field has to pass any server.
fn ascii(address: &Address) -> String {
    let mut text = String::new();
    for letter in address.to_string().chars() {
        match letter.is_ascii() {
            true => text.push(letter),
            false => text.push_str(&format!("\\x{{{:X}}}", u32::from(letter))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use mailkit_smtp::{Reply, ReplyCode};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn safeguards(redirect: Option<&str>, allow: Option<&[&str]>) -> Safeguards {
        Safeguards {
            redirect_all_to: redirect.map(|text| text.parse().unwrap()),
            allow_recipients: allow.map(|list| list.iter().map(|text| text.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn each_recipient_gets_mail_or_is_redirected_or_forbidden() {
        let envelope =
            Envelope::null_sender(addresses(&["a@example.com", "b@example.org", "c@sub.example.com"])).unwrap();
        let all = ["a@example.com", "b@example.org", "c@sub.example.com"];
        for (safeguards, to, redirected, forbidden) in [
            (safeguards(None, None), &all[..], 0, 0),
            (safeguards(Some("dev@example.com"), None), &["dev@example.com"], 3, 0),
            (safeguards(None, Some(&["*@example.com"])), &["a@example.com"], 0, 2),
            (safeguards(None, Some(&[])), &[], 0, 3),
            (
                safeguards(Some("dev@example.com"), Some(&["*@example.com"])),
                &["a@example.com", "dev@example.com"],
                2,
                0,
            ),
            (safeguards(Some("a@example.com"), None), &["a@example.com"], 2, 0),
        ] {
            let guarded = safeguards.apply(&envelope);
            let sent: Vec<_> = guarded.envelope().map(|envelope| envelope.recipients().to_vec()).unwrap_or_default();
            assert_eq!(sent, addresses(to), "{safeguards:?}");
            assert_eq!((guarded.redirected.len(), guarded.forbidden.len()), (redirected, forbidden), "{safeguards:?}");
            assert_eq!(guarded.fields().is_empty(), redirected == 0);
            // Every recipient is reported on once, whatever happened to it.
            let reply = Reply::new(ReplyCode::new(250).unwrap(), None, "taken");
            let taken = sent.iter().map(|to| RecipientReport::new(to.clone(), Status::Accepted(reply.clone())));
            let report = guarded.report(Report::new(taken.collect(), 1));
            let mut named: Vec<_> = report.recipients.iter().map(|entry| entry.address.to_string()).collect();
            named.sort();
            assert_eq!(named, all, "{safeguards:?}");
            let refused = report.recipients.iter().filter(|entry| !entry.status.is_accepted()).count();
            assert_eq!(refused, forbidden);
        }
    }

    #[test]
    fn the_field_is_in_ascii_and_folded() {
        let recipients = addresses(&["b@example.org", "j\u{f6}rg@b\u{fc}cher.example"]);
        let field = original_to(&recipients);
        assert!(field.is_ascii() && field.ends_with("\r\n"), "{field}");
        assert!(field.starts_with("X-Mailkit-Original-To: b@example.org,\r\n j\\x{F6}rg@"), "{field}");
    }
}
