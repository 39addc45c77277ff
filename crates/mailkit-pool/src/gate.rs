//! When a connection may be opened: a server that refuses is left alone, and one that is not known is asked by one.
//!
//! ```text
//!  unknown ──opened──► proven ──failed──► doubtful ──opened──► proven
//!     └──────failed──────────────────────────▲ └─failed─┐
//!                                            └──────────┘
//! ```
//!
//! Only while it is proven are connections opened side by side. A wrong password costs one refused login, not sixteen.
//!
//! A connection that ends before a message was answered on it has *failed* as well, whatever ended it: so the pauses go on
//! doubling where a server greets and logs in, and is of no use then. They begin anew once a message was *answered*.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailkit_connection::{Cause, Error, TlsBlame, TlsError};
use mailkit_smtp::client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::AcquireError;

/// The pause after the first refusal; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause: a server that was put right is used again within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause after the network failed twice in a row; each further failure doubles it. After the first, the next caller
/// tries at once: the server may just have been restarted.
const FIRST_NETWORK_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause after the network failed: a server that is back is found within 5 s.
const LONGEST_NETWORK_PAUSE: Duration = Duration::from_secs(5);

/// The pause after the network failed, and only while other connections carry the mail.
const NETWORK_PAUSE: Duration = Duration::from_secs(1);

/// What is known of the server.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Whoever opens a connection to a server that is not proven holds it.
    probe: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    proven: bool,
    /// How many openings have begun.
    begun: u64,
    /// How many of them have failed.
    failures: u64,
    /// How many refusals in a row, those of openings side by side counted once.
    refusals: u32,
    /// How many openings in a row the network has failed.
    network_failures: u32,
    last: Option<Failure>,
    /// How many connections in a row have died while they were kept ready for nobody yet.
    died_idle: u32,
    /// Until when none is to be opened that nobody has asked for.
    spare_until: Option<Instant>,
}

#[derive(Debug)]
struct Failure {
    error: Arc<Error>,
    /// Which opening it was; of several, the one that began last.
    number: u64,
    refused: bool,
    /// Whether no other connection stood then. Beside others, a refusal mostly says that there are enough of them: it is
    /// no word about one that is opened when they have gone.
    alone: bool,
    at: Instant,
    until: Instant,
}

/// The right to open one connection.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) number: u64,
    _probe: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), probe: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for the right to open a connection; `None` where it should not be opened now. `standing` says whether
    /// other connections carry the mail, `needed` whether anybody still wants another.
    pub(crate) async fn enter(&self, standing: impl Fn() -> bool, needed: impl Fn() -> bool) -> Option<Pass> {
        if let Some(pass) = self.state().pass_if_proven() {
            return Some(pass);
        }
        let probe = Arc::clone(&self.probe).acquire_owned().await.ok()?;
        let mut state = self.state();
        if let Some(pass) = state.pass_if_proven() {
            // The probe's permit goes on to the next.
            return Some(pass);
        }
        let now = Instant::now();
        let paused = |last: &Failure| now < last.until && (standing() || last.alone);
        let paused = state.last.as_ref().is_some_and(paused);
        (!paused && needed()).then(|| state.pass(Some(probe)))
    }

    /// A connection was opened. A pause that goes on was decided after its opening had begun, and holds for others still.
    pub(crate) fn opened(&self) {
        let mut state = self.state();
        let now = Instant::now();
        if state.last.as_ref().is_none_or(|last| last.until <= now) {
            state.proven = true;
            state.last = None;
        }
    }

    /// A message was answered on a connection: the server is of use.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        (state.refusals, state.network_failures, state.died_idle, state.spare_until) = (0, 0, 0, None);
    }

    /// A connection that was kept ready died before anybody had used it, as where a server hangs up on idle clients: who
    /// asks for one gets another at once, but none is kept ready for a while.
    pub(crate) fn died_idle(&self) {
        let mut state = self.state();
        state.died_idle = state.died_idle.saturating_add(1);
        state.spare_until = Some(Instant::now() + pause(state.died_idle));
    }

    /// Whether a connection may be opened that nobody has asked for.
    pub(crate) fn allows_spare(&self) -> bool {
        let state = self.state();
        state.proven && state.spare_until.is_none_or(|until| until <= Instant::now())
    }

    /// An opening came to nothing, when no other connection stood, or beside others. Returns for how long the server is
    /// left alone.
    pub(crate) fn failed(&self, number: u64, error: Error, alone: bool) -> Duration {
        let refused = is_refusal(&error);
        self.note_failure(number, error, alone, refused)
    }

    /// A connection ended before a message was answered on it. Whatever ended it, the same at once gives the same.
    pub(crate) fn was_useless(&self, number: u64, error: Error, alone: bool) -> Duration {
        self.note_failure(number, error, alone, true)
    }

    fn note_failure(&self, number: u64, error: Error, alone: bool, refused: bool) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        // Openings that went on side by side are refused side by side: that is one refusal.
        let running = |last: &&Failure| last.refused && last.alone == alone && now < last.until;
        let running = state.last.as_ref().filter(running).map(|last| last.until);
        if refused && running.is_none() {
            state.refusals = state.refusals.saturating_add(1);
        }
        let until = match running {
            Some(until) => until,
            None if refused => now + pause(state.refusals),
            None => now + state.network_pause(alone),
        };
        state.proven = false;
        state.failures += 1;
        let number = state.last.as_ref().map_or(number, |last| last.number.max(number));
        let refused = refused || running.is_some();
        state.last = Some(Failure { error: Arc::new(error), number, refused, alone, at: now, until });
        until - now
    }

    /// Whether the last opening succeeded.
    pub(crate) fn is_proven(&self) -> bool {
        self.state().proven
    }

    /// How many openings have failed in all.
    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    /// How many openings have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.state().begun
    }

    /// Why who has come at that moment, when so many openings had begun, should not wait any longer, where nothing stands: a
    /// later one has failed, or none begins now.
    pub(crate) fn verdict(&self, came: Instant, begun: u64) -> Option<AcquireError> {
        let state = self.state();
        let last = state.last.as_ref().filter(|last| last.alone)?;
        let retry_in = last.until.saturating_duration_since(Instant::now());
        let error = Arc::clone(&last.error);
        match (last.refused, last.number > begun) {
            (false, true) => Some(AcquireError::Failed { error }),
            (true, true) => Some(AcquireError::Refused { error, retry_in }),
            // It is left alone now, by all who come. A failure of the network that began before and became known just now is
            // waited out.
            (refused, false) if !retry_in.is_zero() && (refused || last.at < came) => {
                Some(AcquireError::Refused { error, retry_in })
            }
            (_, false) => None,
        }
    }

    /// Why the last opening failed, if it did.
    pub(crate) fn last(&self) -> Option<Arc<Error>> {
        self.state().last.as_ref().map(|last| Arc::clone(&last.error))
    }

    /// For how long a server that refused is still left alone.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        let until = self.state().last.as_ref().filter(|last| last.refused).map(|last| last.until)?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The pause after another failure of the network, when no other connection stood, or beside others.
    fn network_pause(&mut self, alone: bool) -> Duration {
        if !alone {
            return NETWORK_PAUSE;
        }
        self.network_failures = self.network_failures.saturating_add(1);
        match self.network_failures.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => (FIRST_NETWORK_PAUSE * (1 << doublings.min(10))).min(LONGEST_NETWORK_PAUSE),
        }
    }

    fn pass_if_proven(&mut self) -> Option<Pass> {
        self.proven.then(|| self.pass(None))
    }

    fn pass(&mut self, probe: Option<OwnedSemaphorePermit>) -> Pass {
        self.begun += 1;
        Pass { number: self.begun, _probe: probe }
    }
}

fn pause(refusals: u32) -> Duration {
    let doublings = refusals.saturating_sub(1).min(10);
    (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
}

/// Whether somebody has decided against us, so that the same at once gives the same; the network decides nothing.
fn is_refusal(error: &Error) -> bool {
    match error.cause() {
        Cause::Tls(TlsError::TimedOut { .. }) => false,
        Cause::Tls(error) => error.blame() != TlsBlame::Network,
        Cause::Session(error) => !matches!(error, client::Error::Disconnected(..) | client::Error::TimedOut(..)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_minute() {
        let pauses: Vec<u64> = (1..=9).map(|refusals| pause(refusals).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
