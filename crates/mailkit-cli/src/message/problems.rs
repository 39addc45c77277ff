//! What is wrong with a message: all of it is told at once.

use mailkit::mime::{BuildErrors, FieldError, FieldProblem};

use crate::failure::Failure;

/// What was found to be wrong so far.
#[derive(Default)]
pub(super) struct Problems(Vec<Failure>);

impl Problems {
    /// The value, or nothing where there is a problem instead.
    pub(super) fn note<T>(&mut self, outcome: Result<T, Failure>) -> Option<T> {
        outcome.map_err(|failure| self.0.push(failure)).ok()
    }

    /// The message, or nothing where its fields have problems.
    pub(super) fn note_fields<T>(&mut self, outcome: Result<T, BuildErrors>) -> Option<T> {
        outcome.map_err(|errors| self.0.extend(errors.iter().map(of_field))).ok()
    }

    /// The value, if nothing at all was wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Failure> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Failure::joined(self.0)),
        }
    }
}

fn of_field(error: &FieldError) -> Failure {
    match error.problem() {
        FieldProblem::Unreadable { .. } | FieldProblem::NotAFile => Failure::no_input(error.to_string()),
        _ => Failure::message("", error),
    }
}
