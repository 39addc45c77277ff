//! The comparison in short, so that it cannot rot: its results have their shape, and nobody's mail is lost. Speed is not
//! looked at: a test machine is busy, and this build is slow.

use std::fs;
use std::process::Command;

use serde_json::Value;

const MEASURES: [&str; 10] = [
    "messages_per_second",
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p99_ms",
    "errors_percent",
    "cpu_us_per_message",
    "server_cpu_us_per_message",
    "connections_most_open",
    "connections_opened",
    "messages",
];

#[test]
fn every_contender_delivers_everything_in_every_scene_and_the_results_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    // Scene 1: TLS, login and many senders; 2: plain; 5: a round trip.
    let output = Command::new(env!("CARGO_BIN_EXE_mailkit-benches"))
        .args(["pool", "--quick", "--senders", "40", "--connections", "4", "--messages", "60"])
        .args(["--scene", "1,2,5", "--rtt", "5", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let terminal = String::from_utf8(output.stdout).unwrap();
    let page = fs::read_to_string(folder.path().join("comparison.html")).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(folder.path().join("comparison.json")).unwrap()).unwrap();

    let scenes = json["scenes"].as_array().unwrap();
    assert_eq!(scenes.len(), 3);
    for scene in scenes {
        let contenders = scene["contenders"].as_array().unwrap();
        let names: Vec<&str> = contenders.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["mailkit short", "mailkit pooled", "lettre short", "lettre pooled"]);
        contenders.iter().for_each(complete_and_without_errors);
        let title = scene["title"].as_str().unwrap();
        assert!(terminal.contains(title) && page.contains(title), "{title}");
    }
    assert!(scenes[2]["round_trip_measured_ms"].as_f64().unwrap() >= 5.0);
    assert!(json["about"]["cores"].is_number() && json["method"].is_array());
    // Two charts for each scene without a round trip, and two of the distances.
    assert_eq!(page.matches("<svg").count(), 6);

    let targets = json["targets"].as_array().unwrap();
    let most_open = targets.iter().find(|target| target["aim"] == "at most 4").unwrap();
    assert_eq!(most_open["met"], true, "the pool's limit holds under many senders: {most_open}");
    assert!(terminal.contains("counted at the server") && page.contains("counted at the server"));
}

fn complete_and_without_errors(row: &Value) {
    for measure in MEASURES {
        assert!(row[measure].is_number(), "{measure} of {row}");
    }
    assert_eq!(row["errors_percent"], 0.0, "{row}");
    assert_eq!(row["error"], Value::Null, "{row}");
    assert!(row["messages"].as_f64().unwrap() >= 4.0, "{row}");
}
