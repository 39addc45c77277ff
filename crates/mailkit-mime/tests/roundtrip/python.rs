//! The messages as Python's `email` package reads them.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailkit_mime::Capabilities;
use serde_json::{Value, json};

use crate::generate::{self, Expected};
use crate::parser::MESSAGES;

#[test]
fn real_python_reads_ten_thousand_random_messages_back_equal() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("MAILKIT_REQUIRE_REAL").is_none(), "python3 is required and missing");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/check.py");
    let output = Command::new("python3").arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), format!("{MESSAGES} messages are equal"));
}

/// Writes each message as a file, and beside them what is expected, a line of JSON each.
fn write(folder: &Path) {
    let mut lines = String::new();
    for seed in 0..MESSAGES {
        let (message, expected) = generate::message(seed);
        let server = Capabilities { eight_bit: seed % 2 == 1, ..Capabilities::default() };
        let content = message.encode(server).unwrap().to_bytes().unwrap();
        std::fs::write(folder.join(format!("{seed}.eml")), content).unwrap();
        lines.push_str(&as_json(seed, &expected).to_string());
        lines.push('\n');
    }
    std::fs::write(folder.join("expected.ndjson"), lines).unwrap();
}

fn as_json(seed: u64, expected: &Expected) -> Value {
    let leaves = expected.leaves.iter().map(|leaf| {
        json!({
            "content_type": leaf.content_type,
            "name": leaf.name,
            "content_id": leaf.content_id,
            "is_text": leaf.is_text,
            "base64": STANDARD.encode(&leaf.bytes),
        })
    });
    json!({
        "file": format!("{seed}.eml"),
        "subject": expected.subject,
        "from_name": expected.from_name,
        "to": expected.to,
        "custom": expected.custom,
        "leaves": leaves.collect::<Vec<_>>(),
    })
}
