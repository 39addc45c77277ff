//! The servers: our capture server in a process of its own, so that its work is not counted as the senders', and
//! Postfix's `smtp-sink`.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use mailkit_server::{Sink, SinkTls};
use mailkit_testkit::SmtpSink;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::contender::{Address, PASSWORD, USER};
use crate::network;
use crate::usage::processor_time;
use crate::work::Failure;

/// A server that runs, until it is dropped.
pub(crate) enum Server {
    Capture(Capture),
    SmtpSink(SmtpSink),
}

/// Our capture server in a process of its own.
pub(crate) struct Capture {
    process: Child,
    /// A line asks for the counters; the end of file ends the process.
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    hello: Hello,
}

/// What the process says when it listens.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    address: SocketAddr,
    authority: Option<PathBuf>,
}

/// What the server has seen so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Messages accepted.
    pub(crate) accepted: u64,
    /// Connections opened.
    pub(crate) connections: u64,
    /// The most connections that were open at once.
    pub(crate) most_open: usize,
    /// Processor time of the server, with the network that it stands behind.
    pub(crate) processor: Duration,
}

/// How the process of the capture server is started: this program starts itself with these.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// TLS from the first byte, and a login.
    #[arg(long)]
    secure: bool,
    /// Round trip in milliseconds of the network in front of it.
    #[arg(long, default_value_t = 0)]
    rtt: u64,
}

impl Server {
    pub(crate) fn capture(secure: bool, round_trip: Duration) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--rtt", &round_trip.as_millis().to_string()]);
        if secure {
            command.arg("--secure");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().ok_or("a pipe was asked for")?;
        let mut answers = BufReader::new(process.stdout.take().ok_or("a pipe was asked for")?);
        let hello = read(&mut answers)?;
        Ok(Self::Capture(Capture { process, questions, answers, hello }))
    }

    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Capture(capture) => {
                Address { socket: capture.hello.address, authority: capture.hello.authority.clone() }
            }
            Self::SmtpSink(sink) => Address { socket: sink.address(), authority: None },
        }
    }

    /// What it has seen; `smtp-sink` does not tell.
    pub(crate) fn seen(&mut self) -> Result<Option<Seen>, Failure> {
        match self {
            Self::Capture(capture) => {
                writeln!(capture.questions)?;
                read(&mut capture.answers).map(Some)
            }
            Self::SmtpSink(_) => Ok(None),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> Result<T, Failure> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// The life of the capture server's process.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(super::half_of_the_cores()).enable_all().build()?;
    let (sink, proxy) = runtime.block_on(async {
        let builder = Sink::builder().keep(0);
        let builder = if options.secure { builder.tls(SinkTls::Implicit).user(USER, PASSWORD) } else { builder };
        let sink = builder.start().await?;
        let proxy = match options.rtt {
            0 => None,
            rtt => Some(network::far(sink.addr(), Duration::from_millis(rtt)).await?),
        };
        Ok::<_, Failure>((sink, proxy))
    })?;
    let address = proxy.as_ref().map_or(sink.addr(), |proxy| proxy.address());
    let mut out = io::stdout().lock();
    tell(&mut out, &Hello { address, authority: sink.ca_path().map(Into::into) })?;
    for question in io::stdin().lock().lines() {
        question?;
        let counters = sink.counters();
        let seen = Seen {
            accepted: counters.accepted,
            connections: counters.connections,
            most_open: counters.most_open,
            processor: processor_time(),
        };
        tell(&mut out, &seen)?;
    }
    Ok(())
}

fn tell(out: &mut impl io::Write, words: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, words)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
