//! The report: one page that needs nothing else.

use std::fmt::Write as _;

use plotters::chart::SeriesLabelPosition;
use plotters::style::RGBColor;

use super::Table;
use super::chart::{self, Line};
use crate::measures::Measure;
use crate::pool::{self, Comparison, Kind, Played};
use crate::target;
use crate::work::Failure;

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; max-width: 80rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin: 2.5rem 0 0.5rem; font-size: 1.15rem }
.about, .method { color: #55606c } .charts { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem }
svg { max-width: 100%; height: auto; border: 1px solid #e3e7eb; border-radius: 6px }
.table { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
table { font-size: 0.9rem } th, td { padding: 0.25rem 0.6rem; text-align: right; border-bottom: 1px solid #e3e7eb; white-space: nowrap }
th { color: #55606c; font-weight: 600 } th:first-child, td:first-child { text-align: left }";

/// The page.
pub(super) fn page(comparison: &Comparison) -> Result<String, Failure> {
    let about = &comparison.about;
    let mut body = String::new();
    write!(body, "<h1>Getting mail out, compared</h1>\n<p class=\"about\">{}", escaped(&about.date))?;
    for words in [&about.processor, &format!("{} cores", about.cores), &about.system].into_iter().chain(&about.versions)
    {
        write!(body, " · {}", escaped(words))?;
    }
    body.push_str("</p>\n");
    table(&mut body, &target::table(&comparison.targets))?;
    for scene in &comparison.scenes {
        table(&mut body, &scene.table())?;
        if scene.scene.round_trip_ms == 0 {
            body.push_str("<div class=\"charts\">\n");
            body.push_str(&bars(scene, "messages a second", 0, Measure::PerSecond)?);
            body.push_str(&bars(scene, "mean latency, ms", 1, Measure::Mean)?);
            body.push_str("</div>\n");
        }
    }
    body.push_str(&by_distance(&comparison.scenes)?);
    body.push_str("<h2>How it was measured</h2>\n<ul class=\"method\">\n");
    for sentence in &comparison.method {
        writeln!(body, "<li>{}</li>", escaped(sentence))?;
    }
    body.push_str("</ul>\n");
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>mailkit: benchmark</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>\n{STYLE}\n</style></head>\n<body>\n{body}</body></html>\n"
    ))
}

fn table(body: &mut String, table: &Table) -> Result<(), Failure> {
    write!(body, "<h2>{}</h2>\n<div class=\"table\"><table>\n<tr>", escaped(&table.title))?;
    for heading in &table.headings {
        write!(body, "<th>{}</th>", escaped(heading))?;
    }
    body.push_str("</tr>\n");
    for row in &table.rows {
        body.push_str("<tr>");
        for cell in row {
            write!(body, "<td>{}</td>", escaped(cell))?;
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</table></div>\n");
    Ok(())
}

fn bars(scene: &Played, title: &str, decimals: usize, measure: Measure) -> Result<String, Failure> {
    let row = |row: &pool::Row| (row.name, row.figures.get(measure), colour(row.kind));
    chart::bars(title, decimals, &scene.contenders.iter().map(row).collect::<Vec<_>>())
}

/// How the scenes that differ in their round trip alone compare.
fn by_distance(scenes: &[Played]) -> Result<String, Failure> {
    let Some(farthest) = scenes.iter().max_by_key(|scene| scene.scene.round_trip_ms) else { return Ok(String::new()) };
    let alike = |scene: &&Played| {
        scene.scene == pool::Scene { round_trip_ms: scene.scene.round_trip_ms, ..farthest.scene.clone() }
    };
    let mut charts = String::from("<h2>By distance</h2>\n<div class=\"charts\">\n");
    // What falls with the distance leaves room above, what rises leaves it below.
    for (title, names, measure) in [
        ("messages a second", SeriesLabelPosition::UpperRight, Measure::PerSecond),
        ("mean latency, ms", SeriesLabelPosition::LowerRight, Measure::Mean),
    ] {
        let lines = farthest.contenders.iter().map(|row| Line {
            name: row.name,
            colour: colour(row.kind),
            points: scenes
                .iter()
                .filter(alike)
                .filter_map(|scene| {
                    let figure = scene.figures(row.kind)?.get(measure);
                    Some((scene.scene.round_trip_ms as f64, figure))
                })
                .collect(),
        });
        charts.push_str(&chart::lines(title, "round trip, ms", names, &lines.collect::<Vec<_>>())?);
    }
    charts.push_str("</div>\n");
    Ok(charts)
}

const fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::MailkitShort => RGBColor(143, 184, 222),
        Kind::MailkitPooled => RGBColor(20, 93, 160),
        Kind::LettreShort => RGBColor(240, 190, 130),
        Kind::LettrePooled => RGBColor(205, 102, 20),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
