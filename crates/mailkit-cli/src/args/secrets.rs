//! Words of the command line as they may be shown.

use std::ffi::OsString;

/// `text` with the user and password taken out of each of the words that it repeats.
pub(super) fn hide(mut text: String, words: &[OsString]) -> String {
    for word in words {
        let word = word.to_string_lossy();
        if let Some(hidden) = hidden(&word) {
            text = text.replace(&*word, &hidden);
            // `--name=value` is repeated without its name.
            if let Some((name, value)) = word.split_once('=')
                && name.starts_with("--")
                && let Some(hidden) = self::hidden(value)
            {
                text = text.replace(value, &hidden);
            }
        }
    }
    text
}

/// The word without what stands between its scheme and its last `@`; `None` where there can be no password.
fn hidden(word: &str) -> Option<String> {
    let (secret, rest) = word.rsplit_once('@')?;
    let scheme = secret.find("://").map_or("", |end| secret.get(..end + 3).unwrap_or_default());
    let user = secret.get(scheme.len()..)?;
    user.contains(':').then(|| format!("{scheme}***@{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_hidden_and_addresses_are_not() {
        for (word, wanted) in [
            ("smtp://ann:s3cret@host", "smtp://***@host"),
            ("smtp://ann:s3@cret@host?ca=x", "smtp://***@host?ca=x"),
            ("ann:s3cret@host", "***@host"),
            ("ann@example.com", "ann@example.com"),
            ("smtp://host", "smtp://host"),
        ] {
            assert_eq!(
                hide(format!("unexpected '{word}' found"), &[word.into()]),
                format!("unexpected '{wanted}' found")
            );
        }
    }

    #[test]
    fn a_value_that_is_repeated_without_its_option_is_hidden() {
        let word = OsString::from("--listen=smtp://ann:s3cret@host");
        assert_eq!(
            hide("invalid value 'smtp://ann:s3cret@host'".to_owned(), &[word]),
            "invalid value 'smtp://***@host'"
        );
    }
}
