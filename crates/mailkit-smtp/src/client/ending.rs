//! The end of a conversation: what becomes of the messages that are in flight, and which outcomes still stand.

use zeroize::Zeroize as _;

use super::{Client, Error, Event, Phase};
use crate::Report;

impl Client {
    /// Ends the conversation: what is in flight is reported as far as it is known.
    pub(super) fn fail(&mut self, error: Error) {
        if self.phase == Phase::Closed {
            return;
        }
        let error = self.explained_by_login(error);
        let error = self.discreet(error);
        let polite = self.phase == Phase::Quitting && error.is_goodbye();
        if error.is_out_of_step() {
            self.out_of_step = true;
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
            let answered = !self.out_of_step && (matches!(error, Error::Closing(..)) || transaction.is_doomed());
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
        self.events.push_back((event, false));
    }

    /// Outcomes that the caller has not taken yet may come from replies to something else. Where each reply was waited for
    /// before the next command left, they do not.
    fn doubt_unread_outcomes(&mut self) {
        for (event, pipelined) in &mut self.events {
            if let Event::Finished(report) = event
                && *pipelined
            {
                let mut report = std::mem::replace(report, Report::new(Vec::new(), 0));
                report.doubt();
                *event = Event::Interrupted(report);
            }
        }
    }
}
