//! What is shown of a run: tables on the terminal, and in the report as HTML.

mod chart;
mod html;

use std::fs;
use std::path::Path;

use crate::pool::Comparison;
use crate::work::Failure;

/// Writes `comparison.json` and `comparison.html` into the folder.
pub(crate) fn write(comparison: &Comparison, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let (json, page) = (folder.join("comparison.json"), folder.join("comparison.html"));
    fs::write(&json, serde_json::to_string_pretty(comparison)?)?;
    fs::write(&page, html::page(comparison)?)?;
    println!("\n{}\n{}", json.display(), page.display());
    Ok(())
}

/// A table; the first column names the rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<'a>(title: impl Into<String>, headings: impl IntoIterator<Item = &'a str>) -> Self {
        let headings = std::iter::once("").chain(headings).map(str::to_owned).collect();
        Self { title: title.into(), headings, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.into()).chain(cells).collect());
    }

    pub(crate) fn print(&self) {
        let lines = || std::iter::once(&self.headings).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        println!("\n{}", self.title);
        for cells in lines() {
            let cells = cells.iter().enumerate().map(|(column, cell)| match (column, width(column)) {
                (0, width) => format!("  {cell:<width$}"),
                (_, width) => format!("  {cell:>width$}"),
            });
            println!("{}", cells.collect::<String>().trim_end());
        }
    }
}
