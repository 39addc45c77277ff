//! System accounts by name: servers drop root's rights to them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::{fs, io};

use crate::LaunchError;

/// A user of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account that owns captured mail: it has no rights anywhere else.
    pub(crate) fn nobody() -> Result<Self, LaunchError> {
        Self::named("nobody")
    }

    pub(crate) fn named(name: &str) -> Result<Self, LaunchError> {
        let passwd = fs::read_to_string("/etc/passwd").map_err(LaunchError::io("reading /etc/passwd"))?;
        find(&passwd, name).ok_or_else(|| LaunchError::Io {
            doing: format!("looking for the user {name} in /etc/passwd"),
            source: io::ErrorKind::NotFound.into(),
        })
    }

    /// Makes a folder with this owner and mode.
    pub(crate) fn make_folder(self, path: &Path, mode: u32) -> Result<(), LaunchError> {
        fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .and_then(|()| chown(path, Some(self.uid), Some(self.gid)))
            .map_err(LaunchError::io(format!("making the folder {}", path.display())))
    }
}

/// The group's number.
pub(crate) fn group(name: &str) -> Result<u32, LaunchError> {
    let groups = fs::read_to_string("/etc/group").map_err(LaunchError::io("reading /etc/group"))?;
    fields(&groups, name).and_then(|fields| fields.get(2)?.parse().ok()).ok_or_else(|| LaunchError::Io {
        doing: format!("looking for the group {name} in /etc/group"),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// A temporary folder that the servers' own accounts may enter.
pub(crate) fn server_folder() -> Result<tempfile::TempDir, LaunchError> {
    tempfile::Builder::new()
        .prefix("mailkit-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .map_err(LaunchError::io("making a temporary folder"))
}

/// Fails unless this process is root's.
pub(crate) fn require_root(program: &'static str) -> Result<(), LaunchError> {
    match fs::metadata("/proc/self") {
        Ok(metadata) if metadata.uid() == 0 => Ok(()),
        _ => Err(LaunchError::NotRoot { program }),
    }
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    let fields = fields(passwd, name)?;
    Some(Account { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

fn fields<'a>(table: &'a str, name: &str) -> Option<Vec<&'a str>> {
    table.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root2:x:7:8::/:\nroot:x:0:0:root:/root:/bin/sh\n";
        assert_eq!(find(passwd, "root"), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(find(passwd, "ro"), None);
    }
}
