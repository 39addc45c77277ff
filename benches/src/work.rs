//! What every part sends, and the ways to send it.

use bytes::Bytes;
use futures_util::StreamExt as _;
use mailkit_address::{Address, Envelope};
use mailkit_connection::{Connection, Submission};
use mailkit_smtp::Report;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// How messages go over a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// One after the other, each awaited.
    Send,
    /// As a stream, each riding behind the last.
    SendAll,
}

/// Sends the message so many times, and insists that it is accepted.
pub(crate) async fn over(
    connection: &mut Connection,
    way: Way,
    envelope: &Envelope,
    content: &Bytes,
    messages: usize,
) -> Result<(), Failure> {
    match way {
        Way::Send => {
            for _ in 0..messages {
                accepted(&connection.send(envelope, &Default::default(), content.clone()).await?)?;
            }
        }
        Way::SendAll => {
            let source = (0..messages).map(|_| Submission::new(envelope.clone(), content.clone()));
            let mut reports = connection.send_all(futures_util::stream::iter(source));
            let mut told = 0;
            while let Some(report) = reports.next().await {
                accepted(&report?)?;
                told += 1;
            }
            if told != messages {
                return Err("the connection took no more".into());
            }
        }
    }
    Ok(())
}

pub(crate) fn accepted(report: &Report) -> Result<(), String> {
    if report.is_accepted() { Ok(()) } else { Err(format!("not accepted: {report:?}")) }
}

pub(crate) fn envelope() -> Result<Envelope, Failure> {
    Ok(Envelope::new(Address::parse("ann@example.com")?, vec![Address::parse("bob@example.org")?])?)
}

/// A message of about so many octets, in lines of 76.
pub(crate) fn message(size: usize) -> Bytes {
    let mut content = b"From: <ann@example.com>\r\nTo: <bob@example.org>\r\nSubject: bench\r\n\r\n".to_vec();
    while content.len() + 78 < size {
        content.extend_from_slice(&[b'x'; 76]);
        content.extend_from_slice(b"\r\n");
    }
    content.into()
}
