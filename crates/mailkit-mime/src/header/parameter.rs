//! Parameters of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231).

use unicode_segmentation::UnicodeSegmentation as _;

use super::fold::Folder;

/// The most that a line has, without the blank it starts with and the `;` it ends with.
const ROOM: usize = 76;
/// What introduces an extended value: its charset, and no language (RFC 2231 §4).
const CHARSET: &str = "utf-8''";
/// What stands around the number of a section and the number itself: `*12*=`.
const FRAME: usize = 5;

/// Writes `; name=value` behind what the folder holds: as it is or as a quoted string where that
/// fits a line, else percent-encoded, and over several lines if need be (RFC 2231 §3 and §4).
///
/// What RFC 2231 excludes from `attribute-char` is quoted even where RFC 2045 calls it a token:
/// readers take `'`, `*` and `%` outside quotes for a charset, a section or an escape. Python's
/// `email` loses `it's.pdf` without quotes.
pub(crate) fn write_parameter(folder: &mut Folder<'_>, name: &str, value: &str) {
    folder.append(";");
    if !value.is_empty() && value.chars().all(passes) && name.len() + 1 + value.len() <= ROOM {
        write_word(folder, &[name, "=", value]);
        return;
    }
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    // A reader may take `=?` for an encoded word even here, where none may be, and strip blanks at both ends.
    if printable && !value.contains("=?") && value.trim_matches(' ') == value {
        let quoted = quote(value);
        if name.len() + 1 + quoted.len() <= ROOM {
            write_word(folder, &[name, "=", &quoted]);
            return;
        }
    }
    write_extended(folder, name, value);
}

/// Leaves room for the `;` of a parameter that may follow.
fn write_word(folder: &mut Folder<'_>, pieces: &[&str]) {
    folder.word_before(" ", pieces, ";".len());
}

/// `extended-parameter` (RFC 2231 §7), cut between grapheme clusters; between characters only where a cluster fits into
/// no section.
fn write_extended(folder: &mut Folder<'_>, name: &str, value: &str) {
    let mut encoded = String::with_capacity(ROOM);
    encoded.push_str(CHARSET);
    let whole = name.len() + "*=".len() + CHARSET.len() + value.chars().map(cost).sum::<usize>() <= ROOM;
    if whole {
        value.chars().for_each(|character| encode(character, &mut encoded));
        write_word(folder, &[name, "*=", &encoded]);
        return;
    }
    let mut section = 0_usize;
    let mut digits = section.to_string();
    let mut is_empty = true;
    let mut add = |piece: &str| {
        let frame = name.len() + digits.len() + "**=".len();
        if frame + encoded.len() + piece.chars().map(cost).sum::<usize>() > ROOM && !is_empty {
            write_word(folder, &[name, "*", &digits, "*=", &encoded]);
            folder.append(";");
            section += 1;
            digits = section.to_string();
            encoded.clear();
        }
        piece.chars().for_each(|character| encode(character, &mut encoded));
        is_empty = false;
    };
    let room = ROOM.saturating_sub(name.len() + FRAME + CHARSET.len());
    for cluster in value.graphemes(true) {
        if cluster.chars().map(cost).sum::<usize>() <= room {
            add(cluster);
        } else {
            cluster.split_inclusive(|_: char| true).for_each(&mut add);
        }
    }
    write_word(folder, &[name, "*", &digits, "*=", &encoded]);
}

/// `attribute-char` (RFC 2231 §7).
fn passes(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$&+-.^_`{|}~".contains(character)
}

fn cost(character: char) -> usize {
    if passes(character) { 1 } else { 3 * character.len_utf8() }
}

fn encode(character: char, out: &mut String) {
    if passes(character) {
        out.push(character);
        return;
    }
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 });
        out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// `quoted-string` (RFC 5322 §3.2.4).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(value: &str) -> String {
        let mut out = Vec::new();
        let mut folder = Folder::start(&mut out, "Content-Disposition");
        folder.word("attachment");
        write_parameter(&mut folder, "filename", value);
        folder.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Reads the parameter back as RFC 2231 says.
    fn decode(field: &str) -> String {
        let unfolded = field.strip_suffix("\r\n").unwrap().replace("\r\n", "");
        let rest = unfolded.strip_prefix("Content-Disposition: attachment; ").unwrap();
        if let Some(quoted) = rest.strip_prefix("filename=\"") {
            return quoted.strip_suffix('"').unwrap().replace("\\\"", "\"").replace("\\\\", "\\");
        }
        if let Some(token) = rest.strip_prefix("filename=") {
            return token.to_owned();
        }
        let mut bytes = Vec::new();
        let mut encoded = String::new();
        for (number, section) in rest.split("; ").enumerate() {
            let (name, value) = section.split_once('=').unwrap();
            assert!(name == "filename*" || name == format!("filename*{number}*"), "{name}");
            encoded.push_str(value);
        }
        let mut rest = encoded.strip_prefix("utf-8''").unwrap().bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rfc_2231_sections_3_and_4_and_rfc_2045_section_5_1() {
        for (value, wanted) in [
            ("report.pdf", "filename=report.pdf"),
            ("my report.pdf", "filename=\"my report.pdf\""),
            ("a\"b\\c", "filename=\"a\\\"b\\\\c\""),
            ("", "filename=\"\""),
            ("=?utf-8?q?x?=", "filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D"),
            ("na\u{ef}ve.txt", "filename*=utf-8''na%C3%AFve.txt"),
            ("100%.pdf", "filename=\"100%.pdf\""),
            ("it's.pdf", "filename=\"it's.pdf\""),
            ("a*b.pdf", "filename=\"a*b.pdf\""),
            ("'a'b.pdf", "filename=\"'a'b.pdf\""),
            ("a!#$&+-.^_`{|}~b", "filename=a!#$&+-.^_`{|}~b"),
            (" a.txt", "filename*=utf-8''%20a.txt"),
            ("a b ", "filename*=utf-8''a%20b%20"),
            ("it's \u{e9}*%", "filename*=utf-8''it%27s%20%C3%A9%2A%25"),
        ] {
            let unfolded = field(value).replace("\r\n", "");
            assert_eq!(unfolded, format!("Content-Disposition: attachment; {wanted}"), "{value:?}");
        }
        let folded = field(&"\u{20ac}".repeat(12));
        assert_eq!(
            folded,
            "Content-Disposition: attachment;\r\n \
             filename*0*=utf-8''%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC;\r\n \
             filename*1*=%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC%E2%82%AC\r\n"
        );
    }

    #[test]
    fn a_grapheme_cluster_stays_in_one_section_where_it_fits() {
        for cluster in ["\u{1f1e9}\u{1f1ea}", "\u{1f44d}\u{1f3fd}", "e\u{301}\u{302}", "\u{1f469}\u{200d}\u{1f52c}"] {
            for before in 0..40 {
                let value = format!("{}{}", "\u{e9}".repeat(before), cluster.repeat(9));
                let field = field(&value);
                let mut encoded = String::new();
                cluster.chars().for_each(|character| encode(character, &mut encoded));
                assert_eq!(field.lines().map(|line| line.matches(&encoded).count()).sum::<usize>(), 9, "{field}");
                assert_eq!(decode(&field), value);
                assert!(field.lines().all(|line| line.len() <= 78), "{field}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_value_reads_back(value in "([ -~]{0,90}|\\PC{0,40}){0,6}") {
            let field = field(&value);
            prop_assert!(field.lines().all(|line| line.len() <= 78), "{}", field);
            prop_assert!(field.is_ascii());
            prop_assert_eq!(decode(&field), value);
        }
    }
}
