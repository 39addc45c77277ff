//! What is aimed at, and whether this run met it.

use super::Played;
use super::contender::Kind;
use super::scene::{Scene, ServerKind};
use crate::measures::{Figures, Measure};
use crate::target::{Target, at_least, at_most};

/// Holds the scenes that were played against the targets.
pub(crate) fn judge(played: &[Played], connections: u32) -> Vec<Target> {
    let mut targets = Vec::new();
    for scene in played {
        match &scene.scene {
            Scene { secure: true, round_trip_ms: 0, senders, .. } if *senders > connections as usize => {
                many_senders(scene, connections, &mut targets);
            }
            Scene { secure: false, server, .. } => {
                let name = match server {
                    ServerKind::Capture => "mailkit's pool to lettre's, plain loopback, capture server",
                    ServerKind::SmtpSink => "mailkit's pool to lettre's, plain loopback, smtp-sink",
                };
                against_lettre(scene, name, 30.0, &mut targets);
            }
            Scene { round_trip_ms: 20, .. } => {
                against_lettre(scene, "mailkit's pool to lettre's, a round trip of 20 ms", 5.0, &mut targets);
                network_alone(scene, connections, &mut targets);
            }
            _ => {}
        }
    }
    targets
}

/// Pooled against short, where many send at once.
fn many_senders(scene: &Played, connections: u32, targets: &mut Vec<Target>) {
    let (Some(short), Some(pooled)) = (scene.figures(Kind::MailkitShort), scene.figures(Kind::MailkitPooled)) else {
        return;
    };
    let senders = scene.scene.senders;
    let rate = ratio(pooled, short, Measure::PerSecond);
    targets.push(at_least(format!("pooled to short, messages/s, {senders} senders"), rate, 8.0));
    let latency = ratio(short, pooled, Measure::Mean);
    targets.push(at_least(format!("short to pooled, mean latency, {senders} senders"), latency, 8.0));
    for (name, figures) in [("errors, mailkit short, %", short), ("errors, mailkit pooled, %", pooled)] {
        targets.push(at_most(name, figures.get(Measure::Errors), 0.0));
    }
    let open = pooled.get(Measure::MostOpen);
    targets.push(at_most("connections of the pool, counted at the server", open, f64::from(connections)));
}

fn against_lettre(scene: &Played, name: &str, aim: f64, targets: &mut Vec<Target>) {
    if let (Some(ours), Some(theirs)) = (scene.figures(Kind::MailkitPooled), scene.figures(Kind::LettrePooled)) {
        targets.push(at_least(name, ratio(ours, theirs, Measure::PerSecond), aim));
    }
}

/// Whether the pool waits for the simulated network alone: were the proxy busy, it would be slower than the round trip.
fn network_alone(scene: &Played, connections: u32, targets: &mut Vec<Target>) {
    if let Some(ours) = scene.figures(Kind::MailkitPooled) {
        let most = f64::from(connections) * 1e3 / scene.round_trip_measured_ms;
        let share = ours.get(Measure::PerSecond) / most;
        targets.push(at_least("mailkit's pool to a message each round trip and connection, 20 ms", share, 0.8));
    }
}

fn ratio(this: &Figures, that: &Figures, measure: Measure) -> f64 {
    this.get(measure) / that.get(measure)
}
