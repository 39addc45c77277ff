//! Postfix's `smtp-sink`: a server that takes any mail and forgets it, as fast as C can.

use std::net::{Ipv4Addr, SocketAddr};

use tempfile::TempDir;

use crate::guarded::Guarded;
use crate::readiness::{await_greeting, unique_name, with_free_ports};
use crate::{LaunchError, account, free_port, launch};

const PROGRAM: &str = "smtp-sink";

/// How many connections may wait to be accepted.
const BACKLOG: &str = "1024";

/// A running `smtp-sink`, ended by `Drop`.
#[derive(Debug)]
pub struct SmtpSink {
    // Dropped before the folder that it logs to.
    process: Guarded,
    port: u16,
    _folder: TempDir,
}

impl SmtpSink {
    /// Starts `smtp-sink` with the flags (such as `-p`: no PIPELINING, `-8`: no 8BITMIME; see its manual) and returns
    /// when it greets. It never offers CHUNKING.
    ///
    /// # Errors
    ///
    /// [`LaunchError::is_unavailable`] where Postfix is not installed or this process is not root's; others when it did not start.
    pub fn start(flags: &[&str]) -> Result<Self, LaunchError> {
        let program = launch::program(PROGRAM, "postfix", &["/usr/sbin/smtp-sink"])?;
        account::require_root(PROGRAM)?;
        with_free_ports(|| {
            let folder = account::server_folder()?;
            let log = folder.path().join("smtp-sink.log");
            let name = unique_name(PROGRAM);
            let port = free_port().map_err(LaunchError::io("finding a free port"))?;
            let address = format!("127.0.0.1:{port}");
            let arguments =
                ["-u", "nobody", "-h", &name].into_iter().chain(flags.iter().copied()).chain([&*address, BACKLOG]);
            let process = Guarded::start(program, arguments, &log)?;
            await_greeting(PROGRAM, &process, port, &name, &log)?;
            Ok(Self { process, port, _folder: folder })
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its process id, for counting its CPU time.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
