//! Processes that are killed at any time under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use crate::child;
use crate::verdict::Told;

/// How often both processes are killed: `MAILKIT_KILLS` asks for more.
const KILLS: u64 = 15;

/// Reads so many lines, kills the process, and returns all that it told.
fn kill_after(mut process: Child, lines: usize) -> Vec<String> {
    let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut before: Vec<String> = told.by_ref().take(lines).collect::<Result<_, _>>().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    // A line that it had not finished telling is none.
    before.extend(told.map_while(Result::ok));
    before
}

fn round(path: &Path, hours: u64) -> [Vec<String>; 2] {
    let processes = ["enqueue", "work"].map(|what| child::start(what, path, hours, None));
    let [enqueuing, working] = processes.map(|process| {
        let lines = fastrand::usize(10..150);
        std::thread::spawn(move || kill_after(process, lines))
    });
    [enqueuing.join().unwrap(), working.join().unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_processes_are_killed_under_load() {
    let kills = std::env::var("MAILKIT_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailkit.db");
    let mut told = Told::default();
    for hours in 0..kills.div_ceil(2) {
        let path = path.clone();
        for lines in tokio::task::spawn_blocking(move || round(&path, hours)).await.unwrap() {
            told.add(&lines);
        }
    }
    println!("{} acknowledged, {} in flight at a kill", told.acknowledged(), told.in_flight());
    told.check(&path, kills, false).await;
}
