//! The reply of a server as an outcome for the dispatcher.

use mailkit_dispatch::{DeliveryFailure, Disposition, FailureClass, Outcome, RecipientResult, Subject};
use mailkit_queue::{RecipientOutcome, RecipientStatus};
use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

use crate::conversion::could_convert;
use crate::fault::{Faults, fault_of_reply, fault_without_reply};
use crate::{Error, ErrorKind};

/// What came of a message that was given to a mailer.
pub(super) fn outcome(result: Result<Report, Error>) -> Outcome {
    match result {
        Ok(report) => {
            let failure = refusal_of_all(&report);
            Outcome::new(recipients(report.recipients, None)).with_failure(failure)
        }
        Err(error) => {
            let failure = failure(&error);
            let entries = error.report().map(|report| report.recipients.clone()).unwrap_or_default();
            let recipients = recipients(entries, Some(&failure));
            Outcome::new(recipients).with_failure(Some(failure))
        }
    }
}

/// The same with a note on how the message was sent, behind the text of each recipient.
pub(super) fn with_note(mut outcome: Outcome, note: Option<&str>) -> Outcome {
    if let Some(note) = note {
        for result in &mut outcome.recipients {
            result.outcome.text = format!("{} ({note})", result.outcome.text);
        }
    }
    outcome
}

/// What became of each recipient; those that were not reached are left out.
fn recipients(entries: Vec<RecipientReport>, failure: Option<&DeliveryFailure>) -> Vec<RecipientResult> {
    let mut faults = Faults::default();
    let mut results = Vec::with_capacity(entries.len());
    results.extend(entries.into_iter().filter_map(|entry| {
        let fault = faults.next(&entry);
        recipient(entry, fault, failure)
    }));
    results
}

/// One recipient; `None` for one that was not reached, unless the message can go nowhere like this.
fn recipient(
    entry: RecipientReport,
    fault: Option<Disposition>,
    failure: Option<&DeliveryFailure>,
) -> Option<RecipientResult> {
    let (status, text) = match (&entry.status, failure) {
        (Status::Accepted(reply), _) => (RecipientStatus::Accepted, reply.text().to_owned()),
        (Status::Refused { reply, .. }, _) => {
            let is_permanent = fault.is_some_and(|fault| fault.is_permanent);
            let status = if is_permanent { RecipientStatus::Permanent } else { RecipientStatus::Temporary };
            (status, reply.text().to_owned())
        }
        (Status::Forbidden(rule), _) => (RecipientStatus::Permanent, rule.clone()),
        // Another route may be able to name it to its server.
        (Status::Unaddressable(error), _) => (RecipientStatus::Temporary, error.to_string()),
        (Status::Ambiguous, failure) => {
            let text = failure.map_or("no answer to the content", |failure| &failure.message);
            (RecipientStatus::Ambiguous, text.to_owned())
        }
        (_, Some(failure)) if failure.fault.is_permanent => (RecipientStatus::Permanent, failure.message.clone()),
        _ => return None,
    };
    let reply = entry.status.reply();
    let outcome = RecipientOutcome::new(entry.address, status)
        .with_code(reply.map(|reply| reply.code().get()))
        .with_enhanced(reply.and_then(Reply::enhanced).map(|enhanced| enhanced.to_string()))
        .with_text(text);
    Some(RecipientResult::new(outcome).with_fault(fault))
}

/// The refusal of the transaction as a whole, where there was one: of MAIL, DATA or the content, for a reason of the route
/// or of the sender. Any other refusal is each recipient's own: in LMTP the content has an answer for each.
fn refusal_of_all(report: &Report) -> Option<DeliveryFailure> {
    let whole = |entry: &RecipientReport| match &entry.status {
        Status::Refused { step, reply } if *step != Step::Rcpt => {
            let fault = fault_of_reply(*step, reply, false);
            (fault.subject != Subject::Message).then(|| DeliveryFailure::new(fault, format!("{step}: {reply}")))
        }
        _ => None,
    };
    report.recipients.iter().find_map(whole)
}

/// What went wrong with a conversation, or before there was one.
pub(super) fn failure(error: &Error) -> DeliveryFailure {
    let fault: Disposition = match error.kind() {
        _ if error.is_ambiguous() => FailureClass::Ambiguous.into(),
        ErrorKind::Tls | ErrorKind::Login | ErrorKind::Configuration => match (error.step(), error.reply()) {
            // A server may answer AUTH with a limit of the account.
            (Some(step), Some(reply)) => fault_of_reply(step, reply, false),
            _ => FailureClass::Login.into(),
        },
        ErrorKind::Message => FailureClass::Permanent.into(),
        // What is stored is no longer what was enqueued: no attempt will be better.
        ErrorKind::Content if is_damaged(error) => FailureClass::Permanent.into(),
        // The store, or the file behind it, cannot be read now: neither message nor server is at fault.
        ErrorKind::Content => FailureClass::Content.into(),
        ErrorKind::Refused => match (error.step(), error.reply()) {
            (Some(step), Some(reply)) => fault_of_reply(step, reply, false),
            // The server lacks what the message needs.
            _ => FailureClass::Capability.into(),
        },
        _ => error.step().map_or(FailureClass::Connection.into(), fault_without_reply),
    };
    let can_convert = could_convert(error);
    // While the pool leaves the server alone, another attempt would come to nothing.
    DeliveryFailure::new(fault, format!("{error:#}")).with_retry_after(error.retry_in()).with_can_convert(can_convert)
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
        let statuses: Vec<_> =
            outcome.recipients.iter().map(|entry| (entry.outcome.status, entry.outcome.code)).collect();
        let wanted = [
            (RecipientStatus::Accepted, Some(250)),
            (RecipientStatus::Permanent, Some(550)),
            (RecipientStatus::Temporary, Some(450)),
        ];
        assert_eq!(statuses, wanted);
        assert_eq!(outcome.failure, None);
    }

    #[test]
    fn a_temporary_refusal_of_the_content_is_a_failure_of_the_whole_message() {
        let refused = Status::Refused { step: Step::Content, reply: reply(451, "rate limit exceeded") };
        let failure = outcome(Ok(Report::new(vec![entry(refused)], 1))).failure.unwrap();
        assert_eq!((failure.fault.subject, failure.fault.class), (Subject::Route, FailureClass::Rate));
        assert!(failure.message.starts_with("content: 451"), "{}", failure.message);
    }

    #[test]
    fn a_full_mailbox_behind_the_content_is_that_recipients_own_as_in_lmtp() {
        let full = Reply::new(ReplyCode::new(452).unwrap(), mailkit_smtp::EnhancedStatus::new(4, 2, 2), "over quota");
        let report = Report::new(
            vec![
                entry(Status::Accepted(reply(250, "taken"))),
                entry(Status::Refused { step: Step::Content, reply: full }),
                entry(Status::Refused { step: Step::Content, reply: reply(451, "local error") }),
            ],
            1,
        );
        let outcome = outcome(Ok(report));
        let classes: Vec<_> = outcome.recipients.iter().map(|result| result.fault.map(|fault| fault.class)).collect();
        assert_eq!(classes, [None, Some(FailureClass::MailboxFull), Some(FailureClass::Temporary)]);
        assert_eq!(outcome.failure, None);
        assert_eq!(FailureClass::MailboxFull.min_wait(), std::time::Duration::from_secs(900));
    }
}
