"""What all faults have in common: two ways not to happen.

A fault proves, by a fact of the kernel's, that it took hold. One that did not is an error of the suite, never a pass;
one that the system refuses leaves its clause undecided.
"""

from spec.clause import ids
from spec.verdict import Decision, Verdict


class DidNotTakeHold(Decision):
    """The fault was made, and the kernel shows no sign of it; the text says what was looked at."""

    verdict = Verdict.ERROR
    # Most faults need a server that does something: forks, accepts, holds a connection in a child.
    rests_on = ids("accept-1", "accept-2", "accept-3", "accept-4")


class Unserved(Exception):
    """What a fault needs of a sound server did not come: a request lay there, and nobody read it."""


class FaultRefused(Exception):
    """The system does not let the suite make this fault here; the text says why, and what would help.

    `whoever`: for no subject at all.
    """

    def __init__(self, text: str, *, whoever: bool = False) -> None:
        super().__init__(text)
        self.whoever = whoever
