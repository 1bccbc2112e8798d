"""The trials: namespaces, looking at another process, the kernel's lists of sockets, a terminal, a compiler."""

import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from doctor.trial import UP_WITHIN, Refused, Trial, Waiting, says, waiting_server
from observers import epoll_interest, procfs, sock_diag
from observers.sock_diag import SockDiag
from spec.epoll import EPOLLEXCLUSIVE
from spec.event import Pid
from subject import isolation, namespaces
from subject.duplicate import SEAT_HELP, EndGone, SeatRefused, duplicated
from subject.kernel import CLONE_NEWNS
from subject.launch import SECCOMP_HELP, TUNNEL_HELP, LaunchRefused, TunnelRefused
from subject.refusal import Refusal

NAMESPACES = {
    "user": namespaces.CLONE_NEWUSER,
    "network": namespaces.CLONE_NEWNET,
    "pid": namespaces.CLONE_NEWPID,
    "ipc": namespaces.CLONE_NEWIPC,
    "mount": CLONE_NEWNS,
}
NAMESPACES_HELP = (
    "run as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns); in a container, a seccomp profile that lets unshare pass"
)
PTRACE_HELP = "sysctl kernel.yama.ptrace_scope 0 or 1; in a container, a seccomp profile that lets ptrace pass"
LOOKING_HELP = "mount /proc without hidepid; " + PTRACE_HELP


def everything() -> Iterator[Trial]:
    """Try everything, one after another."""
    yield from map(namespace, NAMESPACES)
    yield launch_of_its_own()
    yield sandbox()
    yield private_tmp()
    try:
        with waiting_server() as server:
            yield from looks_at(server)
    except (Refused, LaunchRefused) as refusal:
        yield Trial(name="launch", refused=str(refusal), clauses=EVERYTHING, remedy="no server can be judged here")
    yield refusals()
    yield terminal()
    yield compiler()


EVERYTHING = ("lifecycle", "channel", "protocol", "accept", "epoll", "pool", "recycle", "http", "recovery")


def looks_at(server: Waiting) -> Iterator[Trial]:
    """Try each way in which the suite looks at a process that it launched."""
    yield tried(
        "a process's children",
        lambda: _children(server),
        clauses=EVERYTHING,
        remedy="a kernel with CONFIG_PROC_CHILDREN",
    )
    yield tried("sock_diag", lambda: _sockets(server), clauses=EVERYTHING, remedy="a kernel with CONFIG_INET_DIAG")
    yield tried("/proc/PID/syscall", lambda: _call(server), clauses=("epoll-1", "epoll-2"), remedy=LOOKING_HELP)
    yield tried(
        "/proc/PID/fdinfo",
        lambda: _interest(server),
        clauses=("channel", "epoll-1", "epoll-2", "epoll-3", "accept-1"),
        remedy=LOOKING_HELP,
    )
    yield tried(
        "EPOLLEXCLUSIVE",
        lambda: _exclusive(server),
        clauses=("epoll-3", "epoll-4"),
        remedy="Linux 4.5 or later, no emulation",
    )
    yield tried("kcmp", _equal_files, clauses=("epoll-1",), remedy="a kernel with CONFIG_KCMP")
    yield tried("/proc/PID/schedstat", lambda: _run_time(server), clauses=("epoll-5",), remedy="CONFIG_SCHED_INFO")
    yield tried(
        "a TUN device",
        lambda: _tunnel(server),
        clauses=("recovery-8", "recovery-9"),
        without="no peer on a wire: no half-open handshakes, no windows of zero, no segments out of order",
        remedy=TUNNEL_HELP,
    )
    yield tried(
        "pidfd_getfd",
        lambda: _duplicate(server),
        clauses=("channel-2", "protocol", "accept-5", "recovery-12", "recovery-16"),
        without="what parent and children say to each other is not heard",
        remedy=SEAT_HELP,
    )


def tried(
    name: str, attempt: Callable[[], str], *, clauses: tuple[str, ...] = (), without: str = "", remedy: str = ""
) -> Trial:
    """Make an attempt. What it says is how it works; any refusal of the system's is told."""
    try:
        return Trial(name=name, works=attempt())
    except (OSError, Refused, LaunchRefused) as refusal:
        return Trial(name=name, refused=str(refusal), clauses=clauses, without=without, remedy=remedy)


def namespace(kind: str) -> Trial:
    """Enter one kind of namespace, in a process that ends then; with a user namespace where privilege is missing."""
    library = "import ctypes, sys; library = ctypes.CDLL(None, use_errno=True)"
    code = f"{library}; sys.exit(library.unshare(int(sys.argv[1])) and ctypes.get_errno())"

    def attempt() -> str:
        flag = NAMESPACES[kind]
        for flags, how in ((flag, ""), (flag | namespaces.CLONE_NEWUSER, "inside a user namespace")):
            status = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(flags)], check=False).returncode
            if status == 0:
                return how
        raise Refused(os.strerror(status))

    # What follows from it is told once, with the launch.
    return tried(f"{kind} namespace", attempt)


def launch_of_its_own() -> Trial:
    """Launch as a check does: in all the namespaces at once."""
    why = isolation.why_not_isolated()
    return Trial(
        name="a launch in namespaces",
        refused=why,
        works="each server has its own network, pids, IPC and /tmp",
        without="servers run in process groups, on free ports; one with a fixed port at a time",
        remedy=NAMESPACES_HELP,
    )


def sandbox() -> Trial:
    """See whether a launch can be confined as one that is not trusted has to be."""
    return Trial(
        name="a sandbox",
        refused=None if isolation.rung() else f"{isolation.why_not_sandboxed()}; {isolation.why_not_partly()}",
        works=f"submissions of a class can be graded ({isolation.rung()}, see docs/security.md)",
        without="grade does nothing but with --allow-unsandboxed, and runs submissions as you",
        remedy=f"Linux 5.12 and {NAMESPACES_HELP}; or Linux 6.12 with Landlock",
    )


def private_tmp() -> Trial:
    """See whether a launched process sees a file of ours in /tmp."""

    def attempt() -> str:
        with tempfile.NamedTemporaryFile(prefix="preforkspec-", dir="/tmp") as file:
            # Not by its path: a file that is named on the command line is shown.
            code = "import os, sys; print(os.path.exists('/tmp/' + sys.argv[1]), flush=True)"
            if "True" in says(code, Path(file.name).name):
                raise Refused("a launched server sees ours")
        return "empty for each server"

    return tried("a private /tmp", attempt, without="two launches may meet in /tmp", remedy="the namespaces above")


def refusals() -> Trial:
    """Refuse a launched process EPOLLEXCLUSIVE, and nothing else."""
    code = """
import os, select
descriptor, poll = os.pipe()[0], select.epoll()
poll.register(descriptor, select.EPOLLIN)
poll.unregister(descriptor)
try:
    poll.register(descriptor, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    print("a call was not refused", flush=True)
except OSError:
    print("refused", flush=True)
"""

    def attempt() -> str:
        refusal = Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True)
        if (said := says(code, refusal=refusal)) != "refused":
            raise Refused(said)
        return "refuses chosen system calls of a server"

    return tried(
        "seccomp notify",
        attempt,
        clauses=("epoll-6",),
        without="system calls of a server are not refused: old kernels, ENFILE and failing forks are not played",
        remedy=SECCOMP_HELP,
    )


def terminal() -> Trial:
    """Make a terminal for a server's output."""

    def attempt() -> str:
        for descriptor in os.openpty():
            os.close(descriptor)
        return "for each server's output"

    return tried("a terminal (pty)", attempt, clauses=EVERYTHING, remedy="mount devpts on /dev/pts")


def compiler() -> Trial:
    """Compile a program of one line, and see whether there is a make."""

    def attempt() -> str:
        name = next((each for each in ("cc", "gcc", "clang") if shutil.which(each)), None)
        if name is None:
            raise Refused("no cc, gcc or clang")
        with tempfile.TemporaryDirectory(prefix="preforkspec-") as folder:
            command = [name, "-x", "c", "-o", f"{folder}/a", "-"]
            done = subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True, check=False)
        if done.returncode != 0:
            raise Refused(f"{name}: {done.stderr.decode(errors='replace').strip()[-200:]}")
        if shutil.which("make") is None:
            raise Refused(f"{name} works, but there is no make")
        return f"{name} and make"

    return tried("a C compiler", attempt, without="only the example in C can't be built", remedy="install gcc and make")


def _children(server: Waiting) -> str:
    if not procfs.children(server.launch.warden):
        raise Refused("/proc shows none")
    return "the pool can be found and counted"


def _sockets(server: Waiting) -> str:
    diag = SockDiag(server.launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, sock_diag.NETLINK_SOCK_DIAG))
    try:
        inodes = {each.inode for each in diag.listening()}
        diag.unix_peers()
    finally:
        diag.close()
    if not inodes & procfs.socket_inodes(server.pid):
        raise Refused("its listening socket is not listed")
    return "lists who listens and who is connected"


def _call(server: Waiting) -> str:
    if not procfs.calls_are_known():
        raise Refused("the numbers of this architecture's system calls are not known to the suite")
    # It said that it is ready; it may not have gone to sleep yet.
    end = time.monotonic() + UP_WITHIN
    while "epoll_wait" not in (calls := procfs.waiting_calls(server.pid)):
        if time.monotonic() > end:
            raise Refused(f"a process in epoll_wait shows {' / '.join(calls) or 'nothing'}")
        time.sleep(0.005)
    return "tells in which call a process waits"


def _interest(server: Waiting) -> str:
    if not any(epoll_interest.epolls(server.pid).values()):
        raise Refused("the list is empty")
    return "tells what an epoll watches"


def _exclusive(server: Waiting) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as poll:
        poll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    entries = [entry for epoll in epoll_interest.epolls(server.pid).values() for entry in epoll]
    if not any(entry.events & EPOLLEXCLUSIVE for entry in entries):
        raise Refused("epoll takes the flag, but does not list it")
    return "taken and listed"


def _equal_files() -> str:
    with open(os.devnull) as file:
        descriptor, copy = file.fileno(), os.dup(file.fileno())
        try:
            me = Pid(os.getpid())
            if not epoll_interest.same_file(me, descriptor, me, copy):
                raise Refused("two descriptors of one file do not compare equal")
        finally:
            os.close(copy)
    return "tells equal descriptors"


def _run_time(server: Waiting) -> str:
    if procfs.ran(server.pid).used <= 0.0:
        raise Refused("shows no time at all")
    return "tells processor time"


def _tunnel(server: Waiting) -> str:
    try:
        os.close(server.launch.tunnel(loopback=True))
    except TunnelRefused as refusal:
        # The remedy is told beside it.
        raise Refused(str(refusal).partition(";")[0]) from refusal
    return "a wire into each server's own network"


def _duplicate(server: Waiting) -> str:
    try:
        with duplicated(server.pid, 0):
            return "duplicates a process's descriptor: the way into the channel's seats"
    except (SeatRefused, EndGone) as refusal:
        # The remedy is told beside it.
        raise Refused(str(refusal).partition(";")[0]) from refusal
