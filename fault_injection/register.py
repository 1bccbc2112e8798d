"""The faults: how each is made, how its taking hold is proven, and what it needs. docs/faults.md is made of it."""

from dataclasses import dataclass

from spec.clause import ClauseId, ids

OWN = "the server to run as the same user, or root"
NAMESPACE = "a network namespace of the server's own, and a TUN device (/dev/net/tun)"
SECCOMP = "seccomp user notification (Linux 5.5); no privilege where the server may not gain any either"
SEAT = "pidfd_getfd (Linux 5.6) on descendants: Yama's ptrace_scope 0 or 1"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: where it is (`signals.killed`), and what is to be known of it."""

    name: str
    made: str
    proven: str
    clauses: tuple[ClauseId, ...]
    needs: str = "nothing more"
    undone: str = "nothing to undo"

    @property
    def module(self) -> str:
        """The file of `fault_injection/` that has it."""
        return self.name.partition(".")[0]


def _on_the_wire(name: str, made: str, proven: str, *clauses: str) -> Fault:
    undone = "what is still open is reset, and the device is gone"
    return Fault(name=name, made=made, proven=proven, clauses=ids(*clauses), needs=NAMESPACE, undone=undone)


FAULTS: tuple[Fault, ...] = (
    Fault(
        name="signals.killed",
        made="A signal that nobody survives twice (SIGKILL, SIGSEGV), sent by pidfd to all at once.",
        proven="Each pidfd tells the end of its process.",
        needs=OWN,
        clauses=ids(
            *("recovery-1", "recovery-2", "recovery-3", "recovery-4", "recovery-5"),
            *("recovery-15", "recovery-17", "recycle-2"),
        ),
    ),
    Fault(
        name="signals.signalled",
        made="A signal that a process may take as it likes (SIGTERM).",
        proven="It is pending nowhere any more (/proc/PID/status), or the process is gone.",
        needs=OWN,
        clauses=ids("recovery-1"),
    ),
    Fault(
        name="signals.signal_first_sight",
        made="A signal to a newborn as soon as the kernel lists it among the parent's children.",
        proven="The kernel took it for a process that lived.",
        needs=OWN,
        clauses=ids("recovery-4", "recovery-15"),
    ),
    Fault(
        name="signals.rain",
        made="SIGCHLD, SIGCONT, SIGURG, and what the profile lists, hundreds of times to parent and children.",
        proven="The kernel took each for a process that lived; none at all is an error.",
        needs=OWN,
        clauses=ids("recovery-13", "recovery-17"),
    ),
    Fault(
        name="stalls.silent",
        made="Clients that connect and never say a word.",
        proven="Their handshakes are completed.",
        clauses=ids("recovery-7"),
        undone="closed at the end",
    ),
    Fault(
        name="stalls.slow",
        made="Clients whose request comes a byte at a time.",
        proven="Their handshakes are completed, and a first byte was sent.",
        clauses=ids("recovery-7"),
        undone="closed at the end",
    ),
    Fault(
        name="stalls.never_reading",
        made="Clients with the smallest of buffers that ask and never read.",
        proven="Their requests were sent whole.",
        clauses=ids("recovery-7", "recovery-8"),
        undone="closed at the end; with something unread, that is a reset",
    ),
    Fault(
        name="stalls.half_closed",
        made="A client shuts its half of a connection down (FIN), before, in or after its request.",
        proven="The server's side of the connection has left the state ESTABLISHED.",
        clauses=ids("recovery-8", "recovery-17"),
    ),
    Fault(
        name="stalls.reset",
        made="A client disconnects (connect to AF_UNSPEC), which sends a RST whoever else holds the socket.",
        proven="The kernel lists the server's side no more.",
        clauses=ids("recovery-8", "recovery-17"),
    ),
    Fault(
        name="stalls.dead",
        made="Request, FIN and RST while the child that reads is stopped: it answers somebody who is gone (SIGPIPE).",
        proven="The server's side was in CLOSE_WAIT, and then is listed no more, all before the child goes on.",
        clauses=ids("recovery-8"),
    ),
    Fault(
        name="floods.storm",
        made="Hundreds of clients that connect and close, or reset, at once.",
        proven="The network's counters (PassiveOpens, ListenOverflows) have moved by half as many at least.",
        clauses=ids("recovery-9", "recovery-17"),
    ),
    Fault(
        name="floods.crowd",
        made="More silent clients at once than the backlog holds.",
        proven="As for storm.",
        clauses=ids("recovery-9"),
        undone="closed at the end",
    ),
    Fault(
        name="channel.shut_for_reading",
        made="shutdown(SHUT_RD) on a duplicate of the child's end: K finds nobody (EPIPE, SIGPIPE).",
        proven="That end is at its end of file (POLLRDHUP).",
        clauses=ids("recovery-16"),
        needs=SEAT,
    ),
    Fault(
        name="channel.shut_both_ways",
        made="shutdown(SHUT_RDWR) on a duplicate of the child's end: each sees the other gone, and both live.",
        proven="As for shut_for_reading.",
        clauses=ids("recovery-16"),
        needs=SEAT,
    ),
    Fault(
        name="channel.deaf_parent",
        made="shutdown(SHUT_RD) on a duplicate of the parent's end: C and F find nobody (EPIPE, SIGPIPE).",
        proven="As for shut_for_reading.",
        clauses=ids("recovery-16"),
        needs=SEAT,
    ),
    Fault(
        name="channel.said_to_child",
        made="Words that the parent would not say: K twice.",
        proven="The kernel took them for the child.",
        clauses=ids("recovery-16"),
        needs=SEAT,
    ),
    Fault(
        name="channel.said_to_parent",
        made="Words that the child would not say.",
        proven="The kernel took them for the parent.",
        clauses=(),
        needs=SEAT,
    ),
    Fault(
        name="channel.filled",
        made="While the parent is stopped, C and F in turn, a byte a message, until there is room for one more: the "
        "child's C goes in, and its F does not.",
        proven="By the kernel's account (SIOCOUTQ against SO_SNDBUF), one message fits, and no other.",
        clauses=ids("recovery-12"),
        needs=SEAT,
        undone="the parent reads all of it when it goes on",
    ),
    Fault(
        name="limits.out_of_descriptors",
        made="prlimit sets RLIMIT_NOFILE of running processes to the number of their lowest free descriptor.",
        proven="No lower descriptor is free once the limit stands.",
        needs=OWN,
        clauses=ids("recovery-10"),
        undone="the limit is what it was",
    ),
    Fault(
        name="limits.no_more_processes",
        made="prlimit sets RLIMIT_NPROC of the parent to 1.",
        proven="No child comes while the pool has to grow.",
        clauses=ids("recovery-10"),
        needs="an ordinary user: the limit does not bind root",
        undone="the limit is what it was",
    ),
    Fault(
        name="limits.no_more_memory",
        made="prlimit sets RLIMIT_AS of children to the address space that they have.",
        proven="The limit was taken for a process that lived.",
        needs=OWN,
        clauses=ids("recovery-10"),
        undone="the limit is what it was",
    ),
    Fault(
        name="syscalls.old_kernel",
        made="From the first instruction, epoll_ctl with EPOLLEXCLUSIVE (read from the caller's memory) gets EINVAL.",
        proven="So many were answered; none at all decides nothing.",
        clauses=ids("epoll-6"),
        needs=SECCOMP,
        undone="ends with the launch",
    ),
    Fault(
        name="syscalls.refused",
        made="Chosen system calls get an errno, n times or for a while: accept (ENFILE, ECONNABORTED, EINTR, EMFILE, "
        "EAGAIN), socketpair (ENFILE), fork (EAGAIN, for root).",
        proven="So many were answered; none at all is an error.",
        clauses=ids("recovery-10", "recycle-2"),
        needs=SECCOMP,
        undone="lifted at the end",
    ),
    Fault(
        name="syscalls.killed_at",
        made="Who makes a chosen call gets SIGKILL before it is made: a child that a connection woke, at its accept.",
        proven="So many callers were killed; none in any trial decides nothing.",
        clauses=ids("recovery-14"),
        needs=SECCOMP,
    ),
    Fault(
        name="syscalls.held_back",
        made="A chosen call waits for a while before it is made: the accept of a child that a connection woke.",
        proven="Its caller is known, and waits; a race that could not be lost that way decides nothing.",
        clauses=ids("accept-6", "protocol-1", "protocol-3"),
        needs=SECCOMP,
        undone="made at the end",
    ),
    _on_the_wire(
        "wire_faults.reset_before_accept",
        "Handshakes, each followed by a RST microseconds later.",
        "PassiveOpens grew by so many, resets were counted, and none of the connections is listed.",
        "recovery-8",
        "recovery-9",
    ),
    _on_the_wire(
        "wire_faults.reset_in_request",
        "Half a request and a RST right behind it.",
        "The kernel acknowledged the half, and lists the connection no more.",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.reset_in_reply",
        "A window of one byte, and a RST when the reply's first byte has come.",
        "A byte came, the send queue held more, and is gone.",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.reset_unacknowledged",
        "A RST while the reply is in flight.",
        "Bytes came, the send queue still held them, and is gone.",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.zero_window",
        "A window of zero until the fault is over; then it is opened.",
        "Nothing came, and the send queue holds the reply.",
        "recovery-7",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.unacknowledged",
        "A peer that acknowledges nothing of the reply until the fault is over.",
        "The reply came, and the send queue still holds it.",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.vanished",
        "Half a request, and not a word more; a RST when the fault is over.",
        "The kernel acknowledged the half, and lists the connection.",
        "recovery-7",
    ),
    _on_the_wire(
        "wire_faults.in_single_bytes",
        "A request in segments of one byte.",
        "The kernel took in so many segments (InSegs).",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.out_of_order",
        "A request whose last quarter comes first.",
        "The kernel kept segments until the gap was filled (TCPOFOQueue).",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.repeated",
        "A request each of whose segments comes twice.",
        "The kernel saw data that it had (DelayedACKLost).",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_faults.fin_before_any_byte", "A FIN before any byte.", "The kernel acknowledged it.", "recovery-8"
    ),
    _on_the_wire(
        "wire_faults.data_after_fin",
        "A request, a FIN, and more data behind it.",
        "The kernel took in three segments and acknowledged the FIN.",
        "recovery-8",
    ),
    _on_the_wire(
        "wire_flood.half_open",
        "Thousands of SYNs, each from another host, none of which is completed; reset when the fault is over.",
        "The kernel took in all of them, and keeps half-open connections, sends cookies or drops some.",
        "recovery-9",
    ),
)
