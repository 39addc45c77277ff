//! What the transaction asks for beyond what the message itself needs.

use mailkit::TransactionOptions;
use mailkit::smtp::parameter::{DsnReturn, MtPriority, Notify};
use serde::Deserialize;

use super::problems::Problems;
use crate::args::Priority;
use crate::failure::Failure;

/// The notifications that are wanted (RFC 3461), in the form of the JSON interface.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DsnDraft {
    pub(super) notify: Option<Vec<String>>,
    ret: Option<String>,
    envid: Option<String>,
}

/// Reads the wishes; those that make no sense are noted and left out.
pub(super) fn wishes(dsn: &DsnDraft, priority: Option<Priority>, problems: &mut Problems) -> TransactionOptions {
    let notify = dsn.notify.as_deref().filter(|words| !words.is_empty());
    let envid = dsn.envid.as_deref().map(|envid| match envid.chars().any(char::is_control) {
        true => Err(Failure::message("envelope dsn envid", "control character: remove it")),
        false => Ok(envid.to_owned()),
    });
    TransactionOptions {
        notify: notify.and_then(|words| problems.note(notifications(words))),
        ret: dsn.ret.as_deref().and_then(|word| problems.note(returned(word))),
        envid: envid.and_then(|envid| problems.note(envid)),
        priority: priority.and_then(mt_priority),
        ..TransactionOptions::default()
    }
}

fn notifications(words: &[String]) -> Result<Notify, Failure> {
    let mut notify = Notify::default();
    for word in words {
        match word.trim().to_ascii_lowercase().as_str() {
            "success" => notify.success = true,
            "failure" => notify.failure = true,
            "delay" => notify.delay = true,
            "never" if words.len() == 1 => {}
            "never" => return Err(Failure::message("dsn notify", "`never` stands alone: leave out the others")),
            _ => {
                let word = word.escape_debug();
                let text = format!("`{word}` is no event: use success, failure, delay or never");
                return Err(Failure::message("dsn notify", text));
            }
        }
    }
    Ok(notify)
}

fn returned(word: &str) -> Result<DsnReturn, Failure> {
    match word {
        "full" => Ok(DsnReturn::Full),
        "headers" => Ok(DsnReturn::Headers),
        _ => Err(Failure::message("dsn ret", format!("`{}` is neither full nor headers", word.escape_debug()))),
    }
}

/// The numbers of RFC 6710 §5, appendix C: "non-urgent, normal, urgent".
fn mt_priority(priority: Priority) -> Option<MtPriority> {
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
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(notifications(&words(&["never"])).unwrap(), Notify::default());
        assert!(notifications(&words(&["Success", "failure"])).unwrap().success);
        assert!(notifications(&words(&["never", "failure"])).is_err());
        assert!(notifications(&words(&["often"])).is_err());
    }
}
