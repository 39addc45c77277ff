//! Processes that are killed at random times under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc;

use crate::child;
use crate::verdict::Told;

/// How often both processes are killed. `MAILKIT_KILLS` sets another number.
const KILLS: u64 = 15;

/// Lets both processes work until one of them has written a number of lines, and kills one after the other.
fn round(path: &Path, hours: u64) -> [Vec<String>; 2] {
    let (heard, hears) = mpsc::channel();
    let mut processes = ["enqueue", "work"].map(|what| child::start(what, path, hours, None));
    let mut number = 0;
    let readers = processes.each_mut().map(|process| {
        let (told, heard, which) = (process.stdout.take().unwrap(), heard.clone(), number);
        number += 1;
        std::thread::spawn(move || {
            let lines = BufReader::new(told).lines().map_while(Result::ok);
            lines.inspect(|_| heard.send(which).unwrap_or_default()).collect::<Vec<_>>()
        })
    });
    drop(heard);
    let (decides, lines) = (fastrand::usize(..2), fastrand::usize(10..150));
    hears.into_iter().filter(|which| *which == decides).take(lines).for_each(drop);
    if fastrand::bool() {
        processes.reverse();
    }
    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    readers.map(|reader| reader.join().unwrap())
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
