//! Whose fault a server's refusal is: the table of the dispatcher, asked about what SMTP said.

use mailkit_dispatch::{Disposition, FailureClass, Refusal, Step as Stage, classify};
use mailkit_smtp::{RecipientReport, Reply, Report, Status, Step};

/// Whose fault it is that a recipient was refused: the route's, that of the sender on this route, or that of the message
/// or the recipient. `None` where nobody refused it.
///
/// Only the last, and only where it is permanent, is a verdict on the recipient.
#[must_use]
pub fn fault_of(status: &Status) -> Option<Disposition> {
    match status {
        Status::Refused { step, reply } => Some(fault_of_reply(*step, reply, false)),
        Status::Unaddressable(_) => Some(FailureClass::Capability.into()),
        _ => None,
    }
}

/// The same for all recipients of a report. A refusal of RCPT is also read by what the server said to the recipients in
/// front of it.
#[must_use]
pub fn faults_of(report: &Report) -> Vec<Option<Disposition>> {
    let mut faults = Faults::default();
    report.recipients.iter().map(|entry| faults.next(entry)).collect()
}

/// Says whose fault it is, recipient by recipient in the order of a report.
#[derive(Default)]
pub(crate) struct Faults {
    /// Whether the server accepted a recipient in front of this one.
    others_accepted: bool,
}

impl Faults {
    /// The fault of the next recipient.
    pub(crate) fn next(&mut self, entry: &RecipientReport) -> Option<Disposition> {
        match &entry.status {
            Status::Refused { step, reply } => {
                let fault = fault_of_reply(*step, reply, self.others_accepted);
                self.others_accepted |= !matches!(step, Step::Mail | Step::Rcpt);
                Some(fault)
            }
            Status::Forbidden(_) => Some(FailureClass::NotAllowed.into()),
            Status::Unaddressable(_) => Some(FailureClass::Capability.into()),
            Status::Accepted(_) | Status::Ambiguous => {
                self.others_accepted = true;
                None
            }
            _ => None,
        }
    }
}

/// Whose fault a refusal in this step is.
pub(crate) fn fault_of_reply(step: Step, reply: &Reply, others_accepted: bool) -> Disposition {
    let enhanced = reply.enhanced().map(|status| (status.subject(), status.detail()));
    let refusal = Refusal::new(reply.code().get(), enhanced, reply.text()).with_others_accepted(others_accepted);
    classify(stage(step), Some(&refusal))
}

/// Whose fault it is that a session ended in this step without a reply.
pub(crate) fn fault_without_reply(step: Step) -> Disposition {
    classify(stage(step), None)
}

/// The step as the dispatcher names it.
const fn stage(step: Step) -> Stage {
    match step {
        Step::Tls => Stage::Tls,
        Step::Greeting => Stage::Greeting,
        Step::Ehlo => Stage::Ehlo,
        Step::StartTls => Stage::StartTls,
        Step::Auth => Stage::Auth,
        Step::Mail => Stage::Mail,
        Step::Rcpt => Stage::Rcpt,
        Step::Data => Stage::Data,
        Step::Content | Step::Quit => Stage::Content,
        _ => Stage::Connect,
    }
}
