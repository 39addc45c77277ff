//! A real Postfix in a temporary folder: STARTTLS, login, delivery to Maildirs.

mod settings;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::account::{self, Account};
use crate::dovecot::LoginService;
use crate::guarded::Guarded;
use crate::readiness::{await_greeting, unique_name, with_free_ports};
use crate::{Certificates, LaunchError, free_ports, launch, maildir};

pub use settings::PostfixOptions;
use settings::{Layout, main_cf, master_cf};

const PROGRAM: &str = "postfix";

/// A running Postfix, ended by `Drop`.
///
/// It listens on three ports: [`address`](Self::address) takes mail for its own domain from anyone, offers STARTTLS
/// and, under TLS, AUTH; [`submission_address`](Self::submission_address) demands STARTTLS and a login or a client
/// certificate; [`smtps_address`](Self::smtps_address) does so with TLS from the first byte.
#[derive(Debug)]
pub struct Postfix {
    // Fields drop in this order: first the processes, then what they stand on.
    _master: Guarded,
    _login: LoginService,
    ports: [u16; 3],
    name: String,
    certificates: Certificates,
    options: PostfixOptions,
    layout: Layout,
    _folder: TempDir,
}

impl Postfix {
    /// The one user that may log in.
    pub const USER: &'static str = "ann";
    /// Her password.
    pub const PASSWORD: &'static str = "correct horse, battery staple";

    /// Starts a Postfix and returns when it greets.
    ///
    /// # Errors
    ///
    /// [`LaunchError::is_unavailable`] where Postfix or Dovecot (for the login) is not installed or this process is
    /// not root's; others when they did not start.
    pub fn start(options: PostfixOptions) -> Result<Self, LaunchError> {
        let master =
            launch::program("postfix", "postfix", &["/usr/lib/postfix/sbin/master", "/usr/libexec/postfix/master"])?;
        account::require_root(PROGRAM)?;
        with_free_ports(|| Self::start_once(master, &options))
    }

    fn start_once(master: &'static str, options: &PostfixOptions) -> Result<Self, LaunchError> {
        let folder = account::server_folder()?;
        let layout = Layout::new(folder.path());
        let name = unique_name("postfix");
        let ports = free_ports().map_err(LaunchError::io("finding free ports"))?;
        make_folders(&layout)?;
        let certificates = Certificates::write_to(&layout.certificates).map_err(LaunchError::Certificate)?;
        let login = LoginService::start(&layout.login, &layout.queue.join("private/auth"), Self::USER, Self::PASSWORD)?;
        let daemons = Path::new(master).parent().unwrap_or(Path::new("/"));
        let files =
            [("main.cf", main_cf(&layout, options, &certificates, &name, daemons)?), ("master.cf", master_cf(ports))];
        for (file, text) in files {
            write_settings(&layout.settings.join(file), &text).map_err(LaunchError::io(format!("writing {file}")))?;
        }
        let arguments = [Path::new("-c"), &layout.settings, Path::new("-d")];
        let process = Guarded::start(master, arguments, &layout.log)?;
        for port in [ports[0], ports[1]] {
            await_greeting(PROGRAM, &process, port, &name, &layout.log)?;
        }
        Ok(Self {
            _master: process,
            _login: login,
            ports,
            name,
            certificates,
            options: options.clone(),
            layout,
            _folder: folder,
        })
    }

    /// Where anyone may hand in mail for [`DOMAIN`](crate::DOMAIN); STARTTLS is offered.
    pub fn address(&self) -> SocketAddr {
        self.local(self.ports[0])
    }

    /// The port of [`address`](Self::address).
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Where STARTTLS, and a login or a client certificate, are demanded.
    pub fn submission_address(&self) -> SocketAddr {
        self.local(self.ports[1])
    }

    /// Where TLS begins with the first byte, and a login or a client certificate is demanded.
    pub fn smtps_address(&self) -> SocketAddr {
        self.local(self.ports[2])
    }

    /// The name in its greeting.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The authority that signed its certificate, to be trusted by the client.
    pub fn ca_pem(&self) -> PathBuf {
        self.certificates.ca_pem()
    }

    /// All its certificates; the client's is accepted in place of a login.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The user that may log in.
    pub fn user(&self) -> &str {
        Self::USER
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        Self::PASSWORD
    }

    /// What was delivered to the mailbox `local_part` at [`DOMAIN`](crate::DOMAIN), as it was stored, oldest first.
    ///
    /// Waits until `count` messages are there, 20 seconds at most, so fewer may be given: compare.
    ///
    /// # Errors
    ///
    /// When the Maildir cannot be read.
    pub async fn delivered(&self, local_part: &str, count: usize) -> std::io::Result<Vec<Vec<u8>>> {
        maildir::wait_for(&self.layout.mail.join(local_part), count).await
    }

    /// What it logged so far, for the words of a failing test.
    pub fn log(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        read(&self.layout.log) + &read(&self.layout.login.join("dovecot.log"))
    }

    /// How many messages it has to deliver yet, without those that it will try again later.
    ///
    /// # Errors
    ///
    /// When its queue cannot be read.
    pub fn waiting(&self) -> std::io::Result<usize> {
        let count = |folder: &str| fs::read_dir(self.layout.queue.join(folder)).map(Iterator::count);
        Ok(count("incoming")? + count("active")?)
    }

    /// The options that it was started with.
    pub fn options(&self) -> &PostfixOptions {
        &self.options
    }

    #[expect(clippy::unused_self, reason = "every address is asked of a server that runs")]
    fn local(&self, port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

/// Postfix reads a file again and again until it is older than a second, lest somebody still writes it: this one is.
fn write_settings(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    fs::File::options()
        .append(true)
        .open(path)?
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

/// The folders that Postfix would make at its first system-wide start, with the owners that it insists on.
fn make_folders(layout: &Layout) -> Result<(), LaunchError> {
    let root = Account { uid: 0, gid: 0 };
    let postfix = Account::named("postfix")?;
    let postdrop = Account { gid: account::group("postdrop")?, ..postfix };
    for folder in [&layout.settings, &layout.queue, &layout.certificates, &layout.login, &layout.queue.join("pid")] {
        root.make_folder(folder, 0o755)?;
    }
    postfix.make_folder(&layout.data, 0o700)?;
    Account::nobody()?.make_folder(&layout.mail, 0o755)?;
    for folder in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace"] {
        postfix.make_folder(&layout.queue.join(folder), 0o700)?;
    }
    postfix.make_folder(&layout.queue.join("private"), 0o700)?;
    postdrop.make_folder(&layout.queue.join("maildrop"), 0o730)?;
    postdrop.make_folder(&layout.queue.join("public"), 0o710)
}
