//! The structure of a message, chosen for who writes it.

use crate::builder::{Draft, Further};
use crate::error::{FieldError, FieldProblem};
use crate::part::{HTML, Joined, MultipartKind, PLAIN, Part};

/// Joins the content of a draft to one part:
///
/// ```text
/// mixed
/// ├── alternative
/// │   ├── text
/// │   ├── related
/// │   │   ├── html
/// │   │   └── inline attachments…
/// │   └── calendar and other alternatives…
/// └── attachments…
/// ```
///
/// A multipart that would hold one part is left out, but for attachments: they are attached to
/// something, be it nothing. Without HTML, inline attachments stand with the others.
pub(super) fn choose(draft: &mut Draft, found: &mut Vec<FieldError>) -> Part {
    let text = draft.text.take().map(Part::text);
    let html = draft.html.take().map(Part::html);
    if html.is_none() && !draft.further.as_deref().is_some_and(Further::has_parts) {
        return text.unwrap_or_else(Part::nothing);
    }
    let (text_source, html_source) = match draft.further.as_deref_mut() {
        Some(further) => (further.text_source.take(), further.html_source.take()),
        None => (None, None),
    };
    let text = text.or_else(|| text_source.map(|text| Part::of_text_source(PLAIN, text)));
    let html = html.or_else(|| html_source.map(|html| Part::of_text_source(HTML, html)));
    let (others, body, attachments) = draft.further.as_deref_mut().map(Further::take_parts).unwrap_or_default();
    if body.is_some() && (text.is_some() || html.is_some() || !others.is_empty()) {
        found.push(FieldError::new("body", "", FieldProblem::TwoBodies));
    }
    let has_html = html.is_some();
    let (inline, attached): (Vec<_>, Vec<_>) =
        attachments.into_iter().partition(|(_, is_inline)| *is_inline && has_html);
    let html = html.map(|html| first_of(MultipartKind::Related, html, inline.into_iter().map(|(part, _)| part)));
    let mut alternatives = text.into_iter().chain(html).chain(others).chain(body);
    let body = alternatives.next().map(|first| first_of(MultipartKind::Alternative, first, alternatives));
    let mut attached = attached.into_iter().map(|(part, _)| part);
    match (body, attached.next()) {
        (None, None) => Part::nothing(),
        (Some(body), None) => body,
        (body, Some(first)) => {
            let mut mixed = Joined::open(MultipartKind::Mixed);
            body.into_iter().chain([first]).chain(attached).for_each(|part| mixed.push(part));
            mixed.close()
        }
    }
}

/// Joins parts to a multipart; one by itself stays as it is.
fn first_of(kind: MultipartKind, first: Part, rest: impl Iterator<Item = Part>) -> Part {
    let mut rest = rest.peekable();
    if rest.peek().is_none() {
        return first;
    }
    let mut joined = Joined::open(kind);
    joined.push(first);
    rest.for_each(|part| joined.push(part));
    joined.close()
}
