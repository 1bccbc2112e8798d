//! The parent: it hears what its children say, and keeps the idle ones within the bounds.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::sys::{self, Epoll, Fork, Pid, Signals};
use crate::{Limits, AGAIN};

/// What busy children have for their clients, when all is to end.
const GRACE: Duration = Duration::from_secs(1);
/// The key of the signals in the epoll; children have theirs from 1.
const SIGNALS: u64 = 0;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Busy,
    /// Was told K, has had its last connection, or has ended: counts as live, until it is reaped.
    Leaving,
}

/// A child, as its parent knows it.
struct Member {
    pid: Pid,
    channel: Option<UnixStream>,
    state: State,
    served: u64,
}

impl Member {
    fn hear(&mut self, word: u8, limits: &Limits) {
        self.state = match (self.state, word) {
            (State::Idle, b'C') => State::Busy,
            (State::Busy, b'F') => {
                self.served += 1;
                if self.served < limits.max_connections {
                    State::Idle
                } else {
                    State::Leaving
                }
            }
            // Who leaves may speak on; and what is not due, or unknown, means nothing.
            (state, _) => state,
        }
    }
}

pub struct Parent {
    limits: Limits,
    listener: TcpListener,
    epoll: Epoll,
    signals: Signals,
    /// By key: the youngest is the last.
    pool: BTreeMap<u64, Member>,
    births: u64,
    /// No birth before that: the last one was refused, or its child could not set itself up.
    not_before: Instant,
}

impl Parent {
    pub fn new(limits: Limits, listener: TcpListener) -> io::Result<Self> {
        let signals = Signals::hold(&[sys::SIGCHLD, sys::SIGTERM, sys::SIGINT])?;
        let epoll = Epoll::new()?;
        epoll.add(&signals, SIGNALS)?;
        let (pool, not_before) = (BTreeMap::new(), Instant::now());
        Ok(Self {
            limits,
            listener,
            epoll,
            signals,
            pool,
            births: 0,
            not_before,
        })
    }

    /// Regulates until it is asked to end; then gives `None`. In each newborn, gives the child to be.
    pub fn run(mut self) -> io::Result<Option<Child>> {
        loop {
            if let Some(channel) = self.regulate() {
                return Ok(Some(Child::new(
                    self.listener,
                    channel,
                    self.limits.max_connections,
                )));
            }
            let patience = self
                .overdue()
                .then(|| self.not_before.saturating_duration_since(Instant::now()));
            if self.attend(patience)? {
                return self.end().map(|()| None);
            }
        }
    }

    fn idle(&self) -> usize {
        self.pool
            .values()
            .filter(|member| member.state == State::Idle)
            .count()
    }

    /// Whether a birth is due, for which there is room.
    fn overdue(&self) -> bool {
        self.idle() < self.limits.min_spare && self.pool.len() < self.limits.max_children
    }

    /// One step: to the middle between the bounds, if one of them is passed. In a newborn, gives its
    /// channel.
    fn regulate(&mut self) -> Option<UnixStream> {
        let middle = self.limits.min_spare.midpoint(self.limits.max_spare);
        let idle = self.idle();
        if idle > self.limits.max_spare {
            self.shed(idle - middle);
        } else if self.overdue() && self.not_before <= Instant::now() {
            let room = self.limits.max_children - self.pool.len();
            for _ in 0..room.min(middle - idle) {
                match self.spawn() {
                    Ok(None) => {}
                    Ok(newborn) => return newborn,
                    Err(_) => {
                        self.not_before = Instant::now() + AGAIN;
                        break;
                    }
                }
            }
        }
        None
    }

    fn spawn(&mut self) -> io::Result<Option<UnixStream>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let key = self.births + 1;
        self.epoll.add(&ours, key)?;
        match sys::fork()? {
            Fork::Newborn => Ok(Some(theirs)),
            Fork::Parent(pid) => {
                let member = Member {
                    pid,
                    channel: Some(ours),
                    state: State::Idle,
                    served: 0,
                };
                self.pool.insert(key, member);
                self.births = key;
                Ok(None)
            }
        }
    }

    /// The youngest: connections wake the eldest, so these are the least likely to be woken just now.
    fn shed(&mut self, count: usize) {
        let idle = self
            .pool
            .values_mut()
            .rev()
            .filter(|member| member.state == State::Idle);
        for member in idle.take(count) {
            member.state = State::Leaving;
            if let Some(channel) = &mut member.channel {
                // Refused by who has just ended, and is about to be heard of.
                let _ = channel.write(b"K");
            }
        }
    }

    /// Waits for news, and follows them. Says whether it was asked to end.
    fn attend(&mut self, patience: Option<Duration>) -> io::Result<bool> {
        let mut asked = false;
        for key in self.epoll.wait(patience)? {
            if key != SIGNALS {
                self.hear(key);
                continue;
            }
            while let Some(number) = self.signals.next() {
                asked |= number != sys::SIGCHLD;
            }
            self.reap();
        }
        Ok(asked)
    }

    fn hear(&mut self, key: u64) {
        // Reaped by an earlier event of the same batch.
        let Some(member) = self.pool.get_mut(&key) else {
            return;
        };
        let Some(channel) = &mut member.channel else {
            return;
        };
        let mut words = [0; 256];
        match channel.read(&mut words) {
            Ok(count) if count > 0 => {
                for &word in &words[..count] {
                    member.hear(word, &self.limits);
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The end; or a reset, where a K was left unread.
            _ => self.let_go(key),
        }
    }

    /// Nothing more is heard of a child; if it lives, it sees the end of its channel, and goes.
    fn let_go(&mut self, key: u64) {
        let Some(member) = self.pool.get_mut(&key) else {
            return;
        };
        member.state = State::Leaving;
        if let Some(channel) = member.channel.take() {
            // Closing it is not enough: a newborn that is stopped just now has a copy, which would keep
            // it in the epoll, always ready.
            let _ = self.epoll.remove(&channel);
        }
    }

    fn reap(&mut self) {
        while let Some((pid, status)) = sys::reaped() {
            let key = self
                .pool
                .iter()
                .find(|(_, member)| member.pid == pid)
                .map(|(&key, _)| key);
            // None: a child of whoever was this process before us.
            let Some(key) = key else { continue };
            self.let_go(key);
            self.pool.remove(&key);
            if status.code().is_some_and(|code| code != 0) {
                self.not_before = Instant::now() + AGAIN;
            }
        }
    }

    /// The end of its channel is all that a child need hear; who has not gone in time is killed.
    fn end(mut self) -> io::Result<()> {
        let keys: Vec<u64> = self.pool.keys().copied().collect();
        for key in keys {
            self.let_go(key);
        }
        let deadline = Instant::now() + GRACE;
        while !self.pool.is_empty() && Instant::now() < deadline {
            self.attend(Some(deadline.saturating_duration_since(Instant::now())))?;
        }
        for member in self.pool.values() {
            sys::kill(member.pid, sys::SIGKILL);
        }
        while !self.pool.is_empty() {
            self.attend(None)?;
        }
        Ok(())
    }
}
