//! The parameters of MAIL and RCPT, one table for the client, the server and their printing:
//! SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), DSN (RFC 3461), REQUIRETLS (RFC 8689),
//! MT-PRIORITY (RFC 6710), HOLDFOR and HOLDUNTIL (RFC 4865).

use std::fmt;

use crate::command::breaks_lines;

/// What the content is made of, as `BODY=` says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// US-ASCII in lines of at most 998 octets: what every server takes.
    #[default]
    SevenBit,
    /// Octets above 127 occur; lines of at most 998 octets (RFC 6152).
    EightBitMime,
    /// Any octets, no lines: only with BDAT (RFC 3030 §3).
    BinaryMime,
}

/// How much of the message a delivery status notification brings back (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3461 knows these two and no more")]
pub enum DsnReturn {
    /// The whole message.
    Full,
    /// Its header only.
    Headers,
}

/// When a delivery status notification is wanted (RFC 3461 §4.1). None of the three is `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "RFC 3461 knows these three and no more")]
pub struct Notify {
    /// When it was delivered.
    pub success: bool,
    /// When it could not be delivered.
    pub failure: bool,
    /// When it is late.
    pub delay: bool,
}

/// A priority from -9 to 9; 0 is the usual one (RFC 6710 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MtPriority(i8);

impl MtPriority {
    /// The priority, or `None` outside -9 to 9.
    #[must_use]
    pub const fn new(value: i8) -> Option<Self> {
        if value >= -9 && value <= 9 { Some(Self(value)) } else { None }
    }

    /// RFC 6710 §4.1: `priority-value = ( ["-"] NZDIGIT ) / "0"`, without a plus sign and without zeros in front.
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new).filter(|priority| priority.0.to_string() == text)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }
}

/// A request to release the message later (RFC 4865 §3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4865 knows these two and no more")]
pub enum Hold {
    /// So many seconds after it was taken in, from 1 to 999,999,999.
    For(u32),
    /// At a time in UTC.
    Until(HoldUntil),
}

/// A date and time in UTC as HOLDUNTIL takes it: `2026-12-01T08:00:00Z` (RFC 4865 §2, RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HoldUntil(String);

impl HoldUntil {
    /// Takes a date of the form `YYYY-MM-DDThh:mm:ssZ`; `None` for any other form, and for a time that no clock shows,
    /// such as the 30th of February. A leap second is the last of a day.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let shape = "dddd-dd-ddTdd:dd:ddZ";
        let fits = |(have, want): (u8, u8)| if want == b'd' { have.is_ascii_digit() } else { have == want };
        let fits = text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits);
        (fits && is_a_time(text)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the numbers of a date of the right form are those of a day and a time.
fn is_a_time(text: &str) -> bool {
    let number = |at: usize, length: usize| text.get(at..at + length).and_then(|digits| digits.parse::<u32>().ok());
    let date = (number(0, 4), number(5, 2), number(8, 2));
    let time = (number(11, 2), number(14, 2), number(17, 2));
    let ((Some(year), Some(month), Some(day)), (Some(hour), Some(minute), Some(second))) = (date, time) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return false,
    };
    let seconds = if (hour, minute) == (23, 59) { 60 } else { 59 };
    (1..=days).contains(&day) && hour <= 23 && minute <= 59 && second <= seconds
}

/// What follows the reverse path of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data; an unknown parameter goes into `other`")]
pub struct MailParameters {
    /// `SIZE=`: octets of content.
    pub size: Option<u64>,
    /// `BODY=`.
    pub body: Option<Body>,
    /// `SMTPUTF8`: the envelope or the header has non-ASCII characters.
    pub smtp_utf8: bool,
    /// `RET=`.
    pub ret: Option<DsnReturn>,
    /// `ENVID=`: what a notification quotes; decoded.
    pub envid: Option<String>,
    /// `REQUIRETLS`: every hop must use TLS, or the message is returned.
    pub require_tls: bool,
    /// `MT-PRIORITY=`.
    pub priority: Option<MtPriority>,
    /// `HOLDFOR=` or `HOLDUNTIL=`.
    pub hold: Option<Hold>,
    /// `AUTH=` (RFC 4954 §5): who first submitted the message; decoded, `<>` for unknown.
    pub auth: Option<String>,
    /// Parameters that no standard known here defines: keyword and value.
    pub other: Vec<(String, Option<String>)>,
}

/// What follows the forward path of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data; an unknown parameter goes into `other`")]
pub struct RcptParameters {
    /// `NOTIFY=`.
    pub notify: Option<Notify>,
    /// `ORCPT=`: address type and original address, decoded.
    pub orcpt: Option<(String, String)>,
    /// Parameters that no standard known here defines: keyword and value.
    pub other: Vec<(String, Option<String>)>,
}

/// A parameter whose value is not what its standard asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidParameter(String);

impl fmt::Display for InvalidParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid parameter `{}`", self.0)
    }
}

impl std::error::Error for InvalidParameter {}

impl MailParameters {
    /// Each parameter as keyword and printed value, in the order in which they are sent.
    pub(crate) fn each<E>(&self, mut put: impl FnMut(&str, Option<&str>) -> Result<(), E>) -> Result<(), E> {
        if let Some(size) = self.size {
            put("SIZE", Some(&size.to_string()))?;
        }
        if let Some(body) = self.body {
            put("BODY", Some(body.keyword()))?;
        }
        if self.smtp_utf8 {
            put("SMTPUTF8", None)?;
        }
        if let Some(ret) = self.ret {
            put("RET", Some(if ret == DsnReturn::Full { "FULL" } else { "HDRS" }))?;
        }
        if let Some(envid) = &self.envid {
            put("ENVID", Some(&xtext(envid)))?;
        }
        if self.require_tls {
            put("REQUIRETLS", None)?;
        }
        if let Some(priority) = self.priority {
            put("MT-PRIORITY", Some(&priority.0.to_string()))?;
        }
        match &self.hold {
            Some(Hold::For(seconds)) => put("HOLDFOR", Some(&seconds.to_string()))?,
            Some(Hold::Until(time)) => put("HOLDUNTIL", Some(time.as_str()))?,
            None => {}
        }
        if let Some(auth) = &self.auth {
            put("AUTH", Some(&xtext(auth)))?;
        }
        self.other.iter().try_for_each(|(keyword, value)| put(keyword, value.as_deref()))
    }

    /// Takes one parameter as it was read.
    pub(crate) fn set(&mut self, keyword: &str, value: Option<&str>) -> Result<(), InvalidParameter> {
        let invalid = || invalid(keyword, value);
        match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => self.size = Some(digits(value, 20).ok_or_else(invalid)?),
            ("BODY", Some(value)) => self.body = Some(Body::parse(value).ok_or_else(invalid)?),
            ("SMTPUTF8", None) => self.smtp_utf8 = true,
            ("RET", Some(value)) if value.eq_ignore_ascii_case("FULL") => self.ret = Some(DsnReturn::Full),
            ("RET", Some(value)) if value.eq_ignore_ascii_case("HDRS") => self.ret = Some(DsnReturn::Headers),
            ("ENVID", Some(value)) if value.len() <= 100 => self.envid = Some(from_xtext(value).ok_or_else(invalid)?),
            ("REQUIRETLS", None) => self.require_tls = true,
            ("MT-PRIORITY", Some(value)) => {
                self.priority = Some(MtPriority::parse(value).ok_or_else(invalid)?);
            }
            // RFC 4865 §4: one of the two, and once.
            ("HOLDFOR" | "HOLDUNTIL", Some(_)) if self.hold.is_some() => return Err(invalid()),
            ("HOLDFOR", Some(value)) => {
                let seconds = digits(value, 9).and_then(|seconds| u32::try_from(seconds).ok());
                self.hold = Some(Hold::For(seconds.filter(|seconds| *seconds > 0).ok_or_else(invalid)?));
            }
            ("HOLDUNTIL", Some(value)) => self.hold = Some(Hold::Until(HoldUntil::new(value).ok_or_else(invalid)?)),
            ("AUTH", Some(value)) => self.auth = Some(from_xtext(value).ok_or_else(invalid)?),
            (known, _) if KNOWN_TO_MAIL.contains(&known) => return Err(invalid()),
            _ => self.other.push((keyword.to_owned(), value.map(str::to_owned))),
        }
        Ok(())
    }
}

const KNOWN_TO_MAIL: [&str; 10] =
    ["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "REQUIRETLS", "MT-PRIORITY", "HOLDFOR", "HOLDUNTIL", "AUTH"];

impl RcptParameters {
    /// Each parameter as keyword and printed value, in the order in which they are sent.
    pub(crate) fn each<E>(&self, mut put: impl FnMut(&str, Option<&str>) -> Result<(), E>) -> Result<(), E> {
        if let Some(notify) = self.notify {
            put("NOTIFY", Some(&notify.to_string()))?;
        }
        if let Some((kind, address)) = &self.orcpt {
            put("ORCPT", Some(&format!("{kind};{}", xtext(address))))?;
        }
        self.other.iter().try_for_each(|(keyword, value)| put(keyword, value.as_deref()))
    }

    /// Takes one parameter as it was read.
    pub(crate) fn set(&mut self, keyword: &str, value: Option<&str>) -> Result<(), InvalidParameter> {
        let invalid = || invalid(keyword, value);
        match (keyword.to_ascii_uppercase().as_str(), value) {
            ("NOTIFY", Some(value)) => self.notify = Some(Notify::parse(value).ok_or_else(invalid)?),
            ("ORCPT", Some(value)) => {
                let (kind, address) = value.split_once(';').filter(|(kind, _)| !kind.is_empty()).ok_or_else(invalid)?;
                self.orcpt = Some((kind.to_owned(), from_xtext(address).ok_or_else(invalid)?));
            }
            ("NOTIFY" | "ORCPT", None) => return Err(invalid()),
            _ => self.other.push((keyword.to_owned(), value.map(str::to_owned))),
        }
        Ok(())
    }
}

fn invalid(keyword: &str, value: Option<&str>) -> InvalidParameter {
    let text = value.map_or_else(|| keyword.to_owned(), |value| format!("{keyword}={value}"));
    InvalidParameter(text.chars().take(120).collect())
}

fn digits(text: &str, most: usize) -> Option<u64> {
    (text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl Body {
    const fn keyword(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SevenBit, Self::EightBitMime, Self::BinaryMime]
            .into_iter()
            .find(|body| body.keyword().eq_ignore_ascii_case(text))
    }
}

impl Notify {
    const NAMES: [&'static str; 3] = ["SUCCESS", "FAILURE", "DELAY"];

    fn parse(text: &str) -> Option<Self> {
        let mut notify = Self::default();
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(notify);
        }
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
    }
}

/// As `NOTIFY=` takes it: `NEVER`, or a list such as `SUCCESS,FAILURE`.
impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = [self.success, self.failure, self.delay];
        let mut names = Self::NAMES.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(name, _)| *name);
        f.write_str(names.next().unwrap_or("NEVER"))?;
        names.try_for_each(|name| write!(f, ",{name}"))
    }
}

/// RFC 3461 §4: `xtext = *( xchar / hexchar )`, `hexchar = "+" 2(HEXDIG)`.
///
/// Non-ASCII characters go as the UTF-8 octets that RFC 6533 allows beside SMTPUTF8.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '+' | '=' | '\0'..=' ' | '\x7f' => out.push_str(&format!("+{:02X}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// The inverse of [`xtext`]; `None` where an escape is broken or hides a control character.
fn from_xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(breaks_lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_parameter_with_a_senseless_value_is_refused_by_name() {
        for (keyword, value) in [
            ("SIZE", Some("-1")),
            ("SIZE", None),
            ("BODY", Some("9BIT")),
            ("SMTPUTF8", Some("yes")),
            ("ENVID", Some("a+0")),
            ("ENVID", Some("a+0D+0A")),
            ("MT-PRIORITY", Some("10")),
            ("MT-PRIORITY", Some("+3")),
            ("MT-PRIORITY", Some("03")),
            ("MT-PRIORITY", Some("-0")),
            ("HOLDFOR", Some("0")),
            ("HOLDUNTIL", Some("tomorrow")),
            ("HOLDUNTIL", Some("2026-02-30T08:00:00Z")),
        ] {
            let error = MailParameters::default().set(keyword, value).unwrap_err();
            assert!(error.to_string().contains(keyword), "{error}");
        }
        assert!(RcptParameters::default().set("NOTIFY", Some("NEVER,DELAY")).is_err());
        assert!(RcptParameters::default().set("ORCPT", Some(";a")).is_err());
    }

    #[test]
    fn mail_is_held_until_a_time_that_exists() {
        for bad in [
            "2026-02-30T08:00:00Z",
            "2026-02-29T08:00:00Z",
            "2100-02-29T08:00:00Z",
            "2026-13-01T08:00:00Z",
            "2026-00-01T08:00:00Z",
            "2026-04-31T08:00:00Z",
            "2026-12-00T08:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T25:00:00Z",
            "2026-12-01T08:60:00Z",
            "2026-12-01T08:00:60Z",
            "2026-12-01T08:00:00+",
        ] {
            assert!(HoldUntil::new(bad).is_none(), "{bad}");
        }
        for good in ["2026-12-01T08:00:00Z", "2028-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2026-12-31T23:59:60Z"] {
            assert!(HoldUntil::new(good).is_some(), "{good}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_kept_for_the_server_to_refuse() {
        let mut parameters = MailParameters::default();
        parameters.set("XFOO", Some("1")).unwrap();
        assert_eq!(parameters.other, [("XFOO".to_owned(), Some("1".to_owned()))]);
    }

    proptest! {
        #[test]
        fn xtext_comes_back(text in "[^\\p{Cc}]{0,40}") {
            let coded = xtext(&text);
            prop_assert!(coded.bytes().all(|byte| byte > b' ' && byte != b'='));
            prop_assert_eq!(from_xtext(&coded), Some(text));
        }
    }
}
