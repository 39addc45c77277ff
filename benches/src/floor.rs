//! The floor: what this machine and this runtime can do when nothing is built, parsed or checked.
//!
//! Each connection writes pre-rendered bytes, the next transaction riding behind the content of the last, and counts
//! line ends of what comes back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends `messages` over one connection.
pub(crate) async fn run(address: SocketAddr, content: &[u8], messages: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 4096];
    replies(&mut stream, &mut buffer, 1).await?;
    stream.write_all(b"HELO localhost\r\n").await?;
    replies(&mut stream, &mut buffer, 1).await?;
    let head = b"MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
    let riding = [content, b".\r\n", head].concat();
    stream.write_all(head).await?;
    replies(&mut stream, &mut buffer, 3).await?;
    for _ in 1..messages {
        stream.write_all(&riding).await?;
        replies(&mut stream, &mut buffer, 4).await?;
    }
    stream.write_all(riding.get(..content.len() + 3).unwrap_or_default()).await?;
    replies(&mut stream, &mut buffer, 1).await
}

/// Reads so many reply lines.
async fn replies(stream: &mut TcpStream, buffer: &mut [u8], lines: usize) -> std::io::Result<()> {
    let mut seen = 0;
    while seen < lines {
        let read = stream.read(buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        seen += buffer.iter().take(read).filter(|byte| **byte == b'\n').count();
    }
    Ok(())
}
