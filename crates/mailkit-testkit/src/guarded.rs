//! A process that ends when its owner does, even if the owner is killed.
//!
//! A shell stands between: it starts the program as the head of a session of its own and reads its own standard
//! input, a pipe that only the owner holds. Once that closes (by `Drop`, a panic, or the owner's death by any
//! signal) the shell ends the whole session.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::LaunchError;

/// SIGTERM for the whole session, a fifth of a second to obey (nothing in the folder will be read again), then SIGKILL.
const GUARD: &str = r#"
log=$1; shift
setsid "$@" </dev/null >>"$log" 2>&1 &
pid=$!
echo "$pid"
exec >/dev/null
read -r _
kill -s TERM -- "-$pid"
tries=0
while [ $tries -lt 10 ] && grep -q '^State:[[:space:]]*[^ZX]' "/proc/$pid/status"; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -s KILL -- "-$pid"
wait
"#;

/// A running program, ended by `Drop`.
pub(crate) struct Guarded {
    pid: u32,
    shell: Child,
    /// Closing it is the signal to end.
    leash: Option<ChildStdin>,
}

impl Guarded {
    /// Starts the program; what it prints is appended to `log`.
    pub(crate) fn start<I>(program: &'static str, arguments: I, log: &Path) -> Result<Self, LaunchError>
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let doing = || LaunchError::io(format!("starting {program}"));
        let mut shell = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(log)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A signal to the test's process group must not reach the guard, or nobody would end the server.
            .process_group(0)
            .spawn()
            .map_err(doing())?;
        let leash = shell.stdin.take();
        let mut line = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(doing())?;
        }
        let pid = line.trim().parse().map_err(|error| doing()(std::io::Error::other(error)))?;
        Ok(Self { pid, shell, leash })
    }

    /// Whether the program itself still runs.
    pub(crate) fn is_running(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        state
            .lines()
            .find_map(|line| line.strip_prefix("State:"))
            .is_some_and(|state| !matches!(state.trim_start().as_bytes().first(), Some(b'Z' | b'X') | None))
    }

    /// The program's process id, which is also its session's.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.leash.take());
        // Nothing can be done about a guard that cannot be waited for, and a drop must not panic.
        let _ = self.shell.wait();
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("pid", &self.pid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn in_session(session: u32) -> usize {
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        processes
            .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|stat| {
                let after_name = stat.rsplit(')').next().unwrap_or_default();
                let mut fields = after_name.split_whitespace();
                fields.next() != Some("Z") && fields.nth(2) == Some(session.to_string().as_str())
            })
            .count()
    }

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let limit = Instant::now() + Duration::from_secs(5);
        while !condition() {
            assert!(Instant::now() < limit, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn drop_ends_the_program_and_its_children() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = Guarded::start("sh", ["-c", "sleep 600 & sleep 600 & wait"], log.path()).unwrap();
        let pid = process.pid();
        wait_until("three processes run", || in_session(pid) == 3);
        drop(process);
        assert_eq!(in_session(pid), 0);
    }

    #[test]
    fn a_panic_ends_the_program() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = Guarded::start("sleep", ["600"], log.path()).unwrap();
        let pid = process.pid();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            assert!(!process.is_running(), "the panic of a test that fails");
        }));
        assert!(result.is_err());
        assert_eq!(in_session(pid), 0);
    }

    #[test]
    fn a_program_that_ended_is_seen_and_its_words_are_in_the_log() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = Guarded::start("sh", ["-c", "echo no such option; exit 3"], log.path()).unwrap();
        wait_until("it ends", || !process.is_running());
        assert_eq!(fs::read_to_string(log.path()).unwrap(), "no such option\n");
    }
}
