//! Whole lines of base64 with AVX2, where the processor has it.
//!
//! Each lane of 32 bits takes three bytes as `b a c b`: its 16-bit halves then hold the first and
//! the third character in their upper bits, the second and the fourth in the middle.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_alignr_epi8, _mm_set1_epi16, _mm256_add_epi8, _mm256_and_si256, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_cmpgt_epi8, _mm256_inserti128_si256, _mm256_mullo_epi16, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_sub_epi8,
    _mm256_subs_epu8,
};
use std::hint::black_box;

use fearless_simd::prelude::*;
use fearless_simd::{Level, kernel, u8x16, u8x32};

use super::{LINE, WRAPPED};

/// A line is written in whole vectors, and so much behind it taken back.
const SURPLUS: usize = 2;

/// Appends the lines, each with its CRLF; false if this processor lacks AVX2.
pub(super) fn append(lines: &[[u8; LINE]], out: &mut Vec<u8>) -> bool {
    let Some(avx2) = Level::new().as_avx2() else {
        return false;
    };
    out.reserve(lines.len() * WRAPPED + SURPLUS);
    append_lines(avx2, lines, out);
    true
}

kernel!(
    #[inline]
    fn append_lines(avx2: Avx2, lines: &[[u8; LINE]], out: &mut Vec<u8>) {
        // Known factors would be turned into shifts and blends, which take longer.
        let align = black_box(_mm256_set1_epi32(0x0010_0001));
        let raise = black_box(_mm256_set1_epi32(0x0100_0010));
        for line in lines {
            let (first, second, last) = encode_line(avx2, line, align, raise);
            // Appended as one: each store of the length would stand in the way of those of lines.
            let mut wrapped = [0; WRAPPED + SURPLUS];
            wrapped[..32].copy_from_slice(&first);
            wrapped[32..64].copy_from_slice(&second);
            wrapped[64..].copy_from_slice(&last);
            out.extend_from_slice(&wrapped);
            out.truncate(out.len() - SURPLUS);
        }
    }
);

kernel!(
    /// 32, 32 and 12 characters, CRLF and the surplus.
    #[inline(always)]
    fn encode_line(avx2: Avx2, line: &[u8; LINE], align: __m256i, raise: __m256i) -> ([u8; 32], [u8; 32], [u8; 16]) {
        let from_start = _mm256_setr_epi8(
            1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,
        );
        let from_fourth = _mm256_setr_epi8(
            5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,
        );
        let sixteen = |at: usize| -> __m128i {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&line[at..at + 16]);
            u8x16::simd_from(avx2, bytes).into()
        };
        let mut middle = [0; 32];
        middle.copy_from_slice(&line[20..52]);
        let first = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(sixteen(0)), sixteen(12));
        let first = characters(avx2, _mm256_shuffle_epi8(first, from_start), align, raise);
        let second = u8x32::simd_from(avx2, middle).into();
        let second = characters(avx2, _mm256_shuffle_epi8(second, from_fourth), align, raise);
        let last = _mm256_shuffle_epi8(_mm256_castsi128_si256(sixteen(41)), from_fourth);
        let last = _mm256_castsi256_si128(characters(avx2, last, align, raise));
        let last = _mm_alignr_epi8::<4>(_mm_set1_epi16(i16::from_le_bytes(*b"\r\n")), last);
        (
            u8x32::simd_from(avx2, first).into(),
            u8x32::simd_from(avx2, second).into(),
            u8x16::simd_from(avx2, last).into(),
        )
    }
);

kernel!(
    /// From spread bytes to six bits in each byte, and from these to the alphabet.
    #[inline(always)]
    fn characters(avx2: Avx2, spread: __m256i, align: __m256i, raise: __m256i) -> __m256i {
        let even = _mm256_srli_epi16::<10>(_mm256_mullo_epi16(spread, align));
        let odd = _mm256_mullo_epi16(_mm256_and_si256(spread, _mm256_set1_epi32(0x003f_03f0)), raise);
        let values = _mm256_or_si256(even, odd);
        // What to add: by letter case, digit and sign. 0 stands for A-Z, 1 for a-z, 2 to 11 for digits.
        let offsets = _mm256_setr_epi8(
            65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0, 65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4,
            -4, -19, -16, 0, 0,
        );
        let beyond_letters = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
        let beyond_capitals = _mm256_cmpgt_epi8(values, _mm256_set1_epi8(25));
        let kind = _mm256_sub_epi8(beyond_letters, beyond_capitals);
        _mm256_add_epi8(values, _mm256_shuffle_epi8(offsets, kind))
    }
);
