//! `mailkit sink`: captures mail until it is interrupted.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use mailkit_server::{Captured, FailRule, Sink, SinkBuilder, SinkError, SinkTls};
use serde::Serialize;

use crate::args::SinkArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// The largest message in octets. It goes to disk piece by piece or nowhere, so it may be larger than memory.
const LARGEST: u64 = 16 * 1024 * 1024 * 1024;

pub(crate) async fn run(args: SinkArgs, output: &mut Output) -> Result<Exit, Failure> {
    let interrupted = interrupted().map_err(|error| Failure::system("no signals can be received", &error))?;
    let tls = tls(&args);
    let sink = builder(args, tls)?.start().await.map_err(|error| failure(&error))?;
    let smtp = sink.addr().to_string();
    // This line is what a program that starts a sink waits for; it is JSON with and without `--json`.
    output.object(&Listening { smtp, tls: tls != SinkTls::None, ca: sink.ca_path(), http: None })?;
    interrupted.await;
    let seen = sink.counters();
    sink.shutdown().await;
    output.note(format_args!("{} messages for {} recipients, {} octets", seen.accepted, seen.recipients, seen.octets));
    Ok(Exit::Done)
}

/// The line that says where the sink listens; its names are fixed.
#[derive(Serialize)]
struct Listening<'a> {
    smtp: String,
    tls: bool,
    ca: Option<&'a Path>,
    http: Option<&'a str>,
}

fn tls(args: &SinkArgs) -> SinkTls {
    if args.implicit_tls {
        SinkTls::Implicit
    } else if args.tls || args.cert.is_some() {
        SinkTls::StartTls
    } else {
        SinkTls::None
    }
}

fn builder(args: SinkArgs, tls: SinkTls) -> Result<SinkBuilder, Failure> {
    let mut builder = Sink::builder()
        .listen(address(&args.listen)?)
        .tls(tls)
        .latency(Duration::from_millis(args.latency))
        .keep(0)
        .size_limit(LARGEST)
        .on_arrival(log);
    if let Some(folder) = args.maildir {
        builder = builder.maildir(folder);
    }
    if let (Some(certificate), Some(key)) = (args.cert, args.key) {
        builder = builder.certificate(certificate, key);
    }
    if let (Some(user), Some(password)) = (args.user, args.password) {
        builder = builder.user(user, password);
    }
    if args.lmtp {
        builder = builder.lmtp();
    }
    for spec in &args.fail {
        let rule: FailRule = spec.parse().map_err(|error| Failure::usage(format!("--fail: {error}")))?;
        builder = builder.fail(rule);
    }
    Ok(builder)
}

/// `127.0.0.1:2525`, `[::1]:2525` or `localhost:2525`. What it is instead is not repeated: it may be a URL with a
/// password.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let mut found = text.to_socket_addrs().into_iter().flatten();
    found.next().ok_or_else(|| Failure::usage("--listen: no address with a port: write it as 127.0.0.1:2525"))
}

fn failure(error: &SinkError) -> Failure {
    const WHAT: &str = "the sink does not start";
    match error {
        SinkError::Listen(_, source) if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::system(WHAT, error).with_advice("another address; port 0 picks a free port")
        }
        SinkError::Listen(..) => Failure::system(WHAT, error),
        _ => Failure::configuration(WHAT, error),
    }
}

fn log(message: &Captured) {
    let to: Vec<String> = message.recipients.iter().map(ToString::to_string).collect();
    let to = to.join(",");
    let user = message.user.as_deref().unwrap_or_default();
    let file = message.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    let from = message.reverse_path.address().map(|address| format!("<{address}>")).unwrap_or_else(|| "<>".to_owned());
    tracing::info!(from, to, size = message.size, tls = message.tls, user, file, "captured");
}

/// Resolves at SIGINT or SIGTERM; they are caught from now on.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a way to be interrupted, it ends when its process is.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
