//! Settings that are possible, but were probably not meant.

use std::time::Duration;

use mailkit_dispatch::format_span;

use super::{Config, retry};

/// Below it, a span that is usually given in days is warned of: `7s` was perhaps meant as `7d`.
const SHORT: Duration = Duration::from_secs(60);

impl Config {
    /// The same with its warnings.
    pub(super) fn with_warnings(mut self) -> Self {
        let spans = [
            ("queue.retention", self.queue.retention, "finished messages, dead ones included, are forgotten then"),
            ("queue.key_window", self.queue.key_window, "the same message under the same key is sent again then"),
            ("retry.give_up_after", self.retry.give_up_after, "mail that is refused for now is dead then"),
        ];
        let short = spans.into_iter().filter(|(_, span, _)| *span < SHORT).map(|(name, span, effect)| {
            let (span, count) = (format_span(span), span.as_secs_f64());
            format!("`{name}` is {span}: {effect}; did you mean {count}h or {count}d?")
        });
        self.warnings = retry::warning(&self.retry).into_iter().chain(short).chain(self.archive_warning()).collect();
        self
    }

    /// Archive copies are mail like any other: `allow_recipients` holds for them too.
    fn archive_warning(&self) -> Option<String> {
        let (to, safeguards) = (self.archive_to.as_ref()?, &self.safeguards);
        if safeguards.redirect_all_to.is_some() {
            return None;
        }
        let allowed = safeguards.allow_recipients.as_ref()?;
        (!allowed.iter().any(|pattern| pattern.matches(to))).then(|| {
            format!("`allow_recipients` does not list {to} of `archive_to`: every archive copy ends dead; add it to the list")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_not_meant_is_warned_of() {
        let warnings = |text: &str| Config::parse(text).unwrap().warnings.join("; ");
        for (text, words) in [
            ("[queue]\nretention = \"7s\"", "`queue.retention` is 7s: finished messages"),
            ("[queue]\nkey_window = \"7s\"", "did you mean 7h or 7d?"),
            ("[retry]\ngive_up_after = \"31s\"", "`retry.give_up_after` is 31s: mail"),
            ("archive_to = \"a@b.example\"\nallow_recipients = \"*@c.example\"", "every archive copy ends dead"),
        ] {
            assert!(warnings(text).contains(words), "{text}: {}", warnings(text));
        }
        for text in [
            "[queue]\nretention = \"7d\"\nkey_window = \"1h\"\n[retry]\ngive_up_after = \"3d\"",
            "archive_to = \"a@b.example\"\nallow_recipients = \"*@b.example\"",
            "archive_to = \"a@b.example\"\nallow_recipients = []\nredirect_all_to = \"d@c.example\"",
        ] {
            assert_eq!(warnings(text), "", "{text}");
        }
    }
}
