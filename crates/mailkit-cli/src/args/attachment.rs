//! Values that name a file to go along.

use std::path::PathBuf;
use std::str::FromStr;

/// `PATH[;type=TYPE][;name=NAME]`.
///
/// Only `;type=` and `;name=` end what stands before them: a path may hold other semicolons, and a type parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachValue {
    pub(crate) path: PathBuf,
    pub(crate) content_type: Option<String>,
    pub(crate) name: Option<String>,
}

/// `CID=PATH[;type=TYPE][;name=NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InlineValue {
    pub(crate) content_id: String,
    pub(crate) file: AttachValue,
}

impl FromStr for AttachValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, mut rest) = text.split_at(next_setting(text));
        if path.is_empty() {
            return Err("no path in it: write PATH[;type=TYPE][;name=NAME]".to_owned());
        }
        let mut value = Self { path: path.into(), content_type: None, name: None };
        while let Some((key, after)) = rest.strip_prefix(';').and_then(|rest| rest.split_once('=')) {
            let (setting, more) = after.split_at(next_setting(after));
            let place = if key == "type" { &mut value.content_type } else { &mut value.name };
            if setting.is_empty() {
                return Err(format!("nothing behind {key}=: write it, or leave it out"));
            }
            if place.replace(setting.to_owned()).is_some() {
                return Err(format!("{key}= stands in it twice: write it once"));
            }
            rest = more;
        }
        Ok(value)
    }
}

impl FromStr for InlineValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((content_id, file)) if !content_id.is_empty() => {
                Ok(Self { content_id: content_id.to_owned(), file: file.parse()? })
            }
            _ => Err("no identifier in it: write CID=PATH, such as logo=logo.png".to_owned()),
        }
    }
}

/// Where the next setting starts, or the end.
fn next_setting(text: &str) -> usize {
    [";type=", ";name="].into_iter().filter_map(|start| text.find(start)).min().unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach(path: &str, content_type: Option<&str>, name: Option<&str>) -> Result<AttachValue, String> {
        let [content_type, name] = [content_type, name].map(|text| text.map(str::to_owned));
        Ok(AttachValue { path: path.into(), content_type, name })
    }

    #[test]
    fn settings_stand_behind_the_path_in_any_order() {
        for (text, wanted) in [
            ("r.pdf", attach("r.pdf", None, None)),
            ("a;b=c.pdf", attach("a;b=c.pdf", None, None)),
            ("r;name=report.pdf", attach("r", None, Some("report.pdf"))),
            ("r;name=a;b;type=text/csv", attach("r", Some("text/csv"), Some("a;b"))),
            ("r;type=text/csv; header=present;name=r", attach("r", Some("text/csv; header=present"), Some("r"))),
        ] {
            assert_eq!(text.parse(), wanted, "{text}");
        }
    }

    #[test]
    fn settings_that_say_nothing_or_twice_are_refused() {
        for text in ["", ";name=a", "r;type=", "r;type=;name=a", "r;name=a;name=b"] {
            assert!(text.parse::<AttachValue>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_inline_file_has_an_identifier_in_front() {
        let value: InlineValue = "logo=a=b.png;type=image/png".parse().unwrap();
        assert_eq!(value.content_id, "logo");
        assert_eq!(Ok(value.file), attach("a=b.png", Some("image/png"), None));
        for text in ["logo.png", "=logo.png", "logo="] {
            assert!(text.parse::<InlineValue>().is_err(), "{text}");
        }
    }
}
