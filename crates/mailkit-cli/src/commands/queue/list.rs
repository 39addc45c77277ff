//! `mailkit queue list`: messages, newest first.

use std::io;

use mailkit::queue::{Queue, Record};

use super::ids;
use super::view::{Shown, cut, padded, plain, to_the_second};
use crate::args::ListArgs;
use crate::failure::Failure;
use crate::output::{Output, Tone};

/// How many are asked for at once.
const PAGE: u64 = 500;
/// How many columns the recipients have, and how many the subject.
const RECIPIENT_COLUMNS: usize = 32;
const SUBJECT_COLUMNS: usize = 60;

pub(super) async fn run(args: &ListArgs, queue: &dyn Queue, output: &mut Output) -> Result<(), Failure> {
    let cursor = match &args.cursor {
        Some(text) => Some(ids::find(text, queue).await?),
        None => None,
    };
    let mut filter = args.filter.filter().with_since(args.since).with_until(args.until).with_cursor(cursor);
    let (mut left, mut is_first) = (args.limit, true);
    while left > 0 {
        filter.limit = usize::try_from(left.min(PAGE)).unwrap_or(usize::MAX);
        let page = queue.list(&filter).await?;
        for record in &page.records {
            if std::mem::take(&mut is_first) && !output.json {
                output.line(output.paint(Tone::Strong, header()))?;
            }
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

/// The names of the columns, as wide as these.
fn header() -> String {
    let to = padded("TO", RECIPIENT_COLUMNS);
    format!("{:<26}  {:<20}  {:<9}  {to}  SUBJECT", "ID", "CREATED", "STATE")
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
    let to = format!("{}{more}", cut(&plain(&first), RECIPIENT_COLUMNS.saturating_sub(more.len())));
    let line = format!(
        "{}  {}  {:<9}  {}  {}",
        output.paint(Tone::Strong, record.id),
        to_the_second(record.created_at),
        record.state,
        padded(&to, RECIPIENT_COLUMNS),
        cut(&plain(record.subject.as_deref().unwrap_or_default()), SUBJECT_COLUMNS),
    );
    output.line(line.trim_end())
}
