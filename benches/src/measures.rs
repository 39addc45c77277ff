//! The figures of a comparison: each measure has one row in a table here, and terminal, JSON and report follow it.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// What is measured of a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    PerSecond,
    Mean,
    P50,
    P99,
    Errors,
    Processor,
    ServerProcessor,
    MostOpen,
    Opened,
    Messages,
}

/// How a measure is named, written, and made of those of several rounds.
struct Meaning {
    measure: Measure,
    key: &'static str,
    heading: &'static str,
    decimals: usize,
    fold: fn(Vec<f64>) -> f64,
}

const MEASURES: [Meaning; 10] = [
    row(Measure::PerSecond, "messages_per_second", "messages/s", 0, median),
    row(Measure::Mean, "latency_mean_ms", "mean ms", 2, median),
    row(Measure::P50, "latency_p50_ms", "p50 ms", 2, median),
    row(Measure::P99, "latency_p99_ms", "p99 ms", 2, median),
    // An error in one round of five must show.
    row(Measure::Errors, "errors_percent", "errors %", 2, mean),
    row(Measure::Processor, "cpu_us_per_message", "CPU µs", 1, median),
    row(Measure::ServerProcessor, "server_cpu_us_per_message", "server CPU µs", 1, median),
    row(Measure::MostOpen, "connections_most_open", "most open", 0, most),
    row(Measure::Opened, "connections_opened", "opened", 0, median),
    row(Measure::Messages, "messages", "messages", 0, median),
];

const fn row(
    measure: Measure,
    key: &'static str,
    heading: &'static str,
    decimals: usize,
    fold: fn(Vec<f64>) -> f64,
) -> Meaning {
    Meaning { measure, key, heading, decimals, fold }
}

/// A figure for each measure; not a number where it is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures([f64; MEASURES.len()]);

impl Figures {
    pub(crate) fn new(figure: impl Fn(Measure) -> f64) -> Self {
        Self(MEASURES.map(|meaning| figure(meaning.measure)))
    }

    /// Of several rounds: medians, the mean share of errors, the most connections.
    pub(crate) fn of_rounds(rounds: &[Self]) -> Self {
        let mut figures = Self([f64::NAN; MEASURES.len()]);
        for (index, (figure, meaning)) in figures.0.iter_mut().zip(&MEASURES).enumerate() {
            *figure = (meaning.fold)(rounds.iter().map(|round| round.0[index]).collect());
        }
        figures
    }

    pub(crate) fn get(&self, measure: Measure) -> f64 {
        let mut figures = MEASURES.iter().zip(self.0);
        figures.find(|(meaning, _)| meaning.measure == measure).map_or(f64::NAN, |(_, figure)| figure)
    }

    /// As they are shown, in the order of the headings.
    pub(crate) fn cells(&self) -> Vec<String> {
        MEASURES.iter().zip(self.0).map(|(meaning, figure)| shown(figure, meaning.decimals)).collect()
    }

    pub(crate) fn headings() -> Vec<&'static str> {
        MEASURES.iter().map(|meaning| meaning.heading).collect()
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(MEASURES.len()))?;
        for (meaning, figure) in MEASURES.iter().zip(self.0) {
            map.serialize_entry(meaning.key, &figure)?;
        }
        map.end()
    }
}

/// With commas between thousands.
pub(crate) fn shown(figure: f64, decimals: usize) -> String {
    if figure.is_nan() {
        return "–".to_owned();
    }
    let text = format!("{figure:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut shown = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The middle one of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn most(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_one_round_of_many_shows() {
        let rounds: Vec<Figures> = (0..5).map(|round| Figures::new(|_| if round == 0 { 1.0 } else { 0.0 })).collect();
        let figures = Figures::of_rounds(&rounds);
        assert_eq!(figures.get(Measure::Errors), 0.2);
        assert_eq!(figures.get(Measure::MostOpen), 1.0);
        assert_eq!(figures.get(Measure::Mean), 0.0);
    }

    #[test]
    fn figures_are_shown_with_commas_between_thousands() {
        assert_eq!(shown(1_234_567.0, 0), "1,234,567");
        assert_eq!(shown(123.456, 2), "123.46");
        assert_eq!(shown(f64::NAN, 2), "–");
    }
}
