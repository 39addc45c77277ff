//! Which configuration is read, and what settings that make no sense come to.

use std::path::Path;

use crate::run::{Ended, LETTER, command, mailkit};
use crate::sink_process::SinkProcess;
use crate::store::Store;

/// Runs the command in a folder, perhaps with a configuration named by the environment.
fn run_in(folder: &Path, variable: Option<&str>, args: &[&str]) -> Ended {
    let mut command = command(args);
    command.current_dir(folder).envs(variable.map(|path| ("MAILKIT_CONFIG", path)));
    command.output().unwrap().into()
}

#[test]
fn one_file_serves_all_commands_and_the_one_that_is_named_counts() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    let folder = store.folder.path();
    let config = |name: &str, queue: &str| {
        let text =
            format!("[queue]\nurl = \"sqlite:{queue}\"\n[[route]]\nname = \"main\"\nserver = \"{}\"\n", sink.plain());
        store.file(name, &text)
    };
    config("mailkit.toml", "local.db");
    let other = config("other.toml", "other.db");
    let third = config("third.toml", "third.db");
    let enqueue = [&["enqueue"], &LETTER[..]].concat();
    for (variable, named, file) in [
        (None, None, "local.db"),
        (Some(""), None, "local.db"),
        (Some(&*other), None, "other.db"),
        (Some(&*other), Some(&*third), "third.db"),
    ] {
        let named: Vec<&str> = named.into_iter().flat_map(|path| ["--config", path]).collect();
        let with = |args: &[&str]| run_in(folder, variable, &[&named, args].concat());
        with(&enqueue).assert_code(0);
        assert!(folder.join(file).exists(), "{file}");
        with(&["work", "--until-empty", "-q"]).assert_code(0);
        assert!(with(&["queue", "stats", "--json"]).assert_code(0).json()["sent"].as_u64() >= Some(1));
    }
    // What is named and not there is missed; an option beats the file.
    run_in(folder, Some("/nowhere.toml"), &enqueue).assert_code(66).assert_says("/nowhere.toml");
    run_in(folder, None, &[&["--config", "nowhere.toml"], &enqueue[..]].concat()).assert_code(66);
    run_in(folder, None, &[&enqueue[..], &["--queue", "sqlite:option.db"]].concat()).assert_code(0);
    assert!(folder.join("option.db").exists());
}

#[test]
fn a_bad_file_stops_the_commands_that_go_by_it_and_no_others() {
    let store = Store::new();
    store.file("mailkit.toml", "[queue]\nlease = \"5ms\"\n");
    let run = |args: &[&str]| run_in(store.folder.path(), None, args);
    run(&["queue", "stats"]).assert_code(78).assert_says("mailkit.toml: line 2: `queue.lease` is 5ms");
    run(&[&["render"], &LETTER[..]].concat()).assert_code(0);
}

#[test]
fn a_lease_of_milliseconds_is_refused_wherever_it_is_set() {
    let store = Store::new();
    for lease in ["5ms", "0s", "4999ms", "2d"] {
        let ended = mailkit(["work", "--queue", &store.url, "--server", "smtp://h", "--lease", lease]);
        ended.assert_code(78).assert_says("`lease` is ");
        let route = "[[route]]\nname = \"a\"\nserver = \"smtp://h\"\n";
        let config = store.file("c.toml", &format!("[queue]\nurl = \"{}\"\nlease = \"{lease}\"\n{route}", store.url));
        mailkit(["work", "--config", &config]).assert_code(78).assert_says("line 3: `queue.lease` is ");
    }
    let ended = mailkit(["work", "--queue", &store.url, "--server", "smtp://h", "--lease", "5ms"]);
    ended.assert_says("did you mean 5s, 5m or 5h?");
}

#[test]
fn a_pool_of_one_delivers() {
    let (store, sink) = (Store::new(), SinkProcess::start(&[]));
    store.enqueue(&[]);
    let route = format!("[[route]]\nname = \"a\"\nserver = \"{}\"\npool = {{ max_size = 1 }}\n", sink.plain());
    let config = store.file("c.toml", &format!("[queue]\nurl = \"{}\"\n{route}", store.url));
    mailkit(["work", "--config", &config, "--until-empty"]).assert_code(0);
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn a_password_of_the_environment_may_have_any_characters() {
    let store = Store::new();
    let password = "p@ss:w/rd?#%41 &=+";
    let sink = SinkProcess::start(&["--tls", "--user", "ann@example.com", "--password", password]);
    store.enqueue(&[]);
    let url = format!(
        "smtp://${{TEST_USER}}:${{TEST_PASSWORD}}@{}?ca={}&timeout=20",
        sink.addr(),
        sink.listening["ca"].as_str().unwrap()
    );
    let text = format!("[queue]\nurl = \"{}\"\n[[route]]\nname = \"a\"\nserver = \"{url}\"\n", store.url);
    let config = store.file("c.toml", &text);
    let mut command = command(["work", "--config", &config, "--until-empty", "--json"]);
    command.env("TEST_USER", "ann@example.com").env("TEST_PASSWORD", password);
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.assert_code(0).json()["sent"], 1);
}

#[cfg(unix)]
#[test]
fn a_settings_file_that_is_a_named_pipe_is_refused_at_once() {
    let store = Store::new();
    let pipe = store.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for url in [
        format!("smtp://h?ca={pipe}"),
        format!("smtp://h?cert={pipe}&key={pem}"),
        format!("smtp://ann@h?password-file={pipe}"),
    ] {
        for name in ["send", "check"] {
            let letter: &[&str] = if name == "send" { &LETTER } else { &[] };
            let ended = mailkit([&[name, "--server", &url], letter].concat());
            ended.assert_code(78).assert_says("a named pipe");
        }
    }
    let sink = ["sink", "--listen", "127.0.0.1:0", "--tls", "--cert", pipe, "--key", pipe];
    mailkit(sink).assert_code(78).assert_says("named pipe");
    mailkit(["queue", "stats", "--config", pipe]).assert_code(78).assert_says("a named pipe");
    let dkim = ["--dkim-key", pipe, "--dkim-selector", "s", "--dkim-domain", "example.com"];
    mailkit([&["render"], &LETTER[..], &dkim].concat()).assert_code(78).assert_says("a named pipe");
}

#[test]
fn a_send_that_is_made_once_announces_no_pause() {
    for fail in ["greeting=554 5.7.1 go away", "greeting=421 4.3.2 not now", "ehlo=550 5.7.1 who are you"] {
        let sink = SinkProcess::start(&["--fail", fail]);
        let ended = crate::run::send(&sink.plain(), &["-v"]);
        assert_ne!(ended.code, 0);
        for words in ["next try", "pause", "retry in"] {
            assert!(!ended.err.contains(words), "{words:?} in {ended:#?}");
        }
    }
}

#[test]
fn the_name_of_the_configuration_is_given_to_every_server() {
    let store = Store::new();
    let sink = SinkProcess::start(&["--fail", "ehlo=550 5.7.1 who are you"]);
    let config = store.file("c.toml", "hostname = \"relay.example.com\"\n");
    for (more, name) in [(&["--config", &*config][..], "the name relay.example.com"), (&[], "the name ")] {
        let ended = crate::run::send(&sink.plain(), more);
        ended.assert_code(69).assert_says(name).assert_says("`hostname` in the configuration");
    }
    let id = store.enqueue(&["--config", &config]);
    let line = crate::store::line("bob@example.org", "");
    let args = ["enqueue", "--queue", &store.url, "--config", &config, "--ndjson", "-"];
    crate::run::mailkit_reading(line.as_bytes(), args).assert_code(0);
    for listed in store.list(&[]) {
        let shown = store.show(listed["id"].as_str().unwrap());
        assert!(shown["message_id"].as_str().unwrap().ends_with("@relay.example.com>"), "{id}: {shown}");
    }
    let own = format!("{}&ehlo=own.example", sink.plain());
    crate::run::send(&own, &["--config", &config]).assert_says("the name own.example");
}

#[test]
fn a_message_is_rendered_with_the_name_of_the_configuration_that_is_given() {
    let store = Store::new();
    let file = store.file("c.toml", "hostname = \"relay.example.net\"\n");
    let message = ["--from", "a@example.com", "--to", "b@example.org", "--text", "x"];
    let rendered = mailkit(["render", "--config", &file].into_iter().chain(message));
    assert!(rendered.assert_code(0).out.contains("@relay.example.net>"), "{rendered:?}");
}

#[test]
fn a_check_prints_the_settings_as_they_apply_and_they_read_back() {
    let store = Store::new();
    let text = "hostname = \"relay.example.com\"\nallow_recipients = [\"*@example.com\"]\n[queue]\nlease = \"2m\"\n\
                [[route]]\nname = \"main\"\nserver = \"smtps://ann@h\"\npassword = \"canary\"\nper_domain = { \"*\" = \"5/s\" }\n\
                [[http.token]]\nname = \"shop\"\ntoken = \"canary\"\n";
    let config = store.file("c.toml", text);
    let ended = mailkit(["config", "check", "--config", &config]);
    ended.assert_code(0);
    assert!(ended.out.starts_with(&format!("# {config}\n")) && !ended.out.contains("canary"), "{ended:?}");
    for words in ["lease = \"2m\"", "retention = \"7d\"", "smtps://ann:***@h", "\"*\" = \"5/s\"", "max_size = 10"] {
        assert!(ended.out.contains(words), "{words} in {ended:#?}");
    }
    let again = store.file("again.toml", &ended.out);
    let second = mailkit(["config", "check", "--config", &again]);
    assert_eq!(
        second.assert_code(0).out.lines().skip(1).collect::<Vec<_>>(),
        ended.out.lines().skip(1).collect::<Vec<_>>()
    );
    let shown = mailkit(["config", "check", "--config", &config, "--json"]).assert_code(0).json();
    assert_eq!((&shown["queue"]["lease"], &shown["file"]), (&"2m".into(), &config.clone().into()));
    assert!(!shown.to_string().contains("canary"), "{shown}");
    assert_eq!(shown["http"]["token"][0]["token"], "***");

    let bad = store.file("bad.toml", "[queue]\nlese = \"2m\"\n");
    mailkit(["config", "check", "--config", &bad]).assert_code(78).assert_says("line 2: unknown field `lese`");
    let missing = store.file("missing.toml", "[[route]]\nname = \"a\"\nserver = \"smtps://h?ca=/nowhere.pem\"\n");
    mailkit(["config", "check", "--config", &missing]).assert_code(78).assert_says("/nowhere.pem");
    let empty = run_in(store.folder.path(), None, &["config", "check"]);
    assert!(empty.assert_code(0).out.starts_with("# there is no file"), "{empty:?}");
}
