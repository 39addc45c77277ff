//! What Dovecot is told: the options of a test and the text of its settings.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::{DOMAIN, LaunchError};

/// How a [`Dovecot`](crate::Dovecot) shall behave; by default with one mailbox `bob`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DovecotOptions {
    pub(super) mailboxes: Vec<String>,
}

impl DovecotOptions {
    /// One mailbox `bob`.
    pub fn new() -> Self {
        Self { mailboxes: vec!["bob".to_owned()] }
    }

    /// One more mailbox at [`DOMAIN`](crate::DOMAIN).
    #[must_use]
    pub fn mailbox(mut self, local_part: &str) -> Self {
        self.mailboxes.push(local_part.to_owned());
        self
    }
}

impl Default for DovecotOptions {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn users_file(folder: &Path) -> PathBuf {
    folder.join("users")
}

pub(super) fn lmtp_socket(folder: &Path) -> PathBuf {
    folder.join("lmtp.sock")
}

/// The passwd-file: a line per user, with a home that is owned by nobody.
pub(super) fn users(folder: &Path, logins: &[(String, String)]) -> Result<String, LaunchError> {
    let Account { uid, gid } = Account::nobody()?;
    let mut lines = String::new();
    for (user, password) in logins {
        let home = folder.join("mail").join(user);
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{user}:{{PLAIN}}{password}:{uid}:{gid}::{}::", home.display());
    }
    Ok(lines)
}

/// What every instance needs: all its files in the folder, a table of users, no protocol yet.
pub(super) fn base_settings(folder: &Path) -> String {
    let users = users_file(folder);
    let (folder, users) = (folder.display(), users.display());
    format!(
        "\
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {folder}
log_path = {folder}/dovecot.log
ssl = no
protocols =
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = passwd-file
  args = {users}
}}
"
    )
}

pub(super) fn lmtp_settings(folder: &Path, port: u16, name: &str) -> String {
    let socket = lmtp_socket(folder);
    let socket = socket.display();
    format!(
        "\
protocols = lmtp
hostname = {name}
login_greeting = {name} is ready
postmaster_address = postmaster@{DOMAIN}
mail_location = maildir:~/Maildir
lmtp_save_to_detail_mailbox = no
service lmtp {{
  unix_listener {socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"
    )
}

pub(super) fn login_settings(socket: &Path) -> String {
    let socket = socket.display();
    format!(
        "\
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"
    )
}
