//! The one cursor that reads addresses, in headers and in envelopes.
//!
//! Nothing here recurses and every step moves forward, but for one rewind per
//! mailbox: the time taken is linear in the length of the input.

use std::borrow::Cow;

use crate::error::{AddressErrorKind, Fault};

/// The longest text, in octets, that [`Mailbox::parse`](crate::Mailbox::parse)
/// and [`AddressList::parse`](crate::AddressList::parse) read: 1 MiB.
pub const MAX_INPUT_LEN: usize = 1024 * 1024;

/// How deep comments may be nested: `(1 (2 (3)))`.
pub const MAX_COMMENT_DEPTH: usize = 32;

/// What may stand between the words of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// Nothing: the envelope form of RFC 5321.
    None,
    /// Spaces and comments: one line typed by a person or a program.
    Line,
    /// Also tabs and CRLF before white space: the folded header of RFC 5322 §3.2.2.
    Folded,
}

/// A place in an input, and the rules of white space that hold there.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    input: &'a str,
    position: usize,
    spacing: Spacing,
    #[cfg(test)]
    pub(crate) steps: usize,
}

/// The content of a quoted string, without its quotes and backslashes.
#[derive(Debug)]
pub(crate) struct Quoted<'a> {
    pub(crate) content: Cow<'a, str>,
    /// Where a tab or a line fold first stood in it.
    pub(crate) fold: Option<usize>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a str, spacing: Spacing) -> Self {
        Self {
            input,
            position: 0,
            spacing,
            #[cfg(test)]
            steps: 0,
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn spacing(&self) -> Spacing {
        self.spacing
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.input.get(self.position..).unwrap_or_default()
    }

    /// The text from an earlier place up to this one.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.input.get(start..self.position).unwrap_or_default()
    }

    pub(crate) fn rewind(&mut self, position: usize) {
        self.position = position;
    }

    /// Goes on to what is left of the text here.
    pub(crate) fn skip_to(&mut self, rest: &str) {
        self.advance(self.rest().len().saturating_sub(rest.len()));
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.input.len()
    }

    /// Takes `wanted` if it stands here.
    pub(crate) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.advance(wanted.len_utf8());
        }
        found
    }

    /// Takes the longest run of characters that `accepts` likes.
    pub(crate) fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accepts(c)).unwrap_or(rest.len());
        self.advance(end);
        rest.get(..end).unwrap_or_default()
    }

    /// A fault at this place. A control character outranks any other fault.
    pub(crate) fn fault(&self, kind: AddressErrorKind) -> Fault {
        let kind = match self.peek() {
            Some(c) if c.is_control() => AddressErrorKind::ControlCharacter,
            _ => kind,
        };
        Fault::new(kind, self.position)
    }

    /// The fault of a missing part: `missing` where the address ends here,
    /// else the character that stands in its place.
    pub(crate) fn missing(&self, missing: AddressErrorKind) -> Fault {
        match self.peek() {
            None | Some('>' | ',' | ';') => self.fault(missing),
            Some(_) => self.fault(AddressErrorKind::UnexpectedCharacter),
        }
    }

    /// Refuses anything that is left.
    pub(crate) fn expect_end(&self) -> Result<(), Fault> {
        if self.at_end() { Ok(()) } else { Err(self.fault(AddressErrorKind::TrailingText)) }
    }

    /// `CFWS = (1*([FWS] comment) [FWS]) / FWS` (RFC 5322 §3.2.2), as far as
    /// the spacing allows. Tells whether there was any.
    pub(crate) fn skip_space(&mut self) -> Result<bool, Fault> {
        let start = self.position;
        if self.spacing == Spacing::None {
            return Ok(false);
        }
        loop {
            match self.peek() {
                Some('(') => self.comment()?,
                Some(' ') => self.advance(1),
                Some(_) if self.eat_fold() => {}
                _ => return Ok(self.position > start),
            }
        }
    }

    /// `comment = "(" *([FWS] ccontent) [FWS] ")"` (RFC 5322 §3.2.2), without
    /// recursion.
    fn comment(&mut self) -> Result<(), Fault> {
        let open = self.position;
        let mut depth = 0_usize;
        loop {
            self.take_while(|c| !matches!(c, '(' | ')' | '\\') && !c.is_control());
            if self.eat('(') {
                depth += 1;
                if depth > MAX_COMMENT_DEPTH {
                    return Err(Fault::new(AddressErrorKind::CommentTooDeep, self.position - 1));
                }
            } else if self.eat(')') {
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            } else if self.eat('\\') {
                self.escaped(open, AddressErrorKind::UnclosedComment)?;
            } else if self.at_end() {
                return Err(Fault::new(AddressErrorKind::UnclosedComment, open));
            } else if !self.eat_fold() {
                return Err(self.fault(AddressErrorKind::ControlCharacter));
            }
        }
    }

    /// `quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE` (RFC 5322
    /// §3.2.4). The cursor stands on the opening quote.
    pub(crate) fn quoted_string(&mut self) -> Result<Quoted<'a>, Fault> {
        let open = self.position;
        let mut content = Cow::Borrowed("");
        let mut fold = None;
        self.advance(1);
        loop {
            let run = self.take_while(|c| !matches!(c, '"' | '\\') && !c.is_control());
            if content.is_empty() {
                content = Cow::Borrowed(run);
            } else {
                content.to_mut().push_str(run);
            }
            let here = self.position;
            if self.eat('"') {
                return Ok(Quoted { content, fold });
            } else if self.eat('\\') {
                content.to_mut().push(self.escaped(open, AddressErrorKind::UnclosedQuote)?);
            } else if self.at_end() {
                return Err(Fault::new(AddressErrorKind::UnclosedQuote, open));
            } else if self.peek() == Some('\t') && self.eat_fold() {
                content.to_mut().push(' ');
                fold.get_or_insert(here);
            } else if self.eat_fold() {
                fold.get_or_insert(here);
            } else {
                return Err(self.fault(AddressErrorKind::ControlCharacter));
            }
        }
    }

    /// Words with single dots between them: `dot-atom-text` and `Domain`.
    /// White space and comments around a dot (`obs-local-part`, `obs-domain`
    /// of RFC 5322 §4.4) are dropped where the spacing allows them. Empty where
    /// there is no word at all.
    pub(crate) fn dotted(&mut self, accepts: fn(char) -> bool) -> Result<Cow<'a, str>, Fault> {
        let start = self.position;
        let mut joined: Option<String> = None;
        let mut dot = None;
        loop {
            let word = self.take_while(accepts);
            if let Some(text) = &mut joined {
                text.push_str(word);
            }
            if word.is_empty() {
                return match (self.peek(), dot) {
                    (Some('.'), _) => Err(self.fault(AddressErrorKind::MisplacedDot)),
                    (Some(c), _) if c.is_control() => Err(self.fault(AddressErrorKind::ControlCharacter)),
                    (_, Some(position)) => Err(Fault::new(AddressErrorKind::MisplacedDot, position)),
                    (_, None) => Ok(Cow::Borrowed("")),
                };
            }
            let end = self.position;
            let mut gap = self.skip_space()?;
            dot = Some(self.position);
            if !self.eat('.') {
                self.rewind(end);
                let text = self.input.get(start..end).unwrap_or_default();
                return Ok(joined.map_or(Cow::Borrowed(text), Cow::Owned));
            }
            gap |= self.skip_space()?;
            if gap && joined.is_none() {
                joined = self.input.get(start..end).map(str::to_owned);
            }
            if let Some(text) = &mut joined {
                text.push('.');
            }
        }
    }

    /// The character behind a backslash.
    fn escaped(&mut self, open: usize, unclosed: AddressErrorKind) -> Result<char, Fault> {
        match self.peek() {
            None => Err(Fault::new(unclosed, open)),
            Some(c) if c.is_control() => Err(self.fault(AddressErrorKind::ControlCharacter)),
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(c)
            }
        }
    }

    /// Takes a tab, or the CRLF of a line fold, where folding is allowed.
    fn eat_fold(&mut self) -> bool {
        if self.spacing != Spacing::Folded {
            return false;
        }
        let length = match self.rest().as_bytes() {
            [b'\t', ..] => 1,
            [b'\r', b'\n', b' ' | b'\t', ..] => 2,
            _ => return false,
        };
        self.advance(length);
        true
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes;
        #[cfg(test)]
        {
            self.steps += bytes;
        }
    }
}

/// The place of the first control character, also of one beyond ASCII.
pub(crate) fn control_character(text: &str) -> Option<usize> {
    // 0xC2 starts those beyond ASCII. Without a way out of the loop, many bytes are seen at a time.
    let suspect = text.bytes().fold(false, |found, byte| found | byte.is_ascii_control() | (byte == 0xC2));
    if suspect { text.find(char::is_control) } else { None }
}

/// `atext` (RFC 5322 §3.2.3, RFC 6532 §3.2): what an atom is made of.
pub(crate) fn is_atext(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' => true,
        '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}' | '~' => true,
        _ => !c.is_ascii() && !c.is_control(),
    }
}
