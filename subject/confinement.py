"""What a launch that is not trusted may see and use: a root folder of its own, and limits on all that runs out.

Standard library only, like the warden. `become_nobody` is called by the warden before it enters its namespaces, `enter`
by the init inside them, `limit` by the subject-to-be. The namespaces are `namespaces.py`'s; this is what is seen there.
What they are told is a `Sandbox` (`sandbox.py`) as plain values. Where no root folder can be had, on the rung
*partial*, `limit` has the kernel refuse what lies outside (`landlock.py`, `refused_calls.py`).
"""

import ctypes
import errno
import os
import resource
import stat
import time
from typing import Any

from subject import landlock, refused_calls
from subject.kernel import (
    CLONE_NEWNS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    call,
    libc,
    mount,
)

# How much of a sandbox there is.
FULL, PARTIAL = "full", "partial"
# Where the subject finds its own files, in a root folder of its own.
HOME = "/submission"
# Of the system, read-only: what programs, compilers and interpreters need.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
CONFIGURATION = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/protocols", "/etc/services"),
    *("/etc/ssl/openssl.cnf", "/etc/perl", "/etc/python3", "/etc/java-21-openjdk", "/etc/mime.types"),
)
DEVICES = ("null", "zero", "full", "random", "urandom")
EMPTY = ("/home", "/root", "/var", "/run", "/opt", "/mnt", "/srv", "/var/tmp")
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"

MNT_DETACH = 2
CLONE_NEWUTS = 0x0400_0000
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine)
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)
KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_MOUNT_SETATTR = 442  # Linux 5.12, on every architecture
MOUNT_ATTR_RDONLY, AT_RECURSIVE, AT_FDCWD = 1, 0x8000, -100


def become_nobody(user: int, *, terminal: int) -> None:
    """Give up root for good, in the warden itself: what it makes from here on is no more than an ordinary user's.

    The terminal becomes the user's, who could not open it by its name else.
    """
    if os.geteuid() != 0:
        return
    os.fchown(terminal, user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # Or its own files in /proc would still be root's, among them the map of its user namespace.
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def enter(told: dict[str, Any]) -> None:
    """Make a root folder of the launch's own, in a mount namespace of its own, and move into it. Raises OSError."""
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    call("sethostname", b"sandbox", 7)
    # Held, as it may be below the folder that is covered next.
    source = os.open(told["folder"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    root = "/tmp"
    mount("tmpfs", root, MS_NOSUID | MS_NODEV, f"mode=0755,size={1 << 20},nr_inodes=4096")
    for path in SYSTEM:
        _show(path, root)
    for path in CONFIGURATION:
        _show(path, root)
    _devices(root)
    os.makedirs(f"{root}/proc")
    _mount_proc(f"{root}/proc")
    for path in EMPTY:
        os.makedirs(root + path, exist_ok=True)
    with open(f"{root}/etc/hosts", "w") as file:
        file.write(HOSTS)
    os.makedirs(f"{root}/tmp")
    mount("tmpfs", f"{root}/tmp", MS_NOSUID | MS_NODEV, f"mode=1777,size={told['scratch']},nr_inodes=20000")
    _home(root, f"/proc/self/fd/{source}", told)
    os.close(source)
    _pivot(root)
    # No user namespace in this one: in that it would be root, with a tmpfs of any size.
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    call("mount", None, b"/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, None)


def _mount_proc(where: str) -> None:
    """Mount a /proc in which only those are seen who may be looked into: not our init, which has more rights."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    try:
        mount("proc", where, flags, "hidepid=ptraceable")  # Linux 5.8
    except OSError:
        mount("proc", where, flags)


def _show(path: str, root: str) -> None:
    """Show a file or a folder of the system, read-only; what is not there, or may not be seen, is left out."""
    try:
        kind = os.lstat(path).st_mode
    except OSError:
        return
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(kind):
        os.symlink(os.readlink(path), target)
        return
    if stat.S_ISDIR(kind):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    call("mount", path.encode(), target.encode(), None, MS_BIND | MS_REC, None)
    _make_read_only(target)


def _make_read_only(path: str) -> None:
    """Make a mount read-only, and all below it."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    changed = libc.syscall(
        SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, ctypes.c_size_t(ctypes.sizeof(attributes))
    )
    if changed == 0:
        return
    if ctypes.get_errno() != errno.ENOSYS:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"mount_setattr {path}")
    call("mount", None, path.encode(), None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, None)


def _devices(root: str) -> None:
    os.makedirs(f"{root}/dev")
    for name in DEVICES:
        target = f"{root}/dev/{name}"
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        call("mount", f"/dev/{name}".encode(), target.encode(), None, MS_BIND, None)
    os.makedirs(f"{root}/dev/shm")
    mount("tmpfs", f"{root}/dev/shm", MS_NOSUID | MS_NODEV, f"mode=1777,size={32 << 20},nr_inodes=4096")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")


def _home(root: str, source: str, told: dict[str, Any]) -> None:
    """Show the subject's own folder; what is written there goes to a tmpfs, which lies over it, or has a copy of it."""
    target, written = root + HOME, f"{root}/.written"
    os.makedirs(target)
    os.makedirs(written)
    mount("tmpfs", written, MS_NOSUID | MS_NODEV, f"mode=0755,size={told['scratch']},nr_inodes=20000")
    for name in ("files", "work"):
        os.mkdir(f"{written}/{name}")
    options = f"lowerdir={source},upperdir={written}/files,workdir={written}/work,userxattr"
    try:
        mount("overlay", target, MS_NOSUID | MS_NODEV, options)
    except OSError:
        _copy(source, f"{written}/files")
        call("mount", f"{written}/files".encode(), target.encode(), None, MS_BIND, None)


def _copy(source: str, target: str) -> None:
    """Copy regular files, folders and links as they are; there are no others where this is called."""
    with os.scandir(source) as entries:
        for entry in entries:
            copied = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), copied)
            elif entry.is_dir():
                os.mkdir(copied)
                _copy(entry.path, copied)
            else:
                with open(entry.path, "rb") as read, open(copied, "wb") as write:
                    while chunk := read.read(1 << 20):
                        write.write(chunk)
                os.chmod(copied, stat.S_IMODE(entry.stat().st_mode))


def _pivot(root: str) -> None:
    """Make a folder the root, and let go of the old one."""
    os.makedirs(f"{root}/.old")
    if SYS_PIVOT_ROOT is None or libc.syscall(SYS_PIVOT_ROOT, root.encode(), f"{root}/.old".encode()) != 0:
        number = ctypes.get_errno() or errno.ENOSYS
        raise OSError(number, os.strerror(number), "pivot_root")
    os.chdir("/")
    call("umount2", b"/.old", MNT_DETACH)
    os.rmdir("/.old")


def limit(told: dict[str, Any]) -> None:
    """Limit this process and all that come of it; called by the subject-to-be, last thing before it is one."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    partial = told["rung"] == PARTIAL
    for what, most in (
        (resource.RLIMIT_AS, told["memory"]),
        (resource.RLIMIT_FSIZE, told["file_size"]),
        # Without a user namespace it counts all that the user has.
        (resource.RLIMIT_NPROC, told["threads"] + (_of_user(os.geteuid()) if partial else 0)),
        (resource.RLIMIT_NOFILE, told["open_files"]),
        (resource.RLIMIT_CPU, told["processor_time"]),
        (resource.RLIMIT_MEMLOCK, 1 << 20),
        (resource.RLIMIT_MSGQUEUE, 1 << 20),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))
    # A keyring of its own, and not that of whoever has logged in; no keyrings at all do as well.
    if SYS_KEYCTL is not None:
        libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None)
    if partial:
        landlock.restrict(_reached(told["folder"]))
    if partial or refused_calls.are_known():
        refused_calls.install(partial=partial)


def _reached(folder: str) -> list[tuple[str, int]]:
    """Give what a launch on the rung *partial* may open, and for what."""
    both = landlock.READ_FILE | landlock.WRITE_FILE
    return [
        *((path, landlock.RUN) for path in SYSTEM),
        *((path, landlock.READ) for path in (*CONFIGURATION, "/etc/hosts", "/proc")),
        *((f"/dev/{name}", both) for name in DEVICES),
        (os.ttyname(1), both),
        (folder, landlock.EVERYTHING),
    ]


class Scratch:
    """Looks after the folder of a launch on the rung *partial*, which has no size of its own; once a second."""

    def __init__(self, folder: str, *, most: int) -> None:
        """Allow so many bytes beside those that are there now."""
        self.folder = folder
        self.most = _size(folder) + most
        self.looked = time.monotonic()

    def filled(self) -> str | None:
        """Say that more was written there than is allowed, or nothing."""
        if time.monotonic() - self.looked < 1:
            return None
        self.looked = time.monotonic()
        size = _size(self.folder)
        return f"its folder has {size >> 20} MiB, more than {self.most >> 20}" if size > self.most else None


def _size(folder: str) -> int:
    """Give the bytes that the files below a folder take, one that has more than one name counted for each."""
    size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(f"{where}/{name}").st_blocks * 512
            except OSError:
                continue
    return size


def _of_user(user: int) -> int:
    """Count the threads of a user's processes."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count
