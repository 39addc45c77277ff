//! The text of a DKIM-Signature field, folded.

/// The longest line, without CRLF (RFC 5322 §2.1.1). Only a tag that cannot be cut goes beyond.
const MAX_LINE: usize = 78;

/// What begins a line behind a fold.
const FOLD: &str = "\r\n ";

/// A DKIM-Signature field while its tags are added.
pub(super) struct SignatureField {
    text: String,
    column: usize,
}

impl SignatureField {
    pub(super) fn new() -> Self {
        let name = "DKIM-Signature:";
        Self { text: name.to_owned(), column: name.len() }
    }

    /// Adds `name=value;` behind a blank or a fold.
    pub(super) fn tag(&mut self, name: &str, value: &str) {
        self.begin(&format!("{name}={value};"));
    }

    /// Adds a tag whose value may be folded before any of its items.
    pub(super) fn list(&mut self, name: &str, items: &[&str], separator: char) {
        let mut lead = Some(format!("{name}="));
        for (at, item) in (1..).zip(items) {
            let end = if at == items.len() { ';' } else { separator };
            match lead.take() {
                Some(lead) => self.begin(&format!("{lead}{item}{end}")),
                None => self.add(&format!("{item}{end}")),
            }
        }
    }

    /// Adds the last tag, `b=`, and gives the field as it is signed: without a value for that tag,
    /// and without CRLF (RFC 6376 §3.7).
    pub(super) fn unsigned(mut self) -> Unsigned {
        self.begin("b=");
        Unsigned(self)
    }

    fn begin(&mut self, text: &str) {
        if self.column + 1 + text.len() > MAX_LINE {
            self.fold();
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        self.push(text);
    }

    fn add(&mut self, text: &str) {
        if self.column + text.len() > MAX_LINE {
            self.fold();
        }
        self.push(text);
    }

    fn fold(&mut self) {
        self.text.push_str(FOLD);
        self.column = 1;
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }
}

/// A field that waits for its signature.
pub(super) struct Unsigned(SignatureField);

impl Unsigned {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.text.as_bytes()
    }

    /// Puts the signature, in base64, behind `b=`, and CRLF behind all.
    pub(super) fn sign(self, signature: &str) -> String {
        let mut field = self.0;
        let mut rest = signature;
        while !rest.is_empty() {
            if field.column >= MAX_LINE {
                field.fold();
            }
            let (line, behind) = rest.split_at_checked(MAX_LINE - field.column).unwrap_or((rest, ""));
            field.push(line);
            rest = behind;
        }
        field.text.push_str("\r\n");
        field.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_to_78_and_cut_only_where_the_syntax_lets_them() {
        let mut field = SignatureField::new();
        field.tag("d", &"x".repeat(57));
        field.tag("s", "y");
        field.list("h", &["From"; 20], ':');
        let field = field.unsigned().sign(&"z".repeat(200));
        let lines: Vec<_> = field.split_inclusive("\r\n").collect();
        assert_eq!(lines[0], format!("DKIM-Signature: d={};\r\n", "x".repeat(57)));
        assert_eq!(lines[1], format!(" s=y; h={}\r\n", "From:".repeat(14)));
        assert_eq!(lines[2], format!(" {}From; b={}\r\n", "From:".repeat(5), "z".repeat(44)));
        assert_eq!(lines[3], format!(" {}\r\n", "z".repeat(77)));
        assert_eq!(lines[4], format!(" {}\r\n", "z".repeat(77)));
        assert_eq!(lines[5], format!(" {}\r\n", "z".repeat(2)));
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn a_tag_too_long_for_a_line_has_one_of_its_own() {
        let mut field = SignatureField::new();
        field.tag("d", &"x".repeat(100));
        field.tag("s", "y");
        let field = field.unsigned();
        let text = std::str::from_utf8(field.as_bytes()).unwrap();
        assert_eq!(text, format!("DKIM-Signature:\r\n d={};\r\n s=y; b=", "x".repeat(100)));
    }
}
