//! A message of a queue as it is shown.

use mailkit::queue::{Attempt, RecipientRecord, Record, Tag, Timestamp};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What is shown of a message; its names are fixed. `R` is what is shown of its recipients.
#[derive(Serialize)]
pub(super) struct Shown<'a, R> {
    id: String,
    state: &'static str,
    subject: Option<&'a str>,
    from: String,
    recipients: Vec<R>,
    attempts: u32,
    next_attempt_at: Option<String>,
    created_at: String,
    priority: &'static str,
    route: Option<&'a str>,
    tenant: Option<&'a str>,
    tags: Vec<&'a str>,
}

impl<'a, R> Shown<'a, R> {
    pub(super) fn new(record: &'a Record, recipient: impl Fn(&'a RecipientRecord) -> R) -> Self {
        Self {
            id: record.id.to_string(),
            state: record.state.as_str(),
            subject: record.subject.as_deref(),
            from: record.from.address().map(ToString::to_string).unwrap_or_default(),
            recipients: record.recipients.iter().map(recipient).collect(),
            attempts: record.attempts,
            next_attempt_at: record.next_attempt_at.map(rfc3339),
            created_at: rfc3339(record.created_at),
            priority: record.priority.as_str(),
            route: record.route.as_deref(),
            tenant: record.tenant.as_deref(),
            tags: record.tags.iter().map(Tag::as_str).collect(),
        }
    }
}

/// What `show` adds.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    shown: Shown<'a, Recipient<'a>>,
    message_id: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    archive_of: Option<String>,
    traceparent: Option<&'a str>,
    expires_at: Option<String>,
    finished_at: Option<String>,
    on_ambiguous: &'static str,
    size: u64,
    history: Vec<Past<'a>>,
}

impl<'a> Whole<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        Self {
            shown: Shown::new(record, Recipient::new),
            message_id: record.message_id.as_deref(),
            idempotency_key: record.idempotency_key.as_deref(),
            archive_of: record.archive_of().map(|id| id.to_string()),
            traceparent: record.traceparent.as_deref(),
            expires_at: record.expires_at.map(rfc3339),
            finished_at: record.finished_at.map(rfc3339),
            on_ambiguous: record.on_ambiguous.as_str(),
            size: record.size,
            history: record.history.iter().map(Past::new).collect(),
        }
    }
}

/// A recipient, and what is known of it.
#[derive(Serialize)]
pub(super) struct Recipient<'a> {
    address: String,
    status: &'static str,
    code: Option<u16>,
    enhanced: Option<&'a str>,
    text: &'a str,
}

impl<'a> Recipient<'a> {
    fn new(recipient: &'a RecipientRecord) -> Self {
        Self {
            address: recipient.address.to_string(),
            status: recipient.status.as_str(),
            code: recipient.code,
            enhanced: recipient.enhanced.as_deref(),
            text: &recipient.text,
        }
    }
}

/// An attempt of the past.
#[derive(Serialize)]
struct Past<'a> {
    at: String,
    route: &'a str,
    outcome: &'static str,
    class: Option<&'a str>,
    text: &'a str,
    recipients: Vec<Recipient<'a>>,
}

impl<'a> Past<'a> {
    fn new(attempt: &'a Attempt) -> Self {
        Self {
            at: rfc3339(attempt.at),
            route: &attempt.route,
            outcome: attempt.outcome.as_str(),
            class: attempt.class.as_deref(),
            text: &attempt.text,
            recipients: attempt.recipients.iter().map(Recipient::new).collect(),
        }
    }
}

/// The years of RFC 3339 §1, 0 to 9999, in milliseconds from the start of 1970.
const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// A point in time in the form of RFC 3339, in UTC. What lies beyond its years is their first or last moment.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let milliseconds = at.as_millis().clamp(*YEARS.start(), *YEARS.end());
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The same without what is below a second, for columns.
pub(super) fn to_the_second(at: Timestamp) -> String {
    rfc3339(Timestamp::from_millis(at.as_millis().div_euclid(1_000) * 1_000))
}

/// Text of a message or a server on one line of a terminal: neither control characters nor what turns the direction of the
/// text around it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if mailkit::is_unprintable(letter) { ' ' } else { letter }).collect()
}

/// How many characters without a width of their own are kept behind each column.
const MARKS: usize = 8;

/// Text that takes no more than so many columns of a terminal; an ellipsis stands for the rest.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let (mut taken, mut end) = (0, 0);
    for (number, (place, letter)) in text.char_indices().enumerate() {
        taken += letter.width().unwrap_or(0);
        if taken > columns || number > columns * MARKS {
            let kept = text.get(..end).unwrap_or_default();
            return format!("{}…", kept.trim_end_matches(['\u{200d}', ' ']));
        }
        // Up to here there is room for the ellipsis.
        if taken < columns {
            end = place + letter.len_utf8();
        }
    }
    text.to_owned()
}

/// Text with blanks behind it up to so many columns of a terminal.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(text.width());
    format!("{text}{:blanks$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_the_columns_that_it_takes() {
        for (text, columns, wanted) in [
            ("", 5, ""),
            ("abcde", 5, "abcde"),
            ("abcdef", 5, "abcd…"),
            ("abc def", 5, "abc…"),
            ("日本語", 6, "日本語"),
            ("日本語で", 6, "日本…"),
            ("e\u{301}e\u{301}e\u{301}", 3, "e\u{301}e\u{301}e\u{301}"),
            ("e\u{301}e\u{301}e\u{301}e", 3, "e\u{301}e\u{301}…"),
        ] {
            assert_eq!(cut(text, columns), wanted, "{text}");
            assert!(cut(text, columns).width() <= columns);
        }
        let marks = format!("a{}", "\u{301}".repeat(100_000));
        assert!(cut(&marks, 10).chars().count() < 100);
        assert_eq!(padded("日本", 6), "日本  ");
    }

    #[test]
    fn what_would_turn_or_end_the_line_of_a_terminal_is_a_blank() {
        assert_eq!(plain("a\u{1b}[0m\u{202e}b\u{2028}c\u{2066}d"), "a [0m b c d");
    }

    #[test]
    fn a_time_beyond_all_years_is_the_end_of_them_and_not_another_one() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_millis(milliseconds)), text);
        }
    }
}
