//! What a queued message asks of a transaction.

use std::io;

use bytes::Bytes;
use mailkit_connection::Content;
use mailkit_queue::{Carriage, Leased, Notify, Pieces, ReturnContent};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::{self, Body, DsnReturn};

/// The options of a message's transaction.
pub(super) fn options(message: &Leased) -> TransactionOptions {
    let Carriage { needs_8bit, needs_smtp_utf8, notify, return_content, envelope_id, require_tls } = &message.carriage;
    let wants = |event| notify.contains(&event);
    TransactionOptions {
        size: message.content.size(),
        body: if *needs_8bit { Body::EightBitMime } else { Body::SevenBit },
        smtp_utf8: *needs_smtp_utf8,
        notify: (!notify.is_empty()).then(|| parameter::Notify {
            success: wants(Notify::Success),
            failure: wants(Notify::Failure),
            delay: wants(Notify::Delay),
        }),
        ret: return_content.map(|part| match part {
            ReturnContent::Full => DsnReturn::Full,
            ReturnContent::Headers => DsnReturn::Headers,
        }),
        envid: envelope_id.clone(),
        require_tls: *require_tls,
        ..TransactionOptions::default()
    }
}

/// The content: from memory, or read from the store while it is sent.
pub(super) fn content(message: &Leased) -> Content {
    match message.content.in_memory() {
        Some(bytes) => Content::from(bytes.clone()),
        None => Content::chunks(Stored::Closed(message.content.clone()), message.content.size()),
    }
}

/// Content that is opened when its first piece is asked for: on the thread that may block.
enum Stored {
    Closed(mailkit_queue::Content),
    Open(Pieces),
    Over,
}

impl Iterator for Stored {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Self::Closed(content) = self {
            match content.pieces() {
                Ok(pieces) => *self = Self::Open(pieces),
                Err(error) => {
                    *self = Self::Over;
                    return Some(Err(error));
                }
            }
        }
        match self {
            Self::Open(pieces) => pieces.next(),
            Self::Closed(_) | Self::Over => None,
        }
    }
}
