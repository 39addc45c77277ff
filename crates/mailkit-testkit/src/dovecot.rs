//! A real Dovecot in a temporary folder: LMTP into Maildirs, and the login service that Postfix asks.

mod settings;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::account::{self, Account};
use crate::guarded::Guarded;
use crate::readiness::{await_file, await_greeting, unique_name, with_free_ports};
use crate::{LaunchError, free_port, launch, maildir};

pub use settings::DovecotOptions;
use settings::{base_settings, lmtp_settings, login_settings, users};

const PROGRAM: &str = "dovecot";
const LMTP: [&str; 2] = ["/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp"];

/// A running Dovecot that takes mail by LMTP over TCP and over a Unix socket, ended by `Drop`.
///
/// It knows the mailbox `bob`, and those of the options, at [`DOMAIN`](crate::DOMAIN); any other recipient is
/// refused with 550 5.1.1.
#[derive(Debug)]
pub struct Dovecot {
    // Fields drop in this order: first the processes, then what they stand on.
    _master: Guarded,
    port: u16,
    name: String,
    folder: TempDir,
}

impl Dovecot {
    /// Starts a Dovecot and returns when it greets.
    ///
    /// # Errors
    ///
    /// [`LaunchError::is_unavailable`] where Dovecot with LMTP is not installed or this process is not root's; others
    /// when it did not start.
    pub fn start(options: DovecotOptions) -> Result<Self, LaunchError> {
        launch::program("dovecot's lmtp", "dovecot-lmtpd", &LMTP)?;
        let program = find()?;
        with_free_ports(|| Self::start_once(program, &options))
    }

    fn start_once(program: &'static str, options: &DovecotOptions) -> Result<Self, LaunchError> {
        let folder = account::server_folder()?;
        let name = unique_name("dovecot");
        let port = free_port().map_err(LaunchError::io("finding a free port"))?;
        let base = folder.path();
        Account::nobody()?.make_folder(&base.join("mail"), 0o755)?;
        let logins: Vec<(String, String)> =
            options.mailboxes.iter().map(|local| (format!("{local}@{}", crate::DOMAIN), "unused".into())).collect();
        let settings = base_settings(base) + &lmtp_settings(base, port, &name);
        let process = run(program, base, &settings, &users(base, &logins)?)?;
        await_greeting(PROGRAM, &process, port, &name, &log_file(base))?;
        Ok(Self { _master: process, port, name, folder })
    }

    /// Where it takes LMTP over TCP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The port of [`address`](Self::address).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket where it takes LMTP.
    pub fn socket(&self) -> PathBuf {
        settings::lmtp_socket(self.folder.path())
    }

    /// The name in its greeting.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was delivered to the mailbox `local_part` at [`DOMAIN`](crate::DOMAIN), as it was stored, oldest first.
    ///
    /// Waits until `count` messages are there, 20 seconds at most, so fewer may be given: compare.
    ///
    /// # Errors
    ///
    /// When the Maildir cannot be read.
    pub async fn delivered(&self, local_part: &str, count: usize) -> std::io::Result<Vec<Vec<u8>>> {
        let user = format!("{local_part}@{}", crate::DOMAIN);
        maildir::wait_for(&self.folder.path().join("mail").join(user).join("Maildir"), count).await
    }

    /// What it logged so far, for the words of a failing test.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }
}

/// The part of Dovecot that checks logins for Postfix.
#[derive(Debug)]
pub(crate) struct LoginService {
    _master: Guarded,
}

impl LoginService {
    /// Starts it in `folder`, which must exist; it answers at `socket`, to the user `postfix`.
    pub(crate) fn start(folder: &Path, socket: &Path, user: &str, password: &str) -> Result<Self, LaunchError> {
        let program = find()?;
        let settings = base_settings(folder) + &login_settings(socket);
        let logins = [(user.to_owned(), password.to_owned())];
        let process = run(program, folder, &settings, &users(folder, &logins)?)?;
        await_file(PROGRAM, &process, socket, &log_file(folder))?;
        Ok(Self { _master: process })
    }
}

fn find() -> Result<&'static str, LaunchError> {
    let program = launch::program("dovecot", "dovecot-core", &["/usr/sbin/dovecot"])?;
    account::require_root(PROGRAM)?;
    Ok(program)
}

fn run(program: &'static str, folder: &Path, settings: &str, users: &str) -> Result<Guarded, LaunchError> {
    let settings_file = folder.join("dovecot.conf");
    for (file, text) in [(&settings_file, settings), (&settings::users_file(folder), users)] {
        fs::write(file, text).map_err(LaunchError::io(format!("writing {}", file.display())))?;
    }
    Guarded::start(program, [Path::new("-F"), Path::new("-c"), &settings_file], &log_file(folder))
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("dovecot.log")
}
