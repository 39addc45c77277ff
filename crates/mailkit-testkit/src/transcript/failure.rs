//! Why a transcript could not be read.

use std::error::Error;
use std::{fmt, io};

/// A line that does not belong in a transcript.
#[derive(Debug)]
pub struct TranscriptError {
    /// The line, counted from 1; 0 when there is no file to count in.
    pub line: usize,
    /// What is wrong with it.
    pub problem: TranscriptProblem,
}

/// What is wrong with a line of a transcript.
#[derive(Debug)]
#[non_exhaustive]
pub enum TranscriptProblem {
    /// The file could not be read.
    Unreadable(io::Error),
    /// The first line is not `# SECTION: title`.
    NoSection,
    /// Nobody says anything.
    NoSteps,
    /// The line is none of those that a transcript knows.
    UnknownLine,
    /// A setting is not `! key = value`.
    BadSetting,
    /// A setting stands below the first step.
    LateSetting,
    /// A step follows the server's close.
    AfterClose,
    /// A block has no line with its closing word.
    OpenBlock(String),
    /// An escape that stands for no byte.
    BadEscape(String),
}

impl fmt::Display for TranscriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => self.problem.fmt(f),
            line => write!(f, "line {line}: {}", self.problem),
        }
    }
}

impl fmt::Display for TranscriptProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("the transcript cannot be read"),
            Self::NoSection => {
                f.write_str("the first line must be `# SECTION: title`, such as `# RFC 5321 §3.3: DATA`")
            }
            Self::NoSteps => f.write_str("no line `C: …` or `S: …`"),
            Self::UnknownLine => {
                f.write_str("a line begins with `C: `, `S: `, `C| `, `S| `, `S-close`, `S-tls`, `! ` or `#`")
            }
            Self::BadSetting => f.write_str("a setting is written `! key = value`"),
            Self::LateSetting => f.write_str("settings stand above the first step"),
            Self::AfterClose => f.write_str("nothing happens after `S-close`"),
            Self::OpenBlock(word) => write!(f, "the block has no closing line `{word}`"),
            Self::BadEscape(escape) => write!(f, "`{escape}` is no escape: use \\r \\n \\t \\0 \\s \\\\ or \\xNN"),
        }
    }
}

impl Error for TranscriptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            TranscriptProblem::Unreadable(source) => Some(source),
            _ => None,
        }
    }
}
