//! From a row of nodes to a content: chooses encodings and boundaries, writes what stands between
//! the bodies.

mod boundary;

use self::boundary::Boundaries;
use crate::content::{Layout, SMALL, Transfer, size_in_base64};
use crate::encoded::{BodyKind, Capabilities};
use crate::encoding::{MAX_LINE, TextEncoding, TextSurvey, each_line};
use crate::header;
use crate::header::fold::Folder;
use crate::header::parameter::write_parameter;
use crate::part::{ContentType, Details, Disposition, Leaf, Multipart, MultipartKind, Node};
use crate::source::Source;

/// How one node travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) transfer: Transfer,
    size: Option<u64>,
    kind: BodyKind,
}

impl Plan {
    /// For what only frames others.
    const FRAME: Self = Self { transfer: Transfer::Raw, size: Some(0), kind: BodyKind::SevenBit };

    fn token(self) -> &'static str {
        match (self.transfer, self.kind) {
            (Transfer::Base64 | Transfer::Text(TextEncoding::Base64), _) => "base64",
            (Transfer::Text(TextEncoding::QuotedPrintable), _) => "quoted-printable",
            (_, BodyKind::SevenBit) => "7bit",
            (_, BodyKind::EightBit) => "8bit",
            (_, BodyKind::Binary) => "binary",
        }
    }
}

/// Lays out a message: `header` and what the nodes say, in the form for a server. Says also
/// what bytes the body has.
///
/// `unique` is the number that boundaries are made from.
pub(crate) fn lay_out(header: Vec<u8>, nodes: &[Node], unique: u128, server: Capabilities) -> (Layout, BodyKind) {
    match nodes {
        [Node::Leaf(leaf)] => {
            let plan = plan_leaf(&leaf.source, server, false);
            let mut layout = Layout::new(header);
            write_leaf(&mut layout, leaf, plan);
            (layout, plan.kind)
        }
        _ => lay_out_tree(header, nodes, unique, server),
    }
}

fn lay_out_tree(header: Vec<u8>, nodes: &[Node], unique: u128, server: Capabilities) -> (Layout, BodyKind) {
    let mut few = [Plan::FRAME; FEW];
    let mut many = Vec::new();
    let plans = match few.get_mut(..nodes.len()) {
        Some(few) => few,
        None => {
            many.resize(nodes.len(), Plan::FRAME);
            many.as_mut_slice()
        }
    };
    plan(nodes, server, plans);
    let plans = &*plans;
    let kind = plans.iter().map(|plan| plan.kind).max().unwrap_or(BodyKind::SevenBit);
    let mut boundaries = Boundaries::choose(unique, nodes, plans);
    let mut layout = Layout::new(header);
    for (at, (node, plan)) in nodes.iter().zip(plans).enumerate() {
        match node {
            Node::Close => {
                if !boundaries.close(layout.out()) {
                    layout.end_line();
                }
                continue;
            }
            _ => boundaries.between(layout.out()),
        }
        let below = || kind_of_tree(nodes.get(at..).unwrap_or_default(), plans.get(at..).unwrap_or_default());
        match node {
            Node::Open(multipart) => {
                let boundary = boundaries.open();
                let below = if kind == BodyKind::SevenBit { kind } else { below() };
                write_multipart(layout.out(), multipart, boundary, below, nodes.get(at + 1));
            }
            Node::Message { leaf, header } => {
                boundaries.open_message();
                let out = layout.out();
                write_fields(out, leaf, plan.token_of_frame(if kind == BodyKind::SevenBit { kind } else { below() }));
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(header);
            }
            Node::Leaf(leaf) => write_leaf(&mut layout, leaf, *plan),
            Node::Nothing | Node::Close | Node::Refused(..) => layout.out().extend_from_slice(b"\r\n"),
        }
    }
    (layout, kind)
}

fn write_leaf(layout: &mut Layout, leaf: &Leaf, plan: Plan) {
    let out = layout.out();
    write_fields(out, leaf, Some(plan.token()));
    out.extend_from_slice(b"\r\n");
    layout.body(&leaf.source, plan.transfer, plan.size);
}

impl Plan {
    /// A multipart and a message are never encoded; they say so only if they have to.
    fn token_of_frame(self, below: BodyKind) -> Option<&'static str> {
        (below != BodyKind::SevenBit).then(|| Self { kind: below, ..self }.token())
    }
}

/// Plans for so many nodes need no memory of their own: a text and its HTML have four.
const FEW: usize = 4;

fn plan(nodes: &[Node], server: Capabilities, plans: &mut [Plan]) {
    // A body by itself has to end its line, which would change content that is not encoded.
    let mut in_multipart = false;
    let mut parents = Vec::new();
    for (node, plan) in nodes.iter().zip(plans) {
        match node {
            Node::Open(_) | Node::Message { .. } => {
                parents.push(in_multipart);
                in_multipart = matches!(node, Node::Open(_));
            }
            Node::Close => in_multipart = parents.pop().unwrap_or_default(),
            Node::Leaf(_) | Node::Nothing | Node::Refused(..) => {}
        }
        *plan = match node {
            Node::Leaf(leaf) => plan_leaf(&leaf.source, server, in_multipart),
            Node::Message { header, .. } if !header.is_ascii() => Plan { kind: BodyKind::EightBit, ..Plan::FRAME },
            _ => Plan::FRAME,
        };
    }
}

fn plan_leaf(source: &Source, server: Capabilities, in_multipart: bool) -> Plan {
    match source {
        Source::Text(text) => plan_text(text, server),
        Source::StreamedText(text) => plan_surveyed(text.survey(), server),
        Source::Lines(lines) => {
            let kind = if lines.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBit };
            let size = TextEncoding::Identity.size_of(lines);
            Plan { transfer: Transfer::identity(lines, size), size: Some(size), kind }
        }
        Source::Bytes(_) | Source::Path(_) | Source::File { .. } | Source::Reader(_) | Source::Opened { .. } => {
            if server.binary && in_multipart {
                Plan { transfer: Transfer::Raw, size: source.length(), kind: BodyKind::Binary }
            } else {
                Plan { transfer: Transfer::Base64, size: size_in_base64(source), kind: BodyKind::SevenBit }
            }
        }
    }
}

/// The size of small text may be too large: it is written at once and counted then.
fn plan_text(text: &[u8], server: Capabilities) -> Plan {
    let (encoding, size) = TextEncoding::choose(text, SMALL);
    if encoding == TextEncoding::Identity {
        return Plan { transfer: Transfer::identity(text, size), size: Some(size), kind: BodyKind::SevenBit };
    }
    if (server.eight_bit || server.binary) && fits_eight_bit(text) {
        let size = TextEncoding::Identity.size_of(text);
        return Plan { transfer: Transfer::identity(text, size), size: Some(size), kind: BodyKind::EightBit };
    }
    Plan { transfer: Transfer::Text(encoding), size: Some(size), kind: BodyKind::SevenBit }
}

/// The same for text that is not in memory.
fn plan_surveyed(survey: &TextSurvey, server: Capabilities) -> Plan {
    let identity =
        if survey.canonical == survey.length { Transfer::Raw } else { Transfer::Text(TextEncoding::Identity) };
    let unencoded = |kind| Plan { transfer: identity, size: Some(survey.canonical), kind };
    if survey.encoding == TextEncoding::Identity {
        return unencoded(BodyKind::SevenBit);
    }
    if (server.eight_bit || server.binary) && survey.fits_eight_bit {
        return unencoded(BodyKind::EightBit);
    }
    Plan { transfer: Transfer::Text(survey.encoding), size: Some(survey.encoded), kind: BodyKind::SevenBit }
}

/// Whether text is `8bit` data (RFC 2045 §2.8) that mailbox files leave alone.
pub(crate) fn fits_eight_bit(text: &[u8]) -> bool {
    let mut fits = memchr::memchr(0, text).is_none();
    each_line(text, |line, _| fits &= line.len() <= MAX_LINE && !line.starts_with(b"From "));
    fits
}

/// What bytes are in the tree that starts with the first node.
fn kind_of_tree(nodes: &[Node], plans: &[Plan]) -> BodyKind {
    let mut depth = 0_usize;
    let mut kind = BodyKind::SevenBit;
    for (node, plan) in nodes.iter().zip(plans) {
        kind = kind.max(plan.kind);
        match node {
            Node::Open(_) | Node::Message { .. } => depth += 1,
            Node::Close => depth = depth.saturating_sub(1),
            Node::Leaf(_) | Node::Nothing | Node::Refused(..) => {}
        }
        if depth == 0 {
            break;
        }
    }
    kind
}

fn write_multipart(
    out: &mut Vec<u8>,
    Multipart { kind, leaf }: &Multipart,
    boundary: &str,
    below: BodyKind,
    first: Option<&Node>,
) {
    let mut folder = Folder::start(out, "Content-Type");
    folder.word(kind.essence());
    // RFC 2387 §3.1 asks for the type of the first part.
    if let (MultipartKind::Related, Some(root)) = (kind, first.and_then(essence)) {
        folder.append(";");
        folder.word_of(&["type=\"", root, "\""]);
    }
    for (name, value) in leaf.details.iter().flat_map(|details| &details.parameters) {
        write_parameter(&mut folder, name, value);
    }
    folder.append(";");
    folder.word_of(&["boundary=\"", boundary, "\""]);
    folder.end();
    write_more_fields(out, leaf, Plan::FRAME.token_of_frame(below));
    out.extend_from_slice(b"\r\n");
}

fn essence(node: &Node) -> Option<&str> {
    match node {
        Node::Open(multipart) => Some(multipart.kind.essence()),
        Node::Leaf(leaf) | Node::Message { leaf, .. } => Some(leaf.content_type.essence()),
        Node::Close | Node::Nothing | Node::Refused(..) => None,
    }
}

/// Writes the fields that tell a reader how to read the part.
fn write_fields(out: &mut Vec<u8>, leaf: &Leaf, token: Option<&str>) {
    match (&leaf.content_type, &leaf.details) {
        (ContentType::Fixed(text), None) => header::write_line(out, "Content-Type: ", text),
        (content_type, details) => {
            let mut folder = Folder::start(out, "Content-Type");
            let (essence, fixed) = content_type.as_str().split_once("; ").unwrap_or((content_type.as_str(), ""));
            folder.word(essence);
            if !fixed.is_empty() {
                folder.append(";");
                folder.word(fixed);
            }
            if let Some(details) = details {
                for (name, value) in &details.parameters {
                    write_parameter(&mut folder, name, value);
                }
                if let Some(name) = &details.name {
                    write_parameter(&mut folder, "name", name);
                }
            }
            folder.end();
        }
    }
    write_more_fields(out, leaf, token);
}

fn write_more_fields(out: &mut Vec<u8>, leaf: &Leaf, token: Option<&str>) {
    if let Some(token) = token {
        header::write_line(out, "Content-Transfer-Encoding: ", token);
    }
    let Some(details) = &leaf.details else {
        return;
    };
    if let Some(id) = &details.content_id {
        let mut folder = Folder::start(out, "Content-ID");
        folder.word_of(&["<", id, ">"]);
        folder.end();
    }
    write_disposition(out, details);
    for (name, value) in &details.headers {
        // That it can be folded was found out when the message was built.
        let _ = header::write_custom(out, name, value, false);
    }
}

fn write_disposition(out: &mut Vec<u8>, details: &Details) {
    let disposition = match (details.disposition, &details.name) {
        (Some(disposition), _) => disposition,
        (None, Some(_)) => Disposition::Attachment,
        (None, None) => return,
    };
    let mut folder = Folder::start(out, "Content-Disposition");
    folder.word(disposition.token());
    if let Some(name) = &details.name {
        write_parameter(&mut folder, "filename", name);
    }
    folder.end();
}
