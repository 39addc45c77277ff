//! Boundaries between parts (RFC 2046 §5.1.1).

use memchr::memmem;

use super::Plan;
use crate::content::Transfer;
use crate::encoding::TextEncoding;
use crate::header::message_id::push_hex;
use crate::part::{Leaf, Node};
use crate::source::Source;

/// The boundaries of the multiparts that are open.
///
/// Each starts with `=_`, which neither quoted-printable nor base64 can contain (RFC 2045 §6.7),
/// then the number of the multipart, then a number that stands in no part that is not encoded.
/// No boundary is the start of another.
#[derive(Debug)]
pub(super) struct Boundaries {
    number: u128,
    opened: usize,
    open: Vec<Frame>,
}

#[derive(Debug)]
enum Frame {
    Multipart {
        boundary: String,
        has_part: bool,
    },
    /// A message: its one part follows its header.
    Message,
}

impl Boundaries {
    /// Makes sure that no part in memory and no text holds a boundary. Another one that is read while it is sent,
    /// unencoded to a server that takes binary content, has 128 bits against it.
    pub(super) fn choose(unique: u128, nodes: &[Node], plans: &[Plan]) -> Self {
        let mut number = unique;
        let multiparts = nodes.iter().filter(|node| matches!(node, Node::Open(_))).count();
        if multiparts > 0 {
            let suspects = suspects(nodes, plans);
            let in_memory =
                |number| suspects.iter().any(|text| memmem::find(text, digits(number).as_bytes()).is_some());
            while in_memory(number) || is_streamed(number, nodes, plans) {
                number = number.wrapping_add(1);
            }
        }
        Self { number, opened: 0, open: Vec::with_capacity(multiparts) }
    }

    /// Opens a multipart and gives its boundary.
    pub(super) fn open(&mut self) -> &str {
        let mut boundary = String::with_capacity(48);
        boundary.push_str("=_");
        push_decimal(&mut boundary, self.opened);
        boundary.push('_');
        push_hex(&mut boundary, self.number);
        self.opened += 1;
        self.open.push(Frame::Multipart { boundary, has_part: false });
        match self.open.last() {
            Some(Frame::Multipart { boundary, .. }) => boundary,
            _ => "",
        }
    }

    pub(super) fn open_message(&mut self) {
        self.open.push(Frame::Message);
    }

    /// Writes what stands in front of a part: `delimiter`, or `dash-boundary` before the first.
    pub(super) fn between(&mut self, out: &mut Vec<u8>) {
        if let Some(Frame::Multipart { boundary, has_part }) = self.open.last_mut() {
            let start: &[u8] = if *has_part { b"\r\n--" } else { b"--" };
            *has_part = true;
            for bytes in [start, boundary.as_bytes(), b"\r\n"] {
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Ends the innermost frame: writes `close-delimiter` of a multipart, or says that it was a
    /// message.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(Frame::Multipart { boundary, .. }) = self.open.pop() else {
            return false;
        };
        for bytes in [b"\r\n--", boundary.as_bytes(), b"--"] {
            out.extend_from_slice(bytes);
        }
        true
    }
}

/// The parts in memory that go out unencoded and hold what may be a boundary.
fn suspects<'a>(nodes: &'a [Node], plans: &[Plan]) -> Vec<&'a [u8]> {
    let texts = nodes.iter().zip(plans).filter_map(|(node, plan)| match node {
        Node::Leaf(leaf) if is_unencoded(plan.transfer) => leaf.source.in_memory(),
        _ => None,
    });
    texts.map(AsRef::as_ref).filter(|text: &&[u8]| memmem::find(text, b"--=_").is_some()).collect()
}

/// Whether a text that is not in memory and goes out unencoded holds a boundary of this number.
fn is_streamed(number: u128, nodes: &[Node], plans: &[Plan]) -> bool {
    nodes.iter().zip(plans).any(|(node, plan)| match node {
        Node::Leaf(Leaf { source: Source::StreamedText(text), .. }) => {
            is_unencoded(plan.transfer) && text.has_boundary(number)
        }
        _ => false,
    })
}

fn is_unencoded(transfer: Transfer) -> bool {
    matches!(transfer, Transfer::Raw | Transfer::Text(TextEncoding::Identity))
}

fn digits(number: u128) -> String {
    let mut digits = String::with_capacity(32);
    push_hex(&mut digits, number);
    digits
}

fn push_decimal(out: &mut String, number: usize) {
    let digit = |value: usize| u8::try_from(value % 10).map_or('0', |digit| char::from(b'0' + digit));
    if number < 10 {
        out.push(digit(number));
    } else {
        out.push_str(&number.to_string());
    }
}
