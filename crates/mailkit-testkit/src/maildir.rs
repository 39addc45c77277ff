//! Reading a Maildir while a server delivers into it.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until the Maildir holds `count` messages, 20 seconds at most, and gives all that are there, oldest first.
pub(crate) async fn wait_for(folder: &Path, count: usize) -> io::Result<Vec<Vec<u8>>> {
    let limit = Instant::now() + LIMIT;
    loop {
        let files = files(folder)?;
        if files.len() >= count || Instant::now() >= limit {
            return files.iter().map(fs::read).collect();
        }
        sleep(PAUSE).await;
    }
}

/// Deliveries appear in `new` whole, by a rename; nobody reads them, so none moves to `cur`.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder.join("new")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_that_arrive_while_waiting_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let waiting = wait_for(folder.path(), 2);
        let arriving = async {
            tokio::task::yield_now().await;
            fs::create_dir(&new).unwrap();
            fs::write(new.join("1"), "one").unwrap();
            fs::write(new.join("2"), "two").unwrap();
        };
        let (messages, ()) = tokio::join!(waiting, arriving);
        assert_eq!(messages.unwrap(), [b"one", b"two"]);
    }
}
