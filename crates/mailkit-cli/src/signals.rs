//! Being asked to end.

use std::io;

use crate::exit::Exit;

/// Waits for SIGINT, SIGTERM and SIGHUP; they are caught from now on.
pub(crate) struct AnyEnd {
    signals: Signals,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl AnyEnd {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            signals: Signals::catch()?,
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Resolves at the next signal, with the code that stands for it.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.signals.interrupt.recv() => Exit::Interrupted,
            _ = self.signals.terminate.recv() => Exit::Terminated,
            _ = self.hangup.recv() => Exit::HungUp,
        }
    }

    /// Resolves at the next Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Exit {
        self.signals.next().await;
        Exit::Interrupted
    }
}

/// Waits for SIGINT and SIGTERM; they are caught from now on.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it may fail")]
    pub(crate) const fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Resolves at the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Resolves at the next Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        // Without a way to be interrupted, it ends when its process is.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
