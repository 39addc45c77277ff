//! What the demo has to say at its end.

use std::time::Duration;

use serde::Serialize;

use super::Delivery;
use super::ledger::{Account, Ledger};
use crate::failure::Failure;
use crate::output::{Output, Tone};

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Summary {
    messages: u32,
    #[serde(flatten)]
    account: Account,
    refused: u64,
    octets: u64,
    connections: usize,
    tls: &'static str,
    seconds: f64,
    messages_per_second: f64,
    /// While messages were enqueued; they were delivered at the same time.
    enqueued_per_second: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
}

impl Summary {
    pub(super) fn new(
        messages: u32,
        delivery: &Delivery,
        ledger: &Ledger,
        tls: &'static str,
        connections: usize,
    ) -> Self {
        let latencies = ledger.latencies();
        let per_second = |time: Duration| rounded(f64::from(messages) / time.as_secs_f64());
        Self {
            messages,
            account: ledger.account(),
            refused: delivery.stats.dead + delivery.stats.held,
            octets: delivery.octets,
            connections,
            tls,
            seconds: rounded(delivery.delivered_in.as_secs_f64()),
            messages_per_second: per_second(delivery.delivered_in),
            enqueued_per_second: per_second(delivery.enqueued_in),
            latency_p50_ms: percentile(&latencies, 50),
            latency_p99_ms: percentile(&latencies, 99),
        }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.refused == 0 && self.account.is_whole()
    }

    pub(super) fn verdict(&self) -> String {
        let Account { arrived, missing, doubled, altered, strange } = self.account;
        if self.is_whole() {
            format!("all {arrived} messages arrived, each once and intact")
        } else {
            format!(
                "of {} messages {missing} are missing, {doubled} came twice, {altered} were altered, {strange} are \
                 strange, {} were refused",
                self.messages, self.refused
            )
        }
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if self.is_whole() {
            if output.quiet {
                return Ok(());
            }
            output.line(output.paint(Tone::Good, self.verdict()))?;
        }
        let rows = [
            ("rate", format!("{:.0} messages/s in {:.2} s", self.messages_per_second, self.seconds)),
            ("enqueued", format!("{:.0} messages/s, each on stable storage", self.enqueued_per_second)),
            ("latency", format!("p50 {:.2} ms, p99 {:.2} ms", self.latency_p50_ms, self.latency_p99_ms)),
            ("volume", format!("{:.1} MiB", mebibytes(self.octets))),
            ("connections", format!("{} at once, {} with login", self.connections, self.tls)),
        ];
        for (name, value) in rows {
            output.line(format_args!("  {name:<12} {value}"))?;
        }
        Ok(())
    }
}

/// The latency in milliseconds that this many of a hundred messages kept to.
fn percentile(latencies: &[Duration], hundredths: usize) -> f64 {
    let place = (latencies.len() * hundredths / 100).min(latencies.len().saturating_sub(1));
    rounded(latencies.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn mebibytes(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

/// To three digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
