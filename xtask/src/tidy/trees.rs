//! What the protocol and the encoder may pull in from outside.

use std::collections::BTreeSet;
use std::path::Path;

use crate::failure::Failure;
use crate::process::{capture, cargo};

/// Crates that must work under any runtime or none.
const WITHOUT_RUNTIME: [&str; 2] = ["mailkit-smtp", "mailkit-mime"];

/// The protocol stays small enough to be embedded anywhere; the crate itself counts.
const MOST_CRATES: (&str, usize) = ("mailkit-smtp", 15);

/// Looks at the trees of normal dependencies.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let mut breaches = Vec::new();
    for package in WITHOUT_RUNTIME {
        if tree(root, package, &["--all-features"])?.contains("tokio") {
            breaches.push(format!(
                "{package} depends on tokio: `cargo tree -p {package} -e normal --all-features -i tokio` shows how"
            ));
        }
    }
    let (package, most) = MOST_CRATES;
    let crates = tree(root, package, &[])?;
    if crates.len() > most {
        let list = crates.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        breaches.push(format!("{package} brings {} crates, {most} are allowed: {list}", crates.len()));
    }
    Ok(breaches)
}

fn tree(root: &Path, package: &str, features: &[&str]) -> Result<BTreeSet<String>, Failure> {
    let arguments = ["tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none"];
    Ok(names(&capture(cargo(root).args(arguments).args(features))?))
}

fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_appears_twice_counts_once() {
        let tree = "mailkit-smtp v0.1.0 (/w)\nnom v8.0.0\nmemchr v2.8.3\n\nmemchr v2.8.3 (*)\n";
        assert_eq!(names(tree).into_iter().collect::<Vec<_>>(), ["mailkit-smtp", "memchr", "nom"]);
    }
}
