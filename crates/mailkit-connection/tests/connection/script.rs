//! A server that follows a script: it waits for a line, says something, stays silent, drips, or hangs up.

use std::time::Duration;

use mailkit_connection::{Connection, Connector, Error, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::sleep;

use crate::peer::connector;

/// What the server does next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    /// Says this.
    Say(&'static str),
    /// Reads until this has come.
    Hear(&'static str),
    /// Lets a tenth of a second pass.
    Wait,
    /// Says this, an octet a second.
    Drip(&'static str),
    /// Reads an octet a second, for ever.
    Sip,
    /// Reads all there is, and says nothing, for ever.
    Listen,
    /// Does nothing, for ever.
    Freeze,
    /// Says this again and again, for ever, and does not read.
    Babble(&'static str),
}

pub(crate) use Do::{Babble, Drip, Freeze, Hear, Listen, Say, Sip, Wait};

/// Opens a session without a login, on a server with these extensions.
pub(crate) const PLAIN: [Do; 3] =
    [Say("220 mx\r\n"), Hear("EHLO client.example.com\r\n"), Say("250-mx\r\n250 8BITMIME\r\n")];
pub(crate) const PIPELINING: [Do; 3] = [PLAIN[0], PLAIN[1], Say("250-mx\r\n250 PIPELINING\r\n")];
pub(crate) const CHUNKING: [Do; 3] = [PLAIN[0], PLAIN[1], Say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")];

/// The client's end of a pipe to a server with this script; it hangs up at the end of it.
pub(crate) fn server(pipe: usize, script: &[Do]) -> DuplexStream {
    let (ours, theirs) = duplex(pipe);
    let script = script.to_vec();
    tokio::spawn(async move { perform(theirs, script).await });
    ours
}

pub(crate) async fn connect(script: &[Do]) -> Result<Connection, Error> {
    connect_by(&connector(Protocol::Smtp), 64 * 1024, script).await
}

pub(crate) async fn connect_by(connector: &Connector, pipe: usize, script: &[Do]) -> Result<Connection, Error> {
    connector.connect_over(server(pipe, script)).await
}

async fn perform(mut stream: DuplexStream, script: Vec<Do>) -> Option<()> {
    let mut heard = String::new();
    for step in script {
        match step {
            Say(words) => stream.write_all(words.as_bytes()).await.ok()?,
            Wait => sleep(Duration::from_millis(100)).await,
            Hear(words) => {
                while !heard.contains(words) {
                    heard.push(char::from(stream.read_u8().await.ok()?));
                }
                heard.clear();
            }
            Drip(words) => {
                for byte in words.bytes() {
                    stream.write_u8(byte).await.ok()?;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Sip => loop {
                stream.read_u8().await.ok()?;
                sleep(Duration::from_secs(1)).await;
            },
            Listen => loop {
                if stream.read(&mut [0; 1024]).await.ok()? == 0 {
                    return None;
                }
            },
            Freeze => std::future::pending().await,
            Babble(words) => loop {
                stream.write_all(words.as_bytes()).await.ok()?;
            },
        }
    }
    Some(())
}
