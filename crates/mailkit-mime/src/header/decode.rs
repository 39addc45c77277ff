//! Encoded words back to text, for a subject that is shown to people.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Replaces the encoded words (RFC 2047 §2) of an unfolded field by what they say. A word in an unknown character set, or a
/// broken one, stays as it is.
///
/// Blanks between two encoded words are dropped (§6.2). A character whose octets are split between two words, which is
/// forbidden and common, is put together.
pub(crate) fn decode(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut run: Option<Run<'_>> = None;
    let mut rest = field;
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let (blank, after) = rest.split_at(blanks);
        let (word, next) = after.split_at(after.find([' ', '\t']).unwrap_or(after.len()));
        rest = next;
        let Some((charset, octets)) = encoded_word(word) else {
            run.take().into_iter().for_each(|run| run.finish(&mut text));
            text.push_str(blank);
            text.push_str(word);
            continue;
        };
        match &mut run {
            Some(run) if run.charset.eq_ignore_ascii_case(charset) => run.add(blank, word, &octets),
            _ => {
                let is_behind_text = run.is_none();
                run.take().into_iter().for_each(|run| run.finish(&mut text));
                text.push_str(if is_behind_text { blank } else { "" });
                run = Some(Run { charset, octets, raw: word.to_owned() });
            }
        }
    }
    run.into_iter().for_each(|run| run.finish(&mut text));
    text
}

/// Encoded words of one character set, one behind the other.
struct Run<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    /// As they stand in the field.
    raw: String,
}

impl Run<'_> {
    fn add(&mut self, blank: &str, word: &str, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
        self.raw.push_str(blank);
        self.raw.push_str(word);
    }

    fn finish(self, text: &mut String) {
        match to_text(self.charset, &self.octets) {
            Some(decoded) => text.push_str(&decoded),
            None => text.push_str(&self.raw),
        }
    }
}

/// The character set and the octets of an encoded word.
fn encoded_word(word: &str) -> Option<(&str, Vec<u8>)> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let (charset, encoded) = inner.split_once('?')?;
    let (encoding, encoded) = encoded.split_once('?')?;
    if encoded.contains('?') {
        return None;
    }
    // RFC 2231 §5: a language may stand behind the character set.
    let charset = charset.split('*').next().unwrap_or_default();
    let octets = match encoding {
        "B" | "b" => {
            let trimmed = encoded.trim_end_matches('=');
            STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(trimmed)).ok()?
        }
        "Q" | "q" => q_octets(encoded.as_bytes())?,
        _ => return None,
    };
    Some((charset, octets))
}

/// RFC 2047 §4.2: `_` is a blank, `=XX` an octet.
fn q_octets(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'_' => b' ',
            b'=' => u8::try_from(digit(bytes.next()?)? * 16 + digit(bytes.next()?)?).ok()?,
            other => *other,
        });
    }
    Some(octets)
}

/// What windows-1252 has at 0x80 to 0x9F; 0 where it has nothing.
const WINDOWS_1252: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, 0,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];

fn to_text(charset: &str, octets: &[u8]) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => std::str::from_utf8(octets).ok().map(str::to_owned),
        "us-ascii" | "ascii" => octets.is_ascii().then(|| octets.iter().map(|byte| char::from(*byte)).collect()),
        // What calls itself ISO-8859-1 is mostly windows-1252, which has the same letters and more (WHATWG Encoding §4.2).
        "iso-8859-1" | "latin1" | "windows-1252" | "cp1252" => octets.iter().map(|byte| windows_1252(*byte)).collect(),
        _ => None,
    }
}

fn windows_1252(byte: u8) -> Option<char> {
    match byte {
        0x80..0xA0 => char::from_u32(u32::from(WINDOWS_1252[usize::from(byte - 0x80)])).filter(|char| *char != '\0'),
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::encoded_word;
    use crate::header::fold::Folder;

    #[test]
    fn encoded_words_are_read_and_all_else_stays() {
        for (field, text) in [
            ("plain  text", "plain  text"),
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= Bob", "Grüße an Bob"),
            ("=?UTF-8?B?R3LDvMOfZQ==?= =?utf-8?B?IQ?=", "Grüße!"),
            ("=?utf-8?B?R3LDvMOfZQ==?=\t  =?utf-8?B?IQ?=", "Grüße!"),
            ("=?utf-8?q?=F0=9F?= =?utf-8?q?=98=80?=", "\u{1f600}"),
            ("=?iso-8859-1*de?Q?J=F6rg?= a", "Jörg a"),
            ("=?windows-1252?q?=80_5=96?=", "€ 5–"),
            (
                "Re: =?iso-2022-jp?B?GyRC?= =?iso-2022-jp?B?GyRC?= x",
                "Re: =?iso-2022-jp?B?GyRC?= =?iso-2022-jp?B?GyRC?= x",
            ),
            ("=?utf-8?q?=C3?=", "=?utf-8?q?=C3?="),
            (
                "=?utf-8?q?a=?= =?utf-8?x?a?= =?utf-8?q?a?b?= =??= =?",
                "=?utf-8?q?a=?= =?utf-8?x?a?= =?utf-8?q?a?b?= =??= =?",
            ),
            (" a =?utf-8?q?b?= ", " a b "),
        ] {
            assert_eq!(decode(field), text, "{field}");
        }
    }

    proptest! {
        #[test]
        fn what_a_field_says_is_read_back(text in "[a-zé](([a-zé =?_]|\\PC){0,40}[a-zé])?") {
            let mut out = Vec::new();
            let mut folder = Folder::start(&mut out, "Subject");
            encoded_word::write_text(&mut folder, &text);
            prop_assume!(folder.finish().is_ok());
            let field = String::from_utf8(out).unwrap().replace("\r\n", "");
            let value = field.strip_prefix("Subject: ").unwrap_or(&field["Subject:".len()..]);
            prop_assert_eq!(decode(value), text);
        }
    }
}
