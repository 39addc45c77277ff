//! Texts with variables of the environment in them.

use std::ops::RangeInclusive;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Fills `${VAR}` and `${VAR:-default}`; a `$` without a brace stands for itself.
pub(super) fn fill(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    fill_with(text, variable, |_, value| value)
}

/// The same for a URL: a value is percent-encoded as its place in the URL needs it. What the file itself says, defaults
/// included, stays as it is; so does a value that is the whole URL, or its beginning.
pub(super) fn fill_url(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let literal = without_variables(text);
    let places = Places::of(&literal);
    fill_with(text, variable, |at, value| match places.at(at) {
        Place::Beginning => value,
        Place::User => utf8_percent_encode(&value, USER).to_string(),
        Place::Value => utf8_percent_encode(&value, VALUE).to_string(),
        // The URL of a proxy is a value, and has a user and a password itself.
        Place::ProxyValue => utf8_percent_encode(&utf8_percent_encode(&value, USER).to_string(), VALUE).to_string(),
    })
}

/// What stands for itself in a user or a password (RFC 3986 §2.3).
const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands for itself in a host with its port, in a path and in a parameter.
const VALUE: &AsciiSet = &USER.remove(b'/').remove(b':').remove(b',').remove(b'*').remove(b'[').remove(b']');

/// Where in a URL a variable stands.
#[derive(Clone, Copy)]
enum Place {
    /// Before `://`, or in a URL that has none and takes its path as it is, such as `sqlite:PATH`.
    Beginning,
    /// The user or the password.
    User,
    /// Any other place.
    Value,
    /// The URL of a proxy.
    ProxyValue,
}

/// Where the places of a URL are. They are found once, since there may be many variables in it.
#[derive(Default)]
struct Places {
    /// Where the authority begins; `None` where there is no `://`, or a path behind it that nobody decodes.
    authority: Option<usize>,
    /// Where users and passwords are: as many as there are `#` before the path.
    users: Vec<RangeInclusive<usize>>,
    /// The values of the parameters `proxy`.
    proxies: Vec<RangeInclusive<usize>>,
}

impl Places {
    /// `text` is a URL without its variables.
    fn of(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
            return Self::default();
        };
        let start = scheme.len() + "://".len();
        let mut places = Self { authority: Some(start), ..Self::default() };
        let mut at = start;
        for piece in rest.split(['/', '?']).next().unwrap_or_default().split('#') {
            places.users.extend(piece.rfind('@').map(|end| at..=at + end));
            at += piece.len() + 1;
        }
        if let Some((before, query)) = rest.split_once('?') {
            let mut at = start + before.len() + 1;
            for parameter in query.split('&') {
                let value = parameter.strip_prefix("proxy=").map(str::len);
                places.proxies.extend(value.map(|length| at + parameter.len() - length..=at + parameter.len()));
                at += parameter.len() + 1;
            }
        }
        places
    }

    /// The place of the variable that begins at this octet of the text.
    fn at(&self, at: usize) -> Place {
        match self.authority {
            Some(start) if start <= at => {}
            _ => return Place::Beginning,
        }
        if is_in(&self.proxies, at) {
            return Place::ProxyValue;
        }
        if is_in(&self.users, at) { Place::User } else { Place::Value }
    }
}

/// Whether one of the ranges, which are in order, holds this number.
fn is_in(ranges: &[RangeInclusive<usize>], number: usize) -> bool {
    let before = ranges.partition_point(|range| *range.start() <= number);
    ranges.get(..before).and_then(<[_]>::last).is_some_and(|range| range.contains(&number))
}

/// The text without its `${…}`.
fn without_variables(text: &str) -> String {
    let (mut literal, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("${") {
        literal.push_str(before);
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    literal.push_str(rest);
    literal
}

/// `write` is given the length of the text before a variable, without the variables in it, and the variable's value.
fn fill_with(
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
    write: impl Fn(usize, String) -> String,
) -> Result<String, String> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    let mut before = 0;
    while let Some((literal, after)) = rest.split_once("${") {
        filled.push_str(literal);
        before += literal.len();
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("`${` without its `}`".to_owned());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("`${…}` does not name a variable of letters, digits and `_`".to_owned());
        }
        // As in a shell, an empty variable counts as none where there is a default.
        match (variable(name), default) {
            (Some(value), None) => filled.push_str(&write(before, value)),
            (Some(value), Some(_)) if !value.is_empty() => filled.push_str(&write(before, value)),
            (_, Some(default)) => filled.push_str(default),
            (None, None) => {
                return Err(format!("the environment has no variable {name}: set it, or write ${{{name}:-default}}"));
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            "A" => "a${B}",
            "EMPTY" => "",
            "PASSWORD" => "p@ss:w/rd?#%41 &=+é",
            "USER" => "ann@example.com",
            "HOST" => "mail.example:2525",
            "PATH" => "/run/a b",
            "URL" => "smtp://ann:p%40@h?tls=none",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn filled(text: &str) -> Result<String, String> {
        fill(text, variable)
    }

    #[test]
    fn variables_and_defaults_are_filled_in_once() {
        for (text, wanted) in [
            ("plain $5", "plain $5"),
            ("x${A}y", "xa${B}y"),
            ("${A:-b}", "a${B}"),
            ("${NONE:-b}${NONE:-}", "b"),
            ("[${EMPTY}${EMPTY:-b}]", "[b]"),
            ("${PASSWORD}", "p@ss:w/rd?#%41 &=+é"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        assert!(filled("${NONE}").unwrap_err().contains("no variable NONE"));
        assert!(filled("${A").is_err() && filled("${}").is_err() && filled("${A B}").is_err());
    }

    #[test]
    fn in_a_url_a_value_is_encoded_for_its_place() {
        const ENCODED: &str = "p%40ss%3Aw%2Frd%3F%23%2541%20%26%3D%2B%C3%A9";
        for (text, wanted) in [
            ("smtp://ann:${PASSWORD}@h", format!("smtp://ann:{ENCODED}@h")),
            ("smtp://ann:${PASSWORD:-x}@h", format!("smtp://ann:{ENCODED}@h")),
            ("smtp://ann:${NONE:-p%40}@h", "smtp://ann:p%40@h".to_owned()),
            ("smtp://${USER}:${PASSWORD}@${HOST}", format!("smtp://ann%40example.com:{ENCODED}@mail.example:2525")),
            ("smtp://${HOST}?ca=${PATH}", "smtp://mail.example:2525?ca=/run/a%20b".to_owned()),
            ("lmtp+unix://${PATH}", "lmtp+unix:///run/a%20b".to_owned()),
            ("smtp://${NONE:-a/b@c}${HOST}", "smtp://a/b@cmail.example:2525".to_owned()),
            (
                "smtp://h?proxy=socks5://u:${PASSWORD}@p",
                format!("smtp://h?proxy=socks5://u:{}@p", ENCODED.replace('%', "%25")),
            ),
            // The whole URL, and paths that nobody decodes.
            ("${URL}", "smtp://ann:p%40@h?tls=none".to_owned()),
            ("sqlite:${PATH}/mail.db", "sqlite:/run/a b/mail.db".to_owned()),
            ("sqlite://${PATH}/mail.db", "sqlite:///run/a b/mail.db".to_owned()),
        ] {
            assert_eq!(fill_url(text, variable), Ok(wanted), "{text}");
        }
    }
}
