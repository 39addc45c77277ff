//! Configuration files.

use super::{Case, join, texts};
use crate::store::Store;

pub(super) const CASES: &[Case] = &[
    Case::linear("configuration: routes", 50, 0, |store, n| {
        check(
            store,
            &join(n, "", |number| {
                let name = format!("[[route]]\nname = \"r{number}\"\nserver = \"smtp://localhost?tls=none\"\n");
                format!("{name}rate = \"5/s\"\nquota = [\"9/1h messages\", \"9/1d recipients\"]\n")
            }),
        )
    }),
    Case::linear("configuration: limits of domains", 300, 0, |store, n| {
        let domains = join(n, "\n", |number| format!("\"d{number}.example\" = \"5/s\""));
        let quotas = "\"9/1h messages\", ".repeat(n);
        check(store, &format!("{ROUTE}quota = [{quotas}]\n[route.per_domain]\n{domains}\n"))
    }),
    Case::linear("configuration: allowed recipients", 500, 0, |store, n| {
        let allowed = join(n, ", ", |number| format!("\"a{number}@x.example\""));
        check(store, &format!("allow_recipients = [{allowed}]\narchive_to = \"b@x.example\"\n{ROUTE}"))
    }),
    Case::linear("configuration: sections of the daemon", 300, 0, |store, n| {
        let keys = join(n, "\n", |number| format!("key{number} = \"a\""));
        let tables = join(n, "\n", |number| format!("[http.t{number}]\na = 1"));
        check(store, &format!("{ROUTE}[http]\n{keys}\n{tables}\n"))
    }),
    Case::linear("configuration: unknown keys", 500, 78, |store, n| {
        check(store, &join(n, "\n", |number| format!("key{number} = {{ a = 1 }}")))
    }),
    Case::linear("configuration: unknown keys of a route", 500, 78, |store, n| {
        check(store, &format!("{ROUTE}{}\n", join(n, "\n", |number| format!("key{number} = 1"))))
    }),
    Case::linear("configuration: long strings", 2_000, 78, |store, n| {
        let (name, url) = ("r".repeat(10 * n), "a.".repeat(n));
        check(store, &format!("[[route]]\nname = \"{name}\"\nserver = \"smtp://{url}?tls=none\"\n"))
    }),
    Case::linear("configuration: spans of time", 2_000, 0, |store, n| {
        check(store, &format!("drain = \"{}\"\n{ROUTE}", "1s ".repeat(n)))
    }),
    Case::linear("configuration: variables", 300, 78, |store, n| {
        let variables = "${NONE:-a}".repeat(n);
        let url = format!("smtp://{0}:{0}@h/?{0}", "${HOME}".repeat(n));
        check(store, &format!("hostname = \"{variables}\"\n[[route]]\nname = \"{variables}\"\nserver = \"{url}\"\n"))
    }),
    Case::linear("configuration: variables in a URL", 300, 78, |store, n| {
        let url = format!("smtp://{0}:{0}@h?{0}", "${HOME}".repeat(n));
        check(store, &format!("[[route]]\nname = \"a\"\nserver = \"{url}\"\n"))
    }),
    Case::linear("configuration: comments, empty lines, escapes", 2_000, 0, |store, n| {
        let (lines, escapes) = ("# a\n\n".repeat(n), "\\u0061".repeat(n));
        check(store, &format!("{lines}[http]\na = \"{escapes}\"\nb = '''{}'''\n{ROUTE}", "a\n".repeat(n)))
    }),
    Case::linear("configuration: nesting", 2_000, 78, |store, n| {
        check(store, &format!("http = {}1{}\n", "[".repeat(n), "]".repeat(n)))
    }),
    Case::linear("configuration: dotted keys", 2_000, 78, |store, n| {
        check(store, &format!("http{} = 1\n", ".a".repeat(n)))
    }),
];

const ROUTE: &str = "[[route]]\nname = \"a\"\nserver = \"smtp://localhost?tls=none\"\n";

fn check(store: &Store, text: &str) -> Vec<String> {
    let path = store.file("mailkit.toml", text);
    texts(["--config", &path, "config", "check"])
}
