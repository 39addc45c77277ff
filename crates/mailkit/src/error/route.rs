//! A route whose server refuses whatever is given to it: it wants a login or TLS, or the account has reached a limit.

use std::fmt;

use mailkit_dispatch::{FailureClass, Subject};
use mailkit_smtp::{Reply, Report, Status, Step};

use super::ErrorKind;
use crate::fault::Faults;

/// The refusal of a route, which is no verdict on sender, message or recipients.
#[derive(Clone, Debug)]
pub(crate) struct RouteRefusal {
    pub(super) step: Step,
    pub(super) reply: Reply,
    class: FailureClass,
}

impl RouteRefusal {
    /// The first of the refusals, where every recipient was refused for a reason of the route.
    pub(super) fn find(report: &Report) -> Option<Self> {
        if report.accepted().next().is_some() {
            return None;
        }
        let mut first = None;
        let mut faults = Faults::default();
        for entry in &report.recipients {
            let Status::Refused { step, reply } = &entry.status else { return None };
            let fault = faults.next(entry).filter(|fault| fault.subject == Subject::Route)?;
            first.get_or_insert_with(|| Self { step: *step, reply: reply.clone(), class: fault.class });
        }
        first
    }

    pub(super) const fn kind(&self) -> ErrorKind {
        match self.class {
            FailureClass::Login => ErrorKind::Login,
            // It does not know, or did not expect, the command itself.
            FailureClass::Connection => ErrorKind::Protocol,
            _ => ErrorKind::Refused,
        }
    }

    /// Whether another attempt may succeed: an account may send again later, a login is not made by waiting.
    pub(super) fn is_temporary(&self) -> bool {
        self.kind() == ErrorKind::Refused || self.reply.is_temporary()
    }
}

impl fmt::Display for RouteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, reply, .. } = self;
        match self.class {
            FailureClass::Login => {
                write!(f, "the server takes no mail without a login or TLS, as it says at {step}: {reply}")
            }
            FailureClass::AccountLimit => write!(f, "the account has reached a limit of the server at {step}: {reply}"),
            _ => write!(f, "the server takes no mail over this connection, as it says at {step}: {reply}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use mailkit_address::Address;
    use mailkit_smtp::{EnhancedStatus, RecipientReport, ReplyCode};

    use super::*;
    use crate::Error;

    fn refused(step: Step, code: u16, text: &str) -> RecipientReport {
        let (enhanced, text) = match text.split_once(' ') {
            Some(("5.4.5", text)) => (EnhancedStatus::new(5, 4, 5), text),
            _ => (None, text),
        };
        let reply = Reply::new(ReplyCode::new(code).unwrap(), enhanced, text);
        RecipientReport::new(Address::parse("bob@example.org").unwrap(), Status::Refused { step, reply })
    }

    #[test]
    fn a_refusal_for_a_reason_of_the_route_is_an_error_and_any_other_is_data() {
        for (step, code, text, kind, temporary) in [
            (Step::Mail, 530, "Authentication required", ErrorKind::Login, false),
            (Step::Rcpt, 530, "Must issue a STARTTLS command first", ErrorKind::Login, false),
            (Step::Content, 550, "5.4.5 Daily user sending limit exceeded", ErrorKind::Refused, true),
            (Step::Mail, 503, "bad sequence", ErrorKind::Protocol, false),
        ] {
            let entry = refused(step, code, text);
            let report = Report::new(vec![entry.clone(), entry.clone()], 1);
            let error = Error::of_route(report.clone()).unwrap_err();
            assert_eq!((error.kind(), error.step(), error.is_temporary()), (kind, Some(step), temporary), "{code}");
            assert_eq!(error.report(), Some(&report));
            assert!(error.to_string().contains(&code.to_string()), "{error}");
            let mixed = Report::new(vec![entry, refused(Step::Rcpt, 550, "no such user")], 1);
            assert!(Error::of_route(mixed).is_ok(), "{code}");
        }
        assert!(Error::of_route(Report::new(vec![refused(Step::Mail, 550, "not your address")], 1)).is_ok());
        assert!(Error::of_route(Report::new(Vec::new(), 0)).is_ok());
    }
}
