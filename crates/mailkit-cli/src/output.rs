//! What the user sees: results on standard output, failures on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use mailkit::is_unprintable;
use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use crate::progress::PastProgress;

/// Standard output and standard error, as the global options want them.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    color: bool,
    color_errors: bool,
}

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
    Strong,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Strong => Style::new().bold(),
        }
    }
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            color: global.color.wanted(&io::stdout()),
            color_errors: global.color.wanted(&io::stderr()),
        }
    }

    /// A word of a line, colored if that is wanted.
    pub(crate) fn paint(&self, tone: Tone, word: impl Display) -> String {
        painted(self.color, tone, word)
    }

    /// A line of the result.
    ///
    /// # Errors
    /// Whatever keeps standard output from being written, a reader that left included.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// The whole result as one line of JSON.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(escape_json(serde_json::to_string(value)?))
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// As for [`line`](Self::line), and whatever keeps the bytes from being made.
    pub(crate) fn raw(&mut self, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        Ok(out.flush()?)
    }

    /// Says on standard error what went wrong. Nobody is left to hear that it is closed.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut err = io::stderr().lock();
        for (label, text) in failure.lines() {
            let (tone, indent) = if label == "error" { (Tone::Bad, "") } else { (Tone::Strong, "  ") };
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(err, "{indent}{}: {text}", painted(self.color_errors, tone, label));
        }
    }

    /// Says in one line of standard error what was wrong with a part of the work.
    pub(crate) fn complaint(&self, text: impl Display) {
        // Nobody is left to hear that standard error is closed.
        let _ = PastProgress.write_all(format!("{text}\n").as_bytes());
    }

    /// Says something on standard error that is no result, unless quiet is wanted.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }
}

/// The same JSON, in which nothing moves a terminal or turns text around: such characters stand in strings only.
fn escape_json(json: String) -> String {
    if !json.contains(is_unprintable) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match is_unprintable(c) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    escaped
}

fn painted(color: bool, tone: Tone, word: impl Display) -> String {
    if color && tone != Tone::Plain {
        let style = tone.style();
        format!("{style}{word}{style:#}")
    } else {
        word.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_around_is_escaped_in_json() {
        let json = serde_json::to_string(&["a\u{202e}b\u{85}\u{7f}c\n"]).unwrap();
        let escaped = escape_json(json);
        assert_eq!(escaped, "[\"a\\u202eb\\u0085\\u007fc\\n\"]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap()[0], "a\u{202e}b\u{85}\u{7f}c\n");
    }
}
