use crate::run::{Ended, mailkit};

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
