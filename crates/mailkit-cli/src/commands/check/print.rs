//! The report for a person.

use std::io;

use mailkit::OneLine;
use mailkit::smtp::Limits;

use super::look::{Findings, Login, mechanisms, size_limit};
use crate::output::{Output, Tone};
use crate::server::Server;

pub(super) fn print(server: &Server, findings: &Findings, advice: &[String], output: &mut Output) -> io::Result<()> {
    if !output.quiet {
        rows(server, findings, output)?;
    }
    for (number, line) in advice.iter().enumerate() {
        let label = if number == 0 { "to fix" } else { "" };
        row(output, label, output.paint(Tone::Doubtful, line))?;
    }
    if advice.is_empty() && findings.failure.is_none() && !output.quiet {
        row(output, "to fix", output.paint(Tone::Good, "nothing"))?;
    }
    Ok(())
}

fn rows(server: &Server, findings: &Findings, output: &mut Output) -> io::Result<()> {
    row(output, "server", &server.shown)?;
    if let Some(peer) = &findings.peer {
        row(output, "address", peer)?;
    }
    security(findings, output)?;
    if let Some(offered) = &findings.in_clear {
        row(output, "before TLS", shown(&offered.lines().join(", ")))?;
    }
    if let Some(session) = &findings.session {
        let offered = &session.extensions;
        row(output, "name", shown(&session.name))?;
        row(output, "extensions", shown(&offered.lines().join(", ")))?;
        row(output, "mechanisms", some_or(mechanisms(offered).join(", "), "none"))?;
        row(
            output,
            "size limit",
            size_limit(offered).map_or("not told".to_owned(), |octets| format!("{octets} octets")),
        )?;
        row(output, "limits", some_or(limits(&offered.limits), "none told"))?;
    }
    let user = server.user.as_deref().unwrap_or_default();
    match findings.login {
        Login::Works => row(output, "login", format!("{} as {user}", output.paint(Tone::Good, "works")))?,
        Login::Fails => row(output, "login", format!("{} as {user}", output.paint(Tone::Bad, "fails")))?,
        Login::NotTried if findings.session.is_some() => row(output, "login", "not tried: no user in the URL")?,
        Login::NotTried => {}
    }
    if let Some(time) = findings.round_trip {
        row(output, "round trip", format!("{:.3} ms", time.as_secs_f64() * 1000.0))?;
    }
    Ok(())
}

fn security(findings: &Findings, output: &mut Output) -> io::Result<()> {
    let Some(tls) = &findings.tls else {
        return if findings.session.is_some() { row(output, "TLS", "none") } else { Ok(()) };
    };
    let trust =
        if findings.trusted { output.paint(Tone::Good, "trusted") } else { output.paint(Tone::Bad, "not trusted") };
    row(output, "TLS", format!("{}, {}, {trust}", tls.version, tls.cipher))?;
    for certificate in &tls.chain {
        row(output, "certificate", &certificate.subject)?;
        row(output, "", format!("issued by {}", certificate.issuer))?;
        row(output, "", format!("{} days left, until {}", certificate.days_left, certificate.not_after))?;
    }
    Ok(())
}

fn row(output: &mut Output, label: &str, value: impl AsRef<str>) -> io::Result<()> {
    // Padded before it is painted: the paint has no width.
    let label = output.paint(Tone::Strong, format!("{label:<12}"));
    output.line(format!("{label} {}", value.as_ref()).trim_end())
}

/// A server's words, in which nothing moves the terminal or turns text around.
fn shown(words: &str) -> String {
    OneLine(words).to_string()
}

fn some_or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn limits(limits: &Limits) -> String {
    let told = [
        (limits.mail_max, "messages per connection"),
        (limits.rcpt_max, "recipients per message"),
        (limits.rcpt_domain_max, "recipient domains per message"),
    ];
    let told = told.into_iter().filter_map(|(limit, of)| Some(format!("{} {of}", limit?)));
    told.collect::<Vec<_>>().join(", ")
}
