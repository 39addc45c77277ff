//! What the server said of each recipient of one transaction.
//!
//! A transaction may have 100,000 recipients with a reply each, so what is asked behind every reply takes a constant time.

use crate::{Reply, Status, Step};

/// What the server said of one recipient so far.
#[derive(Clone, Debug)]
enum Answer {
    Awaited,
    /// RCPT was accepted; the content is still to be answered.
    Taken,
    Final(Status),
}

/// The answers of a transaction, in the order of its recipients.
#[derive(Debug)]
pub(super) struct Answers {
    list: Vec<Answer>,
    /// How many are not final.
    open: usize,
    /// How many are taken.
    taken: usize,
    /// No recipient before this one is taken.
    next_taken: usize,
    /// How many answers were looked at, for a test.
    #[cfg(test)]
    steps: usize,
}

impl Answers {
    pub(super) fn new(recipients: usize) -> Self {
        Self {
            list: vec![Answer::Awaited; recipients],
            open: recipients,
            taken: 0,
            next_taken: 0,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Whether every recipient has its final answer.
    pub(super) const fn are_final(&self) -> bool {
        self.open == 0
    }

    /// The first recipient from `index` on whose RCPT is to be sent.
    pub(super) fn next_awaited(&self, index: usize) -> Option<usize> {
        let rest = self.list.get(index..)?;
        rest.iter().position(|answer| matches!(answer, Answer::Awaited)).map(|offset| index + offset)
    }

    /// Takes the answer to RCPT. It changes nothing for a recipient that has an answer, as behind a refused MAIL.
    pub(super) fn answer_rcpt(&mut self, index: usize, reply: Reply) {
        if reply.is_success() {
            if let Some(answer) = self.awaited(index) {
                *answer = Answer::Taken;
                self.taken += 1;
            }
        } else {
            self.end_awaited(index, Status::Refused { step: Step::Rcpt, reply });
        }
    }

    /// Gives a recipient whose RCPT has no answer its final one.
    pub(super) fn end_awaited(&mut self, index: usize, status: Status) {
        if let Some(answer) = self.awaited(index) {
            *answer = Answer::Final(status);
            self.open -= 1;
        }
    }

    fn awaited(&mut self, index: usize) -> Option<&mut Answer> {
        self.count_step();
        self.list.get_mut(index).filter(|answer| matches!(answer, Answer::Awaited))
    }

    /// Gives every recipient without a final answer this one.
    pub(super) fn refuse(&mut self, step: Step, reply: &Reply) {
        if self.open == 0 {
            return;
        }
        for index in 0..self.list.len() {
            self.count_step();
            if let Some(answer) = self.list.get_mut(index).filter(|answer| !matches!(answer, Answer::Final(_))) {
                *answer = Answer::Final(Status::Refused { step, reply: reply.clone() });
            }
        }
        (self.open, self.taken) = (0, 0);
    }

    /// Takes the reply to the end of the content for every recipient that is taken.
    pub(super) fn answer_content(&mut self, reply: &Reply) {
        while self.answer_content_once(reply) {}
    }

    /// Takes the reply to the end of the content for the next recipient that is taken; returns whether more are.
    pub(super) fn answer_content_once(&mut self, reply: &Reply) -> bool {
        while let Some(answer) = self.list.get_mut(self.next_taken).filter(|_| self.taken > 0) {
            self.next_taken += 1;
            let is_taken = matches!(answer, Answer::Taken);
            if is_taken {
                let reply = reply.clone();
                *answer = Answer::Final(match reply.is_success() {
                    true => Status::Accepted(reply),
                    false => Status::Refused { step: Step::Content, reply },
                });
                self.taken -= 1;
                self.open -= 1;
            }
            self.count_step();
            if is_taken {
                break;
            }
        }
        self.taken > 0
    }

    /// The outcome of each recipient; `unanswered` for those without a final answer, and for all where the replies are
    /// void.
    pub(super) fn into_statuses(self, unanswered: Status, void: bool) -> impl Iterator<Item = Status> {
        self.list.into_iter().map(move |answer| match answer {
            Answer::Final(status) if !void => status,
            _ => unanswered.clone(),
        })
    }

    #[cfg(test)]
    const fn count_step(&mut self) {
        self.steps += 1;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a test counts here")]
    const fn count_step(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReplyCode;

    const RECIPIENTS: usize = 100_000;

    fn reply(code: u16) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), None, "text")
    }

    #[test]
    fn the_work_grows_with_the_number_of_recipients_and_not_with_its_square() {
        let refused = |index: usize| index.is_multiple_of(2);
        for each_has_an_answer_to_the_content in [false, true] {
            let mut answers = Answers::new(RECIPIENTS);
            for index in 0..RECIPIENTS {
                answers.answer_rcpt(index, reply(if refused(index) { 550 } else { 250 }));
                assert!(!answers.are_final() || refused(index));
            }
            if each_has_an_answer_to_the_content {
                while answers.answer_content_once(&reply(250)) {}
            } else {
                answers.answer_content(&reply(250));
            }
            // Behind the last answer there is nothing to look at.
            answers.refuse(Step::Content, &reply(451));
            assert!(answers.are_final() && answers.steps <= 2 * RECIPIENTS, "{} steps", answers.steps);
            let accepted = answers.into_statuses(Status::Unsent, false).filter(Status::is_accepted).count();
            assert_eq!(accepted, RECIPIENTS / 2);
        }
    }

    #[test]
    fn each_recipient_that_is_taken_gets_the_next_answer_to_the_content() {
        let mut answers = Answers::new(4);
        for (index, code) in [250, 550, 250, 250].into_iter().enumerate() {
            answers.answer_rcpt(index, reply(code));
        }
        assert!(answers.answer_content_once(&reply(250)) && answers.answer_content_once(&reply(452)));
        assert!(!answers.answer_content_once(&reply(250)) && answers.are_final());
        let codes: Vec<u16> =
            answers.into_statuses(Status::Unsent, false).map(|status| status.reply().unwrap().code().get()).collect();
        assert_eq!(codes, [250, 550, 452, 250]);
    }
}
