//! What is aimed at, and whether a run met it.

use serde::Serialize;

use crate::measures::shown;
use crate::report::Table;

/// Something that is aimed at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) aim: String,
    pub(crate) figure: f64,
    pub(crate) met: bool,
}

pub(crate) fn at_least(name: impl Into<String>, figure: f64, aim: f64) -> Target {
    Target { name: name.into(), aim: format!("at least {aim}"), figure, met: figure >= aim }
}

pub(crate) fn at_most(name: impl Into<String>, figure: f64, aim: f64) -> Target {
    Target { name: name.into(), aim: format!("at most {aim}"), figure, met: figure <= aim }
}

pub(crate) fn table(targets: &[Target]) -> Table {
    let mut table = Table::new("Targets", ["aim", "measured", ""]);
    for target in targets {
        let met = if target.met { "met" } else { "MISSED" };
        table.row(target.name.clone(), [target.aim.clone(), shown(target.figure, 2), met.to_owned()]);
    }
    table
}
