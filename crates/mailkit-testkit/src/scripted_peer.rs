//! The server's half of a transcript, played over TCP.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{Step, Transcript};

/// How long the client may take for one step.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that says its part of a [`Transcript`] to one client and checks the client's part byte for byte.
#[derive(Debug)]
pub struct ScriptedPeer {
    address: SocketAddr,
    task: JoinHandle<Result<(), Mismatch>>,
}

impl ScriptedPeer {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(transcript: Transcript) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(serve(listener, transcript)) })
    }

    /// Where the client connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the dialogue is over and both sides have closed.
    ///
    /// # Errors
    ///
    /// Where the client said something else, too much or nothing for 10 seconds.
    pub async fn finish(self) -> Result<(), Mismatch> {
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(Mismatch { line: 0, difference: Difference::Io(io::Error::other(error)) }),
        }
    }
}

/// Where a client left the transcript.
#[derive(Debug)]
pub struct Mismatch {
    line: usize,
    difference: Difference,
}

#[derive(Debug)]
enum Difference {
    Said { expected: Vec<u8>, found: Vec<u8> },
    Closed { expected: Vec<u8>, found: Vec<u8> },
    TookTooLong { expected: Vec<u8>, found: Vec<u8> },
    WentOn { found: Vec<u8> },
    NeverClosed,
    Tls,
    Io(io::Error),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the transcript: ", self.line)?;
        let mut differs = |how: &str, expected: &[u8], found: &[u8]| {
            write!(f, "the client {how}\n  expected: {}\n  found:    {}", expected.escape_ascii(), found.escape_ascii())
        };
        match &self.difference {
            Difference::Said { expected, found } => differs("said something else", expected, found),
            Difference::Closed { expected, found } => differs("closed the connection", expected, found),
            Difference::TookTooLong { expected, found } => differs("took too long", expected, found),
            Difference::WentOn { found } => differs("said more than the transcript has", b"", found),
            Difference::NeverClosed => f.write_str("the client did not close the connection at the end"),
            Difference::Tls => f.write_str("this peer speaks no TLS"),
            Difference::Io(_) => f.write_str("the connection broke"),
        }
    }
}

impl Error for Mismatch {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.difference {
            Difference::Io(source) => Some(source),
            _ => None,
        }
    }
}

async fn serve(listener: TcpListener, transcript: Transcript) -> Result<(), Mismatch> {
    let mut line = transcript.line_of(0);
    let result = async {
        let (mut stream, _) = within(listener.accept()).await?.map_err(Difference::Io)?;
        // A second client is refused, not left waiting.
        drop(listener);
        stream.set_nodelay(true).map_err(Difference::Io)?;
        for (index, step) in transcript.steps().iter().enumerate() {
            line = transcript.line_of(index);
            match step {
                Step::Client(expected) => hear(&mut stream, expected).await?,
                Step::Server(bytes) => stream.write_all(bytes).await.map_err(Difference::Io)?,
                Step::Tls => return Err(Difference::Tls),
                Step::Close => return stream.shutdown().await.map_err(Difference::Io),
            }
        }
        hear_the_end(&mut stream).await
    };
    result.await.map_err(|difference| Mismatch { line, difference })
}

/// Reads what the client must say now, and complains at the first byte that differs.
async fn hear(stream: &mut TcpStream, expected: &[u8]) -> Result<(), Difference> {
    let mut found = Vec::with_capacity(expected.len());
    while found.len() < expected.len() {
        let mut buffer = vec![0; expected.len() - found.len()];
        let both = |found: &Vec<u8>| (expected.to_vec(), found.clone());
        let length = match timeout(PATIENCE, stream.read(&mut buffer)).await {
            Ok(result) => result.map_err(Difference::Io)?,
            Err(_) => {
                let (expected, found) = both(&found);
                return Err(Difference::TookTooLong { expected, found });
            }
        };
        found.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if length == 0 {
            let (expected, found) = both(&found);
            return Err(Difference::Closed { expected, found });
        }
        if !expected.starts_with(&found) {
            let (expected, found) = both(&found);
            return Err(Difference::Said { expected, found });
        }
    }
    Ok(())
}

/// After the last step the client closes, and says nothing more before.
async fn hear_the_end(stream: &mut TcpStream) -> Result<(), Difference> {
    let mut found = vec![0; 512];
    match within(stream.read(&mut found)).await?.map_err(Difference::Io)? {
        0 => Ok(()),
        length => {
            found.truncate(length);
            Err(Difference::WentOn { found })
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, Difference> {
    timeout(PATIENCE, work).await.map_err(|_| Difference::NeverClosed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALOGUE: &str = "# RFC 5321 §4.1.1.10: QUIT\nS: 220 mx\nC: EHLO me\nC: QUIT\nS: 250 mx\nS: 221 bye\n";

    async fn play(script: &str, client_says: &[u8]) -> (String, Result<(), Mismatch>) {
        let peer = ScriptedPeer::start(Transcript::parse(script).unwrap()).await.unwrap();
        let mut stream = TcpStream::connect(peer.address()).await.unwrap();
        stream.write_all(client_says).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = Vec::new();
        // A peer that leaves with bytes unread resets the connection: what was heard until then counts.
        let _ = stream.read_to_end(&mut heard).await;
        (String::from_utf8(heard).unwrap(), peer.finish().await)
    }

    #[tokio::test]
    async fn a_client_that_keeps_to_the_script_hears_the_other_half() {
        let (heard, result) = play(DIALOGUE, b"EHLO me\r\nQUIT\r\n").await;
        assert_eq!(heard, "220 mx\r\n250 mx\r\n221 bye\r\n");
        result.unwrap();
    }

    #[tokio::test]
    async fn another_word_is_shown_beside_the_expected_one() {
        let (_, result) = play(DIALOGUE, b"HELO me\r\n").await;
        let words = result.unwrap_err().to_string();
        assert!(words.starts_with("line 3 of the transcript: the client said something else"), "{words}");
        assert!(words.contains(r"expected: EHLO me\r\n"), "{words}");
    }

    #[tokio::test]
    async fn too_much_and_too_little_are_told_apart() {
        let (_, much) = play(DIALOGUE, b"EHLO me\r\nQUIT\r\nNOOP\r\n").await;
        assert!(much.unwrap_err().to_string().contains("more than the transcript has"));
        let (_, little) = play(DIALOGUE, b"EHLO me\r\nQU").await;
        assert!(little.unwrap_err().to_string().contains("closed the connection"));
    }

    #[tokio::test]
    async fn the_server_closes_where_the_script_says_so() {
        let script = "# RFC 5321 §3.8: closing\nS: 421 mx\nS-close\n";
        let (heard, result) = play(script, b"").await;
        assert_eq!(heard, "421 mx\r\n");
        result.unwrap();
    }
}
