//! What a message asks of a transaction, as a queue stores it and as the transaction is told.

use std::io;

use bytes::Bytes;
use mailkit_connection::Content;
use mailkit_queue::{Carriage, Leased, Notify, Pieces, ReturnContent};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::{self, Body, DsnReturn};

use crate::Message;

/// What a queue stores of the options that a message was enqueued with.
pub(super) fn carriage(message: &Message, transaction: TransactionOptions) -> Carriage {
    let notify = transaction.notify.map(|notify| {
        let events =
            [(notify.success, Notify::Success), (notify.failure, Notify::Failure), (notify.delay, Notify::Delay)];
        let wanted: Vec<_> = events.into_iter().filter_map(|(wanted, event)| wanted.then_some(event)).collect();
        if wanted.is_empty() { vec![Notify::Never] } else { wanted }
    });
    Carriage {
        needs_8bit: message.needs_8bit(),
        needs_smtp_utf8: message.needs_smtp_utf8(),
        notify: notify.unwrap_or_default(),
        return_content: transaction.ret.map(|ret| match ret {
            DsnReturn::Full => ReturnContent::Full,
            DsnReturn::Headers => ReturnContent::Headers,
        }),
        envelope_id: transaction.envid,
        require_tls: transaction.require_tls,
    }
}

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
pub(super) fn content(stored: &mailkit_queue::Content) -> Content {
    match stored.in_memory() {
        Some(bytes) => Content::from(bytes.clone()),
        None => Content::chunks(Stored::Closed(stored.clone()), stored.size()),
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use mailkit_queue::{LeaseRequest, MemoryQueue, Queue as _};

    use super::*;
    use crate::EnqueueOptions;

    #[tokio::test]
    async fn a_transaction_out_of_the_queue_asks_for_what_its_sender_did() {
        let queue = MemoryQueue::new();
        let message = Message::builder().from("a@example.com").to("b@example.org").text("Hi").build().unwrap();
        let notify = |bits: u8| parameter::Notify { success: bits & 1 > 0, failure: bits & 2 > 0, delay: bits & 4 > 0 };
        for bits in 0..=8 {
            let wanted = TransactionOptions {
                notify: (bits < 8).then(|| notify(bits)),
                ret: [None, Some(DsnReturn::Full), Some(DsnReturn::Headers)][usize::from(bits) % 3],
                envid: (bits % 2 == 0).then(|| format!("envelope-{bits}")),
                require_tls: bits % 4 == 0,
                ..TransactionOptions::default()
            };
            let new = EnqueueOptions::new().transaction(wanted.clone()).prepare(&message).await.unwrap();
            queue.enqueue(new).await.unwrap();
            let request = LeaseRequest::new(NonZeroU32::MIN, Duration::from_secs(60));
            let leased = queue.lease(&request).await.unwrap().remove(0);
            let size = leased.content.size();
            assert_eq!(options(&leased), TransactionOptions { size, body: Body::SevenBit, ..wanted });
        }
    }
}
