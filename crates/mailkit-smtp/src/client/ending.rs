//! The end of a conversation: what becomes of the messages that are in flight, and which outcomes still stand.

use zeroize::Zeroize as _;

use super::{Client, Error, Event, Phase};
use crate::{Reply, Report, Severity, Status, Step};

/// What the outcome of a message rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Basis {
    /// Its last reply was one of several under way, so that a surplus one among them cannot be told from it.
    pipelined: bool,
    /// Its content has left whole.
    content_left: bool,
    /// Some recipient was accepted.
    accepted: bool,
    /// The whole message was refused, or its content for some recipient.
    refused: bool,
}

impl Basis {
    pub(super) fn new(report: &Report, pipelined: bool, content_left: bool) -> Self {
        let any = |is: fn(&Status) -> bool| report.recipients.iter().any(|recipient| is(&recipient.status));
        let accepted = any(Status::is_accepted);
        // A recipient that is refused beside accepted ones is no reason: servers of LMTP may reply to the content for it.
        let refused = any(|status| matches!(status, Status::Refused { step: Step::Data | Step::Content, .. }));
        Self { pipelined, content_left, accepted, refused: refused || !accepted }
    }

    /// Whether the outcome may have come from a reply to something else, now that a surplus reply has come. Where each
    /// reply was waited for, the surplus one may still have come so late that it counted as the answer to the next
    /// command. Then the true answer is the one that is left over, which matters where it says something else.
    pub(super) const fn is_doubtful(self, surplus: Severity) -> bool {
        let contradicted = match surplus {
            Severity::PositiveCompletion => self.refused,
            Severity::PositiveIntermediate => self.refused || self.accepted,
            Severity::TransientNegative | Severity::PermanentNegative => self.accepted,
        };
        self.pipelined || contradicted
    }
}

impl Client {
    /// Ends the conversation: what is in flight is reported as far as it is known.
    pub(super) fn fail(&mut self, error: Error) {
        if self.phase == Phase::Closed {
            return;
        }
        let error = self.explained_by_login(error);
        let error = self.redacted(error);
        let polite = self.phase == Phase::Quitting && error.is_expected_at_quit();
        if error.is_out_of_step() {
            self.out_of_step = error.reply().map(Reply::severity);
            self.doubt_unread_outcomes();
        }
        self.phase = Phase::Closed;
        self.expected.clear();
        self.out.zeroize();
        self.out_sent = 0;
        // No handshake behind an injection, and no open session that has ended already.
        self.events.retain(|(event, _)| !matches!(event, Event::StartTls | Event::Ready));
        for transaction in std::mem::take(&mut self.transactions) {
            // Where everybody was refused before, as by a server that hangs up on whom it refuses, that is the outcome.
            let answered =
                self.out_of_step.is_none() && (matches!(error, Error::Closing(..)) || transaction.is_doomed());
            let report = transaction.into_report(Some((&error, self.sent)));
            self.emit(if answered { Event::Finished(report) } else { Event::Interrupted(report) });
        }
        if !polite {
            self.error = Some(error);
        }
        self.trace_end();
        self.emit(Event::Closed);
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.events.push_back((event, Basis::default()));
    }

    /// Outcomes that the caller has not taken yet may come from replies to something else.
    fn doubt_unread_outcomes(&mut self) {
        let Some(surplus) = self.out_of_step else { return };
        for (event, basis) in &mut self.events {
            if let Event::Finished(report) = event
                && basis.is_doubtful(surplus)
            {
                let mut report = std::mem::replace(report, Report::new(Vec::new(), 0));
                report.void(if basis.content_left { &Status::Ambiguous } else { &Status::Unsent });
                *event = Event::Interrupted(report);
            }
        }
    }
}
