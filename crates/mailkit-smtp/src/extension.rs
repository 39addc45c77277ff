//! Service extensions: what a server offers in its EHLO reply (RFC 5321 §4.1.1.1), parsed and printed by one table.

use crate::sasl::Mechanisms;

/// What a server offers. [`Extensions::parse`] and [`Extensions::lines`] are inverses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; an unknown keyword goes into `other`")]
pub struct Extensions {
    /// `PIPELINING` (RFC 2920): commands may be sent without waiting for each reply.
    pub pipelining: bool,
    /// `CHUNKING` (RFC 3030): content may go by BDAT.
    pub chunking: bool,
    /// `BINARYMIME` (RFC 3030 §3).
    pub binary_mime: bool,
    /// `8BITMIME` (RFC 6152).
    pub eight_bit_mime: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub smtp_utf8: bool,
    /// `ENHANCEDSTATUSCODES` (RFC 2034).
    pub enhanced_status_codes: bool,
    /// `DSN` (RFC 3461).
    pub dsn: bool,
    /// `STARTTLS` (RFC 3207).
    pub start_tls: bool,
    /// `REQUIRETLS` (RFC 8689).
    pub require_tls: bool,
    /// `SIZE` (RFC 1870).
    pub size: Option<SizeLimit>,
    /// `AUTH` (RFC 4954): the mechanisms.
    pub auth: Mechanisms,
    /// `LIMITS` (RFC 9422).
    pub limits: Limits,
    /// `MT-PRIORITY` (RFC 6710): the priority profile's name, empty where none is named.
    pub mt_priority: Option<String>,
    /// `FUTURERELEASE` (RFC 4865).
    pub future_release: Option<FutureRelease>,
    /// Lines with keywords that no standard known here defines, as they came.
    pub other: Vec<String>,
}

/// The largest message that a server takes (RFC 1870 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 1870 knows these two and no more")]
pub enum SizeLimit {
    /// There is a limit, and it is not told.
    Unknown,
    /// So many octets.
    Octets(u64),
}

/// Limits that a server announces (RFC 9422 §4); `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 9422 registers these three")]
pub struct Limits {
    /// `MAILMAX`: transactions per connection.
    pub mail_max: Option<u32>,
    /// `RCPTMAX`: recipients per transaction.
    pub rcpt_max: Option<u32>,
    /// `RCPTDOMAINMAX`: different recipient domains per transaction.
    pub rcpt_domain_max: Option<u32>,
}

/// How far ahead a server holds messages (RFC 4865 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 4865 knows these two and no more")]
pub struct FutureRelease {
    /// The longest time in seconds.
    pub max_interval: u32,
    /// The last date and time, as the server wrote it.
    pub max_datetime: String,
}

impl Extensions {
    /// Reads the lines of an EHLO reply, without the first one, which greets.
    ///
    /// Keywords are taken in any case. What cannot be understood is kept in `other` and changes nothing.
    ///
    /// ```
    /// use mailkit_smtp::{Extensions, SizeLimit};
    /// let offered = Extensions::parse(["pipelining", "SIZE 1000", "AUTH PLAIN LOGIN", "XFOO"]);
    /// assert!(offered.pipelining);
    /// assert_eq!(offered.size, Some(SizeLimit::Octets(1000)));
    /// assert_eq!(offered.other, ["XFOO"]);
    /// ```
    #[must_use]
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut offered = Self::default();
        for line in lines {
            if offered.take(line).is_none() && !line.trim().is_empty() {
                offered.other.push(line.trim().to_owned());
            }
        }
        offered
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next()?.to_ascii_uppercase();
        let mut value = words.clone();
        if let Some(flag) = self.flag(&keyword) {
            *flag = true;
            return Some(());
        }
        match keyword.as_str() {
            "SIZE" => {
                self.size = Some(match words.next() {
                    None | Some("0") => SizeLimit::Unknown,
                    Some(octets) => SizeLimit::Octets(octets.parse().ok()?),
                });
            }
            "AUTH" => self.auth.add_words(line.trim_start().get(4..)?),
            // The form of before RFC 2554, which some servers still send beside the right one.
            _ if keyword.starts_with("AUTH=") => self.auth.add_words(line.trim_start().get(5..)?),
            "LIMITS" => value.for_each(|word| self.limits.take(word)),
            "MT-PRIORITY" => self.mt_priority = Some(words.next().unwrap_or_default().to_owned()),
            "FUTURERELEASE" => {
                let (max_interval, max_datetime) = (value.next()?.parse().ok()?, value.next()?.to_owned());
                self.future_release = Some(FutureRelease { max_interval, max_datetime });
            }
            _ => return None,
        }
        Some(())
    }

    /// Changes the words that are a server's own and have no meaning here.
    pub(crate) fn change_words(&mut self, mut change: impl FnMut(&mut String)) {
        self.auth.change_foreign(&mut change);
        self.mt_priority.iter_mut().for_each(&mut change);
        self.future_release.iter_mut().for_each(|release| change(&mut release.max_datetime));
        self.other.iter_mut().for_each(change);
    }

    fn flag(&mut self, keyword: &str) -> Option<&mut bool> {
        self.flags().into_iter().find(|(name, _)| *name == keyword).map(|(_, flag)| flag)
    }

    /// The extensions that are there or not: the one table for both directions.
    fn flags(&mut self) -> [(&'static str, &mut bool); 9] {
        [
            ("PIPELINING", &mut self.pipelining),
            ("CHUNKING", &mut self.chunking),
            ("BINARYMIME", &mut self.binary_mime),
            ("8BITMIME", &mut self.eight_bit_mime),
            ("SMTPUTF8", &mut self.smtp_utf8),
            ("ENHANCEDSTATUSCODES", &mut self.enhanced_status_codes),
            ("DSN", &mut self.dsn),
            ("STARTTLS", &mut self.start_tls),
            ("REQUIRETLS", &mut self.require_tls),
        ]
    }

    /// The lines of an EHLO reply, without the first one.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut copy = self.clone();
        let mut lines: Vec<String> =
            copy.flags().into_iter().filter(|(_, on)| **on).map(|(name, _)| name.to_owned()).collect();
        match self.size {
            Some(SizeLimit::Unknown) => lines.push("SIZE".to_owned()),
            Some(SizeLimit::Octets(octets)) => lines.push(format!("SIZE {octets}")),
            None => {}
        }
        if !self.auth.is_empty() {
            lines.push(format!("AUTH {}", self.auth));
        }
        lines.extend(self.limits.line());
        if let Some(profile) = &self.mt_priority {
            lines.push(format!("MT-PRIORITY {profile}").trim_end().to_owned());
        }
        if let Some(release) = &self.future_release {
            lines.push(format!("FUTURERELEASE {} {}", release.max_interval, release.max_datetime));
        }
        lines.extend(self.other.iter().cloned());
        lines
    }
}

impl Limits {
    fn entries(&mut self) -> [(&'static str, &mut Option<u32>); 3] {
        [("MAILMAX", &mut self.mail_max), ("RCPTMAX", &mut self.rcpt_max), ("RCPTDOMAINMAX", &mut self.rcpt_domain_max)]
    }

    /// A limit of zero or beyond six digits is none (RFC 9422 §3).
    fn take(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else { return };
        let value = value.parse().ok().filter(|value| (1..=999_999).contains(value));
        if let Some((_, limit)) = self.entries().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            *limit = value;
        }
    }

    fn line(mut self) -> Option<String> {
        let words: Vec<String> =
            self.entries().into_iter().filter_map(|(name, limit)| Some(format!("{name}={}", (*limit)?))).collect();
        (!words.is_empty()).then(|| format!("LIMITS {}", words.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_old_form_of_auth_is_read_beside_the_right_one() {
        let offered = Extensions::parse(["AUTH PLAIN", "AUTH=LOGIN"]);
        assert_eq!(offered.auth, Extensions::parse(["auth login plain"]).auth);
    }

    #[test]
    fn a_line_that_makes_no_sense_changes_nothing() {
        let offered =
            Extensions::parse(["SIZE much", "FUTURERELEASE 5", "LIMITS RCPTMAX=0 MAILMAX=x =", " ", "8BITMIME"]);
        let plain = Extensions {
            eight_bit_mime: true,
            other: vec!["SIZE much".into(), "FUTURERELEASE 5".into()],
            ..Extensions::default()
        };
        assert_eq!(offered, plain);
    }

    fn extensions() -> impl Strategy<Value = Extensions> {
        let size = prop::option::of(prop_oneof![Just(SizeLimit::Unknown), (1..u64::MAX).prop_map(SizeLimit::Octets)]);
        let limit = || prop::option::of(1u32..999_999);
        let release = prop::option::of((any::<u32>(), "[0-9TZ:-]{1,20}"));
        (any::<[bool; 9]>(), size, (limit(), limit(), limit()), prop::option::of("[A-Z]{0,8}"), release).prop_map(
            |(flags, size, (mail_max, rcpt_max, rcpt_domain_max), mt_priority, release)| {
                let mut offered = Extensions {
                    size,
                    limits: Limits { mail_max, rcpt_max, rcpt_domain_max },
                    mt_priority,
                    future_release: release
                        .map(|(max_interval, max_datetime)| FutureRelease { max_interval, max_datetime }),
                    ..Extensions::default()
                };
                offered.flags().into_iter().zip(flags).for_each(|((_, flag), on)| *flag = on);
                offered
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_offered_is_what_is_read(offered in extensions()) {
            let lines = offered.lines();
            prop_assert_eq!(Extensions::parse(lines.iter().map(String::as_str)), offered);
        }
    }
}
