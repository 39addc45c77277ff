//! Why a command did not do what it was asked for: in words, and as an exit code.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use mailkit::{Error, ErrorKind, Report, Step};

use crate::exit::{Exit, tls_error};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The kind as `--json` names it.
    pub(crate) kind: &'static str,
    pub(crate) step: Option<Step>,
    /// What happened: the outermost layer first.
    words: Vec<String>,
    /// The server's own words.
    pub(crate) reply: Option<mailkit::Reply>,
    advice: Option<String>,
    pub(crate) temporary: bool,
    pub(crate) ambiguous: bool,
    pub(crate) report: Option<Report>,
}

impl Failure {
    fn new(exit: Exit, kind: &'static str, words: Vec<String>) -> Self {
        Self {
            exit,
            kind,
            step: None,
            words,
            reply: None,
            advice: None,
            temporary: false,
            ambiguous: false,
            report: None,
        }
    }

    /// Arguments that do not go together.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", vec![text.into()])
    }

    /// A message, or a field of it, that makes no sense.
    pub(crate) fn message(field: &str, error: impl Into<Cause>) -> Self {
        let Cause(mut words) = error.into();
        if let Some(first) = words.first_mut().filter(|_| !field.is_empty()) {
            *first = format!("{field}: {first}");
        }
        Self::new(Exit::Data, ErrorKind::Message.name(), words)
    }

    /// Settings that make no sense.
    pub(crate) fn configuration(what: &str, error: impl Into<Cause>) -> Self {
        let Cause(words) = error.into();
        let words = std::iter::once(what.to_owned()).chain(words).collect();
        Self::new(Exit::Configuration, ErrorKind::Configuration.name(), words)
    }

    /// An input file that cannot be read.
    pub(crate) fn input(path: &Path, error: &io::Error) -> Self {
        let what = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
            _ => format!("the file {} cannot be read", path.display()),
        };
        Self::new(Exit::NoInput, "no-input", vec![what, error.to_string()])
    }

    /// Something of this machine that does not work: a file that cannot be written, an address that cannot be
    /// listened at.
    pub(crate) fn system(what: &str, error: &(dyn StdError + 'static)) -> Self {
        let words = std::iter::once(what.to_owned()).chain(chain(error)).collect();
        Self::new(Exit::Network, "system", words)
    }

    /// A result that is not what it should be.
    pub(crate) fn unmet(text: impl Into<String>) -> Self {
        Self::new(Exit::Protocol, "unmet", vec![text.into()])
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// All that happened, in one line.
    pub(crate) fn text(&self) -> String {
        self.words.join(": ")
    }

    /// What is shown to a person.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut words = self.words.iter();
        lines.extend(words.next().map(|first| ("error", first.clone())));
        lines.extend(words.map(|more| ("because", more.clone())));
        lines.extend(self.step.map(|step| ("step", step.name().to_owned())));
        lines.extend(self.reply.as_ref().map(|reply| ("server said", reply.to_string())));
        if self.ambiguous {
            lines.push(("note", "the message may have been delivered all the same".to_owned()));
        }
        lines.extend(self.advice.iter().map(|advice| ("try", advice.clone())));
        lines
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: Exit::of_error(&error),
            kind: error.kind().name(),
            step: error.step(),
            words: chain(&error),
            reply: error.reply().cloned(),
            advice: advice(&error).map(str::to_owned),
            temporary: error.is_temporary(),
            ambiguous: error.is_ambiguous(),
            report: error.report().cloned(),
        }
    }
}

/// Standard output that takes nothing more.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::system("standard output cannot be written", &error)
    }
}

/// What happened, layer by layer: an error with its sources, or a text.
pub(crate) struct Cause(Vec<String>);

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self(vec![text])
    }
}

impl<E: StdError + 'static> From<&E> for Cause {
    fn from(error: &E) -> Self {
        Self(chain(error))
    }
}

/// The words of an error and of its sources; a source whose words are part of the last ones says nothing new.
fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = on_one_line(&error.to_string());
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    words
}

/// Line breaks and other control characters, which a peer's or a file's words may hold, do not reach the terminal.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            // Writing into a String cannot fail.
            let _ = write!(line, "{}", letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

/// What to try, where the error's own words do not say so already.
fn advice(error: &Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::Login if error.reply().is_some() => {
            Some("check user and password; many providers want a password made for this one program")
        }
        ErrorKind::HostUnknown => Some("check the host in the server's URL, and this machine's name service"),
        ErrorKind::TimedOut => Some("look for a firewall in between; ?timeout=SECONDS sets how long is waited"),
        ErrorKind::Network if error.is_ambiguous() => {
            Some("ask the recipient before it is sent again: a second copy may be the result")
        }
        ErrorKind::Network => Some("check host and port, and run `mailkit check --server URL`"),
        ErrorKind::Refused if error.is_temporary() => Some("send it again later"),
        ErrorKind::Refused => Some("run `mailkit check --server URL` to see what the server takes"),
        ErrorKind::Protocol if error.step() == Some(Step::Greeting) => {
            Some("check that host and port are those of a mail server")
        }
        ErrorKind::Tls if tls_error(error).is_some() => Some("run `mailkit check --server URL` to see its certificate"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(on_one_line("a\r\nb\u{1b}[0m"), "a\\r\\nb\\u{1b}[0m");
    }

    #[test]
    fn a_field_is_named_in_front_of_what_is_wrong_with_it() {
        let failure = Failure::message("date", "no date in `now`");
        assert_eq!(failure.text(), "date: no date in `now`");
        assert_eq!(failure.exit, Exit::Data);
    }

    #[test]
    fn a_bad_url_says_what_is_wrong_in_it() {
        let failure = Failure::from(mailkit::Mailer::from_url("smtp://ann:s3cret@host?tsl=none").unwrap_err());
        assert!(failure.text().contains("\"tsl\" is unknown"), "{}", failure.text());
        assert!(!failure.text().contains("s3cret"));
    }
}
