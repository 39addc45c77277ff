//! What Postfix is told: the options of a test, `main.cf` and `master.cf`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::{Certificates, DOMAIN, LaunchError};

/// How a [`Postfix`](crate::Postfix) shall behave; by default as it comes, with one mailbox `bob`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostfixOptions {
    mailboxes: Vec<String>,
    deferred: Vec<String>,
    hidden_keywords: Vec<String>,
    message_size_limit: u64,
    smtputf8: bool,
    relay: Option<SocketAddr>,
}

impl PostfixOptions {
    /// One mailbox `bob`, every extension offered, messages up to 50 MiB.
    pub fn new() -> Self {
        Self {
            mailboxes: vec!["bob".to_owned()],
            deferred: Vec::new(),
            hidden_keywords: Vec::new(),
            message_size_limit: 50 << 20,
            smtputf8: true,
            relay: None,
        }
    }

    /// One more mailbox at [`DOMAIN`](crate::DOMAIN). Any other recipient is refused with 550 5.1.1.
    #[must_use]
    pub fn mailbox(mut self, local_part: &str) -> Self {
        self.mailboxes.push(local_part.to_owned());
        self
    }

    /// A recipient at [`DOMAIN`](crate::DOMAIN) who is refused for now, with 450 4.2.1.
    #[must_use]
    pub fn deferred_recipient(mut self, local_part: &str) -> Self {
        self.mailboxes.push(local_part.to_owned());
        self.deferred.push(local_part.to_owned());
        self
    }

    /// Leaves the keyword (`pipelining`, `chunking`, `starttls`, ...) out of the answer to EHLO.
    #[must_use]
    pub fn hide(mut self, keyword: &str) -> Self {
        self.hidden_keywords.push(keyword.to_owned());
        self
    }

    /// The limit that SIZE announces, in bytes.
    #[must_use]
    pub fn message_size_limit(mut self, bytes: u64) -> Self {
        self.message_size_limit = bytes;
        self
    }

    /// Whether SMTPUTF8 is offered.
    #[must_use]
    pub fn smtputf8(mut self, offered: bool) -> Self {
        self.smtputf8 = offered;
        self
    }

    /// Takes mail for any domain but [`DOMAIN`](crate::DOMAIN) from this machine too, and hands it on to that server.
    #[must_use]
    pub fn relay_to(mut self, server: SocketAddr) -> Self {
        self.relay = Some(server);
        self
    }
}

impl Default for PostfixOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Where things are in the temporary folder.
#[derive(Debug)]
pub(super) struct Layout {
    base: PathBuf,
    pub(super) settings: PathBuf,
    pub(super) queue: PathBuf,
    pub(super) data: PathBuf,
    pub(super) mail: PathBuf,
    pub(super) certificates: PathBuf,
    pub(super) login: PathBuf,
    pub(super) log: PathBuf,
}

impl Layout {
    pub(super) fn new(base: &Path) -> Self {
        Self {
            base: base.to_path_buf(),
            settings: base.join("settings"),
            queue: base.join("queue"),
            data: base.join("data"),
            mail: base.join("mail"),
            certificates: base.join("certificates"),
            login: base.join("login"),
            log: base.join("postfix.log"),
        }
    }
}

/// What is the same for every instance.
const FIXED: &str = "\
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
local_recipient_maps =
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination

# Content arrives as it was sent, so that a Bcc that leaks is seen.
local_header_rewrite_clients =
message_drop_headers =
mailbox_size_limit = 0
virtual_mailbox_limit = 0

smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth

# A test may be as fast and as wrong as it likes.
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
";

pub(super) fn main_cf(
    layout: &Layout,
    options: &PostfixOptions,
    certificates: &Certificates,
    name: &str,
    daemons: &Path,
) -> Result<String, LaunchError> {
    let Account { uid, gid } = Account::nobody()?;
    let path = |path: &Path| path.display().to_string();
    let deferred = match options.deferred.as_slice() {
        [] => String::new(),
        deferred => format!("check_recipient_access {}", table(deferred, |_| "450 4.2.1 Try again later".to_owned())),
    };
    let server = options.relay.map(|server| format!("[{}]:{}", server.ip(), server.port()));
    let settings = [
        ("mynetworks", if server.is_some() { "127.0.0.0/8" } else { "" }.to_owned()),
        ("relayhost", server.unwrap_or_default()),
        ("daemon_directory", path(daemons)),
        ("queue_directory", path(&layout.queue)),
        ("data_directory", path(&layout.data)),
        ("maillog_file", path(&layout.log)),
        ("maillog_file_prefixes", path(&layout.base)),
        ("myhostname", name.to_owned()),
        ("message_size_limit", options.message_size_limit.to_string()),
        ("virtual_mailbox_domains", DOMAIN.to_owned()),
        ("virtual_mailbox_base", path(&layout.mail)),
        ("virtual_mailbox_maps", table(&options.mailboxes, |local| format!("{local}/"))),
        ("virtual_uid_maps", format!("static:{uid}")),
        ("virtual_gid_maps", format!("static:{gid}")),
        ("smtpd_recipient_restrictions", deferred),
        ("smtpd_discard_ehlo_keywords", options.hidden_keywords.join(", ")),
        ("smtputf8_enable", if options.smtputf8 { "yes" } else { "no" }.to_owned()),
        ("smtpd_tls_cert_file", path(&certificates.server_pem())),
        ("smtpd_tls_key_file", path(&certificates.server_key())),
        ("smtpd_tls_CAfile", path(&certificates.ca_pem())),
    ];
    let own: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    Ok(own + FIXED)
}

/// A lookup table within the settings: each mailbox at the domain, and what it maps to.
fn table(local_parts: &[String], value: impl Fn(&str) -> String) -> String {
    let entries: Vec<String> =
        local_parts.iter().map(|local| format!("{{ {local}@{DOMAIN} = {} }}", value(local))).collect();
    format!("inline:{{ {} }}", entries.join(", "))
}

pub(super) fn master_cf([open, submission, smtps]: [u16; 3]) -> String {
    // A line that begins with a space goes on with the one above.
    let who = [
        "    -o smtpd_tls_ask_ccert=yes\n",
        "    -o smtpd_client_restrictions=permit_sasl_authenticated,permit_tls_all_clientcerts,reject\n",
    ]
    .concat();
    format!(
        "\
127.0.0.1:{open} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt
{who}127.0.0.1:{smtps} inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
{who}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}
