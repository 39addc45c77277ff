//! The base64 encoding of bodies (RFC 2045 §6.8).

#[cfg(target_arch = "x86_64")]
mod avx2;

/// Bytes of input on one line: 76 characters, the most that RFC 2045 §6.8 allows.
const LINE: usize = 57;
/// A line of output with its CRLF.
const WRAPPED: usize = 78;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The two characters for every 12 bits.
static PAIRS: [[u8; 2]; 4096] = {
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [ALPHABET[bits >> 6], ALPHABET[bits & 63]];
        bits += 1;
    }
    pairs
};

/// Encodes bytes as base64 in lines of 76 characters (RFC 2045 §6.8); CRLF stands between
/// lines, none after the last.
///
/// What comes out does not depend on how the input was cut into pieces.
#[derive(Debug)]
pub(crate) struct Base64Lines {
    pending: [u8; LINE],
    filled: usize,
}

impl Default for Base64Lines {
    fn default() -> Self {
        Self { pending: [0; LINE], filled: 0 }
    }
}

impl Base64Lines {
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let input = self.fill(input);
        if input.is_empty() {
            return;
        }
        if self.filled == LINE {
            append_lines(&[self.pending], out);
            self.filled = 0;
        }
        // A full line is held back when nothing follows it: `finish` writes it.
        let whole = (input.len() - 1) / LINE * LINE;
        let (lines, rest) = input.split_at(whole);
        append_lines(lines.as_chunks().0, out);
        self.fill(rest);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut line = [0; WRAPPED];
        let pending = self.pending.get(..self.filled).unwrap_or_default();
        let written = encode(pending, &mut line);
        out.extend_from_slice(line.get(..written).unwrap_or_default());
        self.filled = 0;
    }

    /// Takes what fits into the pending line and hands back the rest.
    fn fill<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        if self.filled == 0 && input.len() > LINE {
            return input;
        }
        let free = self.pending.get_mut(self.filled..).unwrap_or_default();
        let (now, rest) = input.split_at(free.len().min(input.len()));
        for (slot, byte) in free.iter_mut().zip(now) {
            *slot = *byte;
        }
        self.filled += now.len();
        rest
    }
}

/// Appends whole lines, each with its CRLF.
fn append_lines(lines: &[[u8; LINE]], out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    if avx2::append(lines, out) {
        return;
    }
    append_portably(lines, out);
}

fn append_portably(lines: &[[u8; LINE]], out: &mut Vec<u8>) {
    out.reserve(lines.len() * WRAPPED);
    let mut wrapped = [0; WRAPPED];
    wrapped[WRAPPED - 2..].copy_from_slice(b"\r\n");
    for line in lines {
        encode(line, &mut wrapped);
        out.extend_from_slice(&wrapped);
    }
}

/// How long `length` bytes become in lines of base64.
pub(crate) fn encoded_size(length: u64) -> u64 {
    let line_ends = length.saturating_sub(1) / LINE as u64 * 2;
    length.div_ceil(3) * 4 + line_ends
}

/// Encodes bytes with padding and without line ends into `out`, which has room for it, and
/// says how much was written.
#[inline(always)]
pub(crate) fn encode(bytes: &[u8], out: &mut [u8]) -> usize {
    let (sixes, rest) = bytes.as_chunks();
    let (eights, tail) = out.split_at_mut_checked(8 * sixes.len()).unwrap_or_default();
    for (six, eight) in sixes.iter().zip(eights.as_chunks_mut().0) {
        *eight = eight_characters(*six);
    }
    let (triple, rest) = rest.as_chunks();
    let (groups, _) = tail.as_chunks_mut();
    if let ([[a, b, c]], Some(group)) = (triple, groups.first_mut()) {
        *group = characters(*a, *b, *c);
    }
    let last = match *rest {
        [a] => {
            let [w, x, ..] = characters(a, 0, 0);
            [w, x, b'=', b'=']
        }
        [a, b] => {
            let [w, x, y, _] = characters(a, b, 0);
            [w, x, y, b'=']
        }
        _ => return 8 * sixes.len() + 4 * triple.len(),
    };
    if let Some(group) = groups.get_mut(triple.len()) {
        *group = last;
    }
    8 * sixes.len() + 4 * triple.len() + 4
}

/// For six bytes at once, which takes fewer steps than for three, twice.
#[inline(always)]
fn eight_characters([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    // Put together as a number, they are not taken apart on the way.
    let (start, end) = (u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([e, f])));
    let pair = |bits: u32| u64::from(u16::from_le_bytes(PAIRS[bits as usize & 0xfff]));
    (pair(start >> 20) | pair(start >> 8) << 16 | pair(start << 4 | end >> 12) << 32 | pair(end) << 48).to_le_bytes()
}

#[inline(always)]
fn characters(a: u8, b: u8, c: u8) -> [u8; 4] {
    let pair = |bits: usize| u32::from(u16::from_le_bytes(PAIRS[bits]));
    let bits = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    (pair(bits >> 12) | pair(bits & 0xfff) << 16).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn encode_lines(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = Base64Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn rfc_4648_section_10_vectors() {
        for (given, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode_lines(&[given.as_bytes()]), wanted.as_bytes());
        }
    }

    #[test]
    fn rfc_2045_section_6_8_lines_have_76_characters() {
        for length in [56, 57, 58, 114, 115, 171, 10_000] {
            let encoded = encode_lines(&[&vec![0xff; length]]);
            assert_eq!(encoded.len() as u64, encoded_size(length as u64), "{length}");
            assert!(!encoded.ends_with(b"\r\n"));
            let text = String::from_utf8(encoded).unwrap();
            let lines: Vec<_> = text.split("\r\n").collect();
            assert!(lines.iter().rev().skip(1).all(|line| line.len() == 76), "{length}");
        }
    }

    #[test]
    fn every_three_bytes_have_the_same_characters_on_every_processor() {
        let bits: Vec<u8> =
            (0..1_u32 << 24).step_by(61).flat_map(|bits| bits.to_be_bytes().into_iter().skip(1)).collect();
        let lines = bits.as_chunks().0;
        let (mut fast, mut portable) = (Vec::new(), Vec::new());
        append_lines(lines, &mut fast);
        append_portably(lines, &mut portable);
        assert!(fast == portable);
        let joined: String = String::from_utf8(fast).unwrap().split("\r\n").collect();
        assert_eq!(STANDARD.decode(joined).unwrap(), lines.as_flattened());
    }

    proptest! {
        #[test]
        fn decodes_to_the_bytes_however_they_were_cut(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 0..8)
        ) {
            let whole = pieces.concat();
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let encoded = encode_lines(&pieces);
            prop_assert_eq!(encoded.len() as u64, encoded_size(whole.len() as u64));
            let joined = String::from_utf8(encoded).unwrap().replace("\r\n", "");
            prop_assert_eq!(STANDARD.decode(joined).unwrap(), whole);
        }
    }
}
