//! Dates (RFC 5322 §3.3).

use time::{OffsetDateTime, UtcOffset};

/// Writes a time as RFC 5322 §3.3 does: `Mon, 23 Nov 2026 07:03:00 +0000`.
///
/// An offset with seconds, which the grammar lacks, is told as UTC. A year that the grammar
/// lacks (before 1900 or above 9999) gives nothing.
pub(crate) fn date_time(at: OffsetDateTime) -> Option<String> {
    let whole_minutes = at.offset().seconds_past_minute() == 0;
    let at = if whole_minutes { at } else { at.checked_to_offset(UtcOffset::UTC)? };
    if !(1900..=9999).contains(&at.year()) {
        return None;
    }
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    let (hours, minutes, _) = at.offset().as_hms();
    let sign = if at.offset().is_negative() { '-' } else { '+' };
    Some(format!(
        "{weekday:.3}, {day} {month:.3} {year} {hour:02}:{minute:02}:{second:02} \
         {sign}{hours:02}{minutes:02}",
        day = at.day(),
        year = at.year(),
        hour = at.hour(),
        minute = at.minute(),
        second = at.second(),
        hours = hours.unsigned_abs(),
        minutes = minutes.unsigned_abs(),
    ))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn rfc_5322_section_3_3_dates() {
        for (at, wanted) in [
            (datetime!(1997-11-21 09:55:06 -06:00), "Fri, 21 Nov 1997 09:55:06 -0600"),
            (datetime!(2003-07-01 10:52:37 +02:00), "Tue, 1 Jul 2003 10:52:37 +0200"),
            (datetime!(1969-02-13 23:32:00 -03:30), "Thu, 13 Feb 1969 23:32:00 -0330"),
            (datetime!(2026-01-01 00:00:00 -00:30), "Thu, 1 Jan 2026 00:00:00 -0030"),
            (datetime!(2026-01-01 00:00:00 UTC), "Thu, 1 Jan 2026 00:00:00 +0000"),
            (datetime!(2026-01-01 00:00:10 +00:00:10), "Thu, 1 Jan 2026 00:00:00 +0000"),
        ] {
            assert_eq!(date_time(at).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn rfc_5322_section_3_3_a_year_has_four_digits_and_starts_at_1900() {
        assert_eq!(date_time(datetime!(1899-12-31 23:59:59 UTC)), None);
        assert_eq!(date_time(datetime!(0000-01-01 00:00:00 UTC)), None);
        assert!(date_time(datetime!(9999-12-31 23:59:59 UTC)).is_some());
    }
}
