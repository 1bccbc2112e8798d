//! The system calls for which std has no words. All that is unsafe in this server is in here.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

pub type Pid = c_int;

pub const SIGINT: c_int = 2;
pub const SIGKILL: c_int = 9;
pub const SIGTERM: c_int = 15;
pub const SIGCHLD: c_int = 17;

/// The kernel's and glibc's own, as x86-64 and 64-bit ARM have them.
mod raw {
    use std::ffi::c_int;

    pub const CLOEXEC: c_int = 0o2_000_000;
    pub const NONBLOCK: c_int = 0o4_000;
    pub const WNOHANG: c_int = 1;
    pub const SIG_BLOCK: c_int = 0;
    pub const SIG_UNBLOCK: c_int = 1;
    pub const SIG_DFL: usize = 0;
    pub const CTL_ADD: c_int = 1;
    pub const CTL_DEL: c_int = 2;
    pub const IN: u32 = 1;
    pub const EXCLUSIVE: u32 = 1 << 28;

    /// On x86-64 the kernel has it without a gap, so that 32-bit programs have the same.
    #[derive(Clone, Copy)]
    #[cfg_attr(target_arch = "x86_64", repr(C, packed))]
    #[cfg_attr(not(target_arch = "x86_64"), repr(C))]
    pub struct Event {
        pub events: u32,
        pub key: u64,
    }

    #[repr(C)]
    pub struct SignalSet([u64; 16]);

    impl SignalSet {
        pub const fn none() -> Self {
            Self([0; 16])
        }
    }

    extern "C" {
        pub fn listen(socket: c_int, backlog: c_int) -> c_int;
        pub fn fork() -> c_int;
        pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        pub fn kill(pid: c_int, number: c_int) -> c_int;
        pub fn signal(number: c_int, handler: usize) -> usize;
        pub fn sigaddset(set: *mut SignalSet, number: c_int) -> c_int;
        pub fn sigprocmask(how: c_int, set: *const SignalSet, before: *mut SignalSet) -> c_int;
        pub fn signalfd(fd: c_int, set: *const SignalSet, flags: c_int) -> c_int;
        pub fn epoll_create1(flags: c_int) -> c_int;
        pub fn epoll_ctl(epoll: c_int, what: c_int, fd: c_int, event: *mut Event) -> c_int;
        pub fn epoll_wait(epoll: c_int, ready: *mut Event, most: c_int, timeout: c_int) -> c_int;
    }
}

fn checked(returned: c_int) -> io::Result<c_int> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(returned)
}

fn owned(returned: c_int) -> io::Result<OwnedFd> {
    // SAFETY: called with what a system call just gave, so nobody else owns it.
    checked(returned).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn listen(socket: &impl AsRawFd, backlog: c_int) -> io::Result<()> {
    // SAFETY: takes numbers only.
    checked(unsafe { raw::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

pub enum Fork {
    Parent(Pid),
    Newborn,
}

pub fn fork() -> io::Result<Fork> {
    // SAFETY: there is only one thread, so the newborn lacks nobody, and no lock is held for ever.
    Ok(match checked(unsafe { raw::fork() })? {
        0 => Fork::Newborn,
        pid => Fork::Parent(pid),
    })
}

/// Reaps one child that has ended, if there is any. SIGCHLD tells of those that were only stopped as
/// well, so this never waits.
pub fn reaped() -> Option<(Pid, ExitStatus)> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let pid = unsafe { raw::waitpid(-1, &mut status, raw::WNOHANG) };
    (pid > 0).then(|| (pid, ExitStatus::from_raw(status)))
}

/// For a child of ours that has not been reaped: until then its pid is nobody else's.
pub fn kill(child: Pid, number: c_int) {
    // SAFETY: takes numbers only.
    unsafe { raw::kill(child, number) };
}

pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number only.
        owned(unsafe { raw::epoll_create1(raw::CLOEXEC) }).map(Self)
    }

    /// From now on `wait` gives this key where there is something to read.
    pub fn add(&self, what: &impl AsFd, key: u64) -> io::Result<()> {
        self.control(raw::CTL_ADD, what, raw::IN, key)
    }

    /// The same, but of all the epolls that have it, one only is woken. Before Linux 4.5: all of them.
    pub fn add_exclusively(&self, what: &impl AsFd, key: u64) -> io::Result<()> {
        match self.control(raw::CTL_ADD, what, raw::IN | raw::EXCLUSIVE, key) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => self.add(what, key),
            answer => answer,
        }
    }

    pub fn remove(&self, what: &impl AsFd) -> io::Result<()> {
        self.control(raw::CTL_DEL, what, 0, 0)
    }

    fn control(&self, how: c_int, what: &impl AsFd, events: u32, key: u64) -> io::Result<()> {
        let mut event = raw::Event { events, key };
        let fd: RawFd = what.as_fd().as_raw_fd();
        // SAFETY: `event` outlives the call.
        checked(unsafe { raw::epoll_ctl(self.0.as_raw_fd(), how, fd, &mut event) }).map(drop)
    }

    /// The keys of those that can be read; none where the time is up, or a signal came.
    pub fn wait(&self, patience: Option<Duration>) -> io::Result<Vec<u64>> {
        let mut ready = [raw::Event { events: 0, key: 0 }; 64];
        // Rounded up: a wait that ends early is followed by one of no time at all, and spins.
        let timeout = patience.map_or(-1, |time| time.as_micros().div_ceil(1000) as c_int);
        let most = ready.len() as c_int;
        // SAFETY: there is room for `most` events.
        match checked(unsafe {
            raw::epoll_wait(self.0.as_raw_fd(), ready.as_mut_ptr(), most, timeout)
        }) {
            Ok(count) => Ok(ready[..count as usize]
                .iter()
                .map(|event| event.key)
                .collect()),
            // A stop and its SIGCONT, too, end the call, though no handler runs.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Signals that are held back and read in turn, for as long as this lives. A newborn, too, lets them in
/// by dropping it: with them comes what it got meanwhile, and it dies of that, where nobody else does.
pub struct Signals {
    set: raw::SignalSet,
    queue: File,
}

impl Signals {
    pub fn hold(numbers: &[c_int]) -> io::Result<Self> {
        let mut set = raw::SignalSet::none();
        // SAFETY: `set` outlives the calls; no handler is installed.
        let queue = unsafe {
            for &number in numbers {
                checked(raw::sigaddset(&mut set, number))?;
                // Whoever launched us may have ignored them, and then no child could be waited for.
                raw::signal(number, raw::SIG_DFL);
            }
            checked(raw::sigprocmask(raw::SIG_BLOCK, &set, std::ptr::null_mut()))?;
            owned(raw::signalfd(-1, &set, raw::CLOEXEC | raw::NONBLOCK))?
        };
        Ok(Self {
            set,
            queue: queue.into(),
        })
    }

    pub fn next(&mut self) -> Option<c_int> {
        let mut info = [0; 128]; // struct signalfd_siginfo, which begins with the number
        self.queue.read_exact(&mut info).ok()?;
        let [a, b, c, d, ..] = info;
        Some(c_int::from_ne_bytes([a, b, c, d]))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: `set` outlives the call.
        unsafe { raw::sigprocmask(raw::SIG_UNBLOCK, &self.set, std::ptr::null_mut()) };
    }
}
