"""Which clauses apply to a subject: by the abilities that it claims, and the parameters that its command takes."""

from spec.clause import Clause
from spec.verdict import NotApplicable
from subject.profile import Profile

# What a section is judged by must be known: a server that is not told its bounds can't be held to them.
_TOLD = {"pool": ("min_spare", "max_spare"), "recycle": ("max_connections",)}


def insist_on(profile: Profile, *parameters: str) -> None:
    """Raise NotApplicable where a scene would depend on parameters that the subject is not told."""
    for parameter in parameters:
        if parameter not in profile.placeholders:
            raise NotApplicable(f"the command has no {{{parameter}}}, on which this depends")


def why_not(clause: Clause, profile: Profile) -> str | None:
    """Say why a clause does not apply, or None where it does."""
    for parameter in _TOLD.get(clause.section, ()):
        if parameter not in profile.placeholders:
            return f"the command has no {{{parameter}}}"
    if clause.ability == "max_children":
        return None if "max_children" in profile.placeholders else "the command has no {max_children}"
    if clause.ability is not None and clause.ability not in profile.abilities:
        return f"the profile does not claim the ability {clause.ability!r}"
    return None
