//! `mailkit queue list`: messages, newest first.

use std::io;

use mailkit::queue::{Filter, Queue, Record};

use super::id;
use super::view::{Shown, plain, rfc3339};
use crate::args::ListArgs;
use crate::failure::Failure;
use crate::output::{Output, Tone};

/// How many are asked for at once.
const PAGE: u64 = 500;

pub(super) async fn run(args: &ListArgs, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let mut filter = Filter {
        state: args.state,
        recipient: args.recipient.clone(),
        tag: args.tag.clone(),
        limit: 0,
        cursor: args.cursor.as_deref().map(id).transpose()?,
    };
    let mut left = args.limit;
    while left > 0 {
        filter.limit = usize::try_from(left.min(PAGE)).unwrap_or(usize::MAX);
        let page = queue.list(&filter).await?;
        for record in &page.records {
            show(record, output)?;
        }
        left = left.saturating_sub(page.records.len() as u64);
        filter.cursor = page.next;
        if page.next.is_none() {
            return Ok(());
        }
    }
    if let Some(cursor) = filter.cursor {
        output.note(format_args!("there are more: --cursor {cursor}"));
    }
    Ok(())
}

fn show(record: &Record, output: &mut Output) -> io::Result<()> {
    if output.json {
        return output.object(&Shown::new(record, |recipient| recipient.address.to_string()));
    }
    let first = record.recipients.first().map(|recipient| recipient.address.to_string()).unwrap_or_default();
    let more = match record.recipients.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let line = format!(
        "{}  {}  {:<9}  {first}{more}  {}",
        output.paint(Tone::Strong, record.id),
        rfc3339(record.created_at),
        record.state,
        plain(record.subject.as_deref().unwrap_or_default()),
    );
    output.line(line.trim_end())
}
