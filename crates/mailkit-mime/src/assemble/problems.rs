//! What is wrong with the fields of a draft.

use mailkit_address::AddressEntry;

use crate::builder::{Draft, Further, GivenAddresses, Refused};
use crate::error::{BuildErrors, FieldError, FieldProblem};
use crate::header::control_character;
use crate::header::fold::Overlong;
use crate::header::name::{Once, is_field_name, own_field};
use crate::header::structured;
use crate::part::{Multipart, Node};

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<FieldError>,
}

impl Problems {
    pub(super) fn any(&self) -> bool {
        !self.found.is_empty()
    }

    pub(super) fn into_errors(self) -> BuildErrors {
        BuildErrors::new(self.found)
    }

    /// For what finds its problems by itself.
    pub(super) fn found(&mut self) -> &mut Vec<FieldError> {
        &mut self.found
    }

    pub(super) fn add(&mut self, field: &str, value: &str, problem: FieldProblem) {
        self.found.push(FieldError::new(field, value, problem));
    }

    /// Notes what could not be read.
    pub(super) fn refuse(&mut self, field: &str, refused: &Refused) {
        self.add(field, &refused.text, refused.problem.clone());
    }

    #[inline]
    pub(super) fn check_written(&mut self, field: &str, value: &str, written: Result<(), Overlong>) {
        if written.is_err() {
            self.add(field, value, FieldProblem::TooLong);
        }
    }

    /// Finds what is wrong with the fields that most messages have, whatever else they have.
    pub(super) fn check(&mut self, draft: &Draft) {
        let has_sender = draft.further.as_ref().is_some_and(|further| further.sender.is_some());
        self.check_authors(&draft.from, has_sender);
        self.check_list("To", &draft.to);
        if let Some(subject) = &draft.subject {
            self.check_text("Subject", subject);
        }
    }

    /// Finds what is wrong with the others.
    pub(super) fn check_further(&mut self, further: &Further, utf8: bool) {
        if let Some(Err(refused)) = further.sender.as_ref().map(|given| &given.0) {
            self.refuse("Sender", refused);
        }
        self.check_list("Reply-To", &further.reply_to);
        self.check_list("Cc", &further.cc);
        self.check_list("Bcc", &further.bcc);
        self.check_list("envelope to", &further.envelope_to);
        further.in_reply_to.iter().for_each(|value| self.check_text("In-Reply-To", value));
        further.references.iter().for_each(|value| self.check_text("References", value));
        further.envelope_from.iter().for_each(|value| self.check_text("envelope from", value));
        let mut seen = 0;
        for (name, value) in &further.headers {
            self.check_text(name, value);
            self.check_name(name, value);
            self.check_once(name, value, further, &mut seen);
            if let Err(problem) = structured::check(name, value, utf8) {
                self.add(name, value, problem);
            }
        }
        further.list.iter().for_each(|field| field.check(&mut self.found));
    }

    /// Refuses what could end a line or hide one, in a header or in the dialogue with a server.
    fn check_text(&mut self, field: &str, value: &str) {
        if let Some(position) = control_character(value) {
            self.add(field, value, FieldProblem::ControlCharacter { position });
        }
    }

    fn check_name(&mut self, name: &str, value: &str) {
        if !is_field_name(name.as_bytes()) {
            self.add(name, value, FieldProblem::InvalidName);
        } else if let Some(method) = own_field(name) {
            self.add(name, value, FieldProblem::OwnField { method });
        }
    }

    /// Refuses a field that an option writes as well, or that was given before, if a header may have it once (RFC 2369
    /// §2): readers differ on which of two counts.
    fn check_once(&mut self, name: &str, value: &str, further: &Further, seen: &mut u32) {
        let Some(Once { bit, method }) = Once::of(name) else { return };
        if further.list.iter().any(|field| field.writes(name)) {
            self.add(name, value, FieldProblem::GivenTwice { method });
        } else if *seen & bit != 0 {
            self.add(name, value, FieldProblem::GivenTwice { method: None });
        }
        *seen |= bit;
    }

    /// Refuses a field of the first part, which may stand in the header of the message, that was given for the message
    /// as well.
    pub(super) fn check_first_part(&mut self, further: &Further, first: Option<&Node>) {
        let Some(Node::Leaf(leaf) | Node::Open(Multipart { leaf, .. })) = first else { return };
        let bit_of = |name: &str| Once::of(name).map_or(0, |once| once.bit);
        let given = further.headers.iter().fold(0, |all, (name, _)| all | bit_of(name));
        for (name, value) in leaf.details.iter().flat_map(|details| &details.headers) {
            if given & bit_of(name) != 0 {
                self.add(name, value, FieldProblem::GivenTwice { method: None });
            }
        }
    }

    /// The mailboxes of From: RFC 5322 §3.6.2 lets no group stand there.
    fn check_authors(&mut self, from: &GivenAddresses, has_sender: bool) {
        if from.is_empty() {
            self.add("From", "", FieldProblem::Missing);
        }
        self.check_list("From", from);
        let list = &from.list;
        if list.iter().any(|entry| matches!(entry, AddressEntry::Group(_))) {
            self.add("From", &list.to_string(), FieldProblem::Group);
        }
        if list.len() > 1 && !has_sender {
            self.add("From", &list.to_string(), FieldProblem::NoSender);
        }
    }

    fn check_list(&mut self, field: &str, given: &GivenAddresses) {
        for refused in &given.refused {
            self.refuse(field, refused);
        }
    }

    /// Asks for a recipient; where one could not be read, that is said already.
    pub(super) fn check_recipients(&mut self, draft: &Draft) {
        let none = draft.recipients().iter().all(|list| list.mailboxes().next().is_none());
        let is_of_recipients = |error: &FieldError| matches!(error.field(), "To" | "Cc" | "Bcc" | "envelope to");
        if none && !self.found.iter().any(is_of_recipients) {
            self.add("To", "", FieldProblem::NoRecipients);
        }
    }
}
