//! The processes that are killed. They report on standard output what was acknowledged and what they did:
//!
//! ```text
//! + ID resend|hold    the message was acknowledged
//! > ID                its content was sent: the server has it
//! = ID                its settlement was acknowledged
//! ```

use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use mailkit_address::{Address, Envelope};
use mailkit_queue::{
    AttemptOutcome, Clock, ConsumerName, Content, Idempotency, LeaseRequest, Leased, NewMessage, Next, OnAmbiguous,
    Queue, QueueSettings, RecipientOutcome, RecipientStatus, Settlement, State, Timestamp,
};
use mailkit_queue_sqlite::SqliteQueue;

/// Settings without an end of the retention.
fn settings() -> QueueSettings {
    let forever = Duration::from_secs(100_000 * 24 * 60 * 60);
    QueueSettings::new().with_max_messages(u64::MAX).with_retention(forever).with_key_window(forever)
}

/// The consumer for whose sake all changes are logged.
pub(crate) fn consumer() -> ConsumerName {
    "crash".parse().unwrap()
}

/// Opens the store with a clock that is `hours` ahead: the leases of the killed workers have expired.
pub(crate) async fn open(path: &Path, hours: u64) -> SqliteQueue {
    let clock = Clock::new(move || Timestamp::from(SystemTime::now()) + Duration::from_secs(hours * 3_600));
    let queue = SqliteQueue::builder(path).settings(settings()).clock(clock).open().await.unwrap();
    queue.register_consumer(&consumer()).await.unwrap();
    queue
}

/// Starts such a process with a store.
pub(crate) fn start(what: &str, path: &Path, hours: u64, failpoint: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::a_process_that_is_to_die", "--nocapture", "--test-threads=1"]);
    command.env("MAILKIT_CHILD", what).env("MAILKIT_CHILD_STORE", path).env("MAILKIT_CHILD_HOURS", hours.to_string());
    if let Some(failpoint) = failpoint {
        command.env("MAILKIT_FAILPOINT", failpoint.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Does nothing outside of such a process.
#[test]
fn a_process_that_is_to_die() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let path = PathBuf::from(variable("MAILKIT_CHILD_STORE"));
    let hours = variable("MAILKIT_CHILD_HOURS").parse().unwrap_or_default();
    // Ends the line that the test runner has started.
    tell("");
    if !variable("MAILKIT_CHILD").is_empty() {
        // Where the test itself dies, so does this.
        std::thread::spawn(|| {
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap_or_default();
            std::process::exit(1);
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match variable("MAILKIT_CHILD").as_str() {
        "enqueue" => runtime.block_on(enqueue_for_ever(&path, hours)),
        "work" => runtime.block_on(work_for_ever(&path, hours)),
        "once" => runtime.block_on(once(&path, hours)),
        _ => {}
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

pub(crate) fn message(at: u64) -> NewMessage {
    let to = vec!["bob@example.org".parse().unwrap()];
    let size = if at % 10 == 9 { 300_000 } else { 2_000 };
    let content = Content::from(format!("Subject: {at}\r\n\r\n{}\r\n", "x".repeat(size)));
    let mut message = NewMessage::new(Envelope::null_sender(to).unwrap(), content);
    if at.is_multiple_of(3) {
        message.on_ambiguous = OnAmbiguous::Hold;
    }
    if at.is_multiple_of(5) {
        let key = format!("{}-{at}", std::process::id()).parse().unwrap();
        message.idempotency = Some(Idempotency::new(key, [1; 32]));
    }
    message
}

pub(crate) fn accepted(leased: &Leased) -> Settlement {
    let outcome = |address: &Address| {
        RecipientOutcome::new(address.clone(), RecipientStatus::Accepted).with_code(250).with_text("queued")
    };
    Settlement::attempt("main", AttemptOutcome::Accepted, Next::Ready)
        .with_recipients(leased.recipients().iter().map(outcome).collect())
}

async fn enqueue(queue: &SqliteQueue, at: u64) {
    let message = message(at);
    let policy = message.on_ambiguous;
    let id = queue.enqueue(message).await.unwrap().id;
    tell(&format!("+ {id} {policy}"));
}

async fn deliver(queue: &SqliteQueue, leased: Leased) {
    let id = leased.id();
    for chunk in leased.content.chunks().unwrap() {
        chunk.unwrap();
    }
    if leased.on_ambiguous == OnAmbiguous::Hold {
        queue.record_commit_point(leased.token).await.unwrap();
    }
    tell(&format!("> {id}"));
    let settlement = accepted(&leased);
    queue.settle(leased.token, &settlement).await.unwrap();
    tell(&format!("= {id}"));
}

pub(crate) fn request(max: u32) -> LeaseRequest {
    LeaseRequest::new(NonZeroU32::new(max).unwrap(), Duration::from_secs(60))
}

async fn enqueue_for_ever(path: &Path, hours: u64) {
    let queue = open(path, hours).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let queue = queue.clone();
        tasks.spawn(async move {
            for at in (task..).step_by(8) {
                enqueue(&queue, at).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn work_for_ever(path: &Path, hours: u64) {
    let queue = open(path, hours).await;
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let leased = queue.lease(&request(16)).await.unwrap();
        if leased.is_empty() {
            queue.wait().await;
        }
        for leased in leased {
            let queue = queue.clone();
            tasks.spawn(async move { deliver(&queue, leased).await });
        }
        while tasks.len() >= 16 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
}

/// Every operation once, one after the other.
async fn once(path: &Path, hours: u64) {
    let queue = open(path, hours).await;
    for at in [0, 1, 9] {
        enqueue(&queue, at).await;
    }
    for leased in queue.lease(&request(2)).await.unwrap() {
        deliver(&queue, leased).await;
    }
    enqueue(&queue, 5).await;
    let leased = queue.lease(&request(1)).await.unwrap().pop().unwrap();
    queue.renew(&[leased.token], Duration::from_secs(60)).await.unwrap();
    deliver(&queue, leased).await;
    queue.purge(&[State::Sent, State::Dead, State::Cancelled], Duration::ZERO).await.unwrap();
    queue.close().await.unwrap();
}
