//! Texts with variables of the environment in them.

/// Fills `${VAR}` and `${VAR:-default}`; a `$` without a brace stands for itself.
pub(super) fn fill(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
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
            (Some(value), None) => filled.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => filled.push_str(&value),
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

    fn filled(text: &str) -> Result<String, String> {
        fill(text, |name| match name {
            "A" => Some("a${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_and_defaults_are_filled_in_once() {
        for (text, wanted) in [
            ("plain $5", "plain $5"),
            ("x${A}y", "xa${B}y"),
            ("${A:-b}", "a${B}"),
            ("${NONE:-b}${NONE:-}", "b"),
            ("[${EMPTY}${EMPTY:-b}]", "[b]"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        assert!(filled("${NONE}").unwrap_err().contains("no variable NONE"));
        assert!(filled("${A").is_err() && filled("${}").is_err() && filled("${A B}").is_err());
    }
}
