//! Settings in a text: URLs, limits, patterns, ids.

use std::hint::black_box;

use mailkit::connection::{Host, Proxy};
use mailkit::dispatch::{Quota, Rate, Share};
use mailkit::queue::QueueId;
use mailkit::{Address, AddressPattern, Convert, Envelope, QueueUrl, Safeguards, ServerUrl};
use mailkit_server::FailRule;

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::linear("URLs of servers and proxies", 500, |n| {
        for text in [
            format!("smtp://{}:{}@h", "a%20".repeat(n), "%41".repeat(n)),
            format!("smtp://{}", "a.".repeat(n)),
            format!("smtp://{}h", "a@".repeat(n)),
            format!("smtp://h:{}", "1".repeat(n)),
            format!("smtp://[{}]", "1:".repeat(n)),
            format!("smtp://h?{}", "tls=none&".repeat(n)),
            format!("smtp://h?{}", "&".repeat(n)),
            format!("smtp://h?{}=1", "a".repeat(n)),
            format!("smtp://h?ca={}", "%2F".repeat(n)),
            format!("smtp://h?proxy={}", "socks5%3A%2F%2F".repeat(n)),
            format!("lmtp+unix://{}", "/a".repeat(n)),
            "smtp:".repeat(n),
        ] {
            let url = ServerUrl::parse(&text);
            black_box(url.as_ref().map_or_else(ToString::to_string, ToString::to_string));
            let proxy = Proxy::parse(&text.replacen("smtp", "http", 1));
            black_box(proxy.map_or_else(|error| error.to_string(), |proxy| proxy.to_string()));
        }
        let _ = black_box(Host::parse(&"a.".repeat(n)));
    }),
    Case::linear("URLs of queues", 1_000, |n| {
        for text in [
            format!("sqlite:{}", "%2F/".repeat(n)),
            format!("sqlite://{}", "a?".repeat(n)),
            format!("sqlite:a?{}", "a=b&".repeat(n)),
            format!("memory:{}", "a".repeat(n)),
            "a:".repeat(n),
        ] {
            let _ = black_box(text.parse::<QueueUrl>().map_err(|error| error.to_string()));
        }
    }),
    Case::linear("rates, quotas, shares, ids", 1_000, |n| {
        for text in [
            format!("{}/s", "1".repeat(n)),
            format!("1/{}s", "1".repeat(n)),
            format!("1/{}", "1s ".repeat(n)),
            format!("1/s {}", "burst 1 ".repeat(n)),
            format!("1/s{}", " ".repeat(n)),
            "/".repeat(n),
            "01".repeat(n),
        ] {
            let _ = black_box(text.parse::<Rate>().map_err(|error| error.to_string()));
            let _ = black_box(text.parse::<Quota>().map_err(|error| error.to_string()));
            let _ = black_box(text.parse::<Share>().map_err(|error| error.to_string()));
            let _ = black_box(text.parse::<Convert>().map_err(|error| error.to_string()));
            let _ = black_box(text.parse::<QueueId>().map_err(|error| error.to_string()));
        }
    }),
    Case::linear("patterns of addresses", 2_000, |n| {
        for text in [
            format!("{}@x.example", "*".repeat(n)),
            format!("*@{}x", "*.".repeat(n)),
            format!("*@{}x", "a.".repeat(n)),
            "*@".repeat(n),
            format!("{}@x", "(".repeat(n)),
        ] {
            let _ = black_box(text.parse::<AddressPattern>().map_err(|error| error.to_string()));
        }
    }),
    Case::linear("rules of a sink", 1_000, |n| {
        for text in [
            format!("rcpt=550 {}", "a,b ".repeat(n)),
            format!("rcpt=550 no{}", ",to=a*".repeat(n)),
            format!("rcpt=550 no,to={}", "*a".repeat(n)),
            format!("rcpt=550 no,after={}", "1".repeat(n)),
            format!("rcpt=550 {}", "5.".repeat(n)),
            "rcpt=".repeat(n),
        ] {
            black_box(text.parse::<FailRule>().map_or_else(|error| error.to_string(), |rule| rule.to_string()));
        }
    }),
    Case::linear("allowed recipients", 100, |n| {
        let pattern = |number| {
            let text = match number % 3 {
                0 => format!("a{number}@x.example"),
                1 => format!("*@x{number}.example"),
                _ => format!("*@*.x{number}.example"),
            };
            text.parse::<AddressPattern>().unwrap()
        };
        let redirect_all_to = Some(Address::parse("r@x.example").unwrap());
        let mut safeguards = Safeguards::default();
        (safeguards.redirect_all_to, safeguards.allow_recipients) =
            (redirect_all_to, Some((0..n).map(pattern).collect()));
        let to = (0..n).map(|number| Address::parse(&format!("a{number}@y.x{number}.example")).unwrap()).collect();
        black_box(safeguards.apply(&Envelope::null_sender(to).unwrap()));
    }),
];
