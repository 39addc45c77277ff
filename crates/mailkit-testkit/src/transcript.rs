//! Dialogues written down as files.
//!
//! ```text
//! # RFC 5321 §4.1.1.4: a message for one recipient
//! # Further comments, as many as are wanted.
//! ! pipelining = off
//! ! rcpt = bob@example.org
//! S: 220 mx.example.org
//! C: EHLO client.example.com
//! S: 250 mx.example.org
//! C: <<END
//! Subject: several lines
//!
//! as they are
//! END
//! S| 250 no line end follows
//! S-tls
//! S-close
//! ```
//!
//! - The first line names the section that the dialogue shows, then a colon and a title.
//! - `! key = value` is a setting for whoever plays the dialogue; a key may come again. Settings stand above the steps.
//! - `C: text` is what the client must send and `S: text` what the server sends, each followed by CRLF. A single
//!   space after the colon is left out.
//! - `C: <<WORD` and `S: <<WORD` take the lines up to one that is `WORD`, each followed by CRLF.
//! - `C| text` and `S| text` are bytes without a line end, in which `\r \n \t \0 \\ \s` (a space) and `\xNN` stand for bytes.
//! - `S-tls` is where TLS is set up; `S-close` is where the server closes the connection.
//! - Empty lines and `#` lines between steps mean nothing.

mod escape;
mod failure;

use std::path::Path;

pub use failure::{TranscriptError, TranscriptProblem};

/// A dialogue between a client and a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    title: String,
    section: String,
    settings: Vec<(String, String)>,
    steps: Vec<Step>,
    lines: Vec<usize>,
}

/// What happens next in a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever plays a dialogue must know every kind of step")]
pub enum Step {
    /// The client sends exactly these bytes.
    Client(Vec<u8>),
    /// The server sends these bytes.
    Server(Vec<u8>),
    /// Both sides set up TLS.
    Tls,
    /// The server closes the connection.
    Close,
}

impl Transcript {
    /// Reads a dialogue in the form above.
    ///
    /// # Errors
    ///
    /// The first line that is not of that form, with its number.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailkit_testkit::{Step, Transcript};
    ///
    /// let transcript = Transcript::parse("# RFC 5321 §4.1.1.9: NOOP\n! ehlo = no\nC: NOOP\nS: 250 OK\n")?;
    /// assert_eq!(transcript.section(), "RFC 5321 §4.1.1.9");
    /// assert_eq!(transcript.setting("ehlo"), Some("no"));
    /// assert_eq!(transcript.steps()[0], Step::Client(b"NOOP\r\n".to_vec()));
    /// # Ok::<(), mailkit_testkit::TranscriptError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TranscriptError> {
        let mut lines = (1..).zip(text.lines());
        let (section, title) = lines
            .next()
            .and_then(|(_, line)| line.strip_prefix('#')?.split_once(": "))
            .map(|(section, title)| (section.trim().to_owned(), title.trim().to_owned()))
            .filter(|(section, title)| !section.is_empty() && !title.is_empty())
            .ok_or(TranscriptError { line: 1, problem: TranscriptProblem::NoSection })?;
        let mut transcript = Self { title, section, settings: Vec::new(), steps: Vec::new(), lines: Vec::new() };
        while let Some((number, line)) = lines.next() {
            transcript
                .read_line(number, line, &mut lines)
                .map_err(|problem| TranscriptError { line: number, problem })?;
        }
        if transcript.steps.is_empty() {
            let line = text.lines().count();
            return Err(TranscriptError { line, problem: TranscriptProblem::NoSteps });
        }
        Ok(transcript)
    }

    /// Reads a dialogue from a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read (line 0) or is not of the form above.
    pub fn read(path: &Path) -> Result<Self, TranscriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| TranscriptError { line: 0, problem: TranscriptProblem::Unreadable(error) })?;
        Self::parse(&text)
    }

    /// What the dialogue shows.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The section of the document that it follows, such as `RFC 5321 §4.1.1.4`.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// All settings in their order.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The first setting of this key.
    pub fn setting<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.settings_of(key).next()
    }

    /// Every setting of this key.
    pub fn settings_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings().filter(move |(own, _)| *own == key).map(|(_, value)| value)
    }

    /// The steps, one for each step of the file.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The line of the file where the step with this index begins; 0 when there is none.
    pub fn line_of(&self, step: usize) -> usize {
        self.lines.get(step).copied().unwrap_or_default()
    }

    /// The steps with neighbours of one side joined: what one side says before the other is heard.
    pub fn turns(&self) -> Vec<Step> {
        let mut turns: Vec<Step> = Vec::new();
        for step in &self.steps {
            match (turns.last_mut(), step) {
                (Some(Step::Client(said)), Step::Client(more)) | (Some(Step::Server(said)), Step::Server(more)) => {
                    said.extend_from_slice(more);
                }
                _ => turns.push(step.clone()),
            }
        }
        turns
    }

    fn read_line<'a>(
        &mut self,
        number: usize,
        line: &str,
        following: &mut impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), TranscriptProblem> {
        let step = match line.trim_end() {
            "" => return Ok(()),
            comment if comment.starts_with('#') => return Ok(()),
            setting if setting.starts_with('!') => return self.read_setting(setting),
            "S-close" => Step::Close,
            "S-tls" => Step::Tls,
            _ => said(line, following)?,
        };
        if self.steps.last() == Some(&Step::Close) {
            return Err(TranscriptProblem::AfterClose);
        }
        self.steps.push(step);
        self.lines.push(number);
        Ok(())
    }

    fn read_setting(&mut self, line: &str) -> Result<(), TranscriptProblem> {
        if !self.steps.is_empty() {
            return Err(TranscriptProblem::LateSetting);
        }
        let (key, value) = line.trim_start_matches('!').split_once('=').ok_or(TranscriptProblem::BadSetting)?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(TranscriptProblem::BadSetting);
        }
        self.settings.push((key.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// A line that one side says, and those that belong to it.
fn said<'a>(line: &str, following: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<Step, TranscriptProblem> {
    let side = match line.get(..1) {
        Some("C") => Step::Client,
        Some("S") => Step::Server,
        _ => return Err(TranscriptProblem::UnknownLine),
    };
    let text = line.get(2..).unwrap_or_default();
    let text = text.strip_prefix(' ').unwrap_or(text);
    let bytes = match (line.get(1..2), text.strip_prefix("<<")) {
        (Some(":"), Some(word)) if is_word(word) => block(word, following)?,
        (Some(":"), _) => format!("{text}\r\n").into_bytes(),
        (Some("|"), _) => escape::decode(text)?,
        _ => return Err(TranscriptProblem::UnknownLine),
    };
    Ok(side(bytes))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn block<'a>(word: &str, following: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<Vec<u8>, TranscriptProblem> {
    let mut bytes = Vec::new();
    for (_, line) in following {
        if line == word {
            return Ok(bytes);
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    Err(TranscriptProblem::OpenBlock(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# RFC 5321 §4.1.1.4: a title: with a colon\n";

    fn problem(text: &str) -> (usize, TranscriptProblem) {
        let error = Transcript::parse(text).unwrap_err();
        (error.line, error.problem)
    }

    #[test]
    fn a_whole_dialogue_is_read() {
        let text = "\
# a comment
! rcpt = bob@example.org
! rcpt=eve=x@example.org

S: 220 mx
C: DATA
S: 354
C: <<END
C: not a step
# nor a comment

.
END
# between
S| 250 o\\x6B\\s\\r\\n
S-tls
S-close
";
        let transcript = Transcript::parse(&(HEAD.to_owned() + text)).unwrap();
        assert_eq!(transcript.title(), "a title: with a colon");
        assert_eq!(transcript.section(), "RFC 5321 §4.1.1.4");
        assert_eq!(transcript.settings_of("rcpt").collect::<Vec<_>>(), ["bob@example.org", "eve=x@example.org"]);
        let expected = [
            Step::Server(b"220 mx\r\n".to_vec()),
            Step::Client(b"DATA\r\n".to_vec()),
            Step::Server(b"354\r\n".to_vec()),
            Step::Client(b"C: not a step\r\n# nor a comment\r\n\r\n.\r\n".to_vec()),
            Step::Server(b"250 ok \r\n".to_vec()),
            Step::Tls,
            Step::Close,
        ];
        assert_eq!(transcript.steps(), expected);
        assert_eq!(transcript.line_of(3), 9);
        assert_eq!(transcript.line_of(99), 0);
    }

    #[test]
    fn turns_join_what_one_side_says() {
        let text = HEAD.to_owned() + "C: MAIL\nC: RCPT\nS: 250\nS| 25\nS| 0\\r\\n\n";
        assert_eq!(
            Transcript::parse(&text).unwrap().turns(),
            [Step::Client(b"MAIL\r\nRCPT\r\n".to_vec()), Step::Server(b"250\r\n250\r\n".to_vec())]
        );
    }

    #[test]
    fn spaces_beyond_the_first_and_an_unmarked_block_sign_are_text() {
        let transcript = Transcript::parse(&(HEAD.to_owned() + "C:  x \nC: <<a\nC:\n")).unwrap();
        let expected = [&b" x \r\n"[..], b"<<a\r\n", b"\r\n"].map(|bytes| Step::Client(bytes.to_vec()));
        assert_eq!(transcript.steps(), expected);
    }

    #[test]
    fn each_wrong_line_is_named_by_its_number() {
        use TranscriptProblem as Problem;
        for (text, line, expected) in [
            ("", 1, Problem::NoSection),
            ("S: 220\n", 1, Problem::NoSection),
            ("# no section\n", 1, Problem::NoSection),
            ("# A §1: x\n\n", 2, Problem::NoSteps),
            ("# A §1: x\nX: y\n", 2, Problem::UnknownLine),
            ("# A §1: x\nS; y\n", 2, Problem::UnknownLine),
            ("# A §1: x\n! key\n", 2, Problem::BadSetting),
            ("# A §1: x\nC: y\n! a=b\n", 3, Problem::LateSetting),
            ("# A §1: x\nS-close\nC: y\n", 3, Problem::AfterClose),
            ("# A §1: x\nC: <<EOF\ny\n", 2, Problem::OpenBlock("EOF".into())),
            ("# A §1: x\nC| \\q\n", 2, Problem::BadEscape("\\q".into())),
            ("# A §1: x\nC| \\x1\n", 2, Problem::BadEscape("\\x1".into())),
        ] {
            let (found_line, found) = problem(text);
            assert_eq!((found_line, found.to_string()), (line, expected.to_string()), "{text:?}");
        }
    }
}
