//! Where in 64 bytes something is to be noted.

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = 64;

/// A bit for each byte of a block, the first byte lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Neither a blank nor printable ASCII: line ends are.
    pub(super) unprintable: u64,
    /// The sign `=`.
    pub(super) equals: u64,
    /// CR or LF.
    pub(super) ends: u64,
    /// CR alone.
    pub(super) returns: u64,
    /// Space or tab.
    pub(super) blanks: u64,
    /// What quoted-printable escapes at the start of a line: `F` and a dot.
    pub(super) starters: u64,
}

/// Looks at blocks as this processor does it best.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marker {
    #[cfg(target_arch = "x86_64")]
    avx2: Option<avx2::Token>,
}

impl Marker {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            avx2: avx2::token(),
        }
    }

    /// Does work with the instructions that this processor has: all that `work` calls and that is
    /// to gain from them has to be inlined into it.
    #[inline]
    pub(super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.avx2 {
            return avx2::run(token, work);
        }
        work()
    }

    #[inline(always)]
    pub(super) fn marks(self, block: &[u8; BLOCK]) -> Marks {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.avx2 {
            return avx2::marks(token, block);
        }
        Marks::of_words(block)
    }

    /// The marks of a block, or of less.
    #[inline(always)]
    pub(super) fn marks_of_part(self, part: &[u8]) -> Marks {
        if let Some(block) = part.first_chunk() {
            return self.marks(block);
        }
        let mut block = [b' '; BLOCK];
        if let Some(start) = block.get_mut(..part.len()) {
            start.copy_from_slice(part);
        }
        self.marks(&block)
    }
}

impl Marks {
    const NONE: Self = Self { unprintable: 0, equals: 0, ends: 0, returns: 0, blanks: 0, starters: 0 };

    /// The same on any processor, eight bytes at a time.
    fn of_words(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self::NONE;
        for (index, word) in block.as_chunks().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let lower = word & LOWER;
            let from_space = lower + repeated(0x80 - b' ');
            let delete = lower + repeated(0x80 - 0x7f);
            let tab = equal_to(word, b'\t');
            let printable = from_space & !delete & !word | tab;
            let returns = equal_to(word, b'\r');
            let mark = |tops: u64| top_bits(tops) << (8 * index);
            marks.unprintable |= mark(!printable);
            marks.equals |= mark(equal_to(word, b'='));
            marks.ends |= mark(returns | equal_to(word, b'\n'));
            marks.returns |= mark(returns);
            marks.blanks |= mark(tab | equal_to(word, b' '));
            marks.starters |= mark(equal_to(word, b'F') | equal_to(word, b'.'));
        }
        marks
    }

    /// What quoted-printable escapes wherever it stands: all that is marked but line ends.
    #[inline(always)]
    pub(super) fn escapes(self) -> u64 {
        (self.unprintable & !self.ends) | self.equals
    }
}

const LOWER: u64 = repeated(0x7f);

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The top bit of each byte that is equal.
fn equal_to(word: u64, byte: u8) -> u64 {
    let differing = word ^ repeated(byte);
    !(((differing & LOWER) + LOWER) | differing)
}

/// The top bits of the bytes, side by side: the product brings them together.
fn top_bits(word: u64) -> u64 {
    ((word >> 7) & repeated(1)).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_andnot_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8,
    };
    use std::sync::LazyLock;

    pub(super) use fearless_simd::Avx2 as Token;
    use fearless_simd::prelude::*;
    use fearless_simd::{Level, kernel, u8x32};

    use super::{BLOCK, Marks};

    /// None if this processor lacks AVX2.
    pub(super) fn token() -> Option<Token> {
        /// To ask the processor each time takes as long as to look at a block.
        static TOKEN: LazyLock<Option<Token>> = LazyLock::new(|| Level::new().as_avx2());
        *TOKEN
    }

    #[inline]
    pub(super) fn run<R>(avx2: Token, work: impl FnOnce() -> R) -> R {
        avx2.vectorize(work)
    }

    kernel!(
        #[inline(always)]
        pub(super) fn marks(avx2: Avx2, block: &[u8; BLOCK]) -> Marks {
            let mut marks = Marks::NONE;
            for (index, half) in block.as_chunks::<32>().0.iter().enumerate() {
                let bytes: __m256i = u8x32::simd_from(avx2, *half).into();
                let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
                let bits = |lanes: __m256i| u64::from(_mm256_movemask_epi8(lanes).cast_unsigned()) << (32 * index);
                // Beyond ASCII a byte is negative.
                let below_space = _mm256_cmpgt_epi8(_mm256_set1_epi8(b' '.cast_signed()), bytes);
                let unprintable = _mm256_or_si256(_mm256_andnot_si256(is(b'\t'), below_space), is(0x7f));
                marks.unprintable |= bits(unprintable);
                marks.equals |= bits(is(b'='));
                marks.ends |= bits(_mm256_or_si256(is(b'\r'), is(b'\n')));
                marks.returns |= bits(is(b'\r'));
                marks.blanks |= bits(_mm256_or_si256(is(b' '), is(b'\t')));
                marks.starters |= bits(_mm256_or_si256(is(b'F'), is(b'.')));
            }
            marks
        }
    );
}

#[cfg(test)]
impl Marker {
    /// As this processor does it best, and as any does.
    pub(super) fn all() -> [Self; 2] {
        let portable = Self {
            #[cfg(target_arch = "x86_64")]
            avx2: None,
        };
        [Self::new(), portable]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_marks_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                let mark = |is: bool| u64::from(is) << at;
                let wanted = Marks {
                    unprintable: mark(!matches!(byte, b'\t' | b' '..=b'~')),
                    equals: mark(byte == b'='),
                    ends: mark(matches!(byte, b'\r' | b'\n')),
                    returns: mark(byte == b'\r'),
                    blanks: mark(matches!(byte, b' ' | b'\t')),
                    starters: mark(matches!(byte, b'F' | b'.')),
                };
                for marker in Marker::all() {
                    assert_eq!(marker.marks(&block), wanted, "{marker:?}: {byte:#x} at {at}");
                }
            }
        }
    }

    #[test]
    fn the_first_byte_is_the_lowest_bit() {
        let mut block = [b'a'; BLOCK];
        (block[0], block[17], block[40], block[63]) = (b'\n', b'=', 0xff, b'\r');
        let wanted = Marks {
            unprintable: 1 | 1 << 40 | 1 << 63,
            equals: 1 << 17,
            ends: 1 | 1 << 63,
            returns: 1 << 63,
            ..Marks::NONE
        };
        for marker in Marker::all() {
            assert_eq!(marker.marks(&block), wanted, "{marker:?}");
            assert_eq!(marker.marks_of_part(b"\n=").equals, 2, "{marker:?}");
        }
    }
}
