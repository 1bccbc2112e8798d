"""What is explored: a design, which is a choice of rules, and a scope, which is how much happens to it."""

from dataclasses import dataclass
from enum import Enum

from spec.parameters import Parameters


class Victim(Enum):
    """Which of the children that it believes to be idle the parent sheds."""

    ANY = "any idle child"  # what holds of it holds of every choice
    OLDEST = "the oldest idle child"  # as a rule the first in the line, which the next connection wakes
    NEWEST = "the newest idle child"


@dataclass(frozen=True, kw_only=True)
class Design:
    """The rules of a server. As they stand, they are those that are specified; each switch is one way to leave them."""

    one_accept_after_k: bool = True  # accept-5: who has read K tries one accept before it ends
    obeys_k_after_accepting: bool = False  # protocol-6 broken: K ends a busy child too, and drops its client
    listener_first: bool = False  # who finds both a connection and K ready accepts first, and then reads K
    exclusive: bool = True  # EPOLLEXCLUSIVE; else a connection wakes all who sleep (epoll-3)
    level_triggered: bool = True  # else EPOLLET, and still one accept for each return from epoll_wait
    victim: Victim = Victim.ANY


SPECIFIED = Design()


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much happens. `parameters` need a max_children, which bounds the children that exist at the same time.

    Crashes are SIGKILLs of any child at any moment, but for one case. A killed child takes with it the wake-up that it
    has not followed yet, and a design that sleeps in epoll can't know. Only a newborn, who looks at the queue anew,
    makes up for it; so a woken child is killed only where fewer than min_spare others are idle: then a replacement is
    due (recovery-14). `crashes_anywhere` lifts this.
    """

    parameters: Parameters
    clients: int
    crashes: int = 0
    crashes_anywhere: bool = False

    def __str__(self) -> str:
        clients = f"{self.clients} client{'' if self.clients == 1 else 's'}"
        crashes = f", {self.crashes} crash{'' if self.crashes == 1 else 'es'}" if self.crashes else ""
        return f"{self.parameters}, {clients}{crashes}{' anywhere' if self.crashes_anywhere else ''}"
