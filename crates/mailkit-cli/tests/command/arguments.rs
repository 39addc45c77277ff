use std::process::Stdio;

use crate::run::{LETTER, command, mailkit};

#[test]
fn usage_errors_end_in_64() {
    let server = "smtp://127.0.0.1:1";
    let cases: &[&[&str]] = &[
        &[],
        &["fly"],
        &["send", "--from", "ann@example.com"],
        &["send", "--server", server, "--fly"],
        &["send", "--server", server, "--text", "a", "--text-file", "b"],
        &["send", "--server", server, "--eml", "a", "--to", "bob@example.org"],
        &["send", "--server", server, "--eml", "a", "--attach", "b"],
        &["render", "--message", "-", "--text-file", "-"],
        &["render", "--html", "a", "--html-file", "b"],
        &["render", "--inline", "logo.png"],
        &["render", "--attach", ";name=a"],
        &["render", "--dkim-key", "a"],
        &["render", "--dkim-selector", "a", "--dkim-domain", "example.com"],
        &["sink", "--listen", "nowhere"],
        &["sink", "--listen", "127.0.0.1:0", "--fail", "rcpt"],
        &["demo", "--messages", "0"],
    ];
    for &args in cases {
        let ended = if args.contains(&"-") { crate::run::mailkit_reading(b"{}", args) } else { mailkit(args) };
        assert_eq!(ended.code, 64, "{args:?} {ended:?}");
        assert!(ended.out.is_empty() && !ended.err.is_empty(), "{args:?} {ended:?}");
    }
}

#[test]
fn help_and_version_are_results() {
    for command in ["send", "render", "enqueue", "work", "queue", "check", "sink", "demo"] {
        let help = mailkit([command, "--help"]);
        help.assert_code(0);
        assert!(help.out.contains("Examples:"), "{command}");
    }
    assert!(mailkit(["--version"]).assert_code(0).out.starts_with("mailkit "));
}

#[test]
fn a_reader_that_left_is_no_panic() {
    for args in [vec!["--help"], [&["render"][..], &LETTER].concat(), vec!["demo", "--messages", "3", "--json"]] {
        let mut command = command(&args);
        // Nobody reads from a pipe whose reading end is closed.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{args:?} {words}");
        assert!(!words.contains("panicked"), "{words}");
    }
}

#[test]
fn colors_are_used_when_asked_for_and_not_into_a_file() {
    let colored = mailkit(["check", "--server", "nonsense", "--color", "always"]);
    assert!(colored.assert_code(78).err.contains('\u{1b}'));
    assert!(!mailkit(["check", "--server", "nonsense"]).err.contains('\u{1b}'));
}
