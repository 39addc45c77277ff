//! Configurations as people write them, rightly and wrongly.

use std::num::NonZeroU32;

use mailkit_dispatch::{LONGEST_SPAN, format_span};

use super::bounds;
use super::*;

fn refusal(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_may_say_nothing() {
    let config = Config::parse("").unwrap();
    assert!(config.queue_url.is_none() && config.routes.is_empty());
    assert_eq!(config.queue, QueueSettings::default());
}

#[test]
fn each_section_is_read() {
    let config = Config::parse(
        "[queue]\nurl = \"memory:\"\nlease = \"2m\"\nretention = \"1d\"\nmax_messages = 1_000\n\
         [http]\nlisten = \"127.0.0.1:8025\"\n[retry]\nfirst = \"1s\"\nattempts = 3\nfactor = 3\n",
    )
    .unwrap();
    assert_eq!(config.lease, Some(Duration::from_secs(120)));
    assert_eq!(config.queue.retention, Duration::from_secs(86_400));
    assert_eq!(config.queue.max_messages, 1_000);
    assert_eq!((config.retry.attempts.get(), config.retry.factor), (3, 3.0));
    assert_eq!(config.retry.max, RetrySettings::default().max);
}

#[test]
fn each_setting_of_a_route_is_read() {
    let text = r#"
        [[route]]
        name = "primary"
        server = "smtps://smtp.example.com"
        user = "me@example.com"
        password = "${MAILKIT_NO_SUCH_PASSWORD:-secret}"
        pool = { max_size = 12, min_idle = 1, acquire_timeout = "5s", idle_timeout = "60s", max_lifetime = "30m", messages_per_connection = 100 }
        rate = "14/s"
        quota = ["500/1d recipients"]
        per_domain = { "gmail.com" = "5/s", "*" = "20/s" }
        breaker = { open_at = "40%", over = "30", slow = "20s", suspect_after = "3s", probe_after = "15s" }
        weight = 3

        [[route]]
        name = "backup"
        server = "smtp://user:secret@smtp.example.net"
        preference = 7
    "#;
    let mut routes = Config::parse(text).unwrap().routes;
    let names: Vec<String> = routes.iter().map(|route| route.name().to_owned()).collect();
    assert_eq!(names, ["primary", "backup"]);
    let primary = routes[0].settings_mut();
    assert_eq!((primary.max_concurrency.get(), primary.weight.get(), primary.per_domain.len()), (12, 3, 2));
    assert_eq!(primary.limits.rate, Some("14/s".parse().unwrap()));
    assert_eq!(primary.limits.quotas, ["500/1d recipients".parse().unwrap()]);
    let seconds = Duration::from_secs;
    let breaker = mailkit_dispatch::BreakerSettings::default()
        .with_open_at("40%".parse().unwrap())
        .with_over(NonZeroU32::new(30).unwrap())
        .with_slow(seconds(20))
        .with_suspect_after(seconds(3))
        .with_probe_after(seconds(15));
    assert_eq!((primary.breaker, routes[1].settings_mut().preference), (breaker, Some(7)));
}

#[test]
fn what_makes_no_sense_is_told_with_its_line_whoever_wrote_it() {
    let route = |rest: &str| format!("\n[[route]]\nname = \"a\"\nserver = \"smtps://h\"\n{rest}\n");
    let cases = [
        ("queue = \"sqlite:mail.db\"\n".to_owned(), 1, "expected a table: [queue] and below it url ="),
        ("route = [\"smtps://h\"]\n".to_owned(), 1, "expected a table: [[route]]"),
        ("[queue]\nmax_messages = 0\n".to_owned(), 2, "`0` is no whole number from 1 on"),
        ("[queue]\nmax_messages = -1\n".to_owned(), 2, "`-1` is no whole number from 1 on"),
        ("[queue]\nmax_messages = 99999999999999999999\n".to_owned(), 2, ""),
        ("[queue]\nlease = \"0s\"\n".to_owned(), 2, "`queue.lease` is 0s, and has to be 5s at least"),
        ("[queue]\nlease = \"999999999999999d\"\n".to_owned(), 2, "no span of time"),
        ("[queue]\nlease = \"36501d\"\n".to_owned(), 2, "`queue.lease` is 36501d, and has to be 1d at most"),
        ("[queue]\nretention = \"-5s\"\n".to_owned(), 2, "no span of time"),
        ("[queue]\nretention = \"5\"\n".to_owned(), 2, "no span of time"),
        ("[queue]\nurl = \"a\"\nurl = \"b\"\n".to_owned(), 3, "duplicate key"),
        ("[queue]\n[queue]\n".to_owned(), 2, "duplicate key"),
        ("[retry]\nfactor = nan\n".to_owned(), 1, "factor"),
        ("[retry]\nfactor = -inf\n".to_owned(), 1, "factor"),
        ("\n[retry]\nfirst = \"2h\"\n".to_owned(), 2, "first wait"),
        ("[retry]\nmax = \"0s\"\n".to_owned(), 2, "`retry.max` is 0s, and has to be 1ms at least"),
        ("[retry]\nattempts = 4294967296\n".to_owned(), 2, ""),
        (route("quota = \"0/1d recipients\""), 5, ""),
        (route("quota = [\"5/0s messages\"]"), 5, ""),
        (route("quota = [\"5/1d parsecs\"]"), 5, ""),
        (route("rate = \"99999999999999999999/s\""), 5, ""),
        (route("rate = 14"), 5, ""),
        (route("per_domain = { \"no domain\" = \"5/s\" }"), 2, "neither a domain nor"),
        (route("pool = { max_size = 0 }"), 5, "`0` is no whole number from 1 to 10000"),
        (route("pool = { max_size = 1, min_idle = 2 }"), 2, "min_idle"),
        (route("pool = { acquire_timeout = \"0s\" }"), 5, "`pool.acquire_timeout` is 0s"),
        (route("breaker = { open_at = \"0%\" }"), 5, "share"),
        (route("breaker = { suspect_after = \"0s\" }"), 5, "`breaker.suspect_after` is 0s"),
        (route("breaker = { sloww = \"1s\" }"), 5, "unknown field `sloww`"),
        (route("weight = 0"), 5, "`0` is no whole number from 1"),
        (route("server = \"smtps://i\""), 5, "duplicate key"),
        (route(&route("")), 6, "two routes are named `a`"),
    ];
    for (text, line, words) in cases {
        let told = refusal(&text);
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(words), "{text}: {told}");
        assert!(told.len() < 300, "{told}");
    }
}

#[test]
fn a_huge_or_deep_file_is_refused_or_read_and_no_more() {
    let deep = format!("submission = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Config::parse(&deep).is_err());
    let dotted = format!("a{} = 1", ".a".repeat(100_000));
    assert!(Config::parse(&dotted).is_err());
    let words = refusal(&format!("[queue]\nlease = \"{}\"\n", "9".repeat(1_000_000)));
    assert!(words.len() < 300, "{} octets", words.len());
    let words = refusal(&format!("[queue]\n{} = 1\n", "k".repeat(1_000_000)));
    assert!(words.starts_with("line 2: "));
    let many = "# a comment\n".repeat(100_000);
    assert!(Config::parse(&many).is_ok());
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
    assert!(refusal("\n\n[queue]\nurl = 7\n").starts_with("line 4: "));
    assert!(refusal("[retry]\nattempts = 0\n").starts_with("line 2: "));
    assert!(refusal("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\nrate = \"0/s\"\n").starts_with("line 4: "));
    assert!(refusal("\n[[route]]\nname = \"a\"\nserver = \"ftp://h\"\n").starts_with("line 2: route `a`: "));
    for text in ["password = \"canary", "password = 424242", "password = [\"canary\"]"] {
        let words = refusal(&format!("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\nuser = \"u\"\n{text}\n"));
        assert!(words.starts_with("line 5: ") && !words.contains("canary") && !words.contains("424242"), "{words}");
    }
}

/// A file in which a setting, as the reference names it, has a value.
fn with_setting(name: &str, value: &str) -> String {
    match name.split_once('.') {
        None => format!("{name} = {value}\n"),
        Some((section @ ("queue" | "retry"), key)) => format!("[{section}]\n{key} = {value}\n"),
        Some((table, key)) => {
            format!("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\n{table} = {{ {key} = {value} }}\n")
        }
    }
}

#[test]
fn a_span_beyond_its_bounds_is_refused_with_the_bound_and_the_unit_that_was_meant() {
    for (name, bounds) in bounds::ALL {
        let short = bounds.min().checked_sub(Duration::from_micros(1)).unwrap();
        let long = bounds.max() + Duration::from_millis(1);
        for (value, bound) in [(short, "at least"), (long, "at most")] {
            let told = refusal(&with_setting(name, &format!("\"{}us\"", value.as_micros())));
            assert!(told.contains(&format!("`{name}` is ")) && told.contains(bound), "{told}");
        }
        for value in [bounds.min(), bounds.max()] {
            let text = with_setting(name, &format!("\"{}ms\"", value.as_millis()));
            let told = Config::parse(&text).err().map(|error| error.to_string()).unwrap_or_default();
            // What it may be by itself may still not go with the other settings.
            assert!(!told.contains("at least") && !told.contains("at most"), "{text}: {told}");
        }
    }
    for (name, typo, meant) in [
        ("queue.lease", "5ms", "5s, 5m or 5h?"),
        ("queue.retention", "7ms", "7s, 7m, 7h or 7d?"),
        ("pool.acquire_timeout", "5d", "5s or 5m?"),
        ("breaker.probe_after", "30ms", "30s or 30m?"),
    ] {
        let told = refusal(&with_setting(name, &format!("\"{typo}\"")));
        assert!(told.ends_with(&format!("did you mean {meant}")), "{told}");
    }
}

#[test]
fn a_limit_over_milliseconds_is_no_limit_and_refused() {
    let route = |rest: &str| format!("[[route]]\nname = \"a\"\nserver = \"smtps://h\"\n{rest}\n");
    for rest in ["rate = \"14/ms\"", "quota = \"500/1ms messages\"", "per_domain = { \"*\" = \"5/20ms\" }"] {
        let told = refusal(&route(rest));
        assert!(told.starts_with("line 4: ") && told.contains("100ms at least: did you mean"), "{told}");
    }
    for rest in ["rate = \"14/s\"", "rate = \"1400/100ms\"", "quota = \"5/1s messages\""] {
        assert!(Config::parse(&route(rest)).is_ok(), "{rest}");
    }
}

#[test]
fn a_schedule_of_retries_that_loses_mail_is_refused_and_a_fast_one_that_was_meant_is_not() {
    for (text, words) in [
        ("first = \"5ms\"", "did you mean 5s or 5m?"),
        ("first = \"8ms\"\nmax = \"1h\"", "did you mean 8s or 8m?"),
        ("give_up_after = \"3s\"", "before the second attempt"),
        ("max = \"60ms\"", "longer than the longest"),
    ] {
        assert!(refusal(&format!("[retry]\n{text}\n")).contains(words), "{text}");
    }
    for text in [
        "first = \"10ms\"\nmax = \"50ms\"",
        "first = \"10ms\"",
        "first = \"200ms\"\ngive_up_after = \"2s\"",
        "max = \"10s\"\nfirst = \"10s\"",
    ] {
        assert!(Config::parse(&format!("[retry]\n{text}\n")).is_ok(), "{text}");
    }
    let warnings = |text: &str| Config::parse(&format!("[retry]\n{text}\n")).unwrap().warnings.join("; ");
    assert!(warnings("first = \"30ms\"").contains("did you mean 30s or 30m?"));
    assert_eq!(warnings("first = \"30ms\"\nmax = \"50ms\"") + &warnings(""), "");
}

#[test]
fn a_factor_may_be_a_number_or_a_text() {
    for (factor, wanted) in [("3", 3.0), ("1.5", 1.5), ("\"2.5\"", 2.5), ("\"${MAILKIT_NO_SUCH_FACTOR:-4}\"", 4.0)] {
        let config = Config::parse(&format!("[retry]\nfactor = {factor}\n")).unwrap();
        assert!((config.retry.factor - wanted).abs() < f64::EPSILON, "{factor}");
    }
    assert!(refusal("[retry]\nfactor = \"two\"\n").contains("`two` is no number such as 2 or 1.5"));
}

#[test]
fn a_pool_may_have_any_size_from_one() {
    for size in 1..=6 {
        let text = with_setting("pool.max_size", &size.to_string());
        let mut config = Config::parse(&text).unwrap();
        assert_eq!(config.routes[0].settings_mut().max_concurrency.get(), size);
    }
}

#[test]
fn numbers_are_read_as_such_and_from_texts() {
    for over in ["20", "\"20\"", "\"${MAILKIT_NO_SUCH_NUMBER:-20}\""] {
        let mut config = Config::parse(&with_setting("breaker.over", over)).unwrap();
        assert_eq!(config.routes[0].settings_mut().breaker.over.get(), 20, "{over}");
    }
    for over in ["0", "\"0\"", "-1", "2.5", "\"many\"", "true", "4000000000"] {
        assert!(refusal(&with_setting("breaker.over", over)).starts_with("line 4: "), "{over}");
    }
    let config = Config::parse("[queue]\nmax_messages = \"1_000\"\n[retry]\nattempts = \"3\"\n").unwrap();
    assert_eq!((config.queue.max_messages, config.retry.attempts.get()), (1_000, 3));
}

#[test]
fn a_login_may_stand_in_the_url_and_beside_it() {
    let read = |server: &str, beside: &str| {
        Config::parse(&format!("[[route]]\nname = \"a\"\nserver = \"{server}\"\n{beside}\n"))
    };
    let password = "password = \"canary\"";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (server, beside) in [
        ("smtps://ann@h", password.to_owned()),
        ("smtps://ann@h", format!("user = \"ann\"\n{password}")),
        ("smtps://h", format!("user = \"ann\"\n{password}")),
        ("smtps://ann%40example.com:canary@h", "user = \"ann@example.com\"".to_owned()),
        ("smtps://ann@h?auth=xoauth2", password.to_owned()),
    ] {
        let config = read(server, &beside).unwrap_or_else(|error| panic!("{server} {beside}: {error}"));
        let route = &config.routes[0];
        let credentials = route.config().credentials().unwrap();
        assert_eq!(credentials.secret().expose(), "canary", "{server} {beside}");
        assert!(credentials.user().starts_with("ann"));
    }
    for (server, beside, words) in [
        ("smtps://ann@h", format!("user = \"bob\"\n{password}"), "names the user `ann`, and `user` is `bob`"),
        ("smtps://ann:other@h", password.to_owned(), "has a password (or a password-file) already"),
        ("smtps://ann@h?password-file=/f", password.to_owned(), "has a password (or a password-file) already"),
        ("smtps://h", password.to_owned(), "but no user"),
        ("smtps://h", "user = \"ann\"".to_owned(), "there is a user, but no password"),
        ("smtps://ann@h", String::new(), "there is a user, but no password"),
        (&format!("smtps://h?password-file={file}"), String::new(), "there is a password, but no user"),
    ] {
        let told = read(server, &beside).unwrap_err().to_string();
        assert!(told.contains(words) && !told.contains("canary"), "{server} {beside}: {told}");
    }
}

#[test]
fn sections_of_the_daemon_may_stand_in_the_file() {
    let text = "[queue]\naccept_weaker = true\n[submission]\nlisten = \"127.0.0.1:1587\"\n[[submission.user]]\nname = \"app\"\n\
                [bounce]\nsend = \"sender\"\n[http]\nlisten = \"127.0.0.1:8025\"\n[[http.token]]\nname = \"shop\"\n\
                [[webhook]]\nurl = \"https://app.example.com\"\n[telemetry]\notlp = \"http://127.0.0.1:4318\"\n";
    assert!(Config::parse(text).is_ok());
}

#[cfg(unix)]
#[test]
fn a_file_that_could_wait_for_ever_is_refused() {
    let folder = std::env::temp_dir().join(format!("mailkit-config-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = Config::read(&pipe).unwrap_err();
    let words = std::error::Error::source(&error).unwrap().to_string();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(words.contains("a named pipe") && !error.is_missing(), "{words}");
}

#[test]
fn the_name_of_the_host_is_for_all_routes_but_those_that_have_their_own() {
    let routes = "[[route]]\nname = \"a\"\nserver = \"smtps://h\"\n[[route]]\nname = \"b\"\nserver = \"smtps://h?ehlo=own.example\"\n";
    for (hostname, ehlo) in [
        ("relay.example.com", "relay.example.com"),
        ("B\u{fc}cher.example", "xn--bcher-kva.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
    ] {
        let config = Config::parse(&format!("hostname = \"{hostname}\"\n{routes}")).unwrap();
        let names: Vec<_> = config.routes.iter().map(|route| route.config().ehlo_name().unwrap()).collect();
        assert_eq!((names, config.hostname.as_deref()), (vec![ehlo, "own.example"], Some(ehlo)));
    }
    for hostname in ["", "two words", "a..b", "evil\\r\\nQUIT", "[300.1.1.1]"] {
        assert!(
            refusal(&format!("hostname = \"{hostname}\"\n")).starts_with("line 1: `hostname` has to be"),
            "{hostname}"
        );
    }
}

#[test]
fn the_most_recipients_of_a_transaction_are_read_from_a_route() {
    let route = "[[route]]\nname = \"a\"\nserver = \"smtp://h\"\n";
    for (line, wanted) in [("", None), ("max_recipients = 1\n", Some(1)), ("max_recipients = 100\n", Some(100))] {
        let config = Config::parse(&format!("{route}{line}")).unwrap();
        assert_eq!(config.routes[0].recipient_limit().map(NonZeroU32::get), wanted);
        let shown = toml::Value::try_from(config.effective()).unwrap();
        let shown = shown["route"][0].get("max_recipients").and_then(toml::Value::as_integer);
        assert_eq!(shown, wanted.map(i64::from));
    }
    for value in ["0", "-1", "\"many\"", "1.5"] {
        assert!(refusal(&format!("{route}max_recipients = {value}\n")).starts_with("line 4: "), "{value}");
    }
}

#[test]
fn the_effective_settings_have_every_default_and_no_secret() {
    let text = "drain = \"90s\"\nallow_recipients = \"*@example.com\"\n[[dkim]]\ndomain = \"example.com\"\nselector = \"s1\"\n\
                key = \"dkim.pem\"\n[[route]]\nname = \"a\"\nserver = \"smtps://ann:canary@h?proxy=socks5://u:canary@p\"\n\
                rate = \"14/s\"\n[[submission.user]]\nname = \"app\"\npassword = \"canary\"\n[[http.token]]\ntoken = \"canary\"\n\
                [[webhook]]\nurl = \"https://ann:canary@h/hook\"\nsecret = \"canary\"\n";
    let config = Config::parse(text).unwrap();
    let shown = format!("{:?}", config.effective());
    assert!(!shown.contains("canary"), "{shown}");
    for words in
        ["\"90s\"", "*@example.com", "dkim.pem", "smtps://ann:***@h", "14/s", "https://***@h/hook", "key_window"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
}

const REFERENCE: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn the_reference_has_every_span_with_its_bounds() {
    for (name, bounds) in bounds::ALL {
        let key = name.rsplit('.').next().unwrap();
        let least = format_span(bounds.min());
        let wanted = match bounds.max() == LONGEST_SPAN {
            true => format!("span, from {least}"),
            false => format!("span, {least} to {}", format_span(bounds.max())),
        };
        let quoted = format!("`{key}`");
        let mentions = REFERENCE.match_indices(&quoted).map(|(at, _)| &REFERENCE[at..]);
        let near: Vec<String> =
            mentions.map(|text| text.split_whitespace().take(8).collect::<Vec<_>>().join(" ")).collect();
        assert!(near.iter().any(|text| text.contains(&wanted)), "{name}: {wanted} in {near:?}");
    }
}

#[test]
fn the_reference_has_every_key() {
    fn keys(value: &toml::Value, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(name, value)| {
                found.push(name.clone());
                keys(value, found);
            }),
            toml::Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let text = "hostname = \"h.example\"\ndrain = \"90s\"\nredirect_all_to = \"a@example.com\"\nallow_recipients = \"*\"\n\
                archive_to = \"a@example.com\"\n[queue]\nurl = \"memory:\"\nmax_bytes = 5\n[[dkim]]\ndomain = \"example.com\"\n\
                selector = \"s\"\nkey = \"k\"\n[[route]]\nname = \"a\"\nserver = \"smtps://h\"\nrate = \"1/s\"\npreference = 1\n\
                max_recipients = 100\n";
    let shown = toml::Value::try_from(Config::parse(text).unwrap().effective()).unwrap();
    let mut found = Vec::new();
    keys(&shown, &mut found);
    assert!(found.len() > 35, "{found:?}");
    for key in found {
        let documented = [format!("`{key}`"), format!("[{key}]"), format!("[[{key}]]")];
        assert!(documented.iter().any(|name| REFERENCE.contains(name)), "{key} is not in docs/configuration.md");
    }
}
