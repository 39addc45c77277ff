//! The ids of messages, whole or cut short.

use mailkit::queue::{Filter, Queue, QueueId};

use crate::failure::Failure;

/// The digits of an id.
const LENGTH: usize = 26;
/// How many messages are named where a beginning stands for several.
const MOST_NAMED: usize = 5;

/// The message that a text names: by its id, or by a beginning of it that no other message has.
pub(super) async fn find(text: &str, queue: &dyn Queue) -> Result<QueueId, Failure> {
    if text.len() >= LENGTH {
        return text.parse().map_err(|error| Failure::message("", &error));
    }
    let shown = text.escape_debug();
    let beginning = text.to_ascii_uppercase();
    // Z is the last digit: this is the last id with that beginning.
    let last = format!("{beginning:Z<LENGTH$}").parse::<QueueId>().ok().filter(|_| !text.is_empty());
    let Some(last) = last else {
        return Err(Failure::message("", format!("`{shown}` is not the id of a message, nor the beginning of one")));
    };
    let cursor = last.to_bits().checked_add(1).map(QueueId::from_bits);
    let page = queue.list(&Filter::new().with_limit(MOST_NAMED + 1).with_cursor(cursor)).await?;
    let ids = page.records.iter().map(|record| record.id);
    let found: Vec<QueueId> = ids.filter(|id| id.to_string().starts_with(&beginning)).collect();
    match found.as_slice() {
        [] => Err(Failure::message("", format!("no message whose id begins with `{shown}` is in the queue"))),
        [only] => Ok(*only),
        several => {
            let more = if several.len() > MOST_NAMED { ", …" } else { "" };
            let names: Vec<_> = several.iter().take(MOST_NAMED).map(ToString::to_string).collect();
            let names = names.join(", ");
            let text = format!("`{shown}` is ambiguous, several ids begin with it: {names}{more}: give more of the id");
            Err(Failure::message("", text))
        }
    }
}
