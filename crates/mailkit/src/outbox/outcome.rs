//! What a server said, in the words of the dispatcher.

use mailkit_dispatch::{Class, Outcome, Trouble, class_of};
use mailkit_queue::{RecipientOutcome, RecipientStatus};
use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

use crate::{Error, ErrorKind};

/// What came of a message that was given to a mailer.
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
pub(super) fn trouble(error: &Error) -> Trouble {
    let class = match error.kind() {
        _ if error.is_ambiguous() => Class::Ambiguous,
        ErrorKind::Tls | ErrorKind::Login | ErrorKind::Configuration => Class::Login,
        ErrorKind::Message => Class::Permanent,
        // What is stored is no longer what was enqueued: no attempt will be better.
        ErrorKind::Content if is_damaged(error) => Class::Permanent,
        // The store, or the file behind it, cannot be read now: neither message nor server is at fault.
        ErrorKind::Content => Class::Content,
        ErrorKind::Refused => match error.reply().map(class) {
            // The server lacks what the message needs.
            None => Class::Permanent,
            // One that refuses the session for good says nothing of the message.
            Some(Class::Permanent) => Class::Login,
            Some(class) => class,
        },
        _ => Class::Connection,
    };
    Trouble::new(class, words(error))
}

/// Whether content was read, and is not what it was.
fn is_damaged(error: &Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if source.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        next = source.source();
    }
    false
}

/// The error and what lies below it, in one line.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
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
