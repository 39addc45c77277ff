//! `mailkit queue check`: reads all that a store holds and says what is wrong with it.

use std::error::Error as _;
use std::io;

use mailkit::queue::{Problem, ProblemKind, Verification};
use mailkit::{Error, ErrorKind, OpenQueue};
use serde::Serialize;

use super::view::plain;
use crate::args::QueueCheckArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Tone};
use crate::place::{self, Place};

pub(super) async fn run(args: &QueueCheckArgs, place: &Place, output: &mut Output) -> Result<Exit, Failure> {
    let found = match place.open_existing().await {
        Ok(opened) => {
            let found = verify(args, &opened).await;
            place::close(&opened).await;
            found
        }
        Err(error) => Err(error),
    };
    let found = match found {
        // A store that is too damaged to be opened is a finding, and not a failure of the command.
        Err(error) if error.kind() == ErrorKind::StoreDamaged => {
            let mut found = Verification::default();
            let text = error.source().map_or_else(|| format!("{error:#}"), |cause| format!("{cause:#}"));
            found.add(Problem::new(ProblemKind::Structure, text));
            found
        }
        found => found?,
    };
    match output.json {
        true => output.object(&Shown::new(&found))?,
        false => print(&found, output)?,
    }
    Ok(if found.is_ok() { Exit::Done } else { Exit::Configuration })
}

async fn verify(args: &QueueCheckArgs, opened: &OpenQueue) -> Result<Verification, Error> {
    Ok(opened.queue().verify(args.repair).await?)
}

fn print(found: &Verification, output: &mut Output) -> io::Result<()> {
    for problem in &found.problems {
        let id = problem.id.map(|id| format!("  {id}")).unwrap_or_default();
        let kind = output.paint(Tone::Bad, format_args!("{:<9}", problem.kind));
        output.line(format_args!("{kind}{id}  {}", plain(&problem.text)))?;
    }
    if found.omitted > 0 {
        output.line(format_args!("and {} more", found.omitted))?;
    }
    if found.repaired > 0 {
        output.line(format_args!("{} problems repaired", found.repaired))?;
    }
    match found.is_ok() {
        true => output.line(output.paint(Tone::Good, "no problems")),
        false => Ok(()),
    }
}

/// What `--json` prints; its names are fixed.
#[derive(Serialize)]
struct Shown<'a> {
    ok: bool,
    problems: Vec<ShownProblem<'a>>,
    /// How many problems are not listed.
    omitted: u64,
    repaired: u64,
}

#[derive(Serialize)]
struct ShownProblem<'a> {
    kind: &'static str,
    id: Option<String>,
    text: &'a str,
}

impl<'a> Shown<'a> {
    fn new(found: &'a Verification) -> Self {
        let shown = |problem: &'a Problem| ShownProblem {
            kind: problem.kind.as_str(),
            id: problem.id.map(|id| id.to_string()),
            text: &problem.text,
        };
        let problems = found.problems.iter().map(shown).collect();
        Self { ok: found.is_ok(), problems, omitted: found.omitted, repaired: found.repaired }
    }
}
