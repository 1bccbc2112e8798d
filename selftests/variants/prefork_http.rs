//! One connection's worth of HTTP: a request's head, the same dummy for everybody, and the close.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::child::Channel;

const LONGEST_HEAD: usize = 16 * 1024;
/// What a client that is still sending has to take its reply.
const LINGER: Duration = Duration::from_millis(200);

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nrust\n";
const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const UNKNOWN: &[u8] =
    b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

pub fn serve(client: &mut TcpStream, channel: &mut Channel) -> io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    let reply = loop {
        // A silent client keeps its child for as long as it likes, but not what the child has to say.
        channel.flush();
        client.set_read_timeout(channel.patience())?;
        match client.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => head.extend_from_slice(&piece[..count]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        if let Some(reply) = reply_to(&head) {
            break reply;
        }
    };
    client.write_all(reply)?; // fits into any socket's buffer
    let_go(client)
}

/// The reply, once there is enough of the head to know it.
fn reply_to(head: &[u8]) -> Option<&'static [u8]> {
    let whole = head.windows(4).any(|four| four == b"\r\n\r\n")
        || head.windows(2).any(|two| two == b"\n\n");
    if !whole {
        return (head.len() >= LONGEST_HEAD).then_some(TOO_LARGE);
    }
    let line = head.split(|&byte| byte == b'\n').next()?.trim_ascii_end();
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    Some(match words[..] {
        [method, target, version] if !target.is_empty() && version.starts_with(b"HTTP/1.") => {
            if method == b"GET" {
                OK
            } else {
                UNKNOWN
            }
        }
        _ => BAD,
    })
}

/// A close with bytes unread is a reset, which may overtake the reply: so they are read, for a while.
fn let_go(client: &mut TcpStream) -> io::Result<()> {
    client.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + LINGER;
    let mut rest = [0; 16 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Nothing left would mean for ever: std refuses it, which ends this as well.
        client.set_read_timeout(Some(left))?;
        match client.read(&mut rest) {
            Ok(count) if count > 0 => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return Ok(()),
        }
    }
}
