//! The tokens of a structured field (RFC 5322 §3.2), for fields that need not keep to the grammar.

/// A piece of a structured field, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Blanks(&'a [u8]),
    /// With its parentheses; one that is not closed goes on to the end.
    Comment(&'a [u8]),
    /// With its quotes; likewise.
    Quoted(&'a [u8]),
    /// `<`, `>`, `,`, `:` or `;`.
    Special(u8),
    Text(&'a [u8]),
}

impl<'a> Token<'a> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Blanks(bytes) | Self::Comment(bytes) | Self::Quoted(bytes) | Self::Text(bytes) => bytes,
            Self::Special(byte) => std::slice::from_ref(byte),
        }
    }

    /// What a text or quoted string means.
    pub(super) fn meaning(self) -> Vec<u8> {
        match self {
            Self::Quoted(quoted) => unescaped(inner(quoted)),
            _ => self.bytes().to_vec(),
        }
    }
}

/// A quoted string or comment without what encloses it.
pub(super) fn inner(enclosed: &[u8]) -> &[u8] {
    let end = match enclosed.last() {
        Some(b'"' | b')') if enclosed.len() > 1 => enclosed.len() - 1,
        _ => enclosed.len(),
    };
    enclosed.get(1..end).unwrap_or_default()
}

/// Without the backslashes of quoted pairs (RFC 5322 §3.2.1).
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut meant = Vec::with_capacity(text.len());
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        match (octet, octets.as_slice().first()) {
            (b'\\', Some(next)) => {
                meant.push(*next);
                octets.next();
            }
            _ => meant.push(*octet),
        }
    }
    meant
}

/// Tells which octets stand behind the backslash of a quoted pair.
#[derive(Debug, Default)]
pub(super) struct Escapes {
    open: bool,
}

impl Escapes {
    /// Whether this octet, the next one, is escaped.
    pub(super) const fn is_escaped(&mut self, octet: u8) -> bool {
        let escaped = self.open;
        self.open = octet == b'\\' && !escaped;
        escaped
    }
}

/// All tokens; put together they are the field.
pub(super) fn tokens(field: &[u8]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = field;
    while let Some(first) = rest.first() {
        let length = match first {
            b' ' | b'\t' => rest.iter().position(|octet| !matches!(octet, b' ' | b'\t')).unwrap_or(rest.len()),
            b'"' => quoted_length(rest),
            b'(' => comment_length(rest),
            b'<' | b'>' | b',' | b':' | b';' => 1,
            _ => text_length(rest),
        };
        let (now, later) = rest.split_at(length.clamp(1, rest.len()));
        tokens.push(match first {
            b' ' | b'\t' => Token::Blanks(now),
            b'"' => Token::Quoted(now),
            b'(' => Token::Comment(now),
            b'<' | b'>' | b',' | b':' | b';' => Token::Special(*first),
            _ => Token::Text(now),
        });
        rest = later;
    }
    tokens
}

fn text_length(text: &[u8]) -> usize {
    // Colons and commas belong to an address literal.
    if text.first() == Some(&b'[') {
        return text.iter().position(|octet| *octet == b']').map_or(text.len(), |at| at + 1);
    }
    let mut escapes = Escapes::default();
    let ends = |octet: &u8| {
        !escapes.is_escaped(*octet)
            && matches!(octet, b' ' | b'\t' | b'"' | b'(' | b'<' | b'>' | b',' | b':' | b';' | b'[')
    };
    text.iter().position(ends).unwrap_or(text.len())
}

fn quoted_length(text: &[u8]) -> usize {
    let mut escapes = Escapes::default();
    let mut octets = text.iter().enumerate().skip(1);
    let end = octets.find(|(_, octet)| !escapes.is_escaped(**octet) && **octet == b'"');
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn comment_length(text: &[u8]) -> usize {
    let (mut depth, mut escapes) = (0_usize, Escapes::default());
    for (at, octet) in text.iter().enumerate() {
        if escapes.is_escaped(*octet) {
            continue;
        }
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let found = tokens(b"Ann (a (b) \\) c) \"x, \\\"y\" <a@[IPv6:::1]>,b");
        let wanted = [
            Token::Text(b"Ann"),
            Token::Blanks(b" "),
            Token::Comment(b"(a (b) \\) c)"),
            Token::Blanks(b" "),
            Token::Quoted(b"\"x, \\\"y\""),
            Token::Blanks(b" "),
            Token::Special(b'<'),
            Token::Text(b"a@"),
            Token::Text(b"[IPv6:::1]"),
            Token::Special(b'>'),
            Token::Special(b','),
            Token::Text(b"b"),
        ];
        assert_eq!(found, wanted);
        assert_eq!(Token::Quoted(b"\"x, \\\"y\"").meaning(), b"x, \"y");
    }

    proptest! {
        #[test]
        fn the_tokens_put_together_are_the_field(field in "[a\\\\\"()<>,:;\\[\\] é]{0,40}") {
            let joined: Vec<u8> = tokens(field.as_bytes()).iter().flat_map(|token| token.bytes().to_vec()).collect();
            prop_assert_eq!(joined, field.into_bytes());
        }
    }
}
