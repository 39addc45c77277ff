//! Waiting until a server that was just started greets.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::LaunchError;
use crate::guarded::Guarded;

const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// How often a launch is tried again on other ports: between finding a port and binding it, another may take it.
const TRIES: usize = 3;

/// A word for the greeting that no other server on this machine has: a port taken by a neighbour's server
/// must not pass for ours.
pub(crate) fn unique_name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{kind}-{}-{count}.mailkit.test", std::process::id())
}

/// Waits until the port greets with the name.
pub(crate) fn await_greeting(
    program: &'static str,
    process: &Guarded,
    port: u16,
    name: &str,
    log: &Path,
) -> Result<(), LaunchError> {
    await_sign(program, process, log, || match greeting(port) {
        Ok(line) if line.starts_with("220") && line.contains(name) => Ok(()),
        Ok(line) => Err(format!("port {port} said {line:?}")),
        Err(error) => Err(format!("port {port}: {error}")),
    })
}

/// Waits until the server has made the file, such as a socket.
pub(crate) fn await_file(program: &'static str, process: &Guarded, file: &Path, log: &Path) -> Result<(), LaunchError> {
    await_sign(program, process, log, || if file.exists() { Ok(()) } else { Err(format!("no {}", file.display())) })
}

fn await_sign(
    program: &'static str,
    process: &Guarded,
    log: &Path,
    sign: impl Fn() -> Result<(), String>,
) -> Result<(), LaunchError> {
    let start = Instant::now();
    loop {
        let running = process.is_running();
        let Err(seen) = sign() else { return Ok(()) };
        if !running || start.elapsed() > LIMIT {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let seen = if running { seen } else { format!("it ended ({seen})") };
            return Err(LaunchError::NotReady { program, seen, log });
        }
        thread::sleep(PAUSE);
    }
}

/// Tries a launch anew when it failed because a port was taken meanwhile.
pub(crate) fn with_free_ports<T>(mut launch: impl FnMut() -> Result<T, LaunchError>) -> Result<T, LaunchError> {
    for _ in 1..TRIES {
        match launch() {
            Err(LaunchError::NotReady { log, .. }) if log.contains("Address already in use") => {}
            result => return result,
        }
    }
    launch()
}

fn greeting(port: u16) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
