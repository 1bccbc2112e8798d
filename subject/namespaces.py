"""What the warden asks of the kernel: namespaces, the init inside them, and the end of every process.

Standard library only, like the warden. `enter_network_and_pids` is called by the warden itself;
the functions for the init and the subject run in processes forked from it.
"""

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Iterable
from typing import Any

from subject import confinement
from subject.kernel import CLONE_NEWNS, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC, call, libc, mount
from subject.processes import descendants
from subject.syscall_filter import HandOver

CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}.get(os.uname().machine)

# A folder of /tmp that the subject may need (its own, its interpreter's) stays visible in its private /tmp, and so does
# a file there that is named; more of them than this would make each launch slow.
MOST_BOUND_FOLDERS = 200
# Of the subject. In what a server prints a pid is to be told from a count, and from a port of a client.
FIRST_PID = 5000


def become_subreaper() -> None:
    """Inherit the orphans of all descendants, daemonised ones too."""
    call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter_network_and_pids() -> None:
    """Unshare network, IPC and (for children) pids; with a user namespace first where privilege is missing."""
    wanted = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", wanted)
    except PermissionError:
        call("unshare", wanted | CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16xH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    try:
        # An ordinary user's server may have port 80 fixed at compile time; this network is its own.
        _write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
    except OSError:
        pass


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def run_init(order: dict[str, Any], terminal: int, report: int, hand_over: HandOver | None) -> None:
    """PID 1 of the subject's namespace: mounts, starts the subject, reaps orphans, tells the subject's end.

    The subject is never PID 1 itself: the kernel would ignore its default signals, and its orphans would vanish
    with it.
    """
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    orphaned = select.poll()
    orphaned.register(report, 0)
    if orphaned.poll(0):  # the pipe has no reader: the warden ended before the line above
        return
    if order["sandbox"] is None or order["sandbox"]["rung"] != confinement.FULL:
        _mount_privately(order["keep"])
    else:
        try:
            confinement.enter(order["sandbox"])
        except OSError as error:
            # Never without: the launch comes to nothing, and says why.
            os.write(terminal, f"sandbox: {error.filename}: {error.strerror}\n".encode())
            os.write(report, f"{127 << 8}\n".encode())
            return
    _begin_pids_at(FIRST_PID)
    pid = os.fork()
    if pid == 0:
        become_subject(order, terminal, hand_over)
    os.close(terminal)
    if hand_over is not None:
        hand_over.close()
    while True:
        try:
            ended, status = os.waitpid(-1, 0)
        except ChildProcessError:
            # Nobody is left; stay, so that the namespace and its network stay for the suite to look at.
            signal.pause()
            continue
        if ended == pid:
            os.write(report, f"{status}\n".encode())


def _begin_pids_at(first: int) -> None:
    """Have the next process of this namespace get this pid; from 2 on, where the kernel refuses it (before 5.9)."""
    try:
        _write("/proc/sys/kernel/ns_last_pid", str(first - 1))
    except OSError:
        pass


def _mount_privately(keep: list[str]) -> None:
    """Give the namespace its own /proc, /tmp and /dev/shm. What the kernel refuses here is done without."""
    try:
        call("unshare", CLONE_NEWNS)
        call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        pass
    try:
        _mount_temporary("/tmp", keep, folders=True)
        _mount_temporary("/dev/shm", keep)
    except OSError:
        pass


def _mount_temporary(where: str, keep: list[str], *, folders: bool = False) -> None:
    """Put a fresh tmpfs over a folder, and into it what the subject is known to need; all `folders`, where asked for.

    Sockets and pipes are what must be private. Files are only bound where they are named, or where the subject is
    started in this very folder.
    """
    here = os.getcwd()
    needed = {path[len(where) :].split("/")[1] for path in keep if path.startswith(where + "/")}
    started_here = where in keep
    links: dict[str, str] = {}
    bound: list[tuple[str, bool]] = []
    with os.scandir(where) as entries:
        for entry in entries:
            wanted = entry.name in needed or started_here
            if entry.is_symlink():
                if wanted:
                    links[entry.name] = os.readlink(entry.path)
            elif entry.is_dir() and (wanted or folders):
                bound.append((entry.name, True))
            elif entry.is_file() and wanted:
                bound.append((entry.name, False))
    bound.sort(key=lambda each: each[0] not in needed)
    kept: list[tuple[str, bool, int]] = []
    for name, is_folder in bound[:MOST_BOUND_FOLDERS]:
        try:
            kept.append((name, is_folder, os.open(f"{where}/{name}", os.O_PATH | os.O_CLOEXEC)))
        except FileNotFoundError:
            pass  # somebody else's, and gone meanwhile
    mount("tmpfs", where, MS_NOSUID | MS_NODEV, "mode=1777")
    for name, is_folder, descriptor in kept:
        _bind(descriptor, f"{where}/{name}", is_folder=is_folder)
        os.close(descriptor)
    for name, target in links.items():
        os.symlink(target, f"{where}/{name}")
    os.chdir(here)  # the same path, now through the new mounts


def _bind(descriptor: int, path: str, *, is_folder: bool) -> None:
    """Show what a descriptor refers to at a path of a fresh tmpfs; what the kernel refuses is left out."""
    if is_folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        call("mount", f"/proc/self/fd/{descriptor}".encode(), path.encode(), None, MS_BIND | MS_REC, None)
    except OSError:
        (os.rmdir if is_folder else os.unlink)(path)


def become_subject(order: dict[str, Any], terminal: int, hand_over: HandOver | None) -> None:
    """Replace this process by the subject: a session of its own, the terminal for output, default signals.

    The terminal is not its controlling one, or it would send signals of its own. What can't be watched as it is to be
    is not run.
    """
    os.setsid()
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (terminal, 1), (terminal, 2)):
        os.dup2(source, target)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    # The C library keeps 32 and 33 for itself and refuses them; ignored ones are inherited all the same.
    if _RT_SIGACTION is not None:
        for number in (32, 33):
            libc.syscall(_RT_SIGACTION, number, ctypes.create_string_buffer(64), None, ctypes.c_size_t(8))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hand_over is not None and not hand_over.give(order["watched"]):
        os._exit(127)
    tried = "sandbox"
    try:
        if order["sandbox"] is not None:
            confinement.limit(order["sandbox"])
        tried = order["cwd"]
        os.chdir(tried)
        tried = order["argv"][0]
        os.execvpe(tried, order["argv"], order["env"])
    except (OSError, ValueError) as error:  # ValueError: a NUL byte
        os.write(2, f"{tried}: {getattr(error, 'strerror', None) or error}\n".encode("utf-8", "replace"))
    os._exit(127)


def count_processes(init: int, *, isolated: bool) -> int:
    """Count the subject's processes: by the namespace's own /proc, else by walking the tree."""
    own = f"/proc/{init}/root/proc"
    try:
        # Until the init has mounted its own, or where it may not, it is the whole machine's.
        if isolated and os.stat(own).st_dev != os.stat("/proc").st_dev:
            return sum(name.isdigit() for name in os.listdir(own))
    except OSError:
        return 0
    return len(descendants(os.getpid()))


def memory_used(root: int) -> int:
    """Give the bytes of memory that the processes below one use, what they share counted for each."""
    pages = 0
    for pid in descendants(root):
        try:
            with open(f"/proc/{pid}/statm") as file:
                pages += int(file.read().split()[1])
        except (OSError, IndexError):
            continue
    return pages * resource.getpagesize()


def end_init(init: int) -> None:
    """End the namespace's init, and wait until every process in it is gone."""
    try:
        os.kill(init, signal.SIGKILL)
        os.waitpid(init, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def stop_and_kill(pids: Iterable[int]) -> None:
    """Kill processes, all of them stopped first, so that none forks while the others end."""
    pids = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass


def end_descendants() -> None:
    """End and reap all descendants; bounded, since a process in an uninterruptible call may not end."""
    for _ in range(2000):
        left = descendants(os.getpid())
        if not left:
            return
        stop_and_kill(left)
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        signal.sigtimedwait([signal.SIGCHLD], 0.005)
