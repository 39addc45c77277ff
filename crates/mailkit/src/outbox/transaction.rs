//! What a message asks of a transaction, as a queue stores it and as the transaction is told.

use std::fmt;
use std::io;

use bytes::Bytes;
use mailkit_connection::Content;
use mailkit_queue::{Chunks, DeliveryOptions, Leased, Notify, ReturnContent};
use mailkit_smtp::client::TransactionOptions;
use mailkit_smtp::parameter::{self, Body, DsnReturn, MtPriority};

use crate::Message;

/// An option of a transaction that a queue cannot grant, since it belongs to the queue or to the message.
///
/// It is the source of an [`Error`](crate::Error) of the kind [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnsupportedOption {
    /// `size`: the content's size is known when it is sent.
    Size,
    /// `body`: another form than the content has.
    Body,
    /// `smtp_utf8` for a message that does not need it.
    SmtpUtf8,
    /// `max_recipients`: the limit of one route.
    MaxRecipients,
    /// `hold`: the queue itself holds a message until its time.
    Hold,
}

impl fmt::Display for UnsupportedOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the option `size` of a queued message is that of its content: leave it out",
            Self::Body => "the option `body` of a queued message is what its content needs: leave it out",
            Self::SmtpUtf8 => "the option `smtp_utf8` of a queued message is what its header needs: leave it out",
            Self::MaxRecipients => {
                "the option `max_recipients` of a queued message is its route's: give it to Route::max_recipients"
            }
            Self::Hold => "the option `hold` is not for a queued message: give the time to EnqueueOptions::send_at",
        })
    }
}

impl std::error::Error for UnsupportedOption {}

/// The first option that cannot be granted. One that says what the message needs anyway is granted.
fn unsupported(message: &Message, transaction: &TransactionOptions) -> Option<UnsupportedOption> {
    let TransactionOptions { size, body, smtp_utf8, max_recipients, hold, .. } = transaction;
    let is_fitting = match body {
        Body::SevenBit => true,
        Body::EightBitMime => message.needs_8bit(),
        _ => false,
    };
    [
        (size.is_some(), UnsupportedOption::Size),
        (!is_fitting, UnsupportedOption::Body),
        (
            *smtp_utf8 && !message.needs_smtp_utf8() && !message.envelope().needs_smtp_utf8(),
            UnsupportedOption::SmtpUtf8,
        ),
        (max_recipients.is_some(), UnsupportedOption::MaxRecipients),
        (hold.is_some(), UnsupportedOption::Hold),
    ]
    .into_iter()
    .find_map(|(is_given, option)| is_given.then_some(option))
}

/// What a queue stores of the options that a message was enqueued with.
///
/// # Errors
/// An option that no queue can grant.
pub(super) fn delivery_options(
    message: &Message,
    transaction: TransactionOptions,
) -> Result<DeliveryOptions, UnsupportedOption> {
    if let Some(option) = unsupported(message, &transaction) {
        return Err(option);
    }
    let notify = transaction.notify.map(|notify| {
        let events =
            [(notify.success, Notify::Success), (notify.failure, Notify::Failure), (notify.delay, Notify::Delay)];
        let wanted: Vec<_> = events.into_iter().filter_map(|(wanted, event)| wanted.then_some(event)).collect();
        if wanted.is_empty() { vec![Notify::Never] } else { wanted }
    });
    let mut delivery = DeliveryOptions::new();
    delivery.needs_8bit = message.needs_8bit();
    delivery.needs_smtp_utf8 = message.needs_smtp_utf8();
    delivery.notify = notify.unwrap_or_default();
    delivery.return_content = transaction.ret.map(|ret| match ret {
        DsnReturn::Full => ReturnContent::Full,
        DsnReturn::Headers => ReturnContent::Headers,
    });
    delivery.envelope_id = transaction.envid;
    delivery.require_tls = transaction.require_tls;
    delivery.mt_priority = transaction.priority.map(MtPriority::get);
    Ok(delivery)
}

/// The options of a message's transaction.
pub(super) fn options(message: &Leased) -> TransactionOptions {
    let DeliveryOptions {
        needs_8bit,
        needs_smtp_utf8,
        notify,
        return_content,
        envelope_id,
        require_tls,
        mt_priority,
        ..
    } = &message.delivery;
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
        priority: mt_priority.and_then(MtPriority::new),
        ..TransactionOptions::default()
    }
}

/// The content: from memory, or read from the store while it is sent.
pub(super) fn content(stored: &mailkit_queue::Content) -> Content {
    match stored.in_memory() {
        Some(bytes) => Content::from(bytes.clone()),
        None => {
            let (again, size) = (stored.clone(), stored.size());
            Content::repeatable(move || Stored::Closed(again.clone()), size)
        }
    }
}

/// Content that is opened when its first chunk is asked for: on the thread that may block.
enum Stored {
    Closed(mailkit_queue::Content),
    Open(Chunks),
    Over,
}

impl Iterator for Stored {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Self::Closed(content) = self {
            match content.chunks() {
                Ok(chunks) => *self = Self::Open(chunks),
                Err(error) => {
                    *self = Self::Over;
                    return Some(Err(error));
                }
            }
        }
        match self {
            Self::Open(chunks) => chunks.next(),
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
                priority: MtPriority::new([-9, 0, 9, 10][usize::from(bits) % 4]),
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
    #[tokio::test]
    async fn an_option_that_no_queue_can_grant_is_refused_by_name() {
        let message = Message::builder().from("a@example.com").to("b@example.org").text("Hi").build().unwrap();
        let default = TransactionOptions::default;
        for (transaction, wanted) in [
            (TransactionOptions { size: Some(1), ..default() }, UnsupportedOption::Size),
            (TransactionOptions { body: Body::EightBitMime, ..default() }, UnsupportedOption::Body),
            (TransactionOptions { body: Body::BinaryMime, ..default() }, UnsupportedOption::Body),
            (TransactionOptions { smtp_utf8: true, ..default() }, UnsupportedOption::SmtpUtf8),
            (TransactionOptions { hold: Some(parameter::Hold::For(60)), ..default() }, UnsupportedOption::Hold),
        ] {
            let error = EnqueueOptions::new().transaction(transaction).prepare(&message).await.unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Configuration);
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.downcast_ref(), Some(&wanted));
        }
        // What the message needs anyway may be said.
        let needs_both = "From: a@example.com\nTo: \u{e9}@example.org\n\n\u{e9}\n";
        let message = Message::from_eml(needs_both, None).unwrap();
        let said = TransactionOptions { body: Body::EightBitMime, smtp_utf8: true, ..default() };
        EnqueueOptions::new().transaction(said).prepare(&message).await.unwrap();
    }
}
