//! `mailkit send`: one message, now, and what became of each recipient.

use std::io;
use std::time::{Duration, Instant};

use mailkit::config::Config;
use mailkit::dispatch::{Disposition, FailureClass, Subject};
use mailkit::{Mailer, OneLine, RecipientReport, Report, Status, faults_of};
use serde::Serialize;

use crate::args::SendArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::message::{Composed, Purpose, Signers, compose};
use crate::output::{Output, Tone};
use crate::server::Server;

pub(crate) async fn run(args: SendArgs, config: Option<&Config>, output: &mut Output) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut attempt = Attempt::default();
    let outcome = attempt.make(args, config, output).await;
    let recipients = attempt.recipients(outcome.as_ref());
    let shown = if output.json {
        output.object(&attempt.result(&recipients, outcome.as_ref(), started.elapsed()))
    } else {
        print(&recipients, output)
    };
    // What became of the message is so whoever reads it: an exit code of failure would have it sent again.
    if let Err(error) = shown {
        output.failure(&Failure::from(error));
    }
    let report = outcome?;
    let exit = Exit::of_report(&report);
    if exit != Exit::Done {
        output.note(summary(&recipients));
    }
    Ok(exit)
}

/// An attempt to send, as far as it came.
#[derive(Default)]
struct Attempt {
    message_id: Option<String>,
    server: Option<String>,
    addressed: Vec<mailkit::Address>,
}

impl Attempt {
    async fn make(&mut self, args: SendArgs, config: Option<&Config>, output: &Output) -> Result<Report, Failure> {
        let composed = compose(args.message, Purpose::Send, config.and_then(|config| config.hostname.as_deref()))?;
        composed.show_notes(output);
        let Composed { message, options, signer, date, .. } = composed;
        self.message_id = message.message_id().map(str::to_owned);
        self.addressed = message.envelope().recipients().to_vec();
        let server = Server::open(&args.server, config, args.trace)?;
        self.server = Some(server.shown);
        let signers = Signers::new(signer, config)?.for_message(&message)?;
        let mailer = server.mailer.with_signers(signers);
        // As `render` does: the date that was given is the signature's as well.
        let mailer = date.into_iter().fold(mailer, Mailer::with_signing_time);
        let safeguards = config.map(|config| config.safeguards.clone()).unwrap_or_default();
        let outcome = safeguards.send(&mailer, &message, options).await;
        mailer.close().await;
        Ok(outcome?)
    }

    /// What became of each recipient. Where the conversation never came to them, the failure speaks for all.
    fn recipients(&self, outcome: Result<&Report, &Failure>) -> Vec<Recipient> {
        let failure = outcome.err();
        match outcome.ok().or_else(|| failure.and_then(Failure::report)) {
            Some(report) => {
                let entries = report.recipients.iter().zip(faults_of(report));
                entries.map(|(entry, fault)| Recipient::new(entry, fault, failure)).collect()
            }
            None => {
                let unsent = |address: &mailkit::Address| RecipientReport::new(address.clone(), Status::Unsent);
                self.addressed.iter().map(|address| Recipient::new(&unsent(address), None, failure)).collect()
            }
        }
    }

    fn result<'a>(
        &'a self,
        recipients: &'a [Recipient],
        outcome: Result<&Report, &Failure>,
        duration: Duration,
    ) -> SendResult<'a> {
        let failure = outcome.err();
        let report = outcome.ok().or_else(|| failure.and_then(Failure::report));
        let error = failure.map(|failure| ErrorResult {
            kind: failure.kind,
            step: failure.step().map(mailkit::Step::name),
            text: failure.text(),
            temporary: failure.is_temporary(),
            ambiguous: failure.is_ambiguous(),
        });
        SendResult {
            message_id: self.message_id.as_deref(),
            server: self.server.as_deref(),
            recipients,
            error,
            round_trips: report.map_or(0, |report| report.round_trips),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The object that `--json` prints; its names are fixed.
#[derive(Serialize)]
struct SendResult<'a> {
    message_id: Option<&'a str>,
    server: Option<&'a str>,
    recipients: &'a [Recipient],
    error: Option<ErrorResult>,
    round_trips: u32,
    duration_ms: u64,
}

#[derive(Serialize)]
struct ErrorResult {
    kind: &'static str,
    step: Option<&'static str>,
    text: String,
    temporary: bool,
    ambiguous: bool,
}

#[derive(Serialize)]
struct Recipient {
    address: String,
    status: &'static str,
    code: Option<u16>,
    enhanced: Option<String>,
    text: Option<String>,
    #[serde(skip)]
    subject: Option<Subject>,
    #[serde(skip)]
    is_sender: bool,
}

impl Recipient {
    fn new(entry: &RecipientReport, fault: Option<Disposition>, failure: Option<&Failure>) -> Self {
        let temporary = match &entry.status {
            // A failure of the route, of the login or of the network is held against no recipient.
            Status::Unsent => failure.is_none_or(|failure| !failure.is_about_message()),
            _ => fault.is_some_and(|fault| !fault.is_permanent && fault.class != FailureClass::Capability),
        };
        let status = match &entry.status {
            Status::Accepted(_) => "accepted",
            Status::Ambiguous => "ambiguous",
            _ if temporary => "temporary",
            _ => "permanent",
        };
        let reply = match &entry.status {
            // A reply out of place broke the conversation; it refused nobody.
            Status::Unsent => failure.filter(|failure| failure.exit != Exit::Protocol).and_then(Failure::reply),
            status => status.reply(),
        };
        Self {
            address: entry.address.to_string(),
            status,
            code: reply.map(|reply| reply.code().get()),
            enhanced: reply.and_then(|reply| reply.enhanced()).map(|enhanced| enhanced.to_string()),
            text: match &entry.status {
                Status::Forbidden(rule) => Some(rule.clone()),
                Status::Unaddressable(error) => Some(error.to_string()),
                _ => reply.map(|reply| reply.text().to_owned()),
            },
            subject: match entry.status {
                Status::Unsent => Some(Subject::Route),
                _ => fault.map(|fault| fault.subject),
            },
            is_sender: fault.is_some_and(|fault| fault.class == FailureClass::SenderRefused),
        }
    }

    /// Whether the server does not know the address (RFC 3463 §3.2).
    fn is_unknown(&self) -> bool {
        self.status == "permanent"
            && match self.enhanced.as_deref() {
                Some(enhanced) => enhanced.starts_with("5.1."),
                None => matches!(self.code, Some(550 | 551 | 553)),
            }
    }

    fn fate(&self) -> (Tone, &'static str) {
        match self.status {
            "accepted" => (Tone::Good, "accepted"),
            "ambiguous" => (Tone::Doubtful, "unknown: it may have been delivered"),
            _ if self.code.is_none() || self.subject == Some(Subject::Route) => (Tone::Bad, "not sent"),
            "temporary" => (Tone::Doubtful, "refused for now"),
            _ => (Tone::Bad, "refused for good"),
        }
    }
}

fn print(recipients: &[Recipient], output: &mut Output) -> io::Result<()> {
    for recipient in recipients {
        if output.quiet && recipient.status == "accepted" {
            continue;
        }
        let (tone, fate) = recipient.fate();
        let mut line = format!("{}  {}", recipient.address, output.paint(tone, fate));
        for word in [recipient.code.map(|code| code.to_string()), recipient.enhanced.clone()].into_iter().flatten() {
            line.push_str(&format!("  {word}"));
        }
        let text = recipient.text.as_deref().unwrap_or_default().replace('\n', " ");
        output.line(format!("{line}  {}", OneLine(&text)).trim_end())?;
    }
    Ok(())
}

/// What is to be done about refusals.
fn summary(recipients: &[Recipient]) -> String {
    let count = |status| recipients.iter().filter(|recipient| recipient.status == status).count();
    let what = match recipients.iter().any(Recipient::is_unknown) {
        true => "check the address, and the server's words",
        false if recipients.iter().any(|recipient| recipient.is_sender) => {
            "check the sender: the server does not take mail of it"
        }
        false => "read the server's words",
    };
    let (permanent, temporary, ambiguous) = (count("permanent"), count("temporary"), count("ambiguous"));
    let mut parts = Vec::new();
    if permanent > 0 {
        parts.push(format!("{permanent} refused for good ({what})"));
    }
    if temporary > 0 {
        let is_route =
            |recipient: &Recipient| recipient.status == "temporary" && recipient.subject == Some(Subject::Route);
        let when = match recipients.iter().any(is_route) {
            true => "no fault of theirs: mend the route as the server says, then send it to these alone",
            false => "send it again later, to these alone",
        };
        parts.push(format!("{temporary} refused for now ({when})"));
    }
    if ambiguous > 0 {
        parts.push(format!("{ambiguous} unknown"));
    }
    format!("of {} recipients: {}", recipients.len(), parts.join(", "))
}
