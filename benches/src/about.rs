//! Where, when and with what a run was made.

use std::fs;
use std::process::Command;

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// Where, when and with what a run was made.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) versions: Vec<String>,
}

impl About {
    pub(crate) fn gather() -> Self {
        let date = OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"));
        let system = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let versions = [
            Some(format!("mailkit {}", output("git", &["describe", "--always", "--dirty"]).unwrap_or_default())),
            Some(format!("lettre {}", locked("lettre").unwrap_or("?"))),
            Some(format!("tokio {}", locked("tokio").unwrap_or("?"))),
            Some(format!("rustls {}", locked("rustls").unwrap_or("?"))),
            output("rustc", &["--version"]),
            output("postconf", &["-d", "-h", "mail_version"]).map(|version| format!("Postfix {version}")),
        ];
        Self {
            date: date.unwrap_or_default(),
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, system.trim()),
            versions: versions.into_iter().flatten().collect(),
        }
    }
}

fn processor() -> Option<String> {
    let table = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = table.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// The version of a library that this program was built with.
fn locked(name: &str) -> Option<&'static str> {
    let packages = include_str!("../../Cargo.lock");
    let package = packages.split("[[package]]").find(|package| package.contains(&format!("name = \"{name}\"\n")))?;
    package.split("version = \"").nth(1)?.split('"').next()
}

/// The first line of what a program says, where there is such a program.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}
