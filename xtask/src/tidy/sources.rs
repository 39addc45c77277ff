//! Rules for each source file: it says what it is for, has an honest name, stays short, leaves nothing undone.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

const MOST_LINES: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

/// Marks of unfinished work; put together here so that this file passes its own check.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
];

const FOLDERS: [&str; 4] = ["crates", "xtask", "benches", "fuzz"];

/// Checks every Rust file of the tree.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let mut breaches = Vec::new();
    for file in collect(root, &["rs"])? {
        let text = read(&file)?;
        let path = file.strip_prefix(root).unwrap_or(&file);
        breaches.extend(check_file(path, &text));
    }
    Ok(breaches)
}

/// The files with one of these extensions, in the order of their paths.
pub(super) fn collect(root: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect_from(&root.join(folder), extensions, &mut files)?;
    }
    files.sort();
    Ok(files)
}

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))
}

fn collect_from(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))? {
        let path = entry.map_err(|error| cannot_read(folder, &error))?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect_from(&path, extensions, files)?;
            }
        } else if path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension)) {
            files.push(path);
        }
    }
    Ok(())
}

/// `path` is relative to the root of the tree.
fn check_file(path: &Path, text: &str) -> Vec<String> {
    let place = path.display();
    let mut breaches = Vec::new();
    if let Some(name) = path.components().find_map(|component| {
        let name = component.as_os_str().to_str()?;
        EMPTY_NAMES.contains(&name.strip_suffix(".rs").unwrap_or(name)).then_some(name)
    }) {
        breaches.push(format!("{place}: `{name}` says nothing: name it by what is inside"));
    }
    let in_source = path.components().any(|component| component.as_os_str() == "src");
    if in_source && !text.starts_with("//!") {
        breaches.push(format!("{place}:1: a file begins with a //! line that says what it is for"));
    }
    let lines = lines_before_tests(text);
    let only_tests = path.components().any(|component| component.as_os_str() == "tests") || path.ends_with("tests.rs");
    if in_source && !only_tests && lines > MOST_LINES {
        breaches.push(format!("{place}: {lines} lines before its tests; {MOST_LINES} are the limit: split it"));
    }
    // Errors of the test kit are read in the output of tests, on several lines.
    if !path.starts_with("crates/mailkit-testkit") {
        breaches.extend(errors_without_chain(text).map(|error| {
            format!("{place}: `{error}` has causes: print it by `chained_display!`, so that {{:#}} shows them all")
        }));
    }
    for (number, line) in (1..).zip(text.lines()) {
        breaches.extend(
            UNFINISHED
                .iter()
                .filter(|mark| has_word(line, mark))
                .map(|mark| format!("{place}:{number}: `{mark}`: finish it, or file an issue and say why")),
        );
        breaches.extend(
            module_name(line)
                .filter(|name| EMPTY_NAMES.contains(name))
                .map(|name| format!("{place}:{number}: a module `{name}` says nothing: name it by what is inside")),
        );
    }
    breaches
}

/// Public error types with causes whose `Display` is not the shared one.
fn errors_without_chain(text: &str) -> impl Iterator<Item = &str> {
    let public = |name: &str| {
        ["pub struct ", "pub enum "].iter().any(|kind| {
            text.lines().any(|line| {
                line.strip_prefix(kind)
                    .and_then(|rest| rest.strip_prefix(name))
                    .is_some_and(|rest| rest.starts_with([' ', '(', ';']))
            })
        })
    };
    let printed = move |name: &str| {
        text.lines().filter_map(|line| line.strip_prefix("chained_display!(")).any(|list| has_word(list, name))
    };
    let implemented = text.lines().filter_map(|line| line.strip_prefix("impl ")?.split_once("Error for "));
    // One without causes is closed on the same line.
    let with_causes = implemented.filter_map(|(_, rest)| rest.strip_suffix(" {"));
    with_causes.filter(move |name| public(name) && !printed(name))
}

/// The lines above the test module, which stands last.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .position(|pair| matches!(pair, ["#[cfg(test)]", module] if module_name(module).is_some()))
        .unwrap_or(lines.len())
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = ["pub ", "pub(crate) ", "pub(super) "]
        .iter()
        .find_map(|visibility| line.strip_prefix(visibility))
        .unwrap_or(line);
    line.strip_prefix("mod ")?.split([';', '{', ' ']).next()
}

/// Whether the word stands in the line with no letter, digit or underscore on either side.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.strip_prefix(word).unwrap_or_default();
        let open_end = !word.ends_with('!') && part_of_name(after.chars().next());
        !part_of_name(before.chars().next_back()) && !open_end
    })
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> String {
        check_file(Path::new(path), text).join("\n")
    }

    #[test]
    fn a_tidy_file_passes() {
        assert_eq!(breaches("crates/a/src/lib.rs", "//! What it is for.\n\nmod reply;\n"), "");
    }

    #[test]
    fn a_file_in_src_begins_with_its_purpose_and_a_test_file_need_not() {
        assert!(breaches("crates/a/src/b.rs", "mod c;\n").contains("crates/a/src/b.rs:1: "));
        assert_eq!(breaches("crates/a/tests/b.rs", "mod c;\n"), "");
    }

    #[test]
    fn names_that_say_nothing_are_found_as_file_folder_and_module() {
        for path in ["crates/a/src/utils.rs", "crates/a/src/misc/reply.rs", "crates/a/tests/common/mod.rs"] {
            assert!(breaches(path, "//! x\n").contains("says nothing"), "{path}");
        }
        assert!(breaches("crates/a/src/b.rs", "//! x\n\npub(crate) mod helpers {\n").contains(":3: "));
        assert_eq!(breaches("crates/a/src/commonplace.rs", "//! x\n"), "");
    }

    #[test]
    fn length_counts_up_to_the_tests() {
        let body = "//! x\n".to_owned() + &"fn f() {}\n".repeat(MOST_LINES);
        let tests = "#[cfg(test)]\nmod tests {\n".to_owned() + &"// x\n".repeat(500) + "}\n";
        assert!(breaches("crates/a/src/b.rs", &body).contains("401 lines"));
        assert_eq!(breaches("crates/a/src/b.rs", &("//! x\n\n".to_owned() + &tests)), "");
        assert_eq!(breaches("crates/a/src/b/tests.rs", &body), "");
    }

    #[test]
    fn an_error_with_causes_is_printed_by_the_shared_display() {
        let error = "//! x\npub struct NotSaved(E);\nimpl std::error::Error for NotSaved {\n";
        assert!(breaches("crates/a/src/b.rs", error).contains("`NotSaved` has causes"));
        assert_eq!(breaches("crates/a/src/b.rs", &format!("{error}chained_display!(NotSaved);\n")), "");
        assert_eq!(breaches("crates/a/src/b.rs", "//! x\npub enum Odd {\nimpl Error for Odd {}\n"), "");
        assert_eq!(breaches("crates/a/src/b.rs", &error.replace("pub struct", "struct")), "");
        assert_eq!(breaches("crates/mailkit-testkit/src/launch.rs", error), "");
    }

    #[test]
    fn unfinished_work_is_found_by_whole_words() {
        for mark in UNFINISHED {
            assert!(breaches("crates/a/src/b.rs", &format!("//! x\n// {mark} y\n")).contains(":2: "), "{mark}");
        }
        let part = format!("//! x\nconst MAS{}S: u8 = 0;\n", UNFINISHED[0]);
        assert_eq!(breaches("crates/a/src/b.rs", &part), "");
    }
}
