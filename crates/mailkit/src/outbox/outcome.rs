//! What a server said, in the words of the dispatcher.

use mailkit_connection::{Cause, Error, TlsBlame};
use mailkit_dispatch::{Class, Outcome, Trouble, class_of};
use mailkit_pool::AcquireError;
use mailkit_queue::{RecipientOutcome, RecipientStatus};
use mailkit_smtp::client::{self, BeginError};
use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

/// What came of a message that was given to a connection.
pub(super) fn outcome(result: Result<Report, Error>) -> Outcome {
    match result {
        Ok(report) => {
            let recipients: Vec<_> = report.recipients.iter().filter_map(|entry| recipient(entry, None)).collect();
            Outcome { trouble: refusal_of_all(&report), recipients }
        }
        Err(error) => {
            let trouble = trouble(&error);
            let entries = error.report().map(|report| report.recipients.as_slice()).unwrap_or_default();
            let recipients = entries.iter().filter_map(|entry| recipient(entry, Some(&trouble))).collect();
            Outcome { recipients, trouble: Some(trouble) }
        }
    }
}

/// Why there was no connection.
pub(super) fn no_way(error: &AcquireError) -> Trouble {
    match error.connection() {
        Some(error) => trouble(error),
        None => Trouble::new(Class::Connection, error.to_string()),
    }
}

/// One recipient; nothing for one that was not reached, unless the message can go nowhere like this.
fn recipient(entry: &RecipientReport, trouble: Option<&Trouble>) -> Option<RecipientOutcome> {
    let (status, text) = match (&entry.status, trouble) {
        (Status::Accepted(reply), _) => (RecipientStatus::Accepted, reply.text().to_owned()),
        (Status::Refused { reply, .. }, _) if reply.is_temporary() => {
            (RecipientStatus::Temporary, reply.text().to_owned())
        }
        (Status::Refused { reply, .. }, _) => (RecipientStatus::Permanent, reply.text().to_owned()),
        (Status::Ambiguous, trouble) => {
            let words = trouble.map_or("no answer to the content", |trouble| &trouble.words);
            (RecipientStatus::Ambiguous, words.to_owned())
        }
        (_, Some(trouble)) if trouble.class == Class::Permanent => (RecipientStatus::Permanent, trouble.words.clone()),
        _ => return None,
    };
    let reply = entry.status.reply();
    Some(RecipientOutcome {
        address: entry.address.clone(),
        status,
        code: reply.map(|reply| reply.code().get()),
        enhanced: reply.and_then(Reply::enhanced).map(|enhanced| enhanced.to_string()),
        text,
    })
}

/// The refusal of the transaction as a whole, where there was one: MAIL, DATA or the content was refused for now.
fn refusal_of_all(report: &Report) -> Option<Trouble> {
    let whole = |entry: &RecipientReport| match &entry.status {
        Status::Refused { step, reply } if *step != Step::Rcpt && reply.is_temporary() => Some((*step, reply.clone())),
        _ => None,
    };
    let (step, reply) = report.recipients.iter().find_map(whole)?;
    Some(Trouble::new(class(&reply), format!("{step}: {reply}")))
}

fn class(reply: &Reply) -> Class {
    let enhanced = reply.enhanced().map(|enhanced| enhanced.to_string());
    class_of(reply.code().get(), enhanced.as_deref(), reply.text(), false)
}

/// What went wrong with a conversation, or before there was one.
fn trouble(error: &Error) -> Trouble {
    let class = match error.cause() {
        _ if error.is_ambiguous() => Class::Ambiguous,
        Cause::Tls(tls) if tls.blame() == TlsBlame::Network => Class::Connection,
        Cause::Tls(_) => Class::Login,
        Cause::Session(session) => session_class(session),
        Cause::Begin(BeginError::NotReady | BeginError::UsedUp) => Class::Connection,
        Cause::Begin(BeginError::TooManyRecipients { .. }) => Class::Temporary,
        Cause::Begin(_) => Class::Permanent,
        // The store, or the file behind it, cannot be read now; the message itself is not at fault.
        Cause::Content(_) => Class::Temporary,
        _ => Class::Connection,
    };
    Trouble::new(class, words(error))
}

fn session_class(error: &client::Error) -> Class {
    match error {
        client::Error::Refused(Step::Auth, reply) if !reply.is_temporary() => Class::Login,
        client::Error::Refused(_, reply) | client::Error::Closing(_, reply) => match class(reply) {
            // A server that refuses the session for good says nothing of the message.
            Class::Permanent => Class::Login,
            class => class,
        },
        client::Error::NoAuth { .. }
        | client::Error::NoMechanism(_)
        | client::Error::Sasl(_)
        | client::Error::NoStartTls
        | client::Error::CleartextAuth => Class::Login,
        client::Error::Abandoned | client::Error::ContentStalled(_) => Class::Temporary,
        _ => Class::Connection,
    }
}

/// The error and what lies below it, in one line.
fn words(error: &Error) -> String {
    let mut words = format!("{}: {error}", error.step());
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        words.push_str(&format!(": {source}"));
        next = source.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use mailkit_address::Address;
    use mailkit_smtp::ReplyCode;

    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), None, text)
    }

    fn entry(status: Status) -> RecipientReport {
        RecipientReport::new(Address::parse("bob@example.org").unwrap(), status)
    }

    #[test]
    fn each_recipient_has_its_own_outcome_and_a_refusal_at_rcpt_is_no_trouble_of_the_route() {
        let report = Report::new(
            vec![
                entry(Status::Accepted(reply(250, "taken"))),
                entry(Status::Refused { step: Step::Rcpt, reply: reply(550, "no such user") }),
                entry(Status::Refused { step: Step::Rcpt, reply: reply(450, "later") }),
            ],
            1,
        );
        let outcome = outcome(Ok(report));
        let statuses: Vec<_> = outcome.recipients.iter().map(|entry| (entry.status, entry.code)).collect();
        let wanted = [
            (RecipientStatus::Accepted, Some(250)),
            (RecipientStatus::Permanent, Some(550)),
            (RecipientStatus::Temporary, Some(450)),
        ];
        assert_eq!(statuses, wanted);
        assert_eq!(outcome.trouble, None);
    }

    #[test]
    fn a_refusal_of_the_content_for_now_is_the_trouble_of_the_whole() {
        let refused = Status::Refused { step: Step::Content, reply: reply(451, "rate limit exceeded") };
        let trouble = outcome(Ok(Report::new(vec![entry(refused)], 1))).trouble.unwrap();
        assert_eq!(trouble.class, Class::Rate);
        assert!(trouble.words.starts_with("content: 451"), "{}", trouble.words);
    }
}
