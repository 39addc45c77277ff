//! Settings as TOML.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Settings in the form of the file: what stands alone first, then the tables; what is not set is left out.
pub(super) fn print(settings: &Map<String, Value>) -> String {
    let mut text = String::new();
    table(&mut text, "", settings);
    text
}

fn table(text: &mut String, path: &str, settings: &Map<String, Value>) {
    for (name, value) in settings.iter().filter(|(_, value)| !is_table(value, path) && !value.is_null()) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{} = {}", key(name), inline(value));
    }
    for (name, value) in settings.iter().filter(|(_, value)| is_table(value, path)) {
        let path = if path.is_empty() { key(name) } else { format!("{path}.{}", key(name)) };
        let (header, tables) = match value {
            Value::Array(tables) => (format!("[[{path}]]"), tables.as_slice()),
            one => (format!("[{path}]"), std::slice::from_ref(one)),
        };
        for settings in tables.iter().filter_map(Value::as_object) {
            let _ = write!(text, "\n{header}\n");
            table(text, &path, settings);
        }
    }
}

/// Whether the value gets a heading of its own: a table or a list of tables at the top, a list of tables below.
fn is_table(value: &Value, path: &str) -> bool {
    match value {
        Value::Object(_) => path.is_empty(),
        Value::Array(values) => !values.is_empty() && values.iter().all(Value::is_object),
        _ => false,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(settings) => {
            let settings: Vec<_> = settings
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
                .collect();
            if settings.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", settings.join(", ")) }
        }
        // JSON's numbers, truths and quoted texts are TOML's.
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { Value::from(name).to_string() }
}
