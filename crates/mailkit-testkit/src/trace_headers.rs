//! What a server puts in front of a message when it delivers it, and how to take that off again.

/// The message as it was sent: without the trace headers in front (RFC 5321 §4.4), with CRLF line ends.
///
/// Taken off are `Return-Path`, `X-Original-To` and `Delivered-To` fields, up to and with the one `Received` field
/// that the delivering server wrote. `Received` fields below that were the sender's and stay.
pub fn content_after_trace(stored: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(stored.len() + stored.len() / 32);
    let mut place = Place::Front;
    for line in stored.split_inclusive(|byte| *byte == b'\n') {
        place = place.after(line);
        if matches!(place, Place::Content) {
            push_with_crlf(&mut content, line);
        }
    }
    content
}

#[derive(Clone, Copy)]
enum Place {
    /// Among the fields that stand above the server's `Received`.
    Front,
    /// In the server's `Received`, which may go on over several lines.
    Received,
    Content,
}

impl Place {
    fn after(self, line: &[u8]) -> Self {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        match self {
            Self::Front
                if folded || ["return-path", "x-original-to", "delivered-to"].iter().any(|name| is(line, name)) =>
            {
                Self::Front
            }
            Self::Front if is(line, "received") => Self::Received,
            Self::Received if folded => Self::Received,
            _ => Self::Content,
        }
    }
}

fn is(line: &[u8], name: &str) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name.as_bytes()) && rest.first() == Some(&b':'))
}

fn push_with_crlf(content: &mut Vec<u8>, line: &[u8]) {
    match line.strip_suffix(b"\n") {
        Some(text) => {
            content.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            content.extend_from_slice(b"\r\n");
        }
        None => content.extend_from_slice(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_fields_go_and_the_senders_received_stays() {
        let stored = b"Return-Path: <ann@example.com>\nX-Original-To: bob@example.org\nDelivered-To: bob@example.org\n\
            Received: from a by b\n\tfor <bob@example.org>; today\nReceived: from older\n\tby far\nSubject: x\n\nbody\n";
        let sent = b"Received: from older\r\n\tby far\r\nSubject: x\r\n\r\nbody\r\n";
        assert_eq!(content_after_trace(stored), sent);
    }

    #[test]
    fn nothing_in_front_means_nothing_is_taken() {
        assert_eq!(
            content_after_trace(b"Subject: Received: x\r\n\r\nDelivered-To: y"),
            b"Subject: Received: x\r\n\r\nDelivered-To: y"
        );
    }
}
