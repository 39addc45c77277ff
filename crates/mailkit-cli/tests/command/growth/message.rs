//! A message in JSON, and by options.

use super::{Case, join, texts};
use crate::store::Store;

pub(super) const CASES: &[Case] = &[
    Case::linear("JSON: recipients", 200, 0, |store, n| {
        let to = join(n, ", ", |number| format!("\"A{number} <a{number}@x.example>\""));
        render(store, &format!("\"to\": [{to}], \"envelope\": {{\"to\": [{to}]}}, \"text\": \"a\""))
    }),
    Case::linear("JSON: recipients in one string", 400, 0, |store, n| {
        let to = join(n, ", ", |number| format!("A{number} <a{number}@x.example>"));
        render(store, &format!("\"to\": \"{to}\", \"text\": \"a\""))
    }),
    Case::linear("JSON: attachments", 200, 0, |store, n| {
        let files = join(n, ", ", |number| format!("{{\"filename\": \"f{number}\", \"content_base64\": \"AAAA\"}}"));
        render(store, &format!("\"to\": \"b@x.example\", \"attachments\": [{files}]"))
    }),
    Case::linear("JSON: long strings", 2_000, 0, |store, n| {
        let (text, base64) = ("gr\\u00fcn \\n".repeat(n), "AAAA".repeat(n));
        let words = "gr\\u00fcn ".repeat(n);
        let file = format!("{{\"filename\": \"{words}\", \"content_base64\": \"{base64}\"}}");
        let fields = format!("\"subject\": \"{words}\", \"text\": \"{text}\", \"attachments\": [{file}]");
        render(store, &format!("\"to\": \"b@x.example\", {fields}"))
    }),
    Case::linear("JSON: header fields, references", 300, 0, |store, n| {
        let headers = join(n, ", ", |number| format!("\"X-{number}\": \"a\""));
        let references = join(n, ", ", |number| format!("\"<a{number}@x.example>\""));
        let fields = format!("\"headers\": {{{headers}}}, \"references\": [{references}]");
        render(store, &format!("\"to\": \"b@x.example\", \"text\": \"a\", {fields}"))
    }),
    Case::linear("JSON: finished messages", 2_000, 0, |store, n| {
        let eml = format!("From: a@x.example\\r\\nTo: b@x.example\\r\\n\\r\\n{}", "gr\\u00fcn\\r\\n".repeat(n));
        let path = store.file("message.json", &format!("{{\"eml\": \"{eml}\"}}"));
        texts(["render", "--message", &path])
    }),
    Case::linear("JSON: unknown fields", 200, 65, |store, n| {
        let unknown = join(n, ", ", |number| format!("\"x{number}\": [{{\"a\": 1}}]"));
        let files = join(n, ", ", |number| format!("{{\"x{number}\": 1}}"));
        let fields = format!("\"attachments\": [{files}], \"envelope\": {{{unknown}}}, {unknown}");
        render(store, &format!("\"to\": \"b@x.example\", {fields}"))
    }),
    Case::linear("JSON: fields of a wrong type", 300, 65, |store, n| {
        let numbers = "1, ".repeat(n);
        let headers = join(n, ", ", |number| format!("\"X-{number}\": {number}"));
        let files = "{\"filename\": 1, \"inline\": 2, \"path\": null}, ".repeat(n);
        let fields = format!("\"to\": [{numbers}1], \"headers\": {{{headers}}}, \"references\": [{numbers}1]");
        render(store, &format!("{fields}, \"attachments\": [{files}1]"))
    }),
    Case::linear("JSON: values that are refused", 200, 65, |store, n| {
        let addresses = join(n, ", ", |number| format!("\"a{number} b@\""));
        let headers = join(n, ", ", |number| format!("\"X {number}\": \"\\u0000\""));
        let files = join(n, ", ", |number| format!("{{\"filename\": \"f{number}\", \"content_base64\": \"a\"}}"));
        let more = join(n, ", ", |number| format!("{{\"content_base64\": \"\", \"content_type\": \"x{number}\"}}"));
        let fields = format!("\"cc\": [{addresses}], \"headers\": {{{headers}}}, \"references\": [{addresses}]");
        render(store, &format!("\"to\": [{addresses}], {fields}, \"attachments\": [{files}, {more}]"))
    }),
    Case::linear("JSON: a field that is given again and again", 2_000, 65, |store, n| {
        render(store, &format!("{}\"to\": \"b@x.example\"", "\"subject\": \"a\", ".repeat(n)))
    }),
    Case::bounded("JSON: nesting", 2_000, 65, |store, n| {
        let nested = format!("{}{}", "[".repeat(n), "]".repeat(n));
        render(store, &format!("\"to\": {nested}, \"headers\": {}1{}", "{\"a\": ".repeat(n), "}".repeat(n)))
    }),
    Case::linear("options: addresses", 300, 0, |_, n| {
        let mut args = texts(["render", "--from", "a@x.example", "--text", "a"]);
        for option in ["--to", "--cc", "--bcc", "--envelope-to"] {
            args.extend((0..n).flat_map(|number| [option.to_owned(), format!("A <a{number}@x.example>, ")]));
        }
        args
    }),
    Case::linear("options: header fields", 500, 0, |_, n| {
        let args = texts(["render", "--from", "a@x.example", "--to", "b@x.example", "--text", "a"]);
        let headers = (0..n).flat_map(|number| ["--header".to_owned(), format!("X-{number}: a")]);
        args.into_iter().chain(headers).collect()
    }),
    Case::linear("options: attachments", 200, 0, |store, n| {
        let path = store.file("a", "a");
        let args = texts(["render", "--from", "a@x.example", "--to", "b@x.example", "--text", "a"]);
        let files = (0..n).flat_map(|number| ["--attach".to_owned(), format!("{path};name=f{number}")]);
        args.into_iter().chain(files).collect()
    }),
    Case::linear("options: long values", 1_000, 65, |store, n| {
        let path = store.file("a", "a");
        let attach = format!("{path};type=text/x{};name=b", "; a=b".repeat(n));
        let header = format!("X: {}", "gr\u{fc}n ".repeat(n));
        let (from, key) = ("(".repeat(n), "k".repeat(10 * n));
        let options = ["--attach", &attach, "--header", &header, "--idempotency-key", &key, "--send-at", &key];
        let args = texts(["enqueue", "--queue", &store.url, "--from", &from, "--to", "b@x.example"]);
        args.into_iter().chain(texts(options)).collect()
    }),
];

/// Renders a message from Ann with these fields.
fn render(store: &Store, fields: &str) -> Vec<String> {
    let path = store.file("message.json", &format!("{{\"from\": \"a@x.example\", {fields}}}"));
    texts(["render", "--message", &path])
}
