use std::time::{Duration, Instant};

use crate::run::{Ended, command, mailkit};

#[test]
fn a_few_messages_arrive_once_and_intact() {
    let ended = mailkit(["demo", "--messages", "40", "--connections", "4"]);
    ended.assert_code(0);
    assert!(ended.out.starts_with("all 40 messages arrived, each once and intact\n"), "{}", ended.out);
    assert!(ended.out.contains("TLSv1.3"), "{}", ended.out);
    // No progress bar where there is no terminal.
    assert_eq!(ended.err, "");
}

#[test]
fn the_summary_in_json_has_exactly_these_names() {
    let result = mailkit(["demo", "--messages", "40", "--connections", "4", "--json"]).assert_code(0).json();
    let names = [
        "altered",
        "arrived",
        "connections",
        "doubled",
        "enqueued_per_second",
        "latency_p50_ms",
        "latency_p99_ms",
        "messages",
        "messages_per_second",
        "missing",
        "octets",
        "refused",
        "seconds",
        "strange",
        "tls",
    ];
    assert_eq!(Ended::keys(&result), names);
    assert_eq!(result["arrived"], 40);
    assert!((1..=4).contains(&result["connections"].as_u64().unwrap()), "{result}");
    assert!(result["enqueued_per_second"].as_f64().unwrap() > 0.0, "{result}");
}

/// The folders of demos in a folder for temporary files.
#[cfg(unix)]
fn left(temporary: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(temporary).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn a_demo_that_is_ended_by_a_signal_leaves_nothing_behind_and_its_folder_says_whose_it_is() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let temporary = tempfile::tempdir().unwrap();
        // More than it could deliver before the signal comes.
        let mut demo = command(["demo", "--messages", "1000000", "--json"]);
        let mut demo = demo.env("TMPDIR", temporary.path()).stdout(std::process::Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while !left(temporary.path()).iter().any(|name| name.starts_with("mailkit-demo-")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", left(temporary.path()));
            std::thread::yield_now();
        }
        let sent = std::process::Command::new("kill").args([signal, &demo.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(demo.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(left(temporary.path()), Vec::<String>::new(), "{signal}");
    }
}
