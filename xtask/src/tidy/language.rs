//! Retired names and words, so that they do not come back: identifiers in code, and words in comments.

use std::path::Path;

use super::sources::{collect, has_word, read};
use crate::failure::Failure;

/// Folders whose code and comments were rewritten. Each later rename adds its own.
const REWRITTEN: [&str; 3] = ["crates/mailkit-queue", "crates/mailkit-queue-sqlite", "crates/mailkit-dispatch"];

/// Names that nothing in the tree has any more, each with the one that replaced it.
const RETIRED_NAMES: [(&str, &str); 18] = [
    ("Carriage", "DeliveryOptions"),
    ("OpenContent", "ContentSource"),
    ("QuotaSpend", "LimitRequest"),
    ("QuotaReceipt", "Permit"),
    ("UnknownWord", "ParseEnumError"),
    ("InvalidId", "ParseQueueIdError"),
    ("is_allowed_in", "applies_to"),
    ("Salvaged", "RecoveredMessage"),
    ("Trouble", "DeliveryFailure"),
    ("Desk", "Shared"),
    ("Paying", "Acquire"),
    ("most_ways", "max_concurrency"),
    ("first_ways", "initial_concurrency"),
    ("local_wait", "max_local_wait"),
    ("least_wait", "min_wait"),
    ("finish_round", "finish_transaction"),
    ("StoreAway", "StoreUnavailable"),
    ("store_away", "store_unavailable"),
];

/// Names that mean something else in other folders, and are retired in the rewritten ones.
const RETIRED_IN_REWRITTEN: [(&str, &str); 17] = [
    ("carriage", "delivery"),
    ("Pieces", "Chunks"),
    ("pieces", "chunks"),
    ("spend", "acquire"),
    ("refund", "release"),
    ("receipt", "permit"),
    ("Salvage", "Recovery"),
    ("salvage", "recover"),
    ("Letter", "MessageDetails"),
    ("Draft", "NewRow"),
    ("Lane", "ReadyBucket"),
    ("lane", "bucket"),
    ("lanes", "buckets"),
    ("Bell", "Wakeup"),
    ("bell", "wakeup"),
    ("Claim", "FileIdentity"),
    ("passing", "maintenance"),
];

/// Words in comments of the rewritten folders, each with what to write instead.
const RETIRED_WORDS: [(&str, &str); 10] = [
    ("way", "the noun of the field, such as connection or slot"),
    ("ways", "the noun of the field, such as connections or slots"),
    ("letter", "message"),
    ("berth", "slot"),
    ("ride", "connection"),
    ("desk", "the role of the type"),
    ("whom", "the noun that it refers to"),
    ("nothing where", "`None` if"),
    ("so many", "the number"),
    ("by hand", "by an operator"),
];

/// Checks every Rust and SQL file of the tree.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let mut breaches = Vec::new();
    for file in collect(root, &["rs", "sql"])? {
        let path = file.strip_prefix(root).unwrap_or(&file);
        // The tables above have all of the words.
        if !path.starts_with("xtask/src/tidy") {
            breaches.extend(check_file(path, &read(&file)?));
        }
    }
    Ok(breaches)
}

/// `path` is relative to the root of the tree.
fn check_file(path: &Path, text: &str) -> Vec<String> {
    let is_rewritten = REWRITTEN.iter().any(|folder| path.starts_with(folder));
    let mut breaches = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut report = |retired: &[(&str, &str)], text: &str| {
            let found = retired.iter().filter(|(word, _)| has_word(text, word));
            breaches.extend(
                found.map(|(word, better)| format!("{}:{number}: `{word}` is retired: {better}", path.display())),
            );
        };
        report(&RETIRED_NAMES, line);
        if is_rewritten {
            report(&RETIRED_IN_REWRITTEN, line);
            report(&RETIRED_WORDS, comment(line));
        }
    }
    breaches
}

/// The comment of a line; empty if it has none.
fn comment(line: &str) -> &str {
    let line = line.trim_start();
    let begins = line.starts_with("//") || line.starts_with("--");
    if begins { line } else { line.split_once(" // ").map_or("", |(_, comment)| comment) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> String {
        check_file(Path::new(path), text).join("\n")
    }

    #[test]
    fn a_retired_name_is_found_in_every_folder_with_its_replacement() {
        for path in ["crates/mailkit-queue/src/a.rs", "crates/mailkit/src/a.rs", "benches/src/a.rs"] {
            let found = breaches(path, "use mailkit_queue::Queue;\nlet carriage: Carriage;\n");
            assert!(found.contains(&format!("{path}:2: `Carriage` is retired: DeliveryOptions")), "{found}");
        }
        assert_eq!(breaches("crates/mailkit/src/a.rs", "struct MyCarriage;\n"), "");
    }

    #[test]
    fn other_names_are_retired_in_the_rewritten_folders_only() {
        assert!(breaches("crates/mailkit-queue-sqlite/src/schema.sql", "CREATE TABLE lane (\n").contains(":1: `lane`"));
        assert_eq!(breaches("crates/mailkit-mime/src/a.rs", "let lane = 1;\n"), "");
    }

    #[test]
    fn retired_words_are_found_in_comments_and_not_in_code() {
        let path = "crates/mailkit-queue/src/a.rs";
        for line in
            ["/// The message; nothing where there is none.\n", "    let a = 1; // so many\n", "//! whom it wakes\n"]
        {
            assert!(breaches(path, line).contains("is retired"), "{line}");
        }
        assert_eq!(breaches(path, "let letter = \"so many\";\n/// So much, and always.\n"), "");
    }
}
