//! The addresses and names that most people have, seen eight bytes at a time. All others are for a closer look.

/// How many bytes are seen at a time.
const WORD: usize = size_of::<u64>();

/// Shorter addresses do not fill a word. In longer ones a label could be too long.
const LENGTHS: std::ops::RangeInclusive<usize> = WORD..=64;

/// The bit of each byte that answers a question.
const ANSWERS: u64 = each(0x80);

/// Where the `@` is, if the text is an address of letters in lower case and digits, with single dots and hyphens between
/// them: then no label can be an A-label, end in a hyphen or be empty.
pub(crate) fn address(text: &[u8]) -> Option<usize> {
    if !LENGTHS.contains(&text.len()) || !text.last().is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    let last = text.len() - WORD;
    // As if a dot stood before it all.
    let mut seen = word(text.first_chunk()?, 0x80);
    // One byte is seen twice, so that each is seen beside the one before.
    let mut start = 0;
    while start + WORD - 1 < last {
        start += WORD - 1;
        seen = seen.and(word(text.get(start..)?.first_chunk()?, 0), start);
    }
    seen = seen.and(word(text.last_chunk()?, 0), last);
    (seen.faults & ANSWERS == 0 && seen.at.is_power_of_two()).then(|| seen.at.trailing_zeros() as usize)
}

/// Whether a text fills a word and holds neither a control character nor the byte that starts those beyond ASCII.
pub(crate) fn is_name(text: &[u8]) -> bool {
    let (words, _) = text.as_chunks();
    let Some(last) = text.last_chunk() else {
        return false;
    };
    let sound = |bytes: &[u8; WORD]| {
        let bytes = u64::from_le_bytes(*bytes);
        let low = bytes & !ANSWERS;
        // DEL becomes 0, and a blank is the first above the controls.
        let above = (low.wrapping_add(each(1)) & !ANSWERS).wrapping_add(each(0x80 - 0x21));
        let other = ((bytes ^ each(0xC2)) & !ANSWERS).wrapping_add(each(0x7F)) | !bytes;
        (above | bytes) & other
    };
    words.iter().fold(sound(last), |all, word| all & sound(word)) & ANSWERS == ANSWERS
}

/// What was seen in some bytes.
#[derive(Clone, Copy)]
struct Seen {
    faults: u64,
    /// A bit for each place with an `@`.
    at: u64,
}

impl Seen {
    fn and(self, more: Self, start: usize) -> Self {
        Self { faults: self.faults | more.faults, at: self.at | more.at << start }
    }
}

#[inline(always)]
fn word(bytes: &[u8; WORD], before: u64) -> Seen {
    let bytes = u64::from_le_bytes(*bytes);
    let at = within(bytes, b'@', b'@') & ANSWERS;
    let letters = within(bytes, b'a', b'z') | within(bytes, b'0', b'9');
    let between = within(bytes, b'-', b'.') | at;
    let faults = bytes | !(letters | between) | (between & (between << 8 | before));
    // The answer of each byte moves to a bit of the highest byte.
    Seen { faults, at: (at >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56 }
}

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Which bytes lie between two, if all are ASCII.
fn within(bytes: u64, first: u8, last: u8) -> u64 {
    let from = |byte: u8| bytes.wrapping_add(each(0x80 - byte));
    from(first) & !from(last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::{Cursor, Spacing};
    use crate::{Address, Domain};

    /// The place of the `@` as a closer look finds it, if the address is in its one form.
    fn closely(text: &str) -> Option<usize> {
        let mut cursor = Cursor::new(text, Spacing::None);
        let address = Address::scan(&mut cursor).ok().filter(|_| cursor.at_end())?;
        (address.as_unquoted() == Some(text)).then(|| address.local_part().len())
    }

    #[test]
    fn what_most_people_have_is_seen_at_a_glance() {
        for text in ["a@b.test", "ann@example.com", "a1.b-c@d-e.2f.example", &format!("{}@example", "a".repeat(56))] {
            assert_eq!(address(text.as_bytes()), text.find('@'), "{text}");
            assert_eq!(closely(text), text.find('@'), "{text}");
        }
    }

    #[test]
    fn an_address_with_anything_else_in_it_is_not() {
        let sound = "ab.cd-ef@gh-ij.kl.example";
        assert!(address(sound.as_bytes()).is_some());
        for place in 0..sound.len() {
            for byte in
                (0..=b' ').chain(b'!'..=b',').chain([b'/', b':', b'?', b'A', b'Z', b'[', b'`', b'{', 0x7F, 0xC3])
            {
                let mut text = sound.as_bytes().to_vec();
                text[place] = byte;
                assert_eq!(address(&text), None, "{byte} at {place}");
            }
        }
        // Wherever it stands in the words that are looked at.
        let letters = "e".repeat(WORD);
        for length in 0..=letters.len() {
            for mark in ["@", "..", "--", ".@", "@.", "-.", "ab@"] {
                for place in 0..=sound.len() {
                    let text = format!("{}{mark}{}{}", &sound[..place], &sound[place..], &letters[..length]);
                    assert_eq!(address(text.as_bytes()), None, "{text}");
                }
            }
        }
        for text in ["a@b.te", "ab.example", "abcdefgh", "ann@example.7", "-ann@example", "ann@example-", "ann@xn--a.b"]
        {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
        assert_eq!(address(format!("{}@example", "a".repeat(57)).as_bytes()), None);
    }

    #[test]
    fn a_name_is_free_of_controls_wherever_they_could_stand() {
        for length in WORD..=25 {
            let sound = "J\u{fc}rgen Gro\u{df} \u{1F431} in K\u{f6}ln".as_bytes().get(..length).unwrap();
            assert!(is_name(sound), "{length}");
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = sound.to_vec();
                    text[place] = byte;
                    let wanted = !byte.is_ascii_control() && byte != 0xC2;
                    assert_eq!(is_name(&text), wanted, "{byte} at {place} of {length}");
                }
            }
        }
        assert!(!is_name(b"Ann Lee"));
    }

    proptest! {
        #[test]
        fn a_closer_look_finds_the_same_place(text in "[a-z0-9.-]{1,40}@?[a-z0-9.-]{1,40}[a-z]") {
            if let Some(place) = address(text.as_bytes()) {
                prop_assert_eq!(closely(&text), Some(place), "{:?}", text);
                prop_assert!(Domain::parse(&text[place + 1..]).is_ok());
            }
        }

        #[test]
        fn a_closer_look_finds_the_same_place_in_any_bytes(text in "[a-z]{1,9}(@|\\PC)[ -~]{0,2}[a-z.]{0,20}[a-z]") {
            if let Some(place) = address(text.as_bytes()) {
                prop_assert_eq!(closely(&text), Some(place), "{:?}", text);
            }
        }
    }
}
