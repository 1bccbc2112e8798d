"""What the parent knows of its children, and what it concludes. Pure: no system call, no clock."""

from reference_server.channel import CONNECTED, FINISHED
from reference_server.parameters import Parameters

GROWTH_LIMIT = 32  # children spawned in one round, at most

# A child is what it said last. A newborn is as if it had said `F`: not counted before it has served, it would be
# joined by ever more of them. A message that is not due changes nothing, nor does an unknown byte.
BUSY, IDLE = CONNECTED[0], FINISHED[0]
DUE = {IDLE: BUSY, BUSY: IDLE}


class Member:
    """One child, as the parent sees it. A leaving one has been told `K`, has had its N, or has lost its channel."""

    def __init__(self, channel: int) -> None:
        self.channel: int | None = channel
        self.state = IDLE
        self.served = 0
        self.leaving = False


class Pool:
    """The children by pid, oldest first, and by channel; how many are idle; whether that is too few or too many."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.members: dict[int, Member] = {}
        self.by_channel: dict[int, Member] = {}
        self.idle = 0  # those that are leaving do not count
        self.served = 0
        self.step = 1

    def add(self, pid: int, channel: int) -> None:
        """Count a newborn, idle at once."""
        self.members[pid] = self.by_channel[channel] = Member(channel)
        self.idle += 1

    def hear(self, member: Member, messages: bytes) -> None:
        """Follow a child through its messages, one by one: they may come together."""
        for message in messages:
            if message == DUE[member.state]:
                member.state = message
                if not member.leaving:
                    self.idle += 1 if message == IDLE else -1
                if message == IDLE:
                    member.served += 1
                    self.served += 1
                    if member.served == self.parameters.max_connections:
                        self.leave(member)  # by itself; idle until it is gone, it would delay another's birth

    def leave(self, member: Member) -> None:
        """Count a child as idle no more: it ends, or has ended."""
        self.idle -= member.state == IDLE and not member.leaving
        member.leaving = True

    def lose(self, channel: int) -> None:
        """Forget a channel that has come to its end."""
        member = self.by_channel.pop(channel)
        self.leave(member)
        member.channel = None

    def shed(self, count: int) -> list[int]:
        """Choose so many idle children to be told `K`, and return their channels."""
        # The newest: connections wake the first in the line of epolls, so these are the least likely to accept now.
        newest = reversed(self.by_channel.items())
        chosen = [fd for fd, member in newest if member.state == IDLE and not member.leaving][:count]
        for channel in chosen:
            self.leave(self.by_channel[channel])
        return chosen

    def excess(self) -> int:
        """Return how many idle children there are beyond max_spare."""
        return max(0, self.idle - self.parameters.max_spare)

    def lacking(self) -> int:
        """Return how many idle children are missing, as far as max_children leaves room."""
        room = self.parameters.max_children - len(self.members)  # those that are leaving still live
        return max(0, min(self.parameters.min_spare - self.idle, room))

    def births(self) -> int:
        """Return how many to spawn in this round: 1, 2, 4 … 32, from one round to the next, but never too many."""
        births = min(self.lacking(), self.step)
        self.step = min(2 * self.step, GROWTH_LIMIT)
        return births
