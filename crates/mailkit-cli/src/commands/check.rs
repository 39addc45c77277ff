//! `mailkit check`: what a server offers, and what to fix.

mod advice;
mod certificate;
mod look;
mod print;

use mailkit::config::Config;
use serde_json::json;

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::server::Server;
use look::{Findings, Login};

pub(crate) async fn run(args: &CheckArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let server = Server::open(&args.server, config, args.trace)?;
    let findings = look::look(&server).await;
    let advice = advice::advice(&server, &findings);
    if output.json {
        output.object(&result(&server, &findings, &advice))?;
    } else {
        print::print(&server, &findings, &advice, output)?;
    }
    findings.failure.map_or(Ok(Exit::Done), Err)
}

fn result(server: &Server, findings: &Findings, advice: &[String]) -> serde_json::Value {
    let offered = findings.session.as_ref().map(|session| &session.extensions);
    let limits = offered.map(|offered| offered.limits).unwrap_or_default();
    json!({
        "server": server.shown,
        "address": findings.peer,
        "name": findings.session.as_ref().map(|session| &session.name),
        "tls": findings.tls.as_ref().map(|tls| json!({
            "version": tls.version,
            "cipher": tls.cipher,
            "trusted": findings.trusted,
            "chain": tls.chain,
        })),
        "extensions": offered.map(|offered| offered.lines()),
        "extensions_before_tls": findings.in_clear.as_ref().map(|offered| offered.lines()),
        "mechanisms": offered.map(look::mechanisms),
        "mechanisms_before_tls": findings.in_clear.as_ref().map(look::mechanisms),
        "login": match findings.login {
            Login::NotTried => "not tried",
            Login::Works => "works",
            Login::Fails => "fails",
        },
        "user": server.user,
        "size_limit": offered.and_then(look::size_limit),
        "limits": {
            "messages_per_connection": limits.mail_max,
            "recipients_per_message": limits.rcpt_max,
            "domains_per_message": limits.rcpt_domain_max,
        },
        "round_trip_ms": findings.round_trip.map(|time| (time.as_secs_f64() * 1_000_000.0).round() / 1000.0),
        "advice": advice,
        "error": findings.failure.as_ref().map(|failure| json!({
            "kind": failure.kind,
            "step": failure.step().map(mailkit::Step::name),
            "text": failure.text(),
            "temporary": failure.is_temporary(),
        })),
    })
}
