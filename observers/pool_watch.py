"""The pool over time: which process is its parent, which are its children, when each came and went.

The pool's parent is the process whose children hold the listening socket; the process that was launched may be a
wrapper around it. Every sample is one look at each known child by a kept descriptor; new ones are found by the kernel's
list of the parent's children, read *before* the children are looked at, so that a child that was replaced is never
counted beside its replacement.
"""

from collections.abc import Callable, Container, Iterable

from observers import procfs
from observers.procfs import Stat
from observers.sock_diag import SockDiag, TcpSocket
from spec.event import Accepted, Ended, Event, Inode, Pid, Reaped, Spawned, Timeline

# The calls in which a process waits for whatever comes first.
_FOR_NEWS = frozenset(
    {"epoll_wait", "poll", "ppoll", "select", "pselect6", "pause", "rt_sigsuspend", "rt_sigtimedwait"}
)
# Those in which a child waits for a connection, where it is no epoll: in accept, or for its turn there.
_FOR_A_CONNECTION = frozenset({"accept", "recvmsg", "flock", "fcntl", "futex", "semop", "semtimedop"})


class NoPool(Exception):
    """No process of the subject listens on any port."""


def find_parent(root: Pid, listeners: Container[Inode], *, outside: frozenset[Pid]) -> tuple[Pid, bool]:
    """Find the pool's parent among the processes below `root`, those `outside` the subject left out.

    Gives the process most of whose children hold a listening socket, the deepest of equals (a wrapper has one such
    child, the parent); and True. Where nobody's children hold one, gives the process that does, and False.
    Raises NoPool.
    """
    family = [pid for pid in procfs.descendants(root) if pid not in outside]
    holders = [pid for pid in family if any(inode in listeners for inode in procfs.socket_inodes(pid))]
    if not holders:
        raise NoPool
    parents = [procfs.look(pid).parent for pid in holders]
    depth = {pid: place for place, pid in enumerate(family)}  # parents come before their children
    known = [pid for pid in parents if pid in depth]
    if not known:
        return holders[0], False
    return max(known, key=lambda pid: (known.count(pid), depth[pid])), True


def _nothing() -> None:
    """Stand in where nobody has anything to do."""


class PoolWatch:
    """Writes the timeline of one pool. `clock` gives seconds since the launch."""

    def __init__(self, root: Pid, *, outside: frozenset[Pid], diag: SockDiag, clock: Callable[[], float]) -> None:
        self._root = root
        self._outside = outside
        self._diag = diag
        self._clock = clock
        self._known: dict[Pid, Stat] = {}
        self._ended: set[Pid] = set()
        self._reaped: set[Pid] = set()  # of these, those that are not listed any more: their pids may come again
        self._ready: set[Pid] = set()  # children that were seen to wait for work, or to have some
        self._strangers: set[Pid] = set()
        self._events: list[Event] = []
        self._faults = -1
        self._parent_stat: Stat | None = None
        self.before_ends: Callable[[], None] = _nothing
        self.parent = Pid(0)
        self.parent_ended = False
        self.children_hold_listener = False
        self.listeners: dict[Inode, TcpSocket] = {}

    def find(self, port: int) -> bool:
        """Find (again) who listens on the port and who is the pool's parent; False while nobody does.

        A parent that turns out to be another one starts the timeline anew: what was seen was a wrapper's.
        """
        self.listeners = {each.inode: each for each in self._diag.listening() if each.port == port}
        try:
            parent, self.children_hold_listener = find_parent(self._root, self.listeners, outside=self._outside)
        except NoPool:
            return False
        if parent != self.parent:
            self.close()
            self.parent = parent
            self._parent_stat = Stat(parent)
            self._known, self._ended, self._reaped, self._ready = {}, set(), set(), set()
            self._events, self._faults = [], -1
        self.sample()
        return True

    def find_another(self, port: int) -> bool:
        """Look whether another process is the pool's parent by now, and turn to it; False where there is none."""
        listeners = {each.inode for each in self._diag.listening() if each.port == port}
        try:
            parent, with_children = find_parent(self._root, listeners, outside=self._outside)
        except NoPool:
            return False
        return with_children and parent != self.parent and not procfs.look(parent).ended and self.find(port)

    def sample(self) -> None:
        """Look at the parent and every child once; writes who came and who went."""
        listed = procfs.children(self.parent)
        now = self._clock()
        ended = [pid for pid, stat in self._known.items() if pid not in self._ended and stat.look().ended]
        if ended:
            # What these did before they ended is there to be seen by now, and comes before their ends.
            self.before_ends()
        # Ends are written first: a replacement in the list was spawned after the end of the one that it replaces.
        for pid in ended:
            self._ended.add(pid)
            self._known[pid].close()
            self._events.append(Ended(now, pid))
        for pid in listed:
            if pid in self._reaped:
                self._forget(pid)
            if pid not in self._known:
                stat = Stat(pid)
                self._known[pid] = stat
                if stat.look().ended:
                    self._ended.add(pid)  # a zombie at first sight: it was never seen live
                else:
                    self._events.append(Spawned(now, pid))
        self._reaped |= self._ended.difference(listed)
        if self._parent_stat is not None:
            self.parent_ended = self._parent_stat.look().ended

    def _forget(self, pid: Pid) -> None:
        """Let a pid be another child's: the kernel gives them again, after some ten thousand others."""
        self._known.pop(pid)
        self._ended.discard(pid)
        self._reaped.discard(pid)
        self._ready.discard(pid)
        self._strangers.discard(pid)

    def leave_out_helpers(self) -> bool:
        """Tell apart the parent's children that do not hold the listening socket: they are no part of the pool.

        A newborn of the pool has it from its parent, or opens one of its own soon. True where one was found that was
        not known before.
        """
        # Whoever has no parent any more is on its way out, and lets go of the socket first.
        if not self.children_hold_listener or self.parent_ended:
            return False
        accepted = {event.pid for event in self._events if isinstance(event, Accepted)}
        helpers = {pid for pid in self._known.keys() - self._ended - accepted if self._is_helper(pid)}
        found = helpers - self._strangers
        self._strangers = helpers | (self._strangers & self._ended)
        return bool(found)

    def _is_helper(self, pid: Pid) -> bool:
        try:
            return procfs.socket_inodes(pid).isdisjoint(self.listeners) and not procfs.look(pid).ended
        except PermissionError:
            return False

    def write(self, event: Event) -> None:
        """Put an event of somebody else's on the timeline."""
        self._events.append(event)
        if isinstance(event, Accepted):
            self._ready.add(event.pid)

    def watch_reaping(self) -> None:
        """Note the page faults of the parent's dead: they grow with every child that it reaps."""
        self._faults = self._reaped_faults()

    def has_reaped(self) -> bool:
        """Tell whether the parent has reaped anybody since `watch_reaping`, and write it."""
        if self._faults < 0 or self._reaped_faults() == self._faults:
            return False
        self._faults = self._reaped_faults()
        self._events.append(Reaped(self._clock()))
        return True

    def parent_waits_for_news(self) -> bool:
        """Tell whether the parent sleeps where any news would wake it, and not in the middle of something.

        One that waits for a newborn to be ready, or takes a nap between two births, has not done all that it means to.
        Raises PermissionError where the system refuses to show system calls.
        """
        if self._parent_stat is None or not self._parent_stat.look().asleep:
            return False
        if not procfs.calls_are_known():
            return True
        calls = procfs.waiting_calls(self.parent)
        # Of several threads none may be at work: one that always waits for signals says nothing of the others.
        at_work = any(call == "running" or call.startswith("system call") for call in calls)
        return bool(calls & _FOR_NEWS) and not at_work

    def child_waits(self, pid: Pid) -> bool:
        """Tell whether a child sleeps, and not in its first steps: it waited for work before, or does now; or is gone.

        A newborn may sleep for other things before it has all that it needs. Raises as `parent_waits_for_news` does.
        """
        look = procfs.look(pid)
        if look.asleep and pid not in self._ready:
            if procfs.calls_are_known() and not procfs.waiting_calls(pid) & (_FOR_NEWS | _FOR_A_CONNECTION):
                return False
            self._ready.add(pid)
        return look.asleep or look.ended

    def take_for_ready(self, children: Iterable[Pid]) -> None:
        """Note that what these children sleep in is their way to wait, whatever it is."""
        self._ready.update(children)

    def _reaped_faults(self) -> int:
        return -1 if self._parent_stat is None else self._parent_stat.look().reaped_faults

    @property
    def live(self) -> list[Pid]:
        """The live children of the last sample, in the order of their first sighting."""
        return [pid for pid in self._known if pid not in self._ended and pid not in self._strangers]

    def zombies(self) -> list[Pid]:
        """Give the ended children that the parent has not reaped, now."""
        return [pid for pid in procfs.children(self.parent) if procfs.look(pid).zombie]

    def timeline(self) -> Timeline:
        """Give all that was written, in order, without the helpers' comings and goings."""
        return Timeline(
            tuple(
                event
                for event in self._events
                if not (isinstance(event, Spawned | Ended) and event.pid in self._strangers)
            )
        )

    def close(self) -> None:
        """Let go of all kept descriptors."""
        for stat in self._known.values():
            stat.close()
        if self._parent_stat is not None:
            self._parent_stat.close()
