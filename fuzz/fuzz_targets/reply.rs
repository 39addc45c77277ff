//! The reply decoder: no bytes make it panic or hold much, and it does not matter how they are cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailkit_smtp::{MAX_LINE, MAX_REPLY, Reply, ReplyDecoder, ReplyError};

/// Everything that was decoded, up to the first error.
type Outcome = (Vec<Reply>, Option<ReplyError>);

// The first bytes say where to cut, the others are the peer's.
fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (cuts, bytes) = input;
    let whole = decode([bytes.as_slice()]);
    assert_eq!(whole, decode(bytes.chunks(1)), "byte by byte");
    assert_eq!(whole, decode(cut(&cuts, &bytes)), "cut at {cuts:?}");
});

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ReplyDecoder::new();
    let mut replies = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
        assert!(decoder.buffered() <= MAX_REPLY + MAX_LINE + 2, "{} bytes are held", decoder.buffered());
    }
    (replies, None)
}

/// Pieces as long as the cuts say, and then the rest.
fn cut<'a>(cuts: &[u8], bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for &length in cuts {
        let (piece, after) = rest.split_at(usize::from(length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}
