//! What the transaction asks for beyond what the message itself needs.

use mailkit::TransactionOptions;
use mailkit::smtp::parameter::{DsnReturn, MtPriority, Notify};

use super::fields::{Fields, Given};
use super::problems::Problems;
use crate::args::Priority;
use crate::failure::Failure;

/// The notifications that are wanted (RFC 3461), in the form of the JSON interface.
#[derive(Default)]
pub(super) struct DsnDraft {
    pub(super) notify: Vec<Given>,
    ret: Option<Given>,
    envid: Option<Given>,
}

impl DsnDraft {
    /// The object `dsn` of an envelope.
    pub(super) fn from_json(fields: &mut Fields<'_>) -> Self {
        Self { notify: fields.texts("notify"), ret: fields.given("ret"), envid: fields.given("envid") }
    }
}

/// Reads the wishes; those that make no sense are noted and left out.
pub(super) fn wishes(dsn: &DsnDraft, priority: Option<Priority>, problems: &mut Problems) -> TransactionOptions {
    let notify = Some(&dsn.notify).filter(|words| !words.is_empty());
    let envid = dsn.envid.as_ref().map(|Given { place, text }| match text.chars().any(char::is_control) {
        true => Err(Failure::message(place, "control character: remove it")),
        false => Ok(text.clone()),
    });
    TransactionOptions {
        notify: notify.and_then(|words| problems.note(notifications(words))),
        ret: dsn.ret.as_ref().and_then(|word| problems.note(returned(word))),
        envid: envid.and_then(|envid| problems.note(envid)),
        priority: priority.and_then(mt_priority_of),
        ..TransactionOptions::default()
    }
}

fn notifications(words: &[Given]) -> Result<Notify, Failure> {
    let mut notify = Notify::default();
    for Given { place, text: word } in words {
        match word.trim().to_ascii_lowercase().as_str() {
            "success" => notify.success = true,
            "failure" => notify.failure = true,
            "delay" => notify.delay = true,
            "never" if words.len() == 1 => {}
            "never" => return Err(Failure::message(place, "`never` stands alone: leave out the others")),
            _ => {
                let word = word.escape_debug();
                let text = format!("`{word}` is no event: use success, failure, delay or never");
                return Err(Failure::message(place, text));
            }
        }
    }
    Ok(notify)
}

fn returned(Given { place, text }: &Given) -> Result<DsnReturn, Failure> {
    match text.as_str() {
        "full" => Ok(DsnReturn::Full),
        "headers" => Ok(DsnReturn::Headers),
        _ => Err(Failure::message(place, format!("`{}` is neither full nor headers", text.escape_debug()))),
    }
}

/// A priority as a number (RFC 6710 §4).
pub(super) fn mt_priority(number: &str) -> Result<MtPriority, Failure> {
    number.parse().ok().and_then(MtPriority::new).ok_or_else(|| {
        let text = format!("`{}` is no priority: it goes from -9 to 9", number.escape_debug());
        Failure::message("envelope.mt_priority", text)
    })
}

/// The numbers of RFC 6710 §5, appendix C: "non-urgent, normal, urgent".
fn mt_priority_of(priority: Priority) -> Option<MtPriority> {
    MtPriority::new(match priority {
        Priority::High => 4,
        Priority::Normal => 0,
        Priority::Low => -4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_stands_alone() {
        let words = |words: &[&str]| words.iter().map(|word| Given::new("dsn notify", *word)).collect::<Vec<_>>();
        assert_eq!(notifications(&words(&["never"])).unwrap(), Notify::default());
        assert!(notifications(&words(&["Success", "failure"])).unwrap().success);
        assert!(notifications(&words(&["never", "failure"])).is_err());
        assert!(notifications(&words(&["often"])).is_err());
    }
}
