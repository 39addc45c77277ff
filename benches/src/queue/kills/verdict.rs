//! What became of the messages of processes that were killed.

use std::collections::HashSet;

use mailkit::queue::{Record, Stats};
use serde::Serialize;

use super::Seen;
use super::arrivals::Copies;
use crate::measures::shown;
use crate::report::Table;
use crate::target::{Target, at_least, at_most};

/// What is shown of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    kills: u64,
    acknowledged: u64,
    arrived: u64,
    /// Acknowledged, and neither arrived nor held.
    lost: u64,
    /// Neither sent nor held in the end.
    unfinished: u64,
    /// How many messages were leased at the kills of workers, taken together: also those that only waited there, and those
    /// of workers killed before whose lease still ran.
    leased: u64,
    /// How many of them had reached the server, by that worker, with nothing of it written down.
    in_flight: u64,
    /// Moments in which nobody could know, by the store's counter.
    ambiguous: u64,
    /// Arrivals beyond one for each message.
    copies: u64,
    /// Those of messages that had not been in flight so often.
    copies_unexplained: u64,
    /// Messages whose copies have different Message-IDs.
    split: u64,
    held: u64,
    /// Held without having been leased at a kill.
    held_unexplained: u64,
    /// Copies of messages that were to be held.
    copies_to_hold: u64,
}

pub(super) fn judge(seen: &Seen, arrived: &Copies, held: &[Record], stats: &Stats) -> Verdict {
    let in_flight = |subject: &str| seen.in_flight.get(subject).copied().unwrap_or_default();
    let held: HashSet<&str> = held.iter().filter_map(|record| record.subject.as_deref()).collect();
    let lost = |subject: &&String| !arrived.contains_key(*subject) && !held.contains(subject.as_str());
    let mut verdict = Verdict {
        kills: seen.kills,
        acknowledged: seen.acknowledged.len() as u64,
        arrived: arrived.len() as u64,
        lost: seen.acknowledged.iter().filter(lost).count() as u64,
        unfinished: stats.unfinished() + stats.dead + stats.cancelled,
        leased: seen.leased.values().sum(),
        in_flight: seen.in_flight.values().sum(),
        ambiguous: stats.ambiguous_total,
        held: held.len() as u64,
        held_unexplained: held.iter().filter(|subject| !seen.leased.contains_key(**subject)).count() as u64,
        ..Verdict::default()
    };
    for (subject, ids) in arrived {
        let copies = ids.len() as u64 - 1;
        verdict.copies += copies;
        verdict.copies_unexplained += copies.saturating_sub(in_flight(subject));
        verdict.split += u64::from(ids.iter().any(|id| *id != ids[0] || id.is_empty()));
        verdict.copies_to_hold += if subject.starts_with("hold") { copies } else { 0 };
    }
    verdict
}

impl Verdict {
    pub(in crate::queue) fn table(&self) -> Table {
        let title =
            "Killed at random times under load: every second message resent after an ambiguous moment, the others held";
        let mut table =
            Table::new(title, ["acknowledged", "lost", "in flight at kills", "ambiguous", "copies", "held"]);
        let figures = [self.acknowledged, self.lost, self.in_flight, self.ambiguous, self.copies, self.held];
        table.row(format!("{} kills", self.kills), figures.map(|figure| shown(figure as f64, 0)));
        table
    }

    pub(in crate::queue) fn targets(&self) -> Vec<Target> {
        let beyond = self.copies.saturating_sub(self.ambiguous);
        let none = [
            ("acknowledged messages lost", self.lost),
            ("messages neither sent nor held in the end", self.unfinished),
            ("copies of a message beyond its times in flight at a kill", self.copies_unexplained),
            ("copies beyond the ambiguous counter", beyond),
            ("messages with more than one Message-ID", self.split),
            ("copies of messages to be held", self.copies_to_hold),
            ("messages held that were not leased at a kill", self.held_unexplained),
        ];
        // Without these, a run in which nothing was at stake would meet all the others.
        let some = [("messages acknowledged", self.acknowledged), ("messages in flight at a kill", self.in_flight)];
        let some = some.into_iter().map(|(name, count)| at_least(name, count as f64, 1.0));
        some.chain(none.into_iter().map(|(name, count)| at_most(name, count as f64, 0.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_nothing_was_at_stake_does_not_pass() {
        let missed = |verdict: &Verdict| verdict.targets().iter().filter(|target| !target.met).count();
        assert_eq!(missed(&Verdict::default()), 2);
        assert_eq!(missed(&Verdict { acknowledged: 1, in_flight: 1, ..Verdict::default() }), 0);
    }
}
