//! Which file is read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names the file.
const VARIABLE: &str = "MAILKIT_CONFIG";
/// The files that are read where none is named, first to last.
const USUAL: [&str; 2] = ["mailkit.toml", "/etc/mailkit/mailkit.toml"];

/// The configuration file that a program should read: the one that is named, else that of the environment variable
/// `MAILKIT_CONFIG`, else `mailkit.toml` in the working directory, else `/etc/mailkit/mailkit.toml`; `None` where there is
/// none of them. A file that is named is given whether it is there or not: to miss it is an error.
#[must_use]
pub fn locate(named: Option<&Path>) -> Option<PathBuf> {
    choose(named, std::env::var_os(VARIABLE), |path| path.try_exists().unwrap_or(true))
}

fn choose(named: Option<&Path>, variable: Option<OsString>, is_there: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    // An empty variable is how a shell says that there is none.
    let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || USUAL.into_iter().map(PathBuf::from).find(|path| is_there(path));
    named.map(Path::to_path_buf).or(variable).or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_named_beats_the_environment_and_that_the_usual_places() {
        let chosen = |named: Option<&str>, variable: Option<&str>, there: &[&str]| {
            let is_there = |path: &Path| there.iter().any(|name| Path::new(name) == path);
            let chosen = choose(named.map(Path::new), variable.map(OsString::from), is_there);
            chosen.map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!(chosen(Some("a"), Some("b"), &USUAL), "a");
        assert_eq!(chosen(None, Some("b"), &USUAL), "b");
        assert_eq!(chosen(None, Some(""), &USUAL), "mailkit.toml");
        assert_eq!(chosen(None, None, &USUAL[1..]), "/etc/mailkit/mailkit.toml");
        assert_eq!(chosen(None, None, &[]), "");
    }
}
