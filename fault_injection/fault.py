"""What all faults have in common: two ways not to happen.

A fault proves, by a fact of the kernel's, that it took hold. One that did not is an error of the suite, never a pass;
one that the system refuses leaves its clause undecided.
"""


class DidNotTakeHold(Exception):
    """The fault was made, and the kernel shows no sign of it; the text says what was looked at."""


class FaultRefused(Exception):
    """The system does not let the suite make this fault here; the text says why, and what would help."""
