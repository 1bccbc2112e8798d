//! A child: it accepts for itself, one connection at a time, and says so.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use crate::http;
use crate::sys::Epoll;
use crate::AGAIN;

/// What came on the channel.
enum Heard {
    Nothing,
    Kill,
    /// The parent has gone, or has let go of this child.
    End,
}

/// The child's end of its channel. It holds 278 words; while the parent is stopped, what finds no room
/// is kept here, and no client waits for it.
pub struct Channel {
    stream: UnixStream,
    unsent: Vec<u8>,
}

impl Channel {
    fn say(&mut self, word: u8) {
        self.unsent.push(word);
        self.flush();
    }

    pub fn flush(&mut self) {
        if !self.unsent.is_empty() {
            let sent = self.stream.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..sent);
        }
    }

    /// How long may be waited for anything else: not for ever, where something is still to be said.
    pub fn patience(&self) -> Option<Duration> {
        (!self.unsent.is_empty()).then_some(AGAIN)
    }

    fn heard(&mut self) -> Heard {
        let mut words = [0; 16];
        match self.stream.read(&mut words) {
            Ok(0) => Heard::End,
            Ok(count) if words[..count].contains(&b'K') => Heard::Kill,
            Ok(_) => Heard::Nothing,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Heard::Nothing
            }
            Err(_) => Heard::End,
        }
    }

    /// Now that no client waits, the rest may take its time.
    fn finish(mut self) {
        if !self.unsent.is_empty() && self.stream.set_nonblocking(false).is_ok() {
            // Refused where the parent has gone: then nobody wants to know.
            let _ = self.stream.write_all(&self.unsent);
        }
    }
}

pub struct Child {
    listener: TcpListener,
    channel: Channel,
    left: u64,
}

impl Child {
    pub fn new(listener: TcpListener, stream: UnixStream, connections: u64) -> Self {
        let channel = Channel {
            stream,
            unsent: Vec::new(),
        };
        Self {
            listener,
            channel,
            left: connections,
        }
    }

    /// Serves until its last connection, a K, or the end of the channel.
    pub fn live(mut self) -> io::Result<()> {
        self.channel.stream.set_nonblocking(true)?;
        // Of its own: one that was made before the fork would be everybody's.
        let epoll = Epoll::new()?;
        epoll.add(&self.channel.stream, 0)?;
        epoll.add_exclusively(&self.listener, 1)?;
        let mut told = false;
        while self.left > 0 && !told {
            epoll.wait(self.channel.patience())?;
            self.channel.flush();
            match self.channel.heard() {
                Heard::Nothing => {}
                Heard::Kill => told = true,
                Heard::End => break,
            }
            // After a K as well: a connection wakes one child. If it was this one, and it just went, the
            // connection would wait among idle children until the next one comes.
            if let Some(client) = self.accept() {
                self.serve(client);
            }
        }
        self.channel.finish();
        Ok(())
    }

    fn accept(&self) -> Option<TcpStream> {
        match self.listener.accept() {
            Ok((client, _)) => Some(client),
            Err(error) => {
                if !matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::ConnectionAborted
                ) {
                    // No descriptors, say: the connection stays, and the next wait would end at once.
                    sleep(AGAIN);
                }
                None
            }
        }
    }

    fn serve(&mut self, mut client: TcpStream) {
        self.channel.say(b'C');
        // Whatever befalls a client, its child has serviced it.
        let _ = http::serve(&mut client, &mut self.channel);
        drop(client);
        self.channel.say(b'F');
        self.left -= 1;
    }
}
