//! What was acknowledged survives the end of any process at any time.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::command;
use crate::sink_process::SinkProcess;
use crate::store::{Store, line};

const ROUNDS: u32 = 6;
const LINES: usize = 400;

#[test]
fn no_acknowledged_message_is_lost_however_often_worker_and_enqueuer_are_killed() {
    let store = Store::new();
    let sink = SinkProcess::start(&[]);
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        // Its lease runs out soon, so that what it leaves behind is taken up.
        let worker = store.worker(&sink.plain(), &["--lease", "5s", "-q"]);
        acknowledged.extend(enqueue_until_killed(&store, round));
        worker.kill();
    }
    let args = ["work", "--queue", &store.url, "--server", &sink.plain(), "--until-empty", "-q", "--json"];
    let result = crate::run::mailkit(args).assert_code(0).json();
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for message in sink.messages() {
        let subject = message.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        *arrived.entry(subject.to_owned()).or_default() += 1;
    }
    let lost: Vec<_> = acknowledged.iter().filter(|subject| !arrived.contains_key(*subject)).collect();
    assert!(lost.is_empty(), "{} of {} were lost: {lost:?}", lost.len(), acknowledged.len());
    assert!(acknowledged.len() > LINES / 4, "{} acknowledged", acknowledged.len());
    // Each copy too many is of a lease that ran out while it was on its way.
    let copies: usize = arrived.values().map(|count| count - 1).sum();
    assert!(copies as u64 <= result["ambiguous_total"].as_u64().unwrap(), "{copies} copies: {result}");
}

/// Enqueues lines, and kills that at a time that differs from round to round; gives the subjects of those acknowledged.
fn enqueue_until_killed(store: &Store, round: u32) -> Vec<String> {
    let subject = |number: usize| format!("r{round}n{number}");
    let lines: String =
        (1..=LINES).map(|n| line("bob@example.org", &format!(", \"subject\": \"{}\"", subject(n)))).collect();
    let path = store.file("lines.ndjson", &lines);
    let mut command = command(["enqueue", "--queue", &store.url, "--ndjson", &path]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let (started, patience) = (Instant::now(), Duration::from_millis(u64::from(patience(round))));
    // From the first answer on there is something to lose.
    for answer in answers.by_ref() {
        acknowledged.push(answer.unwrap());
        if started.elapsed() > patience {
            break;
        }
    }
    // It may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
    acknowledged.extend(answers.map_while(Result::ok));
    let number = |answer: &String| {
        let answer: Option<Value> = serde_json::from_str(answer).ok();
        answer.and_then(|answer| answer["line"].as_u64())
    };
    let numbers = acknowledged.iter().filter_map(number);
    numbers.map(|number| subject(usize::try_from(number).unwrap())).collect()
}

/// Milliseconds that differ from run to run.
fn patience(round: u32) -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    u32::try_from(RandomState::new().hash_one(round) % 400).unwrap()
}
