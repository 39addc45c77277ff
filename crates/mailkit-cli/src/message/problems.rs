//! What is wrong with a message: all of it is told at once.

use std::collections::BTreeSet;
use std::ops::Bound;

use mailkit::mime::{BuildErrors, FieldError, FieldProblem, GivenAddresses, GivenMailbox};

use mailkit::Attachment;

use super::attachment::{AttachmentDraft, with_name};
use super::fields::Given;
use crate::failure::Failure;

/// What was found to be wrong so far.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Failure>,
    /// The fields of a message in JSON that could not be read: that they are missing is no news.
    unread: BTreeSet<String>,
}

impl Problems {
    pub(super) fn add(&mut self, failure: Failure) {
        self.found.push(failure);
    }

    /// Adds what is wrong with a field, which counts as given.
    pub(super) fn add_of_field(&mut self, path: &str, failure: Failure) {
        self.unread.insert(path.to_owned());
        self.found.push(failure);
    }

    /// Whether a field, or a part of it, could not be read.
    pub(super) fn has_unread(&self, field: &str) -> bool {
        // The first path from this one on is it, or one below it, if there is any.
        let next = self.unread.range::<str, _>((Bound::Included(field), Bound::Unbounded)).next();
        next.and_then(|path| path.strip_prefix(field))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The value, or `None` where there is a problem instead.
    pub(super) fn note<T>(&mut self, outcome: Result<T, Failure>) -> Option<T> {
        outcome.map_err(|failure| self.found.push(failure)).ok()
    }

    /// The addresses in a text, or `None` where they cannot be read.
    pub(super) fn addresses(&mut self, given: Given, field: &str) -> Option<GivenAddresses> {
        let addresses = GivenAddresses::from(given.text);
        let errors = addresses.errors().map(|error| of_given(&given.place, &error));
        let before = self.found.len();
        self.found.extend(errors);
        self.read(addresses, before, field)
    }

    /// The mailbox in a text, or `None` where it cannot be read.
    pub(super) fn mailbox(&mut self, given: Given, field: &str) -> Option<GivenMailbox> {
        let mailbox = GivenMailbox::from(given.text);
        let before = self.found.len();
        self.found.extend(mailbox.error().map(|error| of_given(&given.place, &error)));
        self.read(mailbox, before, field)
    }

    fn read<T>(&mut self, value: T, before: usize, field: &str) -> Option<T> {
        if self.found.len() == before {
            return Some(value);
        }
        self.unread.insert(field.to_owned());
        None
    }

    /// An attachment, or `None` where it cannot be one.
    pub(super) fn attachment(&mut self, place: usize, draft: AttachmentDraft) -> Option<Attachment> {
        match draft.read(place) {
            Ok(attachment) => Some(attachment),
            Err(failure) => {
                // What it lacks is what could not be read.
                if !self.has_unread(&format!("attachments[{place}]")) {
                    self.found.push(failure);
                }
                None
            }
        }
    }

    /// The message, or `None` where its fields have problems. `place` says where a field was given.
    pub(super) fn note_fields<T>(
        &mut self,
        outcome: Result<T, BuildErrors>,
        place: impl Fn(&FieldError) -> Option<String>,
    ) -> Option<T> {
        let errors = match outcome {
            Ok(value) => return Some(value),
            Err(errors) => errors,
        };
        for error in &errors {
            let is_known = match error.problem() {
                FieldProblem::Missing => self.has_unread("from"),
                FieldProblem::NoRecipients => ["to", "cc", "bcc", "envelope"].iter().any(|name| self.has_unread(name)),
                FieldProblem::NoSender => self.has_unread("sender"),
                _ => false,
            };
            let place = place(error);
            // What was read of a field is not all that was given there.
            if !(is_known || place.as_deref().is_some_and(|path| self.has_unread(path))) {
                self.found.push(of_field(error, place));
            }
        }
        None
    }

    /// The value, if nothing at all was wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Failure> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Failure::joined(self.found)),
        }
    }
}

fn of_given(place: &str, error: &FieldError) -> Failure {
    Failure::message(place, error.explanation().to_string())
}

fn of_field(error: &FieldError, place: Option<String>) -> Failure {
    let text = match place {
        Some(place) => {
            let text = error.explanation().to_string();
            format!("{place}: {}", with_name(&text, error.attachment_name()))
        }
        None => error.to_string(),
    };
    match error.problem() {
        FieldProblem::Unreadable { .. } | FieldProblem::NotAFile => Failure::no_input(text),
        _ => Failure::message("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_unread_where_a_part_of_it_is() {
        let mut problems = Problems::default();
        for path in ["to[1]", "text", "envelope.to", "attachments[1].path"] {
            problems.add_of_field(path, Failure::message(path, "x"));
        }
        let unread = |field| problems.has_unread(field);
        for field in ["to", "text", "envelope", "envelope.to", "attachments", "attachments[1]"] {
            assert!(unread(field), "{field}");
        }
        for field in ["t", "from", "cc", "attachments[0]", "attachments[11]", "env"] {
            assert!(!unread(field), "{field}");
        }
    }

    #[test]
    fn what_follows_from_a_field_that_could_not_be_read_is_not_told() {
        let mut problems = Problems::default();
        problems.add_of_field("list_unsubscribe.url", Failure::message("list_unsubscribe.url", "x"));
        let message = mailkit::Message::builder().from("a@b.example").to("c@d.example");
        let built = message.list_unsubscribe(mailkit::mime::ListUnsubscribe::new()).build();
        let value =
            problems.note_fields(built, |error| Some(error.field().replace("List-Unsubscribe", "list_unsubscribe")));
        assert_eq!(problems.finish(value).unwrap_err().text(), "list_unsubscribe.url: x");
    }
}
