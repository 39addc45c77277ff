//! Set-up for the gate: real mail servers, a verifier of DKIM and a counter of instructions, by apt where this user may,
//! in words where not.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::process::{show, works};

/// A Debian package, and what shows that it is there (also on systems that are not Debian).
struct Package {
    name: &'static str,
    /// What to install on other systems.
    program: &'static str,
    witness: Witness,
}

enum Witness {
    /// One of these files.
    File(&'static [&'static str]),
    /// A module of the system's Python, where another may stand first on the path.
    Module(&'static str),
}

impl Witness {
    fn is_there(&self) -> bool {
        match self {
            Self::File(paths) => paths.iter().any(|path| Path::new(path).exists()),
            Self::Module(name) => works(Command::new("/usr/bin/python3").args(["-c", &format!("import {name}")])),
        }
    }
}

const PACKAGES: [Package; 6] = [
    Package {
        name: "postfix",
        program: "Postfix",
        witness: Witness::File(&["/usr/sbin/postfix", "/usr/libexec/postfix/master"]),
    },
    Package { name: "dovecot-core", program: "Dovecot", witness: Witness::File(&["/usr/sbin/dovecot"]) },
    Package {
        name: "dovecot-lmtpd",
        program: "Dovecot's LMTP server",
        witness: Witness::File(&["/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp"]),
    },
    Package { name: "python3-dkim", program: "dkimpy for /usr/bin/python3", witness: Witness::Module("dkim") },
    Package { name: "python3-nacl", program: "PyNaCl for /usr/bin/python3", witness: Witness::Module("nacl") },
    // Counts instructions, for the tests that work grows linearly.
    Package {
        name: "valgrind",
        program: "Valgrind",
        witness: Witness::File(&["/usr/bin/valgrind", "/usr/local/bin/valgrind"]),
    },
];

/// Runs `apt-get install` so that no daemon starts: neither now (policy-rc.d says 101, "not allowed",
/// and is taken away again whatever happens) nor at the next boot of a machine with systemd.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
apt-get install --yes --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then
    for service in postfix dovecot; do
        systemctl disable --now --quiet "$service" 2>/dev/null || true
    done
fi
"#;

/// Installs the servers that are missing, or says in words what to install.
pub(crate) fn servers() -> Result<(), Failure> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_debian() {
        return Err(by_hand(&elsewhere(&missing)));
    }
    let list = names(&missing).join(" ");
    if !is_root() {
        return Err(by_hand(&format!(
            "`sudo apt-get install {list}`, or run this as root: Postfix's master starts only as root"
        )));
    }
    println!("installing {list}");
    show(apt_environment(Command::new("apt-get").arg("update")))?;
    show(apt_environment(Command::new("sh").args(["-c", INSTALL, "install"]).args(names(&missing))))?;
    match missing_packages() {
        still if still.is_empty() => Ok(()),
        still => Err(by_hand(&format!("apt-get installed them, yet {} cannot be found", names(&still).join(" ")))),
    }
}

/// Says what is missing for the tests with real servers, or nothing.
pub(crate) fn check_servers() -> Result<(), Failure> {
    match missing_packages() {
        missing if !missing.is_empty() => {
            Err(by_hand(&format!("missing here: {} (Debian's names)", names(&missing).join(" "))))
        }
        _ if !is_root() => Err(by_hand("run this as root: Postfix's master starts only as root")),
        _ => Ok(()),
    }
}

/// The toolchain's parts that the gate calls.
pub(crate) fn components() -> Result<(), Failure> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !works(Command::new("cargo").args([subcommand, "--version"])) {
            return Err(Failure::new(format!("`cargo {subcommand}` is missing: `rustup component add {component}`")));
        }
    }
    Ok(())
}

fn missing_packages() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| !package.witness.is_there()).collect()
}

fn names(packages: &[&'static Package]) -> Vec<&'static str> {
    packages.iter().map(|package| package.name).collect()
}

/// What to install where there is no apt.
fn elsewhere(missing: &[&'static Package]) -> String {
    let programs: Vec<_> = missing.iter().map(|package| package.program).collect();
    let names = names(missing).join(" ");
    format!("this is neither Debian nor Ubuntu: install {} (on Debian: {names})", programs.join(", "))
}

fn by_hand(what: &str) -> Failure {
    Failure::new(format!(
        "the tests talk to a real Postfix and a real Dovecot, have dkimpy verify signatures, and count instructions by \
         Valgrind.\n  {what}\n  `cargo xtask test --unit` runs all that needs none of them"
    ))
}

fn apt_environment(command: &mut Command) -> &mut Command {
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C")
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && works(Command::new("apt-get").arg("--version"))
}

/// By the owner of this process's entry in /proc: std has no `geteuid`.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_each_missing_program_is_named() {
        let all: Vec<_> = PACKAGES.iter().collect();
        let told = elsewhere(&all);
        for program in ["Postfix", "Dovecot", "LMTP", "dkimpy", "PyNaCl", "Valgrind", "on Debian: postfix dovecot-core"]
        {
            assert!(told.contains(program), "{program}: {told}");
        }
        assert!(!elsewhere(&all[..2]).contains("Valgrind"));
    }
}
