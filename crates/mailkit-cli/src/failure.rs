//! Why a command did not do what it was asked for: in words, and as an exit code.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use mailkit::config::ConfigError;
use mailkit::connection::{TlsBlame, TlsError};
use mailkit::queue::QueueError;
use mailkit::smtp::ReplyError;
use mailkit::{Error, ErrorKind, OneLine, Reply, Report, Step};

use crate::exit::{Exit, source_of};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The kind as `--json` names it.
    pub(crate) kind: &'static str,
    /// What happened: the outermost layer first.
    words: Vec<String>,
    advice: Option<Advice>,
    /// What the library said, where it was the one to fail.
    error: Option<Box<Error>>,
    /// The failures that it consists of, if they are several.
    all: Vec<Self>,
}

/// The kind of a failure to write where nobody reads.
const READER_GONE: &str = "reader-gone";

/// What to try.
#[derive(Debug)]
enum Advice {
    /// To look at the server with `mailkit check`.
    Check(&'static str),
    Words(String),
}

impl Failure {
    fn new(exit: Exit, kind: &'static str, words: Vec<String>) -> Self {
        Self { exit, kind, words, advice: None, error: None, all: Vec::new() }
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
        let path = on_one_line(&path.display().to_string());
        let what = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {path}"),
            _ => format!("the file {path} cannot be read"),
        };
        Self::new(Exit::NoInput, "no-input", vec![what, error.to_string()])
    }

    /// An attachment that cannot be read, in the words of who tried.
    pub(crate) fn no_input(text: String) -> Self {
        Self::new(Exit::NoInput, "no-input", vec![text])
    }

    /// Content that could not be read to its end.
    pub(crate) fn content(error: &(dyn StdError + 'static)) -> Self {
        let words = std::iter::once("the content could not be read".to_owned()).chain(chain(error)).collect();
        Self::new(Exit::Network, ErrorKind::Content.name(), words)
    }

    /// Several of them as one: about input where all of them are, else about a bad message.
    pub(crate) fn joined(failures: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(failures) {
            Ok([only]) => only,
            Err(failures) => {
                let (exit, kind) = match failures.iter().all(|failure| failure.exit == Exit::NoInput) {
                    true => (Exit::NoInput, "no-input"),
                    false => (Exit::Data, ErrorKind::Message.name()),
                };
                Self { all: failures, ..Self::new(exit, kind, Vec::new()) }
            }
        }
    }

    /// Something of this machine that does not work: a file that cannot be written, an address that cannot be
    /// listened at.
    pub(crate) fn system(what: &str, error: &(dyn StdError + 'static)) -> Self {
        let words = std::iter::once(what.to_owned()).chain(chain(error)).collect();
        Self::new(Exit::Network, "system", words)
    }

    /// A result that is not what it should be.
    pub(crate) fn unmet(text: impl Into<String>) -> Self {
        Self::new(Exit::Network, "unmet", vec![text.into()])
    }

    /// What a parser said that took one line for the whole: it is told apart by its own number.
    pub(crate) fn of_one_line(mut self) -> Self {
        self.all = self.all.into_iter().map(Self::of_one_line).collect();
        for words in &mut self.words {
            *words = words.replace(" at line 1 column ", " at column ");
        }
        self
    }

    /// Whether nobody reads standard output any more, such as `head` when it has enough: nobody is to be told.
    pub(crate) fn is_reader_gone(&self) -> bool {
        self.kind == READER_GONE
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(Advice::Words(advice.into()));
        self
    }

    /// For `mailkit check`, which need not be advised to run itself.
    pub(crate) fn without_advice_to_check(mut self) -> Self {
        self.advice = self.advice.filter(|advice| !matches!(advice, Advice::Check(_)));
        self
    }

    /// The step in which it happened; `None` before there was one.
    pub(crate) fn step(&self) -> Option<Step> {
        self.error.as_ref().and_then(|error| error.step())
    }

    /// The server's own words.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.error.as_ref().and_then(|error| error.reply())
    }

    /// What is known of each recipient.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.error.as_ref().and_then(|error| error.report())
    }

    /// Whether it is about the message itself, or about what it needs of the server: then nobody can get it like this.
    pub(crate) fn is_about_message(&self) -> bool {
        self.error.as_ref().is_some_and(|error| match error.kind() {
            ErrorKind::Message => true,
            // The server lacks what the message needs.
            ErrorKind::Refused => error.reply().is_none(),
            _ => false,
        })
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_temporary())
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_ambiguous())
    }

    /// All that happened, in one line; each of several failures has a line of its own.
    pub(crate) fn text(&self) -> String {
        if self.all.is_empty() {
            return self.words.join(": ");
        }
        self.all.iter().map(Self::text).collect::<Vec<_>>().join("\n")
    }

    /// What is shown to a person.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines: Vec<_> = self.all.iter().map(|failure| ("error", failure.text())).collect();
        let mut words = self.words.iter();
        lines.extend(words.next().map(|first| ("error", first.clone())));
        lines.extend(words.map(|more| ("because", more.clone())));
        lines.extend(self.step().map(|step| ("step", step.name().to_owned())));
        let reply = self.reply().map(ToString::to_string);
        let said = reply.filter(|reply| !self.words.iter().any(|words| words.contains(reply)));
        lines.extend(said.map(|reply| ("server said", reply)));
        if self.is_ambiguous() {
            lines.push(("note", "the message may have been delivered all the same".to_owned()));
        }
        for advice in self.all.iter().chain([self]).filter_map(|failure| failure.advice.as_ref()) {
            let line = match advice {
                Advice::Check(why) => ("try", format!("run `mailkit check --server URL` {why}")),
                Advice::Words(words) => ("try", words.clone()),
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // A queue speaks for itself, whatever it was asked.
        let queue: Option<&QueueError> = source_of(&error);
        Self {
            exit: Exit::of_error(&error),
            kind: error.kind().name(),
            words: queue.map_or_else(|| chain(&error), |error| chain(error)),
            advice: advice(&error),
            error: Some(Box::new(error)),
            all: Vec::new(),
        }
    }
}

/// What a queue did not do, in its own words.
impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Error::from(error).into()
    }
}

/// A configuration that is not there, or makes no sense.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error.is_missing() {
            true => Self::new(Exit::NoInput, "no-input", chain(&error)),
            false => Self::configuration("the configuration makes no sense", &error),
        }
    }
}

/// Standard output that takes nothing more.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let failure = Self::system("standard output cannot be written", &error);
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { kind: READER_GONE, ..failure },
            _ => failure,
        }
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

/// Line breaks and other control characters, which a peer's or a file's words may hold, do not reach the terminal, nor do
/// those that turn text around.
fn on_one_line(text: &str) -> String {
    OneLine(text).to_string()
}

/// What to try, where the error's own words do not say so already.
fn advice(error: &Error) -> Option<Advice> {
    let words = |words: &str| Some(Advice::Words(words.to_owned()));
    match error.kind() {
        ErrorKind::Login => error.reply().and_then(|reply| words(login_advice(error.step(), reply))),
        ErrorKind::HostUnknown => words("check the host in the server's URL, and this machine's name service"),
        ErrorKind::Network | ErrorKind::TimedOut if error.is_ambiguous() => {
            words("ask the recipient before it is sent again: a second copy may be the result")
        }
        ErrorKind::TimedOut if is_before_dialogue(error) => {
            words("look for a firewall in between; ?timeout=SECONDS sets how long is waited")
        }
        ErrorKind::TimedOut => words("send it again later; ?timeout=SECONDS sets how long is waited"),
        ErrorKind::Network if is_before_dialogue(error) => {
            Some(Advice::Check("to see whether host and port are right"))
        }
        ErrorKind::Network => words("send it again: the server had not got all of it"),
        ErrorKind::Busy => words("send it again later"),
        ErrorKind::Refused if error.is_temporary() => words("send it again later"),
        ErrorKind::Refused => Some(Advice::Check("to see what the server takes")),
        ErrorKind::QueueFull => words("enqueue it again when messages have left; max_messages sets the bound"),
        ErrorKind::StoreUnavailable => words("check the path and the disk of the queue, and try again"),
        ErrorKind::StoreFailed => {
            words("look after the file of the queue and its disk, and start again: nothing is done with it until then")
        }
        ErrorKind::StoreMissing => words("check the path of the queue, and make the folder if it is missing"),
        ErrorKind::StoreUnusable => words("check the path of the queue, and who may read and write there"),
        ErrorKind::StoreDamaged => {
            words("`mailkit queue export` brings out what can be read; the file was left as it is")
        }
        ErrorKind::Protocol if matches!(source_of(error), Some(ReplyError::SpeaksTls)) => None,
        ErrorKind::Protocol if error.step() == Some(Step::Greeting) => {
            words("check that host and port are those of a mail server")
        }
        ErrorKind::Tls if source_of(error).is_some_and(|tls: &TlsError| tls.blame() == TlsBlame::Certificate) => {
            Some(Advice::Check("to see its certificate"))
        }
        _ => None,
    }
}

/// What to try where the server wants a login, or another one. Only a refusal that may be about the secret (RFC 4954 §6: 535,
/// and what servers say that know no codes of AUTH) advises to check it.
fn login_advice(step: Option<Step>, reply: &Reply) -> &'static str {
    let text = reply.text().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    match reply.code().get() {
        code if code == 538 || code != 535 && says(&["tls", "encrypt"]) => {
            "use TLS: smtps:// or smtp:// without tls=none"
        }
        _ if step != Some(Step::Auth) => {
            "give the user in the server's URL (smtp://USER@HOST) and the password in MAILKIT_PASSWORD"
        }
        // Google says 534 where it wants an application-specific password.
        534 if says(&["password"]) => CHECK_PASSWORD,
        500 | 502..=504 | 534 => {
            "the server does not take these mechanisms: auth=NAME in the URL asks for another that it offers"
        }
        _ => CHECK_PASSWORD,
    }
}

const CHECK_PASSWORD: &str = "check user and password; many providers want a password made for this one program";

/// Whether it happened before the server said anything.
fn is_before_dialogue(error: &Error) -> bool {
    matches!(error.step(), None | Some(Step::Resolve | Step::Connect | Step::Tls | Step::Greeting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(on_one_line("a\r\nb\u{1b}[0m\u{202e}"), "a\\r\\nb\\u{1b}[0m\\u{202e}");
        let missing = Failure::input(Path::new("a\n\u{1b}b"), &io::ErrorKind::NotFound.into());
        assert!(!missing.text().contains(char::is_control), "{}", missing.text());
    }

    #[test]
    fn each_of_several_failures_has_a_line_of_its_own_and_advice_is_given_once() {
        let failures = ["to[1]", "cc"].map(|field| Failure::message(field, "no address").with_advice("look at it"));
        let joined = Failure::joined(failures.into());
        assert_eq!(joined.text(), "to[1]: no address\ncc: no address");
        let lines = [("error", "to[1]: no address"), ("error", "cc: no address"), ("try", "look at it")];
        assert_eq!(joined.lines(), lines.map(|(label, text)| (label, text.to_owned())));
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
