//! Arrows between crates, against the table in `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::process::{capture, cargo};

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Code map";

/// What a row of the table lets a crate depend on.
#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    All,
    These(BTreeSet<String>),
}

/// Each crate below `crates/` with the workspace crates that it depends on to build (not for its tests).
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Compares what the manifests say with what the table allows.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let document = std::fs::read_to_string(root.join(DOCUMENT))
        .map_err(|error| Failure::new(format!("cannot read {DOCUMENT}, which holds the table of crates: {error}")))?;
    let metadata = capture(cargo(root).args(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let metadata = serde_json::from_str(&metadata)
        .map_err(|error| Failure::new(format!("cargo metadata gave no JSON: {error}")))?;
    Ok(compare(&read_table(&document)?, &read_metadata(&metadata)))
}

fn compare(table: &BTreeMap<String, Allowed>, arrows: &Arrows) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, dependencies) in arrows {
        match table.get(name) {
            None => breaches.push(format!("{DOCUMENT}: the table under \"{HEADING}\" has no row for {name}")),
            Some(Allowed::All) => {}
            Some(Allowed::These(allowed)) => breaches.extend(dependencies.difference(allowed).map(|dependency| {
                format!("{name} depends on {dependency}, which the table in {DOCUMENT} does not allow")
            })),
        }
    }
    for (name, allowed) in table {
        if !arrows.contains_key(name) {
            breaches.push(format!("{DOCUMENT}: the table has a row for {name}, which is not in crates/"));
        }
        if let Allowed::These(allowed) = allowed {
            let unknown = allowed.iter().filter(|dependency| !arrows.contains_key(*dependency));
            breaches.extend(unknown.map(|dependency| {
                format!("{DOCUMENT}: the row for {name} names {dependency}, which is not in crates/")
            }));
        }
    }
    breaches
}

/// Reads the rows `| crate | may depend on | ...` that follow the heading.
fn read_table(document: &str) -> Result<BTreeMap<String, Allowed>, Failure> {
    let rows: BTreeMap<String, Allowed> = document
        .lines()
        .skip_while(|line| line.trim_end() != HEADING)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| {
            let mut cells = line.trim().strip_prefix('|')?.split('|');
            let name = names(cells.next()?).next()?;
            let rule = name.trim_matches([':', '-']).is_empty();
            (!rule && name != "crate").then_some(())?;
            Some((name, read_allowed(cells.next()?)))
        })
        .collect();
    if rows.is_empty() {
        return Err(Failure::new(format!(
            "{DOCUMENT} has no table `| crate | may depend on | ...` under \"{HEADING}\""
        )));
    }
    Ok(rows)
}

fn read_allowed(cell: &str) -> Allowed {
    if names(cell).eq(["all"]) {
        return Allowed::All;
    }
    Allowed::These(names(cell).filter(|name| !matches!(name.as_str(), "–" | "—" | "-")).collect())
}

/// The names in a cell: backticks, and remarks in brackets, do not count.
fn names(cell: &str) -> impl Iterator<Item = String> {
    let plain = cell.split('(').next().unwrap_or(cell).replace('`', "");
    plain.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect::<Vec<_>>().into_iter()
}

fn read_metadata(metadata: &Value) -> Arrows {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let root = text(&metadata["workspace_root"]);
    let packages: Vec<Value> = list(&metadata["packages"])
        .into_iter()
        .filter(|package| text(&package["manifest_path"]).starts_with(&format!("{root}/crates/")))
        .collect();
    let members: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let arrows = packages.iter().map(|package| {
        let dependencies = list(&package["dependencies"])
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .filter(|dependency| members.contains(dependency))
            .collect();
        (text(&package["name"]), dependencies)
    });
    arrows.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "\
# The house

| crate | may depend on |
|---|---|
| elsewhere | all |

## Code map

Words before it.

| crate | may depend on | does |
|:---|---|---:|
| `base` | – | values |
| `middle` (the core) | `base` | machines |
| `testkit` | all | tests |

## Invariants

| not | a row |
";

    fn arrows(of: &[(&str, &[&str])]) -> Arrows {
        of.iter()
            .map(|(name, dependencies)| ((*name).to_owned(), dependencies.iter().map(ToString::to_string).collect()))
            .collect()
    }

    #[test]
    fn the_table_is_the_one_below_its_heading() {
        let table = read_table(TABLE).unwrap();
        assert_eq!(table.keys().collect::<Vec<_>>(), ["base", "middle", "testkit"]);
        assert_eq!(table["base"], Allowed::These(BTreeSet::new()));
        assert_eq!(table["middle"], Allowed::These(["base".to_owned()].into()));
        assert_eq!(table["testkit"], Allowed::All);
    }

    #[test]
    fn a_document_without_the_table_is_a_failure() {
        assert!(read_table("# Nothing here\n").unwrap_err().to_string().contains("## Code map"));
    }

    #[test]
    fn arrows_that_the_table_has_are_no_breach() {
        let arrows = arrows(&[("base", &[]), ("middle", &["base"]), ("testkit", &["base", "middle"])]);
        assert_eq!(compare(&read_table(TABLE).unwrap(), &arrows), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_up_names_both_ends() {
        let arrows = arrows(&[("base", &["middle"]), ("middle", &[]), ("testkit", &[])]);
        let breaches = compare(&read_table(TABLE).unwrap(), &arrows);
        assert_eq!(breaches.len(), 1);
        assert!(breaches[0].starts_with("base depends on middle"), "{breaches:?}");
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_breaches() {
        let arrows = arrows(&[("base", &[]), ("testkit", &[]), ("newcomer", &[])]);
        let breaches = compare(&read_table(TABLE).unwrap(), &arrows).join("\n");
        assert!(breaches.contains("no row for newcomer"), "{breaches}");
        assert!(breaches.contains("a row for middle, which is not in crates/"), "{breaches}");
    }

    #[test]
    fn only_normal_dependencies_between_crates_are_arrows() {
        let package = |name: &str, folder: &str, dependencies: Value| json!({"name": name, "manifest_path": format!("/w/{folder}/{name}/Cargo.toml"), "dependencies": dependencies});
        let metadata = json!({"workspace_root": "/w", "packages": [
            package("a", "crates", json!([])),
            package("b", "crates", json!([
                {"name": "a", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "serde", "kind": null}
            ])),
            package("c", "crates", json!([])),
            package("benches", ".", json!([{"name": "c", "kind": null}])),
        ]});
        assert_eq!(read_metadata(&metadata), arrows(&[("a", &[]), ("b", &["a"]), ("c", &[])]));
    }
}
