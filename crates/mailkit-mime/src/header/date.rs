//! Dates (RFC 5322 §3.3).

use time::{OffsetDateTime, UtcOffset};

const WEEKDAYS: [&[u8; 4]; 7] = [b"Mon,", b"Tue,", b"Wed,", b"Thu,", b"Fri,", b"Sat,", b"Sun,"];
const MONTHS: [&[u8; 4]; 12] =
    [b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ", b"Nov ", b"Dec "];

/// A time that RFC 5322 §3.3 can express.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Date(OffsetDateTime);

impl Date {
    /// An offset with seconds, which the grammar lacks, is told as UTC. A year that the grammar
    /// lacks (before 1900 or above 9999) gives nothing.
    pub(crate) fn new(at: OffsetDateTime) -> Option<Self> {
        let whole_minutes = at.offset().seconds_past_minute() == 0;
        let at = if whole_minutes { at } else { at.checked_to_offset(UtcOffset::UTC)? };
        (1900..=9999).contains(&at.year()).then_some(Self(at))
    }

    /// Writes the field: `Date: Mon, 23 Nov 2026 07:03:00 +0000` (RFC 5322 §3.3).
    pub(crate) fn write_field(self, out: &mut Vec<u8>) {
        let Self(at) = self;
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second) = at.to_hms();
        let (hours, minutes, _) = at.offset().as_hms();
        let weekday = WEEKDAYS.get(usize::from(at.weekday().number_days_from_monday()));
        let month = MONTHS.get(usize::from(u8::from(month)) - 1);
        // The year has four digits: each half has two.
        let year = year.unsigned_abs();
        let mut text = *b"Date: Mon, 01 Jan 2026 00:00:00 +0000\r\n";
        text[6..10].copy_from_slice(*weekday.unwrap_or(&WEEKDAYS[0]));
        text[11..13].copy_from_slice(&two_digits(day.into()));
        text[14..18].copy_from_slice(*month.unwrap_or(&MONTHS[0]));
        text[18..20].copy_from_slice(&two_digits(year / 100));
        text[20..22].copy_from_slice(&two_digits(year % 100));
        text[23..25].copy_from_slice(&two_digits(hour.into()));
        text[26..28].copy_from_slice(&two_digits(minute.into()));
        text[29..31].copy_from_slice(&two_digits(second.into()));
        text[32] = if at.offset().is_negative() { b'-' } else { b'+' };
        text[33..35].copy_from_slice(&two_digits(hours.unsigned_abs().into()));
        text[35..37].copy_from_slice(&two_digits(minutes.unsigned_abs().into()));
        if day < 10 {
            out.extend_from_slice(&text[..11]);
            out.extend_from_slice(&text[12..]);
        } else {
            out.extend_from_slice(&text);
        }
    }
}

fn two_digits(number: u32) -> [u8; 2] {
    DIGITS[(number % 128) as usize]
}

/// The numbers below 100 in two digits.
static DIGITS: [[u8; 2]; 128] = {
    let mut digits = [[b'0'; 2]; 128];
    let mut number = 0_u8;
    while number < 100 {
        digits[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn date_time(at: OffsetDateTime) -> Option<String> {
        let mut out = Vec::new();
        Date::new(at)?.write_field(&mut out);
        Some(String::from_utf8(out).unwrap().strip_prefix("Date: ")?.strip_suffix("\r\n")?.to_owned())
    }

    #[test]
    fn rfc_5322_section_3_3_dates() {
        for (at, wanted) in [
            (datetime!(1997-11-21 09:55:06 -06:00), "Fri, 21 Nov 1997 09:55:06 -0600"),
            (datetime!(2003-07-01 10:52:37 +02:00), "Tue, 1 Jul 2003 10:52:37 +0200"),
            (datetime!(1969-02-13 23:32:00 -03:30), "Thu, 13 Feb 1969 23:32:00 -0330"),
            (datetime!(2026-11-09 23:59:59 UTC), "Mon, 9 Nov 2026 23:59:59 +0000"),
            (datetime!(2026-11-10 00:00:00 UTC), "Tue, 10 Nov 2026 00:00:00 +0000"),
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
